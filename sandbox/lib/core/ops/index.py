"""Elements by their indices: slices, gathered and scattered."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import arithmetic, comparison
from .arrange import flip, stack
from .cast import cast
from .shape import broadcast_to, expand_dims, reshape, slice

__all__ = [
    "gather",
    "gather_nd",
    "masked_fill",
    "one_hot",
    "scatter",
    "scatter_nd",
    "slicing",
    "take",
]

Gradients = Sequence[Input | None]
REDUCTIONS = ("add", "multiply", "maximum", "minimum")

_take = function("take")
_take_grad = function("take_grad")
_gather = function("gather")
_gather_grad = function("gather_grad")
_scatter = function("scatter")
_ravel_index = function("ravel_index")


def _indices(name: str, index: Input) -> Operand:
    """Return indices as a value; a list of ints counts as some."""
    if isinstance(index, Operand):
        return index
    return as_operand(validate.int_array(name, index))


def take(x: Input, index: Input, axis: int = 0) -> Value:
    """Return the parts of x at the indices along one axis; -1 is the last one.

    Shapes
    ------
    x : (..., n, ...)
    index : any shape, integers in [-n, n)
    output : (..., shape of the index, ...)

    Notes
    -----
    Same as NumPy `take`, PyTorch `index_select` and ONNX `Gather`-13. For a table of embeddings
    `embedding` is quicker.

    Examples
    --------
    >>> take(np.array([[1, 2, 3], [4, 5, 6]]), [2, 0], axis=1).data
    array([[3, 1],
           [6, 4]])
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    return _take.apply((operand, _indices("index", index)), {"axis": place})[0]


@_take.gradient
def _take_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    if not entry.needs[0]:
        return None, None
    x, index = entry.inputs
    return _take_grad.apply((dy, index), {**entry.attrs, "input_shape": x.shape})[0], None


@_take_grad.gradient
def _take_grad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return take(dy, entry.inputs[1], entry.attrs["axis"]), None


