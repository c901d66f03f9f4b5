"""Ready residual networks for small images: ResNet of 6n + 2 layers, and with pre-activation."""

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
from ..pooling import GlobalAvgPool2d
from ..shape.views import Flatten
from ..table.pairwise import Add
from .residual import block


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
    blocks = _blocks(depth)
    width, rng = positive_int("width", width), init.generator(rng)
    image = Input("image")
    x = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng, name="conv")(image)
    x = ReLU(name="relu")(BatchNorm(width, name="bn")(x))
    before = width
    for stage in range(3):
        for number in range(blocks):
            after = width << stage
            stride = 2 if stage and not number else 1
            x = block(x, before, after, stride, f"{stage + 1}_{number + 1}", rng)
            before = after
    x = Flatten(name="flatten")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


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


def _blocks(depth: int) -> int:
    """Return the blocks of each of three stages."""
    if positive_int("depth", depth) < 8 or (depth - 2) % 6:
        raise ArgumentError(f"`depth` must be 6n + 2 (8, 14, 20, 32, ...); got {depth!r}.")
    return (depth - 2) // 6


def preact_resnet(
    depth: int, rng: init.Rng = None, *, channels: int = 3, classes: int = 10, width: int = 16
) -> Graph:
    """Build a residual network with pre-activation: batch norm and ReLU before convolutions.

    Parameters
    ----------
    depth : int
        Layers with weights, 6n + 2: 20, 56, 110 ...
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
    Nothing but additions lies on the way from a block's input to the last one, so networks of
    hundreds of layers learn. Where a stage begins, the shortcut is a 1x1 convolution of the
    activated input. Source: He et al. 2016, "Identity Mappings in Deep Residual Networks".

    Examples
    --------
    >>> import numpy as np
    >>> preact_resnet(8, 0, width=8)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    blocks = _blocks(depth)
    width, rng = positive_int("width", width), init.generator(rng)
    image = Input("image")
    x = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng, name="conv")(image)
    before = width
    for stage in range(3):
        for number in range(blocks):
            after, label = width << stage, f"{stage + 1}_{number + 1}"
            x = _preactivated(x, before, after, 2 if stage and not number else 1, label, rng)
            before = after
    x = ReLU(name="relu")(BatchNorm(before, name="bn")(x))
    x = Flatten(name="flatten")(GlobalAvgPool2d(name="pool")(x))
    return Graph(image, Linear(before, classes, rng=rng, name="fc")(x))


def _preactivated(x: Any, before: int, after: int, stride: int, label: str, rng: Any) -> Any:
    """Add a residual block to a graph, whose convolutions come last."""

    def conv(inputs: int, size: int, step: int, part: str) -> Conv2d:
        sizes = (inputs, after, size)
        name, padding = f"conv{label}{part}", size // 2
        return Conv2d(*sizes, stride=step, padding=padding, bias=False, rng=rng, name=name)

    y = ReLU(name=f"relu{label}a")(BatchNorm(before, name=f"bn{label}a")(x))
    if stride != 1 or before != after:
        x = conv(before, 1, stride, "s")(y)
    y = conv(before, 3, stride, "a")(y)
    y = ReLU(name=f"relu{label}b")(BatchNorm(after, name=f"bn{label}b")(y))
    return Add(name=f"add{label}")(conv(after, 3, 1, "b")(y), x)
