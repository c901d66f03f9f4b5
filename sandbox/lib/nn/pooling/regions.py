"""Boxes of a detector, cut out of feature maps."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.ops.regions import split_boxes
from ...core.validate import boolean, non_negative_int, one_of, pair, positive, refuse, several
from ..case import Case
from ..checks import check_rank, floating, window_text
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register


@register("nn.RoIAlign")
class RoIAlign(Module):
    """Cut boxes out of feature maps and bring them to one size, by samples between the pixels.

    y[n, b, c, i, j] = mean of x[n, c] over the samples of bin (i, j) of box b

    Parameters
    ----------
    output_size : int or (height, width)
        Bins of a box.
    scale : float > 0
        Pixels of the maps for each unit of the boxes: 1/16 where the maps are 16 times smaller.
    sampling_ratio : int >= 0
        Samples of a bin along each axis; 0: as many as it covers pixels.
    aligned : bool
        Whether pixel i is the interval from i to i + 1; False is the form before 2019, where boxes
        are at least one pixel large.
    mode : "average" or "max"
        Of a bin's samples; "max" needs `sampling_ratio`.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    boxes : (batch, boxes, 4), as x1, y1, x2, y2; or (boxes, 5) with the row of the batch in front,
        where row -1 gives zeros; or (boxes, 4) of a batch of one
    output : (batch, boxes, channels, *output_size), or (boxes, channels, *output_size)

    Raises
    ------
    ArgumentError : a size is not positive, or "max" has no `sampling_ratio`.
    ShapeError : in `call`, the input has not four axes, or boxes have not these shapes.
    DataError : in `call`, a box belongs to no row of the batch.

    Notes
    -----
    Same as BigDL `RoiAlign` (0.13) and ONNX `RoiAlign`-16. Boxes get no gradient.
    Source: He et al. 2017. Samples of a box are a grid, so a box is a product with one matrix for
    its rows and one for its columns.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype="f4").reshape(1, 1, 4, 4)
    >>> RoIAlign(2)(x, np.array([[[0, 0, 4, 4]]], "f4"))[0, 0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RoIAlign((2, 3), scale=0.5),
            inputs=((2, 3, 5, 6), (2, 2, 4)),
            output=(2, 2, 3, 2, 3),
            integers=(None, (-2, 14)),
            wrong=((2, 3, 5, 6), (2, 2, 3)),
            sizes=("2x3", "scale=0.5"),
        ),
        Case(
            lambda rng: RoIAlign(2, sampling_ratio=2, aligned=False, mode="max"),
            inputs=((2, 1, 4, 4), (2, 1, 4)),
            output=(2, 1, 1, 2, 2),
            integers=(None, (0, 5)),
            kinks=True,
            sizes=("2x2", "sampling_ratio=2", "aligned=False", "mode=max"),
        ),
    )

    def __init__(
        self,
        output_size: int | tuple[int, int],
        *,
        scale: float = 1.0,
        sampling_ratio: int = 0,
        aligned: bool = True,
        mode: str = "average",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.output_size = pair("output_size", output_size)
        self.scale = positive("scale", scale)
        self.sampling_ratio = non_negative_int("sampling_ratio", sampling_ratio)
        self.aligned = boolean("aligned", aligned)
        self.mode: str = one_of("mode", mode, ("average", "max"))
        if self.mode == "max" and self.sampling_ratio == 0:
            raise refuse("sampling_ratio", "an int > 0 where mode is 'max'", sampling_ratio)

    def call(self, x: Any, boxes: Any) -> Any:
        """Cut the boxes out."""
        return ops.roi_align(
            floating(x),
            boxes,
            self.output_size,
            scale=self.scale,
            sampling_ratio=self.sampling_ratio,
            aligned=self.aligned,
            mode=self.mode,
        )

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        parts = [window_text(self.output_size)]
        for key, default in (
            ("scale", 1.0),
            ("sampling_ratio", 0),
            ("aligned", True),
            ("mode", "average"),
        ):
            if getattr(self, key) != default:
                parts.append(f"{key}={getattr(self, key)}")
        return ", ".join(parts)


@register("nn.RoIPool")
class RoIPool(Module):
    """Cut boxes out of feature maps and take the largest pixel of each of their bins.

    y[n, b, c, i, j] = max of x[n, c] over the pixels of bin (i, j) of box b

    Parameters
    ----------
    output_size : int or (height, width)
        Bins of a box.
    scale : float > 0
        Pixels of the maps for each unit of the boxes: 1/16 where the maps are 16 times smaller.

    Shapes
    ------
    input : (batch, channels, height, width) float32
    boxes : (batch, boxes, 4), as x1, y1, x2, y2; or (boxes, 5) with the row of the batch in front,
        where row -1 gives zeros; or (boxes, 4) of a batch of one
    output : (batch, boxes, channels, *output_size), or (boxes, channels, *output_size)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not four axes, or boxes have not these shapes.
    DataError : in `call`, a box belongs to no row of the batch.

    Notes
    -----
    Same as BigDL `RoiPooling` (0.13, which takes the width first) and ONNX `MaxRoiPool`-1. Corners
    are rounded to whole pixels, both of them inside the box; bins overlap where they must, and one
    without pixels gives 0. Boxes get no gradient. Source: Girshick 2015.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(16, dtype="f4").reshape(1, 1, 4, 4)
    >>> RoIPool(2)(x, np.array([[[0, 0, 3, 3]]], "f4"))[0, 0, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RoIPool((2, 3), scale=0.5),
            inputs=((2, 3, 5, 6), (2, 2, 4)),
            output=(2, 2, 3, 2, 3),
            integers=(None, (-2, 14)),
            wrong=((2, 3, 5, 6), (2, 2, 3)),
            kinks=True,
            sizes=("2x3", "scale=0.5"),
        ),
    )

    def __init__(
        self,
        output_size: int | tuple[int, int],
        *,
        scale: float = 1.0,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.output_size = pair("output_size", output_size)
        self.scale = positive("scale", scale)

    def call(self, x: Any, boxes: Any) -> Any:
        """Pool the boxes."""
        return ops.roi_pool(floating(x), boxes, self.output_size, scale=self.scale)

    def extra(self) -> str:
        """Give the size, then what differs from the defaults."""
        text = window_text(self.output_size)
        return text if self.scale == 1.0 else f"{text}, scale={self.scale}"


@register("nn.Pooler")
class Pooler(Module):
    """Cut each box out of that level of a feature pyramid which suits its size.

    level(box) = floor(4 + log2(sqrt(width · height) / 224)), kept among the levels there are

    Parameters
    ----------
    output_size : int or (height, width)
        Bins of a box.
    scales : sequence of floats
        Pixels of each level's maps for each unit of the boxes, from the finest level on; powers of
        1/2, each half of the one before: (1/4, 1/8, 1/16, 1/32).
    sampling_ratio : int >= 0
        Samples of a bin along each axis; 0: as many as it covers pixels.
    aligned : bool
        See `RoIAlign`.

    Shapes
    ------
    features : tuple of (batch, channels, height, width) float32, one for each level
    boxes : (batch, boxes, 4), as x1, y1, x2, y2; or (boxes, 5) with the row of the batch in front;
        or (boxes, 4) of a batch of one
    output : (batch, boxes, channels, *output_size), or (boxes, channels, *output_size)

    Raises
    ------
    ArgumentError : a size is not positive, or the scales are no falling powers of 1/2.
    ShapeError : in `call`, there are not as many levels as scales, or boxes have not these shapes.

    Notes
    -----
    Like BigDL `Pooler` (0.13): its output is that of one image, and its boxes of one pixel less.
    Every level is asked for its own boxes alone; boxes get no gradient.
    Source: Lin et al. 2017, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> features = np.ones((1, 1, 32, 32), "f4"), 2 * np.ones((1, 1, 16, 16), "f4")
    >>> boxes = np.array([[[0, 0, 50, 50], [0, 0, 120, 120]]], "f4")
    >>> Pooler(1, (1 / 4, 1 / 8))(features, boxes).ravel().round(3)
    array([1., 2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Pooler(2, (1 / 4, 1 / 8, 1 / 16)),
            inputs=(((2, 3, 8, 8), (2, 3, 4, 4), (2, 3, 2, 2)), (2, 4, 4)),
            output=(2, 4, 3, 2, 2),
            integers=(None, None, None, (0, 300)),
            wrong=(((2, 3, 8, 8), (2, 3, 4, 4), (2, 3, 2, 2)), (2, 4, 3)),
            sizes=("2x2", "scales=(0.25, 0.125, 0.0625)"),
        ),
    )

    def __init__(
        self,
        output_size: int | tuple[int, int],
        scales: tuple[float, ...] | list[float],
        *,
        sampling_ratio: int = 0,
        aligned: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.output_size = pair("output_size", output_size)
        wanted = "powers of 1/2, each half of the one before"
        items = several("scales", scales, wanted)
        self.scales = tuple(positive("scales", scale) for scale in items)
        levels = [-math.log2(scale) for scale in self.scales]
        if not levels or any(k != int(levels[0]) + place for place, k in enumerate(levels)):
            raise refuse("scales", wanted, scales)
        self.sampling_ratio = non_negative_int("sampling_ratio", sampling_ratio)
        self.aligned = boolean("aligned", aligned)

    def call(self, features: Any, boxes: Any) -> Any:
        """Cut the boxes out."""
        maps = features if isinstance(features, tuple | list) else (features,)
        if len(maps) != len(self.scales):
            raise ShapeError(
                f"features must be {len(self.scales)} levels (scales); got {len(maps)}, the last "
                f"in shape {maps[-1].shape if maps else ()}."
            )
        maps = [floating(x) for x in maps]
        for x in maps:
            check_rank(x, LAYOUTS[2], 4)
        flat, rows, leading = split_boxes(maps[0], boxes)
        left, top, right, bottom = ops.split(flat, 4, 1)
        area = ops.reshape((right - left) * (bottom - top), rows.shape)
        columns = ops.reshape(ops.cast(rows, flat.dtype), (*rows.shape, 1))
        finest = round(-math.log2(self.scales[0]))
        # A box belongs to level k or a coarser one from this side on, as the ancestors round.
        sides = [224 * (2.0 ** (finest + k - 4) - 1e-6) for k in range(1, len(maps))]
        reached = [ops.greater_equal(area, side * side) for side in sides]
        parts = []
        for k, (x, scale) in enumerate(zip(maps, self.scales, strict=True)):
            mine = columns
            if k > 0:
                mine = ops.where(ops.reshape(reached[k - 1], mine.shape), mine, -1.0)
            if k < len(reached):
                mine = ops.where(ops.reshape(reached[k], mine.shape), -1.0, mine)
            parts.append(
                ops.roi_align(
                    x,
                    ops.concat([mine, flat], 1),
                    self.output_size,
                    scale=scale,
                    sampling_ratio=self.sampling_ratio,
                    aligned=self.aligned,
                )
            )
        y = reduce(ops.add, parts)
        return ops.reshape(y, (*leading, *y.shape[1:]))

    def extra(self) -> str:
        """Give the size and the scales, then what differs from the defaults."""
        text = f"{window_text(self.output_size)}, scales={self.scales}"
        if self.sampling_ratio:
            text += f", sampling_ratio={self.sampling_ratio}"
        return text + ("" if self.aligned else ", aligned=False")