def gather(x: Input, index: Input, axis: int = -1) -> Value:
    """Return, for each index, the element of x in its line along the axis.

    y[i, j] = x[i, index[i, j]] for the last of two axes

    Shapes
    ------
    x : (..., n, ...)
    index : (..., m, ...), integers in [-n, n)
    output : (..., m, ...)

    Notes
    -----
    Same as NumPy `take_along_axis`, PyTorch `gather` and ONNX `GatherElements`-13 (where the other
    axes of the index may be shorter).

    Examples
    --------
    >>> gather(np.array([[1, 2, 3], [4, 5, 6]]), [[2], [0]]).data
    array([[3],
           [4]])
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    return _gather.apply((operand, _indices("index", index)), {"axis": place})[0]


@_gather.gradient
def _gather_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    if not entry.needs[0]:
        return None, None
    x, index = entry.inputs
    return _gather_grad.apply((dy, index), {**entry.attrs, "input_shape": x.shape})[0], None


@_gather_grad.gradient
def _gather_grad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return gather(dy, entry.inputs[1], entry.attrs["axis"]), None


def scatter(
    x: Input, index: Input, updates: Input, axis: int = -1, *, reduce: str | None = None
) -> Value:
    """Return x with each update put at its index in its line along the axis.

    y[i, index[i, j]] = updates[i, j] for the last of two axes

    Parameters
    ----------
    x : (..., n, ...)
    index : (..., m, ...), integers in [-n, n)
    updates : (..., m, ...)
    axis : int
    reduce : None, "add", "multiply", "maximum" or "minimum"
        What is done with the element that is there; None: it is replaced, by the last update of
        several for one place.

    Notes
    -----
    Same as PyTorch `scatter`, `scatter_reduce` and ONNX `ScatterElements`-18. Where updates are
    put, the gradient of each is that of the place, as if no other had its place; the winners of
    "maximum" and "minimum" share it; through "multiply" it divides by the factors, which must not
    be 0.

    Examples
    --------
    >>> scatter(np.zeros(4), [1, 1, 3], np.array([1.0, 2.0, 5.0]), reduce="add").data
    array([0., 3., 0., 5.])
    """
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    if reduce is not None:
        validate.one_of("reduce", reduce, REDUCTIONS)
    inputs = (operand, _indices("index", index), as_operand(updates))
    return _scatter.apply(inputs, {"axis": place, "reduce": reduce})[0]


@_scatter.gradient
def _scatter_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x, index, updates = entry.inputs
    axis, reduce = entry.attrs["axis"], entry.attrs["reduce"]

    def there(value: Input) -> Value:
        return gather(value, index, axis)

    if reduce == "add":
        return dy, None, there(dy) if entry.needs[2] else None
    if reduce is None:
        zeros = np.zeros(updates.shape, dy.dtype)
        dx = scatter(dy, index, zeros, axis) if entry.needs[0] else None
        return dx, None, there(dy) if entry.needs[2] else None
    y = entry.outputs[0]
    if reduce == "multiply":
        share = arithmetic.multiply(dy, y)
        return arithmetic.divide(share, x), None, arithmetic.divide(there(share), updates)
    ones = np.ones(updates.shape, dy.dtype)
    kept = cast(comparison.equal(x, y), dy.dtype)
    won = comparison.where(comparison.equal(updates, there(y)), ones, np.zeros_like(ones))
    share = arithmetic.divide(dy, scatter(kept, index, won, axis, reduce="add"))
    return (
        arithmetic.multiply(share, kept),
        None,
        arithmetic.multiply(there(share), won),
    )


def gather_nd(x: Input, index: Input) -> Value:
    """Return the parts of x at places of several axes.

    Shapes
    ------
    x : (n1, ..., nk, ...)
    index : (..., k), integers: a place of the first k axes each
    output : (..., the axes of x behind the first k)

    Notes
    -----
    Same as ONNX `GatherND`-13 without batch axes, and TensorFlow `gather_nd`.

    Examples
    --------
    >>> gather_nd(np.array([[1, 2], [3, 4]]), [[0, 1], [1, 0]]).data
    array([2, 3])
    """
    operand, places, rest = _flat_places(x, index)
    return take(reshape(operand, (-1, *rest)), places, 0)


def scatter_nd(x: Input, index: Input, updates: Input, *, reduce: str | None = None) -> Value:
    """Return x with the updates put at places of several axes; see `scatter` for `reduce`.

    Shapes
    ------
    x : (n1, ..., nk, ...)
    index : (..., k), integers: a place of the first k axes each
    updates : (..., the axes of x behind the first k)
    output : as x

    Notes
    -----
    Same as ONNX `ScatterND`-18, and TensorFlow `tensor_scatter_nd_update`.

    Examples
    --------
    >>> scatter_nd(np.zeros((2, 2)), [[0, 1], [1, 0]], np.array([5.0, 6.0])).data
    array([[0., 5.],
           [6., 0.]])
    """
    operand, places, rest = _flat_places(x, index)
    given = as_operand(updates)
    if given.shape != (*places.shape, *rest):
        raise ShapeError(f"updates must have shape {(*places.shape, *rest)}; got {given.shape}.")
    count, inner = math.prod(places.shape), math.prod(rest)
    lines = broadcast_to(reshape(places, (count, 1)), (count, inner))
    whole = reshape(operand, (math.prod(operand.shape) // max(inner, 1), inner))
    put = scatter(whole, lines, reshape(given, (count, inner)), 0, reduce=reduce)
    return reshape(put, operand.shape)


def _flat_places(x: Input, index: Input) -> tuple[Operand, Value, tuple[int, ...]]:
    """Return x, the places in its first axes made one, and its other sizes."""
    operand, places = as_operand(x), _indices("index", index)
    depth = places.shape[-1] if places.shape else 0
    if not 0 < depth <= operand.ndim:
        raise ShapeError(
            f"indices must have 1 to {operand.ndim} numbers along the last axis; got shape "
            f"{places.shape}."
        )
    sizes = operand.shape[:depth]
    return operand, _ravel_index.apply((places,), {"sizes": sizes})[0], operand.shape[depth:]


@_ravel_index.gradient
def _ravel_index_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (None,)


def masked_fill(x: Input, mask: Input, value: float) -> Value:
    """Return x with one value where the mask is true.

    Notes
    -----
    Same as PyTorch `masked_fill`.
    """
    return comparison.where(mask, validate.number("value", value), as_operand(x))


def one_hot(ids: Input, classes: int, dtype: Any = "float32") -> Value:
    """Return, for each id, a row of zeros with a one at the id; other ids give zeros alone.

    Examples
    --------
    >>> one_hot([2, 0], 3).data
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    count = validate.positive_int("classes", classes)
    return cast(comparison.equal(expand_dims(_indices("ids", ids), -1), np.arange(count)), dtype)


# -- x[index] ------------------------------------------------------------------------------------


