"""Operations that move elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, as_value, function
from ..value import Input, Value

__all__ = [
    "broadcast_to",
    "concat",
    "expand_dims",
    "flatten",
    "move_axis",
    "reshape",
    "shape_of",
    "slice",
    "squeeze",
    "stop_gradient",
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
    """Return x with its axes in another order, reversed by default.

    Notes
    -----
    Same as PyTorch `permute` and ONNX `Transpose`-13.
    """
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
    """Return the inputs joined along an axis.

    Notes
    -----
    Same as PyTorch `cat` and ONNX `Concat`-13.
    """
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


def slice(
    x: Input, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int] | None = None
) -> Value:
    """Return the block from `starts` up to `stops`, one number per axis, by `steps` > 0."""
    attrs = {
        "starts": validate.integers("starts", starts),
        "stops": validate.integers("stops", stops),
    }
    if steps is not None:
        attrs["steps"] = validate.integers("steps", steps, "a list of ints > 0", 1)
    return _slice.apply((as_operand(x),), attrs)[0]


@_slice.gradient
def _slice_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_slice_grad.apply((dy,), {**entry.attrs, "input_shape": entry.inputs[0].shape})[0],)


@_slice_grad.gradient
def _slice_grad_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    block = {key: entry.attrs[key] for key in entry.attrs if key != "input_shape"}
    return (slice(dy, **block),)


_stop_gradient = function("stop_gradient")


def stop_gradient(x: Input) -> Value:
    """Return the same numbers, through which no gradient flows.

    Notes
    -----
    Same as PyTorch `detach` and Keras `stop_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import core
    >>> x = core.Value(np.float32([3.0]))
    >>> with core.Tape() as tape:
    ...     y = (x * stop_gradient(x)).sum()
    >>> tape.gradients(y, [x])
    [array([3.], dtype=float32)]
    """
    return _stop_gradient.apply((as_operand(x),), {})[0]


@_stop_gradient.gradient
def _stop_gradient_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (None,)


def expand_dims(x: Input, axis: int | Sequence[int]) -> Value:
    """Return x with new axes of size 1, at these places of the result.

    Notes
    -----
    Same as PyTorch `unsqueeze` and ONNX `Unsqueeze`-13.

    Examples
    --------
    >>> import numpy as np
    >>> expand_dims(np.ones((2, 3)), (0, -1)).shape
    (1, 2, 3, 1)
    """
    operand = as_operand(x)
    several = [axis] if isinstance(axis, int) else validate.several("axis", axis, "an axis or some")
    count = operand.ndim + len(several)
    places = {validate.axis("axis", k, count) for k in several}
    if len(places) != len(several):
        raise ArgumentError(f"`axis` must name each place once; got {axis}.")
    sizes = iter(operand.shape)
    return reshape(operand, [1 if k in places else next(sizes) for k in range(count)])


def squeeze(x: Input, axis: int | Sequence[int] | None = None) -> Value:
    """Return x without axes of size 1, all of them by default.

    Notes
    -----
    Same as PyTorch `squeeze` and ONNX `Squeeze`-13.
    """
    operand = as_operand(x)
    if axis is None:
        gone = {k for k, n in enumerate(operand.shape) if n == 1}
    else:
        several = (
            [axis] if isinstance(axis, int) else validate.several("axis", axis, "an axis or some")
        )
        gone = {validate.axis("axis", k, operand.ndim) for k in several}
    for k in sorted(gone):
        if operand.shape[k] != 1:
            raise ShapeError(
                f"input axis {k} must be 1 to be squeezed; got {operand.shape[k]} in shape "
                f"{operand.shape}."
            )
    return reshape(operand, [n for k, n in enumerate(operand.shape) if k not in gone])


def move_axis(x: Input, source: int, target: int) -> Value:
    """Return x with one axis moved to another place.

    Notes
    -----
    Same as PyTorch `movedim`.
    """
    operand = as_operand(x)
    start = validate.axis("source", source, operand.ndim)
    end = validate.axis("target", target, operand.ndim)
    order = [k for k in range(operand.ndim) if k != start]
    order.insert(end, start)
    return transpose(operand, order)


def shape_of(x: Input) -> Value:
    """Return the sizes of the axes as int64; in a program they are constants.

    Notes
    -----
    Same as BigDL `onnx.Shape` (0.13), TensorFlow `shape` and ONNX `Shape`-15.

    Examples
    --------
    >>> import numpy as np
    >>> shape_of(np.ones((2, 3))).data
    array([2, 3])
    """
    return as_value(np.array(as_operand(x).shape, np.int64))
