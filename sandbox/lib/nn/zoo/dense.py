"""DenseNet: each layer sees what all layers before it in its stage have made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import integers, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..container.graph import Graph
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..node import Input
from ..normalization.statistics import BatchNorm
from ..pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from ..table.merge import Concat


def densenet(
    rng: init.Rng = None,
    *,
    channels: int = 3,
    classes: int = 1000,
    growth: int = 32,
    stages: Sequence[int] = (6, 12, 24, 16),
) -> Graph:
    """Build a DenseNet: DenseNet-121 by default.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.
    channels, classes : int > 0
        Channels of the images, and classes to tell apart.
    growth : int > 0
        Channels that each layer adds; the first convolution has twice as many.
    stages : sequence of int > 0
        Layers of each stage: (6, 12, 32, 32) for DenseNet-169, (6, 12, 48, 32) for DenseNet-201.

    Shapes
    ------
    input : (batch, channels, 224, 224) float32; other sizes from 32 work as well
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : there is no stage, or a size is not positive.

    Notes
    -----
    7,978,856 parameters. A layer is a 1x1 convolution to 4 times `growth` channels, then one of
    3x3, each behind batch norm and ReLU; between stages a 1x1 convolution halves the channels and a
    pool the map. Source: Huang et al. 2017, table 1.

    Examples
    --------
    >>> import numpy as np
    >>> densenet(0, growth=2, classes=7, stages=(2, 2))(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 7)
    """
    stages = integers("stages", stages, "a list of ints > 0", 1)
    if not stages:
        raise ArgumentError("`stages` must name at least one number of layers; got none.")
    growth, rng = positive_int("growth", growth), init.generator(rng)
    image = Input("image")
    before = 2 * growth
    x = Conv2d(channels, before, 7, stride=2, padding=3, bias=False, rng=rng, name="conv")(image)
    x = ReLU(name="relu")(BatchNorm(before, name="bn")(x))
    x = MaxPool2d(3, stride=2, padding=1, name="max_pool")(x)
    for stage, layers in enumerate(stages, start=1):
        for layer in range(1, layers + 1):
            label = f"{stage}_{layer}"
            y = _activated(x, before, 4 * growth, 1, f"{label}a", rng)
            y = _activated(y, 4 * growth, growth, 3, f"{label}b", rng)
            x = Concat(name=f"join{label}")(x, y)
            before += growth
        if stage < len(stages):
            x = _activated(x, before, before // 2, 1, f"{stage}", rng)
            x = AvgPool2d(2, name=f"pool{stage}")(x)
            before //= 2
    x = ReLU(name="relu_last")(BatchNorm(before, name="bn_last")(x))
    return Graph(
        image, Linear(before, classes, rng=rng, name="fc")(GlobalAvgPool2d(name="pool")(x))
    )


def _activated(x: Any, before: int, after: int, size: int, label: str, rng: Any) -> Any:
    """Add batch norm, ReLU and a convolution to a graph."""
    x = ReLU(name=f"relu{label}")(BatchNorm(before, name=f"bn{label}")(x))
    name, padding = f"conv{label}", size // 2
    return Conv2d(before, after, size, padding=padding, bias=False, rng=rng, name=name)(x)