def slicing(x: Input, index: Any) -> Value:
    """Return x[index] for ints, slices, `...`, None (a new axis) and arrays of integers.

    As in NumPy. Several arrays (and ints beside them) must stand next to each other. A mask of
    booleans alone is `masked_select`.

    Examples
    --------
    >>> slicing(np.arange(6), np.s_[::-2]).data
    array([5, 3, 1])
    """
    operand = as_operand(x)
    if isinstance(index, Operand | np.ndarray) and index.ndim and index.dtype == np.bool_:
        from .host import masked_select  # made of what is here

        return masked_select(operand, index)
    items = [_item(item) for item in (index if isinstance(index, tuple) else (index,))]
    given = sum(item is not None and item is not Ellipsis for item in items)
    if given > operand.ndim:
        raise ShapeError(f"index must name at most {operand.ndim} axes; got {index!r}.")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    at = next(k for k, item in enumerate(items) if item is Ellipsis)
    items[at : at + 1] = [builtins.slice(None)] * (operand.ndim - given)
    if any(isinstance(item, Operand) for item in items):
        return _by_arrays(operand, items, index)
    return _block(operand, items)


def _item(item: Any) -> Any:
    """Return a part of an index: an array as a value, a whole number as an int."""
    if isinstance(item, list) or (isinstance(item, np.ndarray) and item.ndim):
        return as_operand(validate.int_array("index", item))
    if item is None or item is Ellipsis or isinstance(item, builtins.slice | Operand):
        return item
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return int(item)
    raise ArgumentError(
        f"an index must be an int, a slice, `...`, None or an array of integers; got {item!r}."
    )


def _block(x: Operand, items: Sequence[Any]) -> Value:
    """Return x by ints, slices and new axes."""
    starts: list[int] = []
    stops: list[int] = []
    steps: list[int] = []
    turned: list[int] = []
    shape: list[int] = []
    for item in items:
        axis = len(starts)
        if item is None:
            shape.append(1)
        elif isinstance(item, int):
            length = x.shape[axis]
            if not -length <= item < length:
                raise ShapeError(f"index {item} must lie in [{-length}, {length}).")
            starts.append(item % length)
            stops.append(starts[-1] + 1)
            steps.append(1)
        else:
            if item.step == 0:
                raise ArgumentError(f"a slice must not have step 0; got {item!r}.")
            found = range(x.shape[axis])[item]
            if found.step < 0:
                turned.append(axis)
                found = found[::-1]
            starts.append(found.start if found else 0)
            stops.append(found[-1] + 1 if found else 0)
            steps.append(found.step if len(found) > 1 else 1)
            shape.append(len(found))
    block: Operand = x
    if any(starts) or tuple(stops) != x.shape or any(step != 1 for step in steps):
        by = steps if any(step != 1 for step in steps) else None
        block = slice(x, starts, stops, by)
    return reshape(flip(block, turned) if turned else block, shape)


def _by_arrays(x: Operand, items: Sequence[Any], index: Any) -> Value:
    """Return x by arrays of integers, and the other items."""
    places = [k for k, item in enumerate(items) if isinstance(item, Operand | int)]
    if places != list(range(places[0], places[-1] + 1)):
        raise ArgumentError(
            f"arrays and ints of an index must stand next to each other; got {index!r}. Index in "
            "two steps."
        )
    chosen = [items[k] for k in places]
    for item in chosen:
        if isinstance(item, Operand) and item.dtype.kind not in "iu":
            raise ArgumentError(
                f"an index must hold integers; got {item.dtype} in shape {item.shape}. For a mask "
                "of booleans there is core.ops.masked_select."
            )
    first, count = places[0], len(places)
    whole = [builtins.slice(None)] * count
    block = _block(x, [*items[:first], *whole, *items[first + count :]])
    if count == 1:
        return take(block, chosen[0], first)
    try:
        shape = np.broadcast_shapes(*[getattr(item, "shape", ()) for item in chosen])
    except ValueError:
        raise ShapeError(f"arrays of an index must broadcast; got {index!r}.") from None
    parts = [broadcast_to(_as_indices(item), shape) for item in chosen]
    sizes = block.shape[first : first + count]
    flat = _ravel_index.apply((stack(parts, -1),), {"sizes": sizes})[0]
    outer, inner = block.shape[:first], block.shape[first + count :]
    return take(reshape(block, (*outer, math.prod(sizes), *inner)), flat, first)


def _as_indices(item: Any) -> Value:
    return cast(item if isinstance(item, Operand) else np.asarray(item), "int64")
