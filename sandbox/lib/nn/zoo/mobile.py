"""Ready networks that are small enough for a phone: MobileNet 1 and 2, SqueezeNet."""

from __future__ import annotations

from typing import Any

from ...core.validate import one_of, positive
from .. import init
from ..activation.clipped import ReLU6
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..noise.dropout import Dropout
from ..normalization.statistics import BatchNorm
from ..pooling import GlobalAvgPool2d, MaxPool2d
from ..table.merge import Concat
from ..table.pairwise import Add

# Sandler et al., table 2: expansion, channels, blocks, stride of the first one.
_INVERTED = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


# Howard et al., table 1: channels and stride of the blocks.
_SEPARABLE = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet_v1(
    rng: init.Rng = None, *, channels: int = 3, classes: int = 1000, width: float = 1.0
) -> Graph:
    """Build MobileNet: each 3x3 convolution is one by channel, and then one of 1x1.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : float > 0
        All channels are multiplied by it and rounded to multiples of 8.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `width` is not positive.

    Notes
    -----
    4,231,976 parameters. Source: Howard et al. 2017, with the ReLU6 of the authors' network.

    Examples
    --------
    >>> import numpy as np
    >>> mobilenet_v1(0, width=0.25, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    factor, rng = positive("width", width), init.generator(rng)
    image = Input("image")
    before = _rounded(32 * factor)
    x = _convolution(image, channels, before, 3, 2, 1, "1", rng)
    for number, (size, stride) in enumerate(_SEPARABLE, start=2):
        after = _rounded(size * factor)
        x = _convolution(x, before, before, 3, stride, before, f"{number}a", rng)
        x = _convolution(x, before, after, 1, 1, 1, f"{number}b", rng)
        before = after
    return Graph(
        image, Linear(before, classes, rng=rng, name="fc")(GlobalAvgPool2d(name="pool")(x))
    )


def mobilenet_v2(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    width: float = 1.0,
    p: float = 0.2,
) -> Graph:
    """Build MobileNetV2: inverted residual blocks of depthwise convolutions.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : float > 0
        All channels are multiplied by it and rounded to multiples of 8.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : `width` is not positive.

    Notes
    -----
    3,504,872 parameters. A block widens its input by a 1x1 convolution, filters each channel by
    itself and makes it narrow again, without an activation at the end, where it is added to the
    input if it has its shape. Source: Sandler et al. 2018.

    Examples
    --------
    >>> import numpy as np
    >>> mobilenet_v2(0, width=0.25, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    factor, rng = positive("width", width), init.generator(rng)
    image = Input("image")
    before = _rounded(32 * factor)
    x = _convolution(image, channels, before, 3, 2, 1, "1", rng)
    number = 1
    for expansion, size, blocks, first in _INVERTED:
        after = _rounded(size * factor)
        for stride in (first, *(1,) * (blocks - 1)):
            number += 1
            x = _inverted(x, before, expansion * before, after, stride, str(number), rng)
            before = after
    last = _rounded(1280 * max(1.0, factor))
    x = _convolution(x, before, last, 1, 1, 1, str(number + 1), rng)
    x = Dropout(p, name="dropout")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(last, classes, rng=rng, name="fc")(x))


def _rounded(channels: float) -> int:
    """Give the nearest multiple of 8 that is not less than 90 % of it, as the paper's code does."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def _convolution(
    x: Any,
    before: int,
    after: int,
    size: int,
    stride: int,
    groups: int,
    label: str,
    rng: Any,
    *,
    straight: bool = False,
) -> Any:
    """Add convolution, batch norm and ReLU6, the last unless the block is straight."""
    x = Conv2d(
        *(before, after, size),
        stride=stride,
        padding=size // 2,
        groups=groups,
        bias=False,
        rng=rng,
        name=f"conv{label}",
    )(x)
    x = BatchNorm(after, name=f"bn{label}")(x)
    return x if straight else ReLU6(name=f"relu{label}")(x)


def _inverted(
    x: Any, before: int, inside: int, after: int, stride: int, label: str, rng: Any
) -> Any:
    """Add an inverted residual block to a graph."""
    y = x
    if inside != before:
        y = _convolution(y, before, inside, 1, 1, 1, f"{label}a", rng)
    y = _convolution(y, inside, inside, 3, stride, inside, f"{label}b", rng)
    y = _convolution(y, inside, after, 1, 1, 1, f"{label}c", rng, straight=True)
    return Add(name=f"add{label}")(y, x) if stride == 1 and before == after else y


def squeezenet(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    p: float = 0.5,
    version: str = "1.1",
) -> Sequential:
    """Build SqueezeNet: fire modules, which see a few squeezed channels by 1x1 and by 3x3.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    p : float in [0, 1)
        Dropout before the last convolution, which is the classifier.
    version : "1.0" or "1.1"
        1.1 is as accurate with 2.4 times less computation: its first convolution is smaller and
        its pools come earlier.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes from 17 (1.0: 21) work as well
    output : (batch, classes) logits, none of them negative (there is a ReLU, as in the paper)

    Raises
    ------
    ArgumentError : there is no such version.

    Notes
    -----
    1,235,496 parameters; version 1.0: 1,248,424. Pools keep the last odd pixel, as Caffe does.
    Source: Iandola et al. 2016, and the authors' SqueezeNet 1.1.

    Examples
    --------
    >>> import numpy as np
    >>> squeezenet(0, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    version, rng = one_of("version", version, ("1.0", "1.1")), init.generator(rng)
    before, size, pools = (64, 3, (2, 4, 6)) if version == "1.1" else (96, 7, (2, 5, 9))
    first = Conv2d(channels, before, size, stride=2, rng=rng)
    modules: dict[str, Any] = {"conv1": first, "relu1": ReLU()}
    for number, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if number in pools:
            modules[f"pool{number - 1}"] = MaxPool2d(3, stride=2, padding=((0, 1), (0, 1)))
        modules[f"fire{number}"] = _fire(before, squeezed, 4 * squeezed, rng)
        before = 8 * squeezed
    modules["dropout"] = Dropout(p)
    modules["conv10"] = Conv2d(before, classes, 1, rng=rng)
    modules["relu10"] = ReLU()
    modules["pool10"] = GlobalAvgPool2d()
    return Sequential(**modules)


def _fire(before: int, squeezed: int, expanded: int, rng: Any) -> Graph:
    """Build a fire module: 1x1 convolutions, then 1x1 and 3x3 ones side by side."""
    image = Input()
    x = ReLU(name="relu")(Conv2d(before, squeezed, 1, rng=rng, name="squeeze")(image))
    sides = [
        ReLU(name=f"relu{size}")(
            Conv2d(squeezed, expanded, size, padding=size // 2, rng=rng, name=f"expand{size}")(x)
        )
        for size in (1, 3)
    ]
    return Graph(image, Concat(name="join")(*sides))
