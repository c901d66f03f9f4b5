"""Boxes cut out of maps and brought to one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Value, wrap
from .cast import cast
from .pooling import max_pool2d
from .shape import reshape, slice

__all__ = ["roi_align", "roi_pool"]

Gradients = Sequence[Input | None]

_align = function("roi_align")
_align_grad = function("roi_align_grad")
_pool = function("roi_pool")
_pool_grad = function("roi_pool_grad")


def split_boxes(x: Input, boxes: Input) -> tuple[Value, Value, tuple[int, ...]]:
    """Return boxes (boxes, 4), the row of the batch each belongs to, and the axes they came in.

    Given are boxes (batch, boxes, 4), or (boxes, 5) with the row in front, or (boxes, 4) of a batch
    of one.
    """
    operand, maps = as_operand(boxes), as_operand(x)
    if maps.ndim != 4:
        raise ShapeError(
            "input must have 4 axes (batch, channels, height, width); got "
            f"{maps.ndim} in shape {maps.shape}."
        )
    batch, shape = maps.shape[0], operand.shape
    if len(shape) == 3 and shape[2] == 4 and shape[0] == batch:
        count = shape[0] * shape[1]
        rows = wrap(np.repeat(np.arange(batch), shape[1]))
        return _floats(reshape(operand, (count, 4)), maps), rows, shape[:2]
    if len(shape) == 2 and shape[1] == 5:
        rows = reshape(slice(operand, (0, 0), (shape[0], 1)), (shape[0],))
        inner = slice(operand, (0, 1), (shape[0], 5))
        return _floats(inner, maps), cast(rows, "int64"), shape[:1]
    if len(shape) == 2 and shape[1] == 4 and batch == 1:
        return _floats(operand, maps), wrap(np.zeros(shape[0], np.int64)), shape[:1]
    raise ShapeError(
        f"boxes must have shape ({batch}, boxes, 4), or (boxes, 5) with the row of the batch in "
        f"front; got {shape}."
    )


def _floats(boxes: Input, maps: Any) -> Value:
    return cast(boxes, maps.dtype.name if maps.dtype.kind == "f" else "float32")


def roi_align(
    x: Input,
    boxes: Input,
    size: Any,
    *,
    scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
    mode: str = "average",
) -> Value:
    """Return each box as a map of one size: means of samples between the pixels.

    Parameters
    ----------
    x : (batch, channels, height, width)
    boxes : (batch, boxes, 4), or (boxes, 5) with the row of the batch in front
        x1, y1, x2, y2; no gradient is given to them. Boxes of row -1 give zeros.
    size : int or (height, width)
        Of the results, in bins.
    scale : float
        Pixels of x for each unit of the boxes.
    sampling_ratio : int
        Samples of a bin along each axis; 0: as many as it covers pixels.
    aligned : bool
        Whether pixel i is the interval from i to i + 1; before 2019 it was taken for the point i,
        and boxes were at least one pixel large.
    mode : "average" or "max"
        Of a bin's samples.

    Shapes
    ------
    output : (batch, boxes, channels, *size), or (boxes, channels, *size)
    """
    flat, rows, leading = split_boxes(x, boxes)
    ratio = validate.non_negative_int("sampling_ratio", sampling_ratio)
    height, width = validate.pair("size", size)
    largest = validate.one_of("mode", mode, ("average", "max")) == "max"
    if largest and ratio == 0:
        raise validate.refuse("sampling_ratio", "an int > 0 where mode is 'max'", sampling_ratio)
    attrs = {
        "size": (height * ratio, width * ratio) if largest else (height, width),
        "scale": validate.positive("scale", scale),
        "ratio": 1 if largest else ratio,
        "aligned": validate.boolean("aligned", aligned),
    }
    y = _align.apply((as_operand(x), flat, rows), attrs)[0]
    if largest:
        y = max_pool2d(y, ratio)
    return reshape(y, (*leading, *y.shape[1:]))


def roi_pool(x: Input, boxes: Input, size: Any, *, scale: float = 1.0) -> Value:
    """Return each box as a map of one size: the largest pixels of its bins, 0 where there is none.

    Corners are rounded to whole pixels, both of them inside the box; see `roi_align` for the
    arguments.
    """
    flat, rows, leading = split_boxes(x, boxes)
    attrs = {"size": validate.pair("size", size), "scale": validate.positive("scale", scale)}
    y, _ = _pool.apply((as_operand(x), flat, rows), attrs)
    return reshape(y, (*leading, *y.shape[1:]))


@_align.gradient
def _align_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x, boxes, rows = entry.inputs
    attrs = {"input_shape": x.shape, **entry.attrs}
    return _align_grad.apply((dy, boxes, rows), attrs)[0], None, None


@_pool.gradient
def _pool_gradient(entry: TapeEntry, dy: Value | None, dindex: Value | None) -> Gradients:
    if dy is None:
        return None, None, None
    attrs = {"input_shape": entry.inputs[0].shape}
    return _pool_grad.apply((dy, entry.outputs[1]), attrs)[0], None, None
