"""Heads: what is in each of the boxes that were proposed, where exactly, and in which pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.validate import integers, positive_int
from .. import init
from ..case import Case
from ..convolution import Conv2d, ConvTranspose2d
from ..linear.dense import Linear
from ..module import Module
from ..pooling import Pooler
from ..registry import register


@register("nn.BoxHead")
class BoxHead(Module):
    """Tell what is in each box, and how the box should be moved for it.

    h = relu(fc2(relu(fc1(pooled)))), logits = fc(h), offsets = fc(h)

    Parameters
    ----------
    in_channels : int > 0
        Channels of the maps.
    classes : int > 0
        Number of classes, without the background.
    scales : sequence of floats
        Pixels of each level's maps for each unit of the boxes, see `Pooler`.
    resolution : int > 0
        Height and width of what is cut out.
    sampling_ratio : int >= 0
        See `Pooler`.
    features : int > 0
        Width of the two fully connected layers.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    features : tuple of (batch, in_channels, height, width) float32, one for each level
    boxes : (batch, n, 4), as x1, y1, x2, y2
    logits : (batch, n, classes + 1), the background last
    offsets : (batch, n, 4 · classes), of a class side by side; the output is the tuple of the two

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, the inputs do not fit.

    Notes
    -----
    Like BigDL `BoxHead` (0.13, Scala): that gives what is found, which `DetectionOutputFrcnn` makes
    of it here, and the features. Boxes get no gradient. Source: Ren et al. 2015, Lin et al. 2017.

    Examples
    --------
    >>> head = BoxHead(4, 2, (1 / 4,), resolution=3, features=8, rng=0)
    >>> boxes = np.float32([[[0, 0, 8, 6], [2, 2, 9, 9]]])
    >>> [y.shape for y in head((np.ones((1, 4, 6, 6), "f4"),), boxes)]
    [(1, 2, 3), (1, 2, 8)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BoxHead(2, 3, (1 / 4, 1 / 8), resolution=2, features=5, rng=rng),
            inputs=(((2, 2, 4, 4), (2, 2, 2, 2)), (2, 3, 4)),
            output=((2, 3, 4), (2, 3, 12)),
            integers=(None, None, (0, 16)),
            wrong=(((2, 2, 4, 4), (2, 2, 2, 2)), (2, 3, 3)),
            kinks=True,
            sizes=("8 -> 5", "5 -> 4", "5 -> 12"),
        ),
    )

    def __init__(
        self,
        in_channels: int,
        classes: int,
        scales: tuple[float, ...] | list[float],
        *,
        resolution: int = 7,
        sampling_ratio: int = 2,
        features: int = 1024,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_channels = positive_int("in_channels", in_channels)
        classes, width = positive_int("classes", classes), positive_int("features", features)
        side = positive_int("resolution", resolution)
        more: dict[str, Any] = {"weight_init": weight_init, "rng": init.generator(rng)}
        self.pooler = Pooler(side, scales, sampling_ratio=sampling_ratio)
        self.fc1 = Linear(self.in_channels * side * side, width, **more)
        self.fc2 = Linear(width, width, **more)
        self.logits = Linear(width, classes + 1, **more)
        self.offsets = Linear(width, 4 * classes, **more)

    def call(self, features: Any, boxes: Any) -> Any:
        """Judge the boxes."""
        x = self.pooler(features, boxes)
        x = ops.flatten(x, len(x.shape) - 3)
        x = ops.relu(self.fc2(ops.relu(self.fc1(x))))
        return self.logits(x), self.offsets(x)


@register("nn.MaskHead")
class MaskHead(Module):
    """Tell for each class which pixels of each box belong to it.

    Convolutions 3x3 with relu, one transposed one that doubles the map, with relu, and one of 1x1

    Parameters
    ----------
    in_channels : int > 0
        Channels of the maps.
    classes : int > 0
        Number of classes, without the background.
    scales : sequence of floats
        Pixels of each level's maps for each unit of the boxes, see `Pooler`.
    resolution : int > 0
        Height and width of what is cut out.
    sampling_ratio : int >= 0
        See `Pooler`.
    layers : sequence of ints > 0
        Channels of the convolutions; the transposed one has as many as the last.
    dilation : int > 0
        Distance of the 3x3 convolutions' taps.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    features : tuple of (batch, in_channels, height, width) float32, one for each level
    boxes : (batch, n, 4), as x1, y1, x2, y2
    output : (batch, n, classes, 2 · resolution, 2 · resolution) logits

    Raises
    ------
    ArgumentError : an argument is out of range.
    ShapeError : in `call`, the inputs do not fit.

    Notes
    -----
    Like BigDL `MaskHead` (0.13, Scala): that takes the classes found too, and gives the
    probabilities of each box's own; here all classes' logits come, for a loss.
    Boxes get no gradient. Source: He et al. 2017 (Mask R-CNN), figure 4, right.

    Examples
    --------
    >>> head = MaskHead(4, 2, (1 / 4,), resolution=3, layers=(5,), rng=0)
    >>> head((np.ones((1, 4, 6, 6), "f4"),), np.float32([[[0, 0, 8, 6]]])).shape
    (1, 1, 2, 6, 6)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaskHead(2, 3, (1 / 4, 1 / 8), resolution=2, layers=(3, 4), rng=rng),
            inputs=(((2, 2, 4, 4), (2, 2, 2, 2)), (2, 3, 4)),
            output=(2, 3, 3, 4, 4),
            integers=(None, None, (0, 16)),
            wrong=(((2, 2, 4, 4), (2, 2, 2, 2)), (2, 3, 3)),
            kinks=True,
            sizes=("2 -> 3, 3x3", "4 -> 3, 1x1"),
        ),
    )

    def __init__(
        self,
        in_channels: int,
        classes: int,
        scales: tuple[float, ...] | list[float],
        *,
        resolution: int = 14,
        sampling_ratio: int = 2,
        layers: Sequence[int] = (256, 256, 256, 256),
        dilation: int = 1,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        before = positive_int("in_channels", in_channels)
        self.classes = positive_int("classes", classes)
        d = positive_int("dilation", dilation)
        side = positive_int("resolution", resolution)
        more: dict[str, Any] = {"weight_init": weight_init, "rng": init.generator(rng)}
        self.pooler = Pooler(side, scales, sampling_ratio=sampling_ratio)
        self.layers = []
        for width in integers("layers", layers, "a list of ints > 0", 1):
            self.layers.append(Conv2d(before, width, 3, padding=d, dilation=d, **more))
            before = width
        self.up = ConvTranspose2d(before, before, 2, stride=2, **more)
        self.masks = Conv2d(before, self.classes, 1, **more)

    def call(self, features: Any, boxes: Any) -> Any:
        """Judge the pixels of the boxes."""
        x = self.pooler(features, boxes)
        leading = x.shape[:-3]
        x = ops.reshape(x, (math.prod(leading), *x.shape[-3:]))
        for layer in self.layers:
            x = ops.relu(layer(x))
        x = self.masks(ops.relu(self.up(x)))
        return ops.reshape(x, (*leading, *x.shape[1:]))
