"""Operations that move elements without changing them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.oplist import Spec
from .. import validate
from ..errors import ArgumentError, ShapeError
from ..primitive import Node, Primitive, as_operand, as_value
from ..value import Input, Operand, Value
from ._rules import promoted

Gradients = Sequence[Input | None]


def _reshape_infer(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    result = Spec(shape, x.dtype)
    if result.size != x.size:
        raise ShapeError(
            f"input must have {result.size} elements for shape {shape}; got {x.size} in shape "
            f"{x.shape}."
        )
    return (result,)


_reshape = Primitive("reshape", _reshape_infer)


def reshape(x: Input, shape: Sequence[int] | int) -> Value:
    """Return the same elements in another shape; one size may be -1."""
    operand = as_operand(x)
    wanted = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
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
    first = min(start, len(shape))
    length = 1
    for n in shape[first:]:
        length *= n
    return reshape(operand, (*shape[:first], length))


@_reshape.gradient
def _reshape_gradient(node: Node, dy: Value) -> Gradients:
    return (reshape(dy, node.inputs[0].shape),)


def _transpose_infer(x: Spec, *, axes: tuple[int, ...]) -> tuple[Spec, ...]:
    return (Spec(tuple(x.shape[k] for k in axes), x.dtype),)


_transpose = Primitive("transpose", _transpose_infer)


def transpose(x: Input, axes: Sequence[int] | None = None) -> Value:
    """Return x with its axes in another order, reversed by default."""
    operand = as_operand(x)
    count = operand.ndim
    order = range(count)[::-1] if axes is None else [validate.axis("axes", k, count) for k in axes]
    if sorted(order) != list(range(count)):
        raise ArgumentError(f"`axes` must name each of {count} axes once; got {axes}.")
    return _transpose.apply((operand,), {"axes": tuple(order)})[0]


@_transpose.gradient
def _transpose_gradient(node: Node, dy: Value) -> Gradients:
    axes = node.attrs["axes"]
    return (transpose(dy, sorted(range(len(axes)), key=axes.__getitem__)),)


def _broadcast_infer(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    _must_broadcast(x.shape, shape)
    return (Spec(shape, x.dtype),)


def _sum_to_infer(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    _must_broadcast(shape, x.shape)
    return (Spec(shape, x.dtype),)


def _must_broadcast(small: tuple[int, ...], large: tuple[int, ...]) -> None:
    try:
        fits = np.broadcast_shapes(small, large) == large
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"shape {small} must broadcast to {large}; it does not.")


_broadcast_to = Primitive("broadcast_to", _broadcast_infer)
_sum_to = Primitive("sum_to", _sum_to_infer)


def broadcast_to(x: Input, shape: Sequence[int]) -> Value:
    """Return x repeated to a shape, as NumPy's broadcasting does."""
    return _broadcast_to.apply((as_operand(x),), {"shape": tuple(shape)})[0]


def sum_to(x: Input, shape: Sequence[int]) -> Value:
    """Return x summed to a shape: the inverse of `broadcast_to`."""
    return _sum_to.apply((as_operand(x),), {"shape": tuple(shape)})[0]


@_broadcast_to.gradient
def _broadcast_to_gradient(node: Node, dy: Value) -> Gradients:
    return (sum_to(dy, node.inputs[0].shape),)


@_sum_to.gradient
def _sum_to_gradient(node: Node, dy: Value) -> Gradients:
    return (broadcast_to(dy, node.inputs[0].shape),)


def _concat_infer(*xs: Spec, axis: int) -> tuple[Spec, ...]:
    first = xs[0].shape
    length = 0
    for k, x in enumerate(xs):
        if len(x.shape) != len(first) or any(
            a != b for j, (a, b) in enumerate(zip(x.shape, first, strict=True)) if j != axis
        ):
            raise ShapeError(
                f"inputs must have equal shapes except along axis {axis}; got {first} and "
                f"{x.shape} (input {k})."
            )
        length += x.shape[axis]
    return (Spec((*first[:axis], length, *first[axis + 1 :]), promoted(*xs)),)


_concat = Primitive("concat", _concat_infer)


def concat(xs: Sequence[Input], axis: int = 1) -> Value:
    """Return the inputs joined along an axis."""
    operands = tuple(as_operand(x) for x in xs)
    if not operands:
        raise ArgumentError("`xs` must hold at least one input; got none.")
    return _concat.apply(operands, {"axis": validate.axis("axis", axis, operands[0].ndim)})[0]


@_concat.gradient
def _concat_gradient(node: Node, dy: Value) -> Gradients:
    axis = node.attrs["axis"]
    parts: list[Value | None] = []
    start = 0
    for x, needed in zip(node.inputs, node.needs, strict=True):
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


def _slice_infer(x: Spec, *, starts: tuple[int, ...], stops: tuple[int, ...]) -> tuple[Spec, ...]:
    if not len(starts) == len(stops) == len(x.shape):
        raise ShapeError(f"starts and stops must name {len(x.shape)} axes; got {starts}, {stops}.")
    for k, (start, stop, length) in enumerate(zip(starts, stops, x.shape, strict=True)):
        if not 0 <= start <= stop <= length:
            raise ShapeError(
                f"slice of axis {k} must lie in [0, {length}]; got [{start}, {stop}) of shape "
                f"{x.shape}."
            )
    return (Spec(tuple(b - a for a, b in zip(starts, stops, strict=True)), x.dtype),)


_slice = Primitive("slice", _slice_infer)
_slice_grad = Primitive(
    "slice_grad", lambda dy, *, starts, stops, input_shape: (Spec(input_shape, dy.dtype),)
)


def slice(x: Input, starts: Sequence[int], stops: Sequence[int]) -> Value:
    """Return the block from `starts` up to `stops`, one number per axis."""
    attrs = {"starts": tuple(int(n) for n in starts), "stops": tuple(int(n) for n in stops)}
    return _slice.apply((as_operand(x),), attrs)[0]


@_slice.gradient
def _slice_gradient(node: Node, dy: Value) -> Gradients:
    return (_slice_grad.apply((dy,), {**node.attrs, "input_shape": node.inputs[0].shape})[0],)


@_slice_grad.gradient
def _slice_grad_gradient(node: Node, dy: Value) -> Gradients:
    return (slice(dy, node.attrs["starts"], node.attrs["stops"]),)


def take(x: Input, index: Any) -> Value:
    """Return x[index] for ints, slices without a step, `...` and None (a new axis)."""
    operand = as_operand(x)
    items = list(index) if isinstance(index, tuple) else [index]
    given = sum(1 for item in items if item is not None and item is not Ellipsis)
    if given > operand.ndim:
        raise IndexError(f"index must name at most {operand.ndim} axes; got {index!r}.")
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
            raise IndexError(f"index {item} must lie in [{-length}, {length}).")
        start = int(item) % length
        return start, start + 1, False
    raise ArgumentError(f"an index must be an int, a slice, `...` or None; got {item!r}.")
