"""Boxes cut out of maps and brought to one size: aligned by interpolation, or pooled.

Boxes are (x1, y1, x2, y2), those of a detector; each belongs to a row of the batch, to none if that
is -1: it then gives zeros, and gets no gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ShapeError
from ..operation import Range, register
from ..oplist import Spec
from .rules import floating, integers, ndim

Array = NDArray[Any]
Size = tuple[int, int]

MOST = 1024  # samples of one bin along an axis, however large a box is


def _infer(x: Spec, boxes: Spec, rows: Spec, *, size: Size, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    ndim(x, 4, "(batch, channels, height, width)")
    floating(boxes, "boxes")
    integers(rows, "rows")
    if len(boxes.shape) != 2 or boxes.shape[1] != 4 or rows.shape != boxes.shape[:1]:
        raise ShapeError(
            "boxes must have shape (boxes, 4), with a row for each; got "
            f"{boxes.shape} and rows {rows.shape}."
        )
    if 0 in x.shape[2:]:
        raise ShapeError(f"input must have pixels; got shape {x.shape}.")
    return (Spec((boxes.shape[0], x.shape[1], *size), x.dtype),)


def _infer_pool(x: Spec, boxes: Spec, rows: Spec, **attrs: Any) -> tuple[Spec, ...]:
    (y,) = _infer(x, boxes, rows, **attrs)
    return y, Spec(y.shape, "int64")


def _infer_grad(dy: Spec, *rest: Spec, input_shape: tuple[int, ...], **attrs: Any) -> Any:
    return (Spec(input_shape, dy.dtype),)


def check_rows(rows: Array, batch: int) -> None:
    """Raise a `DataError` that names the first box which belongs to no row of the batch.

    Examples
    --------
    >>> check_rows(np.array([0, -1, 2]), 2)
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: rows of boxes must be integers in [0, 2), or -1 for none; \
got 2 of box 2.
    """
    wrong = (rows < -1) | (rows >= batch) if rows.dtype.kind == "i" else rows >= batch
    if wrong.any():
        box = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"rows of boxes must be integers in [0, {batch}), or -1 for none; got {rows[box]} of "
            f"box {box}."
        )


# -- aligned ---------------------------------------------------------------------------------------


def _shares(start: float, length: float, count: int, ratio: int, size: int) -> tuple[Array, slice]:
    """Return how much of each pixel of an axis each bin takes, and which pixels take part at all.

    A bin is the mean of samples at equal distances, each between two pixels; samples more than a
    pixel outside count as 0. As a box's samples are a grid, this is all of it: one matrix an axis.
    """
    width = length / count
    samples = ratio or int(min(max(math.ceil(width), 1), MOST)) if math.isfinite(width) else 1
    place = start + (np.arange(count * samples) + 0.5) * (width / samples)
    inside = (place >= -1) & (place <= size)
    place = np.where(inside, np.clip(place, 0, size - 1), 0)
    low = place.astype(np.int64)
    high = np.minimum(low + 1, size - 1)
    bins = np.arange(count * samples) // samples
    shares = np.zeros((count, size))
    np.add.at(shares, (bins, low), (1 - (place - low)) * inside / samples)
    np.add.at(shares, (bins, high), (place - low) * inside / samples)
    used = np.flatnonzero(shares.any(axis=0))
    part = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
    return shares[:, part], part


def _cuts(
    boxes: Array,
    rows: Array,
    shape: tuple[int, ...],
    *,
    size: Size,
    scale: float,
    ratio: int,
    aligned: bool,
) -> Any:
    """Go through the boxes: (place, part of the maps, matrix of rows, matrix of columns)."""
    edges = boxes.astype(np.float64) * scale - (0.5 if aligned else 0.0)
    for k, (row, (left, top, right, bottom)) in enumerate(zip(rows.tolist(), edges, strict=True)):
        if row < 0:
            continue
        height, width = bottom - top, right - left
        if not aligned:
            height, width = max(height, 1.0), max(width, 1.0)
        down, vertical = _shares(top, height, size[0], ratio, shape[2])
        across, horizontal = _shares(left, width, size[1], ratio, shape[3])
        yield k, (row, slice(None), vertical, horizontal), down, across


def roi_align(x: Array, boxes: Array, rows: Array, **attrs: Any) -> Array:
    """Return the bins of each box."""
    y = np.zeros((len(boxes), x.shape[1], *attrs["size"]), x.dtype)
    for k, part, down, across in _cuts(boxes, rows, x.shape, **attrs):
        y[k] = down.astype(x.dtype) @ x[part] @ across.T.astype(x.dtype)
    return y


def roi_align_grad(
    dy: Array, boxes: Array, rows: Array, *, input_shape: tuple[int, ...], **attrs: Any
) -> Array:
    """Give each bin's gradient to the pixels it was made of, by their shares."""
    dx = np.zeros(input_shape, dy.dtype)
    for k, part, down, across in _cuts(boxes, rows, input_shape, **attrs):
        dx[part] += down.T.astype(dy.dtype) @ dy[k] @ across.astype(dy.dtype)
    return dx


