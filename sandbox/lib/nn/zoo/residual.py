"""Ready networks of residual blocks: ResNet for small and for large images."""

from __future__ import annotations

from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..normalization.statistics import BatchNorm
from ..pooling import GlobalAvgPool2d, MaxPool2d
from ..shape.views import Flatten
from ..table.pairwise import Add


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
    width, rng = positive_int("width", width), init.generator(rng)
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
    width, rng = positive_int("width", width), init.generator(rng)
    image = Input("image")
    x = Conv2d(channels, width, 7, stride=2, padding=3, bias=False, rng=rng, name="conv")(image)
    x = ReLU(name="relu")(BatchNorm(width, name="bn")(x))
    x = MaxPool2d(3, stride=2, padding=1, name="max_pool")(x)
    before = width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            label = f"{stage + 1}_{block + 1}"
            x = _bottleneck(x, before, width << stage, stride, label, rng)
            before = 4 * width << stage
    x = GlobalAvgPool2d(name="pool")(x)
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


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
