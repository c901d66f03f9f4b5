"""Attention, composed of matrix products and a softmax."""

from __future__ import annotations

import numpy as np

from .. import validate
from ..errors import ShapeError
from ..function import as_operand
from ..value import Input, Value
from . import activation, arithmetic, comparison, linear, shape
from .sequence import mask_sequence

__all__ = [
    "attention",
]

# What a forbidden place gets added: e^-1e9 is 0, and a row of them stays finite, unlike with -inf.
FORBIDDEN = -1e9


def attention(
    query: Input,
    key: Input,
    value: Input,
    lengths: Input | None = None,
    *,
    scale: float | None = None,
    causal: bool = False,
    mask: Input | None = None,
    bias: Input | None = None,
) -> Value:
    """Return softmax(scale · query · keyᵀ + bias) · value, for each head.

    Parameters
    ----------
    lengths : integers, optional
        How many of the keys each row of the batch has; the others get no attention.
    scale : float, optional
        1/sqrt(features) by default.
    causal : bool
        Whether a place may look at itself and the places before it only.
    mask : booleans, optional
        Where a place may look. One that may look nowhere looks everywhere alike.
    bias : optional
        What is added to the scores.

    Shapes
    ------
    query : (batch, heads, time, features)
    key : (batch, heads, source, features)
    value : (batch, heads, source, width)
    lengths : (batch,)
    mask, bias : what stretches to (batch, heads, time, source)
    output : (batch, heads, time, width)
    """
    q, k, v = as_operand(query), as_operand(key), as_operand(value)
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ShapeError(
            "query, key and value must have 4 axes (batch, heads, time, features); got shapes "
            f"{q.shape}, {k.shape}, {v.shape}."
        )
    time, source = q.shape[2], k.shape[2]
    causal = validate.boolean("causal", causal)
    factor = q.shape[3] ** -0.5 if scale is None else validate.number("scale", scale)
    scores = linear.matmul(arithmetic.multiply(q, factor), shape.transpose(k, (0, 1, 3, 2)))
    if bias is not None:
        scores = arithmetic.add(scores, bias)
    if mask is not None:
        scores = arithmetic.add(scores, comparison.where(mask, 0.0, FORBIDDEN))
    if causal:
        later = np.triu(np.full((time, source), FORBIDDEN, q.dtype), 1 + source - time)
        scores = arithmetic.add(scores, later)
    if lengths is not None:
        there = mask_sequence(np.zeros((q.shape[0], source), q.dtype), lengths, value=FORBIDDEN)
        scores = arithmetic.add(scores, shape.reshape(there, (q.shape[0], 1, 1, source)))
    return linear.matmul(activation.softmax(scores, -1), v)
