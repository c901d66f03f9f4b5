"""VGG for large images: 3x3 convolutions, halved five times; and AlexNet before it."""

from __future__ import annotations

from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import boolean, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..noise.dropout import Dropout
from ..normalization.statistics import BatchNorm
from ..pooling import MaxPool2d
from ..shape.views import Flatten

# Simonyan, Zisserman, table 1: convolutions of the five stages.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg11(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    image: int = 224,
    width: int = 64,
    features: int = 4096,
    p: float = 0.5,
    batch_norm: bool = False,
) -> Sequential:
    """Build VGG-11 for large images; the arguments are those of `vgg16`.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : the image is too small to be halved five times.

    Notes
    -----
    132,863,336 parameters. Configuration A. Source: Simonyan, Zisserman 2015, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> model = vgg11(0, image=32, width=4, features=8, classes=7, batch_norm=True)
    >>> model(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _vgg(11, rng, channels, classes, image, width, features, p, batch_norm)


def vgg13(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    image: int = 224,
    width: int = 64,
    features: int = 4096,
    p: float = 0.5,
    batch_norm: bool = False,
) -> Sequential:
    """Build VGG-13 for large images; the arguments are those of `vgg16`.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : the image is too small to be halved five times.

    Notes
    -----
    133,047,848 parameters. Configuration B. Source: Simonyan, Zisserman 2015, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> model = vgg13(0, image=32, width=4, features=8, classes=7, batch_norm=True)
    >>> model(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _vgg(13, rng, channels, classes, image, width, features, p, batch_norm)


def vgg16(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    image: int = 224,
    width: int = 64,
    features: int = 4096,
    p: float = 0.5,
    batch_norm: bool = False,
) -> Sequential:
    """Build VGG-16 for large images.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    image : int >= 32
        Height and width of the images, in pixels: the size of the first fully connected layer
        follows from it.
    width : int > 0
        Channels of the first stage; the others have 2, 4, 8 and 8 times as many.
    features : int > 0
        Width of the two fully connected layers.
    p : float in [0, 1)
        Dropout behind each of them.
    batch_norm : bool
        Whether batch norm stands behind each convolution, which then has no bias.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : the image is too small to be halved five times.

    Notes
    -----
    138,357,544 parameters, of which 102,764,544 are in the first fully connected layer.
    Configuration D. Source: Simonyan, Zisserman 2015, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> vgg16(0, image=32, width=4, features=8, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _vgg(16, rng, channels, classes, image, width, features, p, batch_norm)


def vgg19(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    image: int = 224,
    width: int = 64,
    features: int = 4096,
    p: float = 0.5,
    batch_norm: bool = False,
) -> Sequential:
    """Build VGG-19 for large images; the arguments are those of `vgg16`.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : the image is too small to be halved five times.

    Notes
    -----
    143,667,240 parameters. Configuration E. Source: Simonyan, Zisserman 2015, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> model = vgg19(0, image=32, width=4, features=8, classes=7, batch_norm=True)
    >>> model(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _vgg(19, rng, channels, classes, image, width, features, p, batch_norm)


def _vgg(
    depth: int,
    rng: init.Rng,
    channels: int,
    classes: int,
    image: int,
    width: int,
    features: int,
    p: float,
    batch_norm: bool,
) -> Sequential:
    if positive_int("image", image) < 32:
        raise ArgumentError(f"`image` must be >= 32, as it is halved five times; got {image!r}.")
    width, batch_norm = positive_int("width", width), boolean("batch_norm", batch_norm)
    rng = init.generator(rng)
    modules: dict[str, Any] = {}
    before = channels
    for stage, layers in enumerate(_STAGES[depth], start=1):
        after = width * min(1 << (stage - 1), 8)
        for layer in "abcd"[:layers]:
            label = f"{stage}{layer}"
            bias = not batch_norm
            modules[f"conv{label}"] = Conv2d(before, after, 3, padding=1, bias=bias, rng=rng)
            if batch_norm:
                modules[f"bn{label}"] = BatchNorm(after)
            modules[f"relu{label}"] = ReLU()
            before = after
        modules[f"pool{stage}"] = MaxPool2d(2)
    _classify(modules, before * (image // 32) ** 2, features, classes, p, rng)
    return Sequential(**modules)


def _classify(
    modules: dict[str, Any], inputs: int, features: int, classes: int, p: float, rng: Any
) -> None:
    """Add two wide layers with dropout and the classifier."""
    modules["flatten"] = Flatten()
    before = inputs
    for number in (6, 7):
        modules[f"fc{number}"] = Linear(before, features, rng=rng)
        modules[f"relu{number}"] = ReLU()
        modules[f"dropout{number}"] = Dropout(p)
        before = features
    modules["fc8"] = Linear(before, classes, rng=rng)


def alexnet(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    image: int = 224,
    width: int = 64,
    features: int = 4096,
    p: float = 0.5,
) -> Sequential:
    """Build AlexNet in its form for one device.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    image : int >= 63
        Height and width of the images, in pixels.
    width : int > 0
        Channels of the first convolution; the others have 3, 6, 4 and 4 times as many.
    features : int > 0
        Width of the two fully connected layers.
    p : float in [0, 1)
        Dropout behind each of them.

    Shapes
    ------
    input : (batch, channels, image, image) float32
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : nothing would be left of the image behind the last pool.

    Notes
    -----
    61,100,840 parameters. Without local response normalisation, and dropout behind the wide layers.
    Source: Krizhevsky, Sutskever, Hinton 2012; the widths are those of Krizhevsky 2014 ("one weird
    trick"), as in torchvision.

    Examples
    --------
    >>> import numpy as np
    >>> alexnet(0, image=63, width=4, features=8, classes=7)(np.zeros((2, 3, 63, 63), "f4")).shape
    (2, 7)
    """
    side = (positive_int("image", image) - 7) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    if side < 1:
        raise ArgumentError(f"`image` must be >= 63 to have pixels left; got {image!r}.")
    width, rng = positive_int("width", width), init.generator(rng)
    modules: dict[str, Any] = {}
    before = channels
    for number, (times, size) in enumerate(((1, 11), (3, 5), (6, 3), (4, 3), (4, 3)), start=1):
        after, stride = times * width, 4 if number == 1 else 1
        padding = 2 if number == 1 else size // 2
        modules[f"conv{number}"] = Conv2d(
            before, after, size, stride=stride, padding=padding, rng=rng
        )
        modules[f"relu{number}"] = ReLU()
        if number in (1, 2, 5):
            modules[f"pool{number}"] = MaxPool2d(3, stride=2)
        before = after
    _classify(modules, before * side * side, features, classes, p, rng)
    return Sequential(**modules)