# -- pooled ----------------------------------------------------------------------------------------


def _rounded(x: Array) -> Array:
    """Return the nearest whole numbers; halves go away from 0."""
    found: Array = np.trunc(x + np.copysign(0.5, x))
    return found


def _bins(first: float, last: float, count: int, size: int) -> tuple[Array, Array]:
    """Return the pixels of an axis that each bin covers (count, most), and which bins are empty.

    The last pixel of a bin may come again.
    """
    width = max(last - first + 1, 1.0) / count
    starts = np.clip(np.floor(np.arange(count) * width) + first, 0, size).astype(np.int64)
    stops = np.clip(np.ceil(np.arange(1, count + 1) * width) + first, 0, size).astype(np.int64)
    most = max(int((stops - starts).max()), 1)
    places = np.minimum(starts[:, None] + np.arange(most), np.maximum(stops - 1, 0)[:, None])
    return places, stops <= starts


def roi_pool(
    x: Array, boxes: Array, rows: Array, *, size: Size, scale: float
) -> tuple[Array, Array]:
    """Return the largest pixel of each bin, 0 of empty ones, and where in x it is, -1 for those."""
    channels, height, width = x.shape[1:]
    y = np.zeros((len(boxes), channels, *size), x.dtype)
    index = np.full(y.shape, -1, np.int64)
    edges = _rounded(np.where(np.isfinite(boxes), boxes, 0.0).astype(np.float64) * scale)
    for k, (row, (left, top, right, bottom)) in enumerate(zip(rows.tolist(), edges, strict=True)):
        if row < 0:
            continue
        down, no_rows = _bins(top, bottom, size[0], height)
        across, no_columns = _bins(left, right, size[1], width)
        flat = down[:, None, :, None] * width + across[None, :, None, :]
        flat = flat.reshape(*size, -1)
        block = x[row].reshape(channels, height * width)[:, flat]
        best = block.argmax(axis=-1)[..., None]
        found = np.take_along_axis(np.broadcast_to(flat, block.shape), best, -1)[..., 0]
        start = (row * channels + np.arange(channels)) * height * width
        empty = no_rows[:, None] | no_columns
        y[k] = np.where(empty, 0, np.take_along_axis(block, best, -1)[..., 0])
        index[k] = np.where(empty, -1, found + start[:, None, None])
    return y, index


def roi_pool_grad(dy: Array, index: Array, *, input_shape: tuple[int, ...]) -> Array:
    """Give each gradient to the pixel that was the largest."""
    dx = np.zeros(math.prod(input_shape), dy.dtype)
    given = index >= 0
    np.add.at(dx, index[given], dy[given])
    return dx.reshape(input_shape)


_ROWS = (Range(2, check_rows, lambda x, *rest, **attrs: int(x.shape[0])),)

register("roi_align", infer=_infer, reference=roi_align, ranges=_ROWS)
register("roi_align_grad", infer=_infer_grad, reference=roi_align_grad, gradient=True)
register("roi_pool", infer=_infer_pool, reference=roi_pool, ranges=_ROWS)
register("roi_pool_grad", infer=_infer_grad, reference=roi_pool_grad, gradient=True)
