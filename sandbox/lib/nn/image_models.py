"""Ready networks for colour images of 32x32: ResNet (residual blocks) and a VGG-like one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.errors import ArgumentError
from ..core.validate import positive_int
from . import init
from .activation import ReLU
from .containers import Sequential
from .convolution import Conv2d
from .dropout import Dropout
from .graph import Graph
from .linear import Linear
from .node import Input
from .normalization import BatchNorm
from .pairwise import Add
from .pooling import GlobalAvgPool2d, MaxPool2d
from .shape import Flatten


def resnet(
    depth: int, rng: init.Rng = None, *, channels: int = 3, classes: int = 10, width: int = 16
) -> Graph:
    """Build a residual network for small images.

    Parameters
    ----------
    depth : int
        Layers with weights, 6n + 2: 20, 32, 44, 56 ...
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : int > 0
        Channels of the first stage; the second and third have 2 and 4 times as many.

    Shapes
    ------
    input : (batch, channels, 32, 32) float32; other even sizes work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `depth` is not 6n + 2.

    Notes
    -----
    Three stages of n blocks: two 3x3 convolutions with batch norm and a shortcut around them, which
    between stages is a 1x1 convolution with batch norm. Source: He et al. 2016, section 4.2 (option
    B). Recipe: SGD with momentum 0.9, weight decay 1e-4, learning rate 0.1.

    Examples
    --------
    >>> import numpy as np
    >>> model = resnet(8, 0, width=8)
    >>> model(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    if positive_int("depth", depth) < 8 or (depth - 2) % 6:
        raise ArgumentError(f"`depth` must be 6n + 2 (8, 14, 20, 32, ...); got {depth!r}.")
    rng = init.generator(rng)
    image = Input("image")
    x = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng, name="conv")(image)
    x = ReLU(name="relu")(BatchNorm(width, name="bn")(x))
    before = width
    for stage in range(3):
        for block in range((depth - 2) // 6):
            after = width << stage
            stride = 2 if stage and not block else 1
            x = _block(x, before, after, stride, f"{stage + 1}_{block + 1}", rng)
            before = after
    x = Flatten(name="flatten")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


def _block(x: Any, before: int, after: int, stride: int, label: str, rng: Any) -> Any:
    """Add a residual block to a graph."""

    def conv(inputs: int, size: int, step: int, name: str) -> Conv2d:
        padding = size // 2
        return Conv2d(
            inputs, after, size, stride=step, padding=padding, bias=False, rng=rng, name=name
        )

    y = BatchNorm(after, name=f"bn{label}a")(conv(before, 3, stride, f"conv{label}a")(x))
    y = ReLU(name=f"relu{label}a")(y)
    y = BatchNorm(after, name=f"bn{label}b")(conv(after, 3, 1, f"conv{label}b")(y))
    if stride != 1 or before != after:
        x = BatchNorm(after, name=f"bn{label}s")(conv(before, 1, stride, f"conv{label}s")(x))
    return ReLU(name=f"relu{label}b")(Add(name=f"add{label}")(y, x))


def resnet20(rng: init.Rng = None) -> Graph:
    """Build ResNet-20 for colour images 32x32.

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
    272,474 parameters. Source: He et al. 2016, section 4.2. See `resnet` for other depths.

    Examples
    --------
    >>> import numpy as np
    >>> resnet20(0)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    return resnet(20, rng)


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
