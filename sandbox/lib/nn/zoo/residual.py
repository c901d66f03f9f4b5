"""Ready residual networks for large images: ResNet-18, 34, 50 and 101."""

from __future__ import annotations

from typing import Any

from ...core.validate import positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..normalization.statistics import BatchNorm
from ..pooling import GlobalAvgPool2d, MaxPool2d
from ..table.pairwise import Add

# He et al., table 1: blocks of the four stages.
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def resnet18(
    rng: init.Rng = None, *, channels: int = 3, classes: int = 1000, width: int = 64
) -> Graph:
    """Build ResNet-18 for large images; the arguments are those of `resnet50`.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Notes
    -----
    11,689,512 parameters. Stages of 2, 2, 2 and 2 blocks of two 3x3 convolutions.
    Source: He et al. 2016, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> resnet18(0, width=4, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _large(18, rng, channels, classes, width)


def resnet34(
    rng: init.Rng = None, *, channels: int = 3, classes: int = 1000, width: int = 64
) -> Graph:
    """Build ResNet-34 for large images; the arguments are those of `resnet50`.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Notes
    -----
    21,797,672 parameters. Stages of 3, 4, 6 and 3 blocks of two 3x3 convolutions.
    Source: He et al. 2016, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> resnet34(0, width=4, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _large(34, rng, channels, classes, width)


def resnet50(
    rng: init.Rng = None, *, channels: int = 3, classes: int = 1000, width: int = 64
) -> Graph:
    """Build ResNet-50 for large images.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    width : int > 0
        Channels of the first stage inside its blocks; each stage has twice as many as the one
        before, and 4 times as many between the blocks.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Notes
    -----
    25,557,032 parameters. Stages of 3, 4, 6 and 3 bottlenecks: convolutions 1x1, 3x3 and 1x1. The
    3x3 one has the stride, as in torchvision and Goyal et al. 2017 (it was the first 1x1 one).
    Source: He et al. 2016, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> resnet50(0, width=4, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _large(50, rng, channels, classes, width)


def resnet101(
    rng: init.Rng = None, *, channels: int = 3, classes: int = 1000, width: int = 64
) -> Graph:
    """Build ResNet-101 for large images; the arguments are those of `resnet50`.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes work as well
    output : (batch, classes) logits

    Notes
    -----
    44,549,160 parameters. Stages of 3, 4, 23 and 3 bottlenecks, see `resnet50`.
    Source: He et al. 2016, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> resnet101(0, width=2, classes=7)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    return _large(101, rng, channels, classes, width)


def _large(depth: int, rng: init.Rng, channels: int, classes: int, width: int) -> Graph:
    """Build a network of a depth of the table: of bottlenecks from 50 layers on."""
    width, rng = positive_int("width", width), init.generator(rng)
    add = _bottleneck if depth >= 50 else block
    image = Input("image")
    x = Conv2d(channels, width, 7, stride=2, padding=3, bias=False, rng=rng, name="conv")(image)
    x = ReLU(name="relu")(BatchNorm(width, name="bn")(x))
    x = MaxPool2d(3, stride=2, padding=1, name="max_pool")(x)
    before = width
    for stage, blocks in enumerate(_STAGES[depth]):
        for number in range(blocks):
            stride = 2 if stage and not number else 1
            x = add(x, before, width << stage, stride, f"{stage + 1}_{number + 1}", rng)
            before = (width << stage) * (4 if depth >= 50 else 1)
    x = GlobalAvgPool2d(name="pool")(x)
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


def block(x: Any, before: int, after: int, stride: int, label: str, rng: Any) -> Any:
    """Add a residual block of two convolutions to a graph."""

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


def _bottleneck(x: Any, before: int, inside: int, stride: int, label: str, rng: Any) -> Any:
    """Add a residual block of three convolutions to a graph."""
    after, shortcut = 4 * inside, x
    for part, inputs, outputs, size, step in (
        ("a", before, inside, 1, 1),
        ("b", inside, inside, 3, stride),
        ("c", inside, after, 1, 1),
    ):
        x = Conv2d(
            *(inputs, outputs, size),
            stride=step,
            padding=size // 2,
            bias=False,
            rng=rng,
            name=f"conv{label}{part}",
        )(x)
        x = BatchNorm(outputs, name=f"bn{label}{part}")(x)
        if part != "c":
            x = ReLU(name=f"relu{label}{part}")(x)
    if stride != 1 or before != after:
        name = f"conv{label}s"
        shortcut = Conv2d(before, after, 1, stride=stride, bias=False, rng=rng, name=name)(shortcut)
        shortcut = BatchNorm(after, name=f"bn{label}s")(shortcut)
    return ReLU(name=f"relu{label}c")(Add(name=f"add{label}")(x, shortcut))
