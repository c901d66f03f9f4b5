"""Sequences of ids and of vectors: embedding, maximum over time, masks by length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.oplist import Spec
from .. import validate
from ..errors import DataError, ShapeError
from ..primitive import Node, Primitive, as_operand
from ..state import STATE
from ..value import Array, Input, Operand, Value
from ._rules import floating, ndim

Gradients = Sequence[Input | None]


def is_integer(x: Spec | Operand) -> bool:
    """Return whether a value holds integers."""
    return str(x.dtype)[:3] in ("int", "uin")


def integers(x: Spec, what: str, cure: str = "Convert with .astype('int64').") -> None:
    """Refuse what holds no integers."""
    if not is_integer(x):
        raise ShapeError(f"{what} must be integers; got {x.dtype} in shape {x.shape}. {cure}")


def check_ids(ids: Array, limit: int, what: str = "id") -> None:
    """Raise a `DataError` that names the first id which is not in [0, limit)."""
    if ids.size == 0:
        return
    if ids.dtype.kind == "i":
        # As unsigned numbers the negative ones are huge: one pass finds both kinds.
        same = ids if ids.flags.c_contiguous else np.ascontiguousarray(ids)
        bad = same.view(f"u{ids.dtype.itemsize}").max() >= limit
    else:
        bad = ids.max() >= limit
    if bad:
        wrong = (ids < 0) | (ids >= limit)
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f"row {place[0]}" if place else "a scalar"
        where += f", position {', '.join(map(str, place[1:]))}" if len(place) > 1 else ""
        raise DataError(
            f"{what}s must be integers in [0, {limit}); got {ids[place]} in {where} "
            f"({int(wrong.sum())} of {ids.size} are out of range). Ids count from 0; give unknown "
            "tokens an id of their own."
        )


def check_lengths(lengths: Array, time: int) -> None:
    """Raise a `DataError` that names the first length which is not in [1, time]."""
    wrong = (lengths < 1) | (lengths > time)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"lengths must be integers in [1, {time}]; got {lengths[row]} in row {row} "
            f"({int(wrong.sum())} of {lengths.size} rows). Leave empty texts out, or give them "
            "one padding id."
        )


def lengths_rule(x: Spec, lengths: Spec) -> None:
    """Check lengths against the sequences they belong to."""
    integers(lengths, "lengths")
    if lengths.shape != x.shape[:1]:
        raise ShapeError(
            f"lengths must have shape {x.shape[:1]}, one entry per row of the input; got "
            f"{lengths.shape}."
        )


def lengths_operand(x: Operand, lengths: Input) -> Operand:
    """Return lengths as an operand; out of range ones are refused where the numbers are known."""
    operand = as_operand(lengths)
    if STATE.trace is None and is_integer(operand) and operand.ndim == 1 and x.ndim > 1:
        check_lengths(operand._data, x.shape[1])
    return operand


def _embedding_infer(ids: Spec, weight: Spec, *, padding_index: int | None) -> tuple[Spec, ...]:
    integers(ids, "ids")
    ndim(weight, 2, "(num_embeddings, features)", "weight")
    return (Spec((*ids.shape, weight.shape[1]), weight.dtype),)


def _embedding_grad_infer(
    dy: Spec, ids: Spec, *, num_embeddings: int, padding_index: int | None
) -> tuple[Spec, ...]:
    return (Spec((num_embeddings, dy.shape[-1]), dy.dtype),)


_embedding = Primitive("embedding", _embedding_infer)
_embedding_grad = Primitive("embedding_grad", _embedding_grad_infer)


def embedding(ids: Input, weight: Input, *, padding_index: int | None = None) -> Value:
    """Return the row of `weight` for each id; zeros (and no gradient) for `padding_index`.

    Shapes
    ------
    ids : (...) integers in [0, num_embeddings)
    weight : (num_embeddings, features)
    output : (..., features)
    """
    first, second = as_operand(ids), as_operand(weight)
    if STATE.trace is None and is_integer(first) and second.ndim == 2:
        check_ids(first._data, second.shape[0])
    return _embedding.apply((first, second), {"padding_index": padding_index})[0]


@_embedding.gradient
def _embedding_gradient(node: Node, dy: Value) -> Gradients:
    if not node.needs[1]:
        return None, None
    ids, weight = node.inputs
    attrs = {"num_embeddings": weight.shape[0], **node.attrs}
    return None, _embedding_grad.apply((dy, ids), attrs)[0]


def _max_over_infer(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    if x.shape[axis] == 0:
        raise ShapeError(f"input axis {axis} must not be empty; got shape {x.shape}.")
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return Spec(shape, x.dtype), Spec(shape, "int64")


_max_over = Primitive("max_over", _max_over_infer)
_max_over_grad = Primitive(
    "max_over_grad", lambda dy, index, *, axis, input_shape: (Spec(input_shape, dy.dtype),)
)


def max_over(x: Input, axis: int) -> tuple[Value, Value]:
    """Return the maximum along one axis and its place; the gradient goes to that place alone.

    Unlike `max`, where equal maxima share it: here the first one gets it all, so that a gradient
    through it is sparse.
    """
    operand = as_operand(x)
    y, index = _max_over.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})
    return y, index


@_max_over.gradient
def _max_over_gradient(node: Node, dy: Value | None, dindex: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {**node.attrs, "input_shape": node.inputs[0].shape}
    return (_max_over_grad.apply((dy, node.outputs[1]), attrs)[0],)


def _mask_infer(x: Spec, lengths: Spec, *, value: float) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) < 2:
        raise ShapeError(f"input must have axes (batch, time, ...); got shape {x.shape}.")
    lengths_rule(x, lengths)
    return (x,)


_mask_sequence = Primitive("mask_sequence", _mask_infer)


def mask_sequence(x: Input, lengths: Input, *, value: float = 0.0) -> Value:
    """Return x with `value` at the positions (axis 1) behind the length of each row."""
    operand = as_operand(x)
    inputs = (operand, lengths_operand(operand, lengths))
    return _mask_sequence.apply(inputs, {"value": float(value)})[0]


@_mask_sequence.gradient
def _mask_gradient(node: Node, dy: Value) -> Gradients:
    return mask_sequence(dy, node.inputs[1]), None


def _sequence_lengths_infer(ids: Spec, *, padding_index: int) -> tuple[Spec, ...]:
    integers(ids, "ids")
    ndim(ids, 2, "(batch, time)", "ids")
    if ids.shape[1] == 0:
        raise ShapeError(f"ids axis 1 (time) must not be empty; got shape {ids.shape}.")
    return (Spec(ids.shape[:1], "int64"),)


_sequence_lengths = Primitive("sequence_lengths", _sequence_lengths_infer)


def sequence_lengths(ids: Input, padding_index: int = 0) -> Value:
    """Return the length of each row up to its last id that is no padding, at least 1."""
    return _sequence_lengths.apply((as_operand(ids),), {"padding_index": int(padding_index)})[0]


def steps(lengths: Input, like: Operand) -> Value:
    """Return lengths as numbers of `like`'s dtype, shape (batch,), without a gradient."""
    ones = np.ones(like.shape[:2], like.dtype)
    from . import reduce

    return reduce.sum(mask_sequence(ones, lengths), 1)


def mean_over(x: Input, axis: int = 1, lengths: Input | None = None) -> Value:
    """Return the mean along the time axis; with lengths (axis 1) over each row's own steps."""
    from . import math, reduce, shape

    operand = as_operand(x)
    if lengths is None:
        return reduce.mean(operand, axis)
    total = reduce.sum(mask_sequence(operand, lengths), 1)
    counts: Any = (operand.shape[0],) + (1,) * (operand.ndim - 2)
    return math.divide(total, shape.reshape(steps(lengths, operand), counts))
