"""Operations that move elements without changing them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, as_value, function
from ..value import Input, Operand, Value

__all__ = [
    "broadcast_to",
    "concat",
    "flatten",
    "reshape",
    "slice",
    "slicing",
    "sum_to",
    "transpose",
]

Gradients = Sequence[Input | None]


_reshape = function("reshape")


def reshape(x: Input, shape: Sequence[int] | int) -> Value:
    """Return the same elements in another shape; one size may be -1."""
    operand = as_operand(x)
    wanted = (shape,) if isinstance(shape, int) else validate.integers("shape", shape)
    if -1 in wanted:
        wanted = _fill(operand.shape, wanted)
    if wanted == operand.shape:
        return as_value(operand)
    return _reshape.apply((operand,), {"shape": wanted})[0]


def _fill(shape: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    known = size = 1
    for n in wanted:
        known *= n if n != -1 else 1
    for n in shape:
        size *= n
    if wanted.count(-1) > 1 or any(n < -1 for n in wanted):
        raise ArgumentError(f"`shape` must hold sizes >= 0 and at most one -1; got {wanted}.")
    if known == 0 and size == 0:
        rest = 0
    elif known == 0 or size % known:
        raise ShapeError(f"input must be cut into shape {wanted}; got {size} elements in {shape}.")
    else:
        rest = size // known
    return tuple(rest if n == -1 else n for n in wanted)


def flatten(x: Input, start: int = 1) -> Value:
    """Return x with all axes from `start` on made into one."""
    operand = as_operand(x)
    shape = operand.shape
    first = min(validate.non_negative_int("start", start), len(shape))
    length = 1
    for n in shape[first:]:
        length *= n
    return reshape(operand, (*shape[:first], length))


@_reshape.gradient
def _reshape_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (reshape(dy, entry.inputs[0].shape),)


_transpose = function("transpose")


def transpose(x: Input, axes: Sequence[int] | None = None) -> Value:
    """Return x with its axes in another order, reversed by default."""
    operand = as_operand(x)
    count = operand.ndim
    order = list(range(count))[::-1]
    if axes is not None:
        several = validate.several("axes", axes, "a list of axes or None")
        order = [validate.axis("axes", k, count) for k in several]
    if sorted(order) != list(range(count)):
        raise ArgumentError(f"`axes` must name each of {count} axes once; got {axes}.")
    return _transpose.apply((operand,), {"axes": tuple(order)})[0]


@_transpose.gradient
def _transpose_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    axes = entry.attrs["axes"]
    return (transpose(dy, sorted(range(len(axes)), key=axes.__getitem__)),)


_broadcast_to = function("broadcast_to")
_sum_to = function("sum_to")


def broadcast_to(x: Input, shape: Sequence[int]) -> Value:
    """Return x repeated to a shape, as NumPy's broadcasting does."""
    return _broadcast_to.apply((as_operand(x),), {"shape": validate.shape("shape", shape)})[0]


def sum_to(x: Input, shape: Sequence[int]) -> Value:
    """Return x summed to a shape: the inverse of `broadcast_to`."""
    return _sum_to.apply((as_operand(x),), {"shape": validate.shape("shape", shape)})[0]


@_broadcast_to.gradient
def _broadcast_to_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (sum_to(dy, entry.inputs[0].shape),)


@_sum_to.gradient
def _sum_to_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (broadcast_to(dy, entry.inputs[0].shape),)


_concat = function("concat")


def concat(xs: Sequence[Input], axis: int = 1) -> Value:
    """Return the inputs joined along an axis."""
    operands = tuple(as_operand(x) for x in validate.several("xs", xs, "a list of inputs"))
    if not operands:
        raise ArgumentError("`xs` must hold at least one input; got none.")
    return _concat.apply(operands, {"axis": validate.axis("axis", axis, operands[0].ndim)})[0]


@_concat.gradient
def _concat_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    axis = entry.attrs["axis"]
    parts: list[Value | None] = []
    start = 0
    for x, needed in zip(entry.inputs, entry.needs, strict=True):
        stop = start + x.shape[axis]
        if needed:
            starts = [0] * x.ndim
            stops = list(dy.shape)
            starts[axis], stops[axis] = start, stop
            parts.append(slice(dy, starts, stops))
        else:
            parts.append(None)
        start = stop
    return parts


_slice = function("slice")
_slice_grad = function("slice_grad")


def slice(x: Input, starts: Sequence[int], stops: Sequence[int]) -> Value:
    """Return the block from `starts` up to `stops`, one number per axis."""
    attrs = {
        "starts": validate.integers("starts", starts),
        "stops": validate.integers("stops", stops),
    }
    return _slice.apply((as_operand(x),), attrs)[0]


@_slice.gradient
def _slice_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_slice_grad.apply((dy,), {**entry.attrs, "input_shape": entry.inputs[0].shape})[0],)


@_slice_grad.gradient
def _slice_grad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (slice(dy, entry.attrs["starts"], entry.attrs["stops"]),)


def slicing(x: Input, index: Any) -> Value:
    """Return x[index] for ints, slices without a step, `...` and None (a new axis)."""
    operand = as_operand(x)
    items = list(index) if isinstance(index, tuple) else [index]
    given = sum(1 for item in items if item is not None and item is not Ellipsis)
    if given > operand.ndim:
        raise ShapeError(f"index must name at most {operand.ndim} axes; got {index!r}.")
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    starts: list[int] = []
    stops: list[int] = []
    shape: list[int] = []
    for item in items:
        if item is None:
            shape.append(1)
            continue
        lengths = operand.shape[len(starts) :]
        if item is Ellipsis:
            skipped = lengths[: operand.ndim - given]
            starts += [0] * len(skipped)
            stops += skipped
            shape += skipped
        else:
            start, stop, keep = _bounds(item, lengths[0])
            starts.append(start)
            stops.append(stop)
            if keep:
                shape.append(stop - start)
    block: Operand = operand
    if any(starts) or tuple(stops) != operand.shape:
        block = slice(operand, starts, stops)
    return reshape(block, shape)


def _bounds(item: Any, length: int) -> tuple[int, int, bool]:
    if isinstance(item, builtins.slice):
        start, stop, step = item.indices(length)
        if step != 1:
            raise ArgumentError(
                f"a slice must have step 1; got {item!r}. Reverse with NumPy before."
            )
        return start, max(start, stop), True
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        if not -length <= item < length:
            raise ShapeError(f"index {item} must lie in [{-length}, {length}).")
        start = int(item) % length
        return start, start + 1, False
    raise ArgumentError(f"an index must be an int, a slice, `...` or None; got {item!r}.")
