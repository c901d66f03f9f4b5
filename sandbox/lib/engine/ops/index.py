"""Elements by their indices: gathered and scattered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ShapeError
from ..operation import Range, register
from ..oplist import Op, Spec
from ..radix import stable_order
from ..steps import Array
from .ranges import check_indices
from .rules import integers, promoted

if TYPE_CHECKING:
    from ..builder import Builder

WIDE = 512  # elements of a part: from here on parts are added one by one

JOINED: dict[str, np.ufunc] = {
    "add": np.add,
    "multiply": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
"""What `scatter` does with an element that is there, by the name of `reduce`."""


# -- the same indices for all rows ---------------------------------------------------------------


def _infer_take(x: Spec, index: Spec, *, axis: int) -> tuple[Spec, ...]:
    integers(index, "indices")
    return (Spec((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), x.dtype),)


def take(x: Array, index: Array, *, axis: int) -> Array:
    """Return the parts of x at the indices along an axis."""
    return np.asarray(np.take(x, index, axis))


def lower_take(builder: Builder, op: Op) -> None:
    """Lower `take`: NumPy, into the planned memory."""
    axis = op.attrs["axis"]
    length = builder.shape(op.inputs[0])[axis]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        index = _wrapped(reads[1], length)
        # Checked before; "raise" would buffer.
        np.take(reads[0], index, axis, out=writes[0], mode="clip")

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "gather")


def take_grad(dy: Array, index: Array, *, axis: int, input_shape: tuple[int, ...]) -> Array:
    """Sum the gradients of each index, in the order of their positions."""
    dx = np.empty(input_shape, dy.dtype)
    _add_parts(dy, index, dx, axis)
    return dx


def _add_parts(dy: Array, index: Array, whole: Array, axis: int) -> None:
    """Write sums of the parts along an axis to where the indices name, zeros elsewhere."""
    length = whole.shape[axis]
    outer, inner = math.prod(whole.shape[:axis]), math.prod(whole.shape[axis + 1 :])
    dx = whole.reshape(outer, length, inner)
    flat = _wrapped(index.reshape(-1), length)
    parts = dy.reshape(outer, flat.size, inner)
    times = np.bincount(flat, minlength=length)
    if (times == 0).any():
        dx.fill(0)
    if times.max(initial=0) <= 1:  # a permutation, or a part of one
        dx[:, flat] = parts
        return
    if outer * inner >= WIDE:
        dx.fill(0)
        for position, place in enumerate(flat):
            dx[:, place] += parts[:, position]
    elif flat.size:
        order = stable_order(flat, length)
        ordered = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        dx[:, ordered[starts]] = np.add.reduceat(parts[:, order], starts, axis=1)


def lower_take_grad(builder: Builder, op: Op) -> None:
    """Lower `take_grad`: NumPy, into the planned memory."""
    axis = op.attrs["axis"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        _add_parts(reads[0], reads[1], writes[0], axis)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def _wrapped(index: Array, length: int) -> Array:
    """Return indices counted from the front, as int64."""
    wide = index.astype(np.int64, copy=False)
    return np.where(wide < 0, wide + length, wide) if (wide < 0).any() else wide


# -- an index for each element -------------------------------------------------------------------


def _alike(x: Spec, index: Spec, axis: int) -> None:
    integers(index, "indices")
    rest = [n for k, n in enumerate(x.shape) if k != axis]
    if (
        len(index.shape) != len(x.shape)
        or [n for k, n in enumerate(index.shape) if k != axis] != rest
    ):
        raise ShapeError(
            f"indices must have the shape of the input but for axis {axis}; got {index.shape} "
            f"and {x.shape}."
        )


def _infer_gather(x: Spec, index: Spec, *, axis: int) -> tuple[Spec, ...]:
    _alike(x, index, axis)
    return (Spec(index.shape, x.dtype),)


def gather(x: Array, index: Array, *, axis: int) -> Array:
    """Return, for each index, the element of x in its line along the axis."""
    places = _places(index, x.shape, axis, _lines(x.shape, axis))
    return np.asarray(np.take(x.reshape(-1), places))


def _lines(shape: tuple[int, ...], axis: int) -> Array:
    """Return where the lines along an axis begin in the flat array; the axis itself has size 1."""
    places = np.zeros((1,) * len(shape), np.int64)
    for k, n in enumerate(shape):
        if k != axis:
            line = np.arange(n) * math.prod(shape[k + 1 :])
            places = places + line.reshape([-1 if j == k else 1 for j in range(len(shape))])
    return places


def _places(index: Array, shape: tuple[int, ...], axis: int, lines: Array) -> Array:
    """Return where the elements lie in the flat array."""
    places = _wrapped(index, shape[axis]) * math.prod(shape[axis + 1 :])
    places += lines
    return np.asarray(places)


def lower_gather(builder: Builder, op: Op) -> None:
    """Lower `gather`: NumPy, into the planned memory."""
    axis = op.attrs["axis"]
    shape = builder.shape(op.inputs[0])
    lines = _lines(shape, axis)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        places = _places(reads[1], shape, axis, lines)
        np.take(reads[0].reshape(-1), places, out=writes[0], mode="clip")

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])], "gather")


def gather_grad(dy: Array, index: Array, *, axis: int, input_shape: tuple[int, ...]) -> Array:
    """Add each gradient to the element it was read from."""
    places = _places(index, input_shape, axis, _lines(input_shape, axis))
    return _added(places, dy, input_shape)


def _added(places: Array, values: Array, shape: tuple[int, ...]) -> Array:
    """Return the sums of real numbers by their places in the flat array, added up in float64."""
    sums = np.bincount(places.reshape(-1), values.reshape(-1), math.prod(shape))
    return sums.astype(values.dtype).reshape(shape)


def _infer_scatter(x: Spec, index: Spec, updates: Spec, *, axis: int, reduce: str | None) -> Any:
    _alike(x, index, axis)
    if updates.shape != index.shape:
        raise ShapeError(
            f"updates must have the shape of the indices, {index.shape}; got {updates.shape}."
        )
    if promoted(x, updates) != x.dtype:
        raise ShapeError(f"updates dtype must fit into {x.dtype}; got {updates.dtype}.")
    return (x,)


def scatter(x: Array, index: Array, updates: Array, *, axis: int, reduce: str | None) -> Array:
    """Return x with updates put at the indices (the last one wins), or added and the like."""
    places = _places(index, x.shape, axis, _lines(x.shape, axis)).reshape(-1)
    values = updates.reshape(-1).astype(x.dtype, copy=False)
    if reduce == "add" and x.dtype.kind == "f":
        return x + _added(places, values, x.shape)
    y = np.array(x).reshape(-1)
    if reduce is None:
        y[places] = values
    else:
        JOINED[reduce].at(y, places, values)
    return y.reshape(x.shape)


# -- an index along several axes -----------------------------------------------------------------


def _infer_ravel(index: Spec, *, sizes: tuple[int, ...]) -> tuple[Spec, ...]:
    integers(index, "indices")
    if not index.shape or index.shape[-1] != len(sizes):
        raise ShapeError(
            f"indices must have {len(sizes)} numbers along the last axis, one for each axis of "
            f"{sizes}; got shape {index.shape}."
        )
    return (Spec(index.shape[:-1], "int64"),)


def ravel_index(index: Array, *, sizes: tuple[int, ...]) -> Array:
    """Return the place in the flat array of each group of indices along the last axis."""
    wide = index.astype(np.int64)
    limits = np.array(sizes, np.int64)
    wrong = (wide < -limits) | (wide >= limits)
    if wrong.any():
        row = wide[tuple(np.argwhere(wrong)[0][:-1])]
        raise DataError(f"indices must lie within shape {sizes}; got {tuple(row.tolist())}.")
    wide = np.where(wide < 0, wide + limits, wide)
    steps = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
    return np.asarray((wide * np.array(steps, np.int64)).sum(axis=-1))


def _along(x: Any, *others: Any, axis: int, **attrs: Any) -> int:
    return int(x.shape[axis])


_IN_AXIS = (Range(1, check_indices, _along),)


def _infer_grad(dy: Spec, index: Spec, *, axis: int, input_shape: tuple[int, ...]) -> Any:
    return (Spec(input_shape, dy.dtype),)


register("take", infer=_infer_take, reference=take, lower=lower_take, moves=True, ranges=_IN_AXIS)
register("take_grad", infer=_infer_grad, reference=take_grad, lower=lower_take_grad, gradient=True)
register(
    "gather",
    infer=_infer_gather,
    reference=gather,
    lower=lower_gather,
    moves=True,
    ranges=_IN_AXIS,
)
register("gather_grad", infer=_infer_grad, reference=gather_grad, gradient=True)
register("scatter", infer=_infer_scatter, reference=scatter, ranges=_IN_AXIS)
register("ravel_index", infer=_infer_ravel, reference=ravel_index)
