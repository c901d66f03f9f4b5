"""U-Net: a class for each pixel."""

from __future__ import annotations

from typing import Any

from ...core.validate import boolean, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..convolution.transposed import ConvTranspose2d
from ..node import Input
from ..normalization.statistics import BatchNorm
from ..pooling import MaxPool2d
from ..table.merge import Concat


def unet(
    rng: init.Rng = None,
    *,
    channels: int = 1,
    classes: int = 2,
    width: int = 64,
    depth: int = 4,
    batch_norm: bool = False,
) -> Graph:
    """Build U-Net: down to small maps of many channels and up again, with shortcuts across.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes of a pixel.
    width : int > 0
        Channels at full size; each halving of the map doubles them.
    depth : int > 0
        How often the map is halved.
    batch_norm : bool
        Whether batch norm stands behind each 3x3 convolution, which then has no bias.

    Shapes
    ------
    input : (batch, channels, height, width) float32, both sizes multiples of 2^depth
    output : (batch, classes, height, width) logits

    Notes
    -----
    23 convolutions and 31,030,658 parameters. Convolutions are padded, so that the output has the
    input's size (the paper's lose 184 pixels). Source: Ronneberger, Fischer, Brox 2015, figure 1.

    Examples
    --------
    >>> import numpy as np
    >>> unet(0, width=4, depth=2)(np.zeros((2, 1, 16, 24), "f4")).shape
    (2, 2, 16, 24)
    """
    width, depth = positive_int("width", width), positive_int("depth", depth)
    batch_norm, rng = boolean("batch_norm", batch_norm), init.generator(rng)

    def pair(x: Any, before: int, after: int, label: str) -> Any:
        for part in "ab":
            name, bias = f"conv{label}{part}", not batch_norm
            x = Conv2d(before, after, 3, padding=1, bias=bias, rng=rng, name=name)(x)
            if batch_norm:
                x = BatchNorm(after, name=f"bn{label}{part}")(x)
            x = ReLU(name=f"relu{label}{part}")(x)
            before = after
        return x

    image = Input("image")
    x, before, across = image, channels, []
    for level in range(depth):
        x = pair(x, before, width << level, f"{level + 1}")
        before = width << level
        across.append(x)
        x = MaxPool2d(2, name=f"pool{level + 1}")(x)
    x = pair(x, before, width << depth, f"{depth + 1}")
    for level in reversed(range(depth)):
        after, label = width << level, f"{level + 1}_up"
        x = ConvTranspose2d(2 * after, after, 2, stride=2, rng=rng, name=f"up{level + 1}")(x)
        x = Concat(name=f"join{level + 1}")(across[level], x)
        x = pair(x, 2 * after, after, label)
    return Graph(image, Conv2d(width, classes, 1, rng=rng, name="classes")(x))
