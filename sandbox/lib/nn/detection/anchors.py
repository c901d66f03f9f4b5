"""Boxes around each place of a map, which a detector moves and judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core import ops
from ...core.validate import boolean, finite, pair, positive, refuse, several
from ..case import Case
from ..checks import check_rank
from ..convolution.base import LAYOUTS
from ..module import Module
from ..registry import register


@register("nn.PriorBox")
class PriorBox(Module):
    """Give the default boxes of SSD around each place of a map, as parts of the image.

    Sides are, in pixels of the image: (s, s), (sqrt(s·t), sqrt(s·t)) where there is a t, then
    (s·sqrt(a), s/sqrt(a)) for each ratio a; of each pair of s = `sizes`, t = `larger`

    Parameters
    ----------
    image_size : int or (height, width)
        Of the image, in pixels.
    sizes : sequence of floats > 0
        Sides of the squares, in pixels.
    larger : sequence of floats, optional
        For each of the sizes a larger one, usually that of the next map.
    ratios : sequence of floats > 0
        Width by height of the boxes that are no squares.
    flip : bool
        Whether each ratio is followed by its inverse.
    step : float > 0, optional
        Pixels from one place to the next; else the image's size by the map's.
    offset : float
        Where the centres are, in steps from the corner of a place.
    clip : bool
        Whether boxes end at the edges of the image.

    Shapes
    ------
    input : (batch, channels, height, width), of which only the shape counts
    output : (batch, height · width · boxes, 4), as x1, y1, x2, y2; the boxes of one place stand
        side by side, the places row by row

    Raises
    ------
    ArgumentError : a number is not positive, there is no size, or a larger one is not larger.
    ShapeError : in `call`, the input has not four axes.

    Notes
    -----
    Like BigDL `PriorBox` (0.13), of Caffe's SSD: the variances, which follow the boxes there, are
    arguments of what reads offsets here, and a row holds a box. Source: Liu et al. 2016,
    section 2.2.

    Examples
    --------
    >>> boxes = PriorBox(20, [8], larger=[18], ratios=[2])
    >>> boxes.boxes_per_place
    4
    >>> boxes(np.zeros((1, 3, 2, 2), "f4"))[0, :2]
    array([[ 0.05,  0.05,  0.45,  0.45],
           [-0.05, -0.05,  0.55,  0.55]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PriorBox((20, 30), [6, 9], larger=[8, 12], ratios=[2, 3]),
            inputs=((2, 3, 2, 3),),
            output=(2, 2 * 3 * 12, 4),
            wrong=((2, 3, 4),),
            sizes=("20x30", "sizes=(6.0, 9.0)", "larger=(8.0, 12.0)", "ratios=(2.0, 3.0)"),
        ),
        Case(
            lambda rng: PriorBox(20, [6], ratios=[0.5], flip=False, step=8, offset=0.0, clip=True),
            inputs=((1, 1, 2, 2),),
            output=(1, 8, 4),
            sizes=("ratios=(0.5,)",),
        ),
    )

    def __init__(
        self,
        image_size: int | tuple[int, int],
        sizes: Sequence[float],
        *,
        larger: Sequence[float] = (),
        ratios: Sequence[float] = (),
        flip: bool = True,
        step: float | None = None,
        offset: float = 0.5,
        clip: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.image_size = pair("image_size", image_size)
        self.sizes = some("sizes", sizes)
        self.larger = some("larger", larger, least=0)
        if self.larger and (
            len(self.larger) != len(self.sizes)
            or any(t <= s for s, t in zip(self.sizes, self.larger, strict=True))
        ):
            raise refuse("larger", f"a larger number for each of {self.sizes} (sizes)", larger)
        self.ratios = some("ratios", ratios, least=0)
        self.flip, self.clip = boolean("flip", flip), boolean("clip", clip)
        self.step = None if step is None else positive("step", step)
        self.offset = finite("offset", offset)

    @property
    def boxes_per_place(self) -> int:
        """How many boxes there are around each place."""
        return len(self._sides())

    def _sides(self) -> NDArray[np.float64]:
        ratios = [a for ratio in self.ratios for a in (ratio, 1 / ratio)[: 1 + self.flip]]
        sides = []
        for place, size in enumerate(self.sizes):
            sides.append((size, size))
            if self.larger:
                sides.append((math.sqrt(size * self.larger[place]),) * 2)
            sides.extend((size * math.sqrt(a), size / math.sqrt(a)) for a in ratios)
        return np.array(sides)

    def call(self, x: Any) -> Any:
        """Give the boxes; they are constants of the shape."""
        check_rank(x, LAYOUTS[2], 4)
        (height, width), (rows, columns) = self.image_size, x.shape[2:]
        steps = (width / columns, height / rows) if self.step is None else (self.step, self.step)
        sides = self._sides()
        around = np.concatenate([-sides, sides], axis=1) / 2
        boxes = grid(rows, columns, steps, self.offset, around) / [width, height, width, height]
        return spread(np.clip(boxes, 0, 1) if self.clip else boxes, x)

    def extra(self) -> str:
        """Give the image's size, then those of the boxes."""
        text = f"{self.image_size[0]}x{self.image_size[1]}, sizes={self.sizes}"
        text += f", larger={self.larger}" if self.larger else ""
        return text + (f", ratios={self.ratios}" if self.ratios else "")


@register("nn.Anchor")
class Anchor(Module):
    """Give the anchors of a region proposal network around each place of a map, in pixels.

    Sides are (s·sqrt(1/a), s·sqrt(a)) of each ratio a and, for it, of each size s

    Parameters
    ----------
    sizes : sequence of floats > 0
        Square roots of the boxes' areas, in pixels of the image.
    ratios : sequence of floats > 0
        Height by width.
    stride : float > 0
        Pixels of the image from one place of the map to the next.

    Shapes
    ------
    input : (batch, channels, height, width), of which only the shape counts
    output : (batch, height · width · boxes, 4), as x1, y1, x2, y2; the boxes of one place stand
        side by side, the places row by row

    Raises
    ------
    ArgumentError : a number is not positive, or there is none.
    ShapeError : in `call`, the input has not four axes.

    Notes
    -----
    Like BigDL `Anchor` (0.13, Scala): corners are not rounded to whole pixels, centres are at whole
    multiples of the stride, as in TorchVision and Detectron2. Source: Ren et al. 2015.

    Examples
    --------
    >>> Anchor([8], [1], 16)(np.zeros((1, 2, 1, 2), "f4"))[0]
    array([[-4., -4.,  4.,  4.],
           [12., -4., 20.,  4.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Anchor([8, 16], [0.5, 1, 2], 4),
            inputs=((2, 3, 2, 3),),
            output=(2, 2 * 3 * 6, 4),
            wrong=((2, 3, 4),),
            sizes=("sizes=(8.0, 16.0)", "ratios=(0.5, 1.0, 2.0)", "stride=4"),
        ),
    )

    def __init__(
        self,
        sizes: Sequence[float],
        ratios: Sequence[float],
        stride: float,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.sizes, self.ratios = some("sizes", sizes), some("ratios", ratios)
        self.stride = positive("stride", stride)

    @property
    def boxes_per_place(self) -> int:
        """How many boxes there are around each place."""
        return len(self.sizes) * len(self.ratios)

    def call(self, x: Any) -> Any:
        """Give the boxes; they are constants of the shape."""
        check_rank(x, LAYOUTS[2], 4)
        sides = np.array(
            [(s / math.sqrt(a), s * math.sqrt(a)) for a in self.ratios for s in self.sizes]
        )
        around = np.concatenate([-sides, sides], axis=1) / 2
        rows, columns = x.shape[2:]
        return spread(grid(rows, columns, (self.stride, self.stride), 0.0, around), x)

    def extra(self) -> str:
        """Give sizes, ratios and stride."""
        return f"sizes={self.sizes}, ratios={self.ratios}, stride={self.stride:g}"


def grid(
    rows: int,
    columns: int,
    steps: tuple[float, float],
    offset: float,
    around: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return boxes `around` (boxes, 4) each place: (rows · columns · boxes, 4).

    Examples
    --------
    >>> grid(1, 2, (4, 4), 0.5, np.array([[-1.0, -1.0, 1.0, 1.0]]))
    array([[1., 1., 3., 3.],
           [5., 1., 7., 3.]])
    """
    x = (np.arange(columns) + offset) * steps[0]
    y = (np.arange(rows) + offset) * steps[1]
    centres = np.stack([*np.broadcast_arrays(x, y[:, None])] * 2, axis=-1)
    boxes: NDArray[np.float64] = (centres[:, :, None] + around).reshape(-1, 4)
    return boxes


def spread(boxes: NDArray[np.float64], x: Any) -> Any:
    """Return the boxes once for each row of a batch, in its precision."""
    dtype = x.dtype if str(x.dtype) in ("float32", "float64") else "float32"
    return ops.broadcast_to(boxes.astype(dtype)[None], (x.shape[0], *boxes.shape))


def some(name: str, value: Any, least: int = 1) -> tuple[float, ...]:
    """Refuse an argument that is no list of numbers > 0."""
    what = "a list of numbers > 0"
    found = tuple(positive(name, item) for item in several(name, value, what))
    if len(found) < least:
        raise refuse(name, what, value)
    return found
