"""Ready networks for colour images, one layer after the other: VGG and a small one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import integers
from .. import init
from ..activation.elementwise import ReLU
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..noise.dropout import Dropout
from ..normalization.statistics import BatchNorm
from ..pooling import GlobalAvgPool2d, MaxPool2d
from ..shape.views import Flatten


def cifar_net(rng: init.Rng = None) -> Sequential:
    """Build a small network for colour images with batch norm and dropout.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.

    Shapes
    ------
    input : (batch, 3, 32, 32) float32
    output : (batch, 10) logits

    Notes
    -----
    Three stages of convolution, batch norm, ReLU and pooling, as in Simonyan, Zisserman 2015 but
    small, and a mean over the image before the classifier (Lin et al. 2014).

    Examples
    --------
    >>> import numpy as np
    >>> cifar_net(0)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    rng = init.generator(rng)
    modules: dict[str, Any] = {}
    channels = 3
    for stage, width in enumerate((32, 64, 128), start=1):
        # No bias: the batch norm behind it would take it away again.
        modules[f"conv{stage}"] = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng)
        modules[f"bn{stage}"] = BatchNorm(width)
        modules[f"relu{stage}"] = ReLU()
        if stage < 3:
            modules[f"pool{stage}"] = MaxPool2d(2)
        channels = width
    modules["pool3"] = GlobalAvgPool2d()
    modules["dropout"] = Dropout(0.25)
    modules["fc"] = Linear(channels, 10, rng=rng)
    return Sequential(**modules)


def vgg(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 10,
    widths: Sequence[int] = (64, 128, 256),
    features: int = 256,
    p: float = 0.5,
) -> Sequential:
    """Build a network like VGG for small images: pairs of 3x3 convolutions, then pooling.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    widths : sequence of int > 0
        Channels of each stage; each stage halves the image.
    features : int > 0
        Width of the fully connected layer.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, channels, 32, 32) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : there is no width, or more than the image can be halved.

    Notes
    -----
    Without batch norm, as the original. Source: Simonyan, Zisserman 2015.

    Examples
    --------
    >>> import numpy as np
    >>> vgg(0, widths=(8, 16))(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    widths = integers("widths", widths, "a list of ints > 0", 1)
    if not 1 <= len(widths) <= 5:
        raise ArgumentError(f"`widths` must hold 1 to 5 stages; got {len(widths)}.")
    rng = init.generator(rng)
    modules: dict[str, Any] = {}
    before = channels
    for stage, after in enumerate(widths, start=1):
        for part in "ab":
            modules[f"conv{stage}{part}"] = Conv2d(before, after, 3, padding=1, rng=rng)
            modules[f"relu{stage}{part}"] = ReLU()
            before = after
        modules[f"pool{stage}"] = MaxPool2d(2)
    side = 32 >> len(widths)
    modules["flatten"] = Flatten()
    modules["fc1"] = Linear(before * side * side, features, rng=rng)
    modules["relu"] = ReLU()
    modules["dropout"] = Dropout(p)
    modules["fc2"] = Linear(features, classes, rng=rng)
    return Sequential(**modules)
