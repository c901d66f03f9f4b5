"""Sequences of ids and of vectors: embedding, maximum over time, masks by length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value

__all__ = [
    "embedding",
    "mask_sequence",
    "masked_mean",
    "max_with_index",
    "sequence_lengths",
]

Gradients = Sequence[Input | None]


_embedding = function("embedding")
_embedding_grad = function("embedding_grad")


def embedding(ids: Input, weight: Input, *, padding_index: int | None = None) -> Value:
    """Return the row of `weight` for each id; zeros (and no gradient) for `padding_index`.

    Shapes
    ------
    ids : (...) integers in [0, num_embeddings)
    weight : (num_embeddings, features)
    output : (..., features)
    """
    first, second = as_operand(ids), as_operand(weight)
    if padding_index is not None:
        padding_index = validate.integer("padding_index", padding_index)
    return _embedding.apply((first, second), {"padding_index": padding_index})[0]


@_embedding.gradient
def _embedding_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    if not entry.needs[1]:
        return None, None
    ids, weight = entry.inputs
    attrs = {"num_embeddings": weight.shape[0], **entry.attrs}
    return None, _embedding_grad.apply((dy, ids), attrs)[0]


_max_with_index = function("max_with_index")
_max_with_index_grad = function("max_with_index_grad")


def max_with_index(x: Input, axis: int) -> tuple[Value, Value]:
    """Return the maximum along one axis and its place; the gradient goes to that place alone.

    Unlike `max`, where equal maxima share it: here the first one gets it all, so that a gradient
    through it is sparse.
    """
    operand = as_operand(x)
    y, index = _max_with_index.apply(
        (operand,), {"axis": validate.axis("axis", axis, operand.ndim)}
    )
    return y, index


@_max_with_index.gradient
def _max_with_index_gradient(entry: TapeEntry, dy: Value | None, dindex: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {**entry.attrs, "input_shape": entry.inputs[0].shape}
    return (_max_with_index_grad.apply((dy, entry.outputs[1]), attrs)[0],)


_mask_sequence = function("mask_sequence")


def mask_sequence(x: Input, lengths: Input, *, value: float = 0.0) -> Value:
    """Return x with `value` at the positions (axis 1) behind the length of each row."""
    operand = as_operand(x)
    inputs = (operand, as_operand(lengths))
    return _mask_sequence.apply(inputs, {"value": validate.number("value", value)})[0]


@_mask_sequence.gradient
def _mask_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return mask_sequence(dy, entry.inputs[1]), None


_sequence_lengths = function("sequence_lengths")


def sequence_lengths(ids: Input, padding_index: int = 0) -> Value:
    """Return the length of each row up to its last id that is no padding, at least 1."""
    return _sequence_lengths.apply(
        (as_operand(ids),), {"padding_index": validate.integer("padding_index", padding_index)}
    )[0]


def steps(lengths: Input, like: Operand) -> Value:
    """Return lengths as numbers of `like`'s dtype, shape (batch,), without a gradient."""
    ones = np.ones(like.shape[:2], like.dtype)
    from . import reduce

    return reduce.sum(mask_sequence(ones, lengths), 1)


def masked_mean(x: Input, axis: int = 1, lengths: Input | None = None) -> Value:
    """Return the mean along the time axis; with lengths (axis 1) over each row's own steps."""
    from . import arithmetic, reduce, shape

    operand = as_operand(x)
    if lengths is None:
        return reduce.mean(operand, axis)
    total = reduce.sum(mask_sequence(operand, lengths), 1)
    counts: Any = (operand.shape[0],) + (1,) * (operand.ndim - 2)
    return arithmetic.divide(total, shape.reshape(steps(lengths, operand), counts))
