"""Sequences of ids and of vectors: embedding, maximum over time, masks by length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..radix import stable_order
from .conv import conv2d_grad_input, conv2d_grad_weight

Array = NDArray[Any]


def embedding(ids: Array, weight: Array, *, padding_index: int | None) -> Array:
    """Return the row of the weight for each id; zeros for the padding."""
    y = weight[ids]
    if padding_index is not None:
        y[ids == padding_index] = 0
    return y


def embedding_grad(
    dy: Array, ids: Array, *, num_embeddings: int, padding_index: int | None
) -> Array:
    """Sum the gradients of each id, in the order of their positions; none for the padding."""
    size = dy.shape[-1]
    dw = np.zeros((num_embeddings, size), dy.dtype)
    flat = ids.reshape(-1)
    if flat.size == 0:
        return dw
    order = stable_order(flat, num_embeddings)
    ordered = flat[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    dw[ordered[starts]] = np.add.reduceat(dy.reshape(-1, size)[order], starts, axis=0)
    if padding_index is not None:
        dw[padding_index] = 0
    return dw


def max_over(x: Array, *, axis: int) -> tuple[Array, Array]:
    """Return the maximum along an axis and where it is (the first one among equals)."""
    index = x.argmax(axis=axis)
    y = np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis)
    return y, index.astype(np.int64)


def max_over_grad(dy: Array, index: Array, *, axis: int, input_shape: tuple[int, ...]) -> Array:
    """Give each dy to the element that was the maximum."""
    dx = np.zeros(input_shape, dy.dtype)
    np.put_along_axis(dx, np.expand_dims(index, axis), np.expand_dims(dy, axis), axis)
    return dx


def mask_sequence(x: Array, lengths: Array, *, value: float) -> Array:
    """Return x with `value` at the positions (axis 1) behind the length of each row."""
    y = x.copy()
    y[np.arange(x.shape[1]) >= lengths[:, None]] = value
    return y


def sequence_lengths(ids: Array, *, padding_index: int) -> Array:
    """Return the position behind the last id that is no padding; 1 where all are padding."""
    real = ids != padding_index
    behind = ids.shape[1] - real[:, ::-1].argmax(axis=1)
    return np.where(real.any(axis=1), behind, 1).astype(np.int64)


def _spread(dy: Array, index: Array, map_shape: tuple[int, ...]) -> Array:
    peaks = map_shape[:3]
    return max_over_grad(dy.reshape(peaks), index.reshape(peaks), axis=3, input_shape=map_shape)


def conv2d_over_grad_input(
    dy: Array, index: Array, w: Array, *, map_shape: tuple[int, ...], **attrs: Any
) -> Array:
    """Give the gradient of conv2d's input through a maximum over its whole width."""
    return conv2d_grad_input(_spread(dy, index, map_shape), w, **attrs)


def conv2d_over_grad_weight(
    x: Array, dy: Array, index: Array, *, map_shape: tuple[int, ...], **attrs: Any
) -> Array | tuple[Array, Array]:
    """Give the gradient of conv2d's weight through a maximum over its whole width."""
    return conv2d_grad_weight(x, _spread(dy, index, map_shape), **attrs)
