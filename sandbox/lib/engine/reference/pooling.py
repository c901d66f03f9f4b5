"""Pooling. The workspace of max pooling is the flat index of the maximum inside its window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .conv import Pads, Pair, pad_images, windows

Array = NDArray[Any]


def max_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pads) -> tuple[Array, Array]:
    """Return the maximum of each window and its index in it (the first one among equals)."""
    view = windows(pad_images(x, padding, -np.inf), kernel, stride)
    flat = view.reshape(*view.shape[:4], kernel[0] * kernel[1])
    index = flat.argmax(axis=-1)
    y = np.take_along_axis(flat, index[..., None], axis=-1)[..., 0]
    return y, index.astype(np.int32)


def max_pool2d_grad(
    dy: Array,
    workspace: Array,
    *,
    input_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair,
    padding: Pads,
) -> Array:
    """Give each dy to the element that was the maximum."""
    dx, crop = _padded_zeros(dy, input_shape, padding)
    for k in range(kernel[0] * kernel[1]):
        _at(dx, k, kernel, stride, dy.shape)[...] += dy * (workspace == k)
    return dx[crop]


def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pads, include_padding: bool
) -> Array:
    """Return the mean of each window."""
    total = windows(pad_images(x, padding), kernel, stride).sum(axis=(4, 5), dtype=x.dtype)
    y: Array = total / _counts(x.shape, kernel, stride, padding, include_padding, x.dtype)
    return y


def avg_pool2d_grad(
    dy: Array,
    *,
    input_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair,
    padding: Pads,
    include_padding: bool,
) -> Array:
    """Give each element of a window an equal share of dy."""
    dx, crop = _padded_zeros(dy, input_shape, padding)
    share = dy / _counts(input_shape, kernel, stride, padding, include_padding, dy.dtype)
    for k in range(kernel[0] * kernel[1]):
        _at(dx, k, kernel, stride, dy.shape)[...] += share
    return dx[crop]


def _counts(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pads, all_of_it: bool, dtype: Any
) -> Array:
    """Return how many elements each window's mean is taken over, shape (rows, columns) or ()."""
    if all_of_it:
        return np.asarray(kernel[0] * kernel[1], dtype)
    ones = pad_images(np.ones((1, 1, *shape[2:]), dtype), padding)
    counts: Array = windows(ones, kernel, stride).sum(axis=(4, 5), dtype=dtype)[0, 0]
    return counts


def _padded_zeros(
    dy: Array, input_shape: tuple[int, int, int, int], padding: Pads
) -> tuple[Array, tuple[slice, ...]]:
    n, c, height, width = input_shape
    (top, bottom), (left, right) = padding
    dx = np.zeros((n, c, height + top + bottom, width + left + right), dy.dtype)
    return dx, (slice(None), slice(None), slice(top, top + height), slice(left, left + width))


def _at(dx: Array, k: int, kernel: Pair, stride: Pair, dy_shape: tuple[int, ...]) -> Array:
    """Return the view of the k-th element of every window."""
    i, j = divmod(k, kernel[1])
    rows, columns = dy_shape[2:]
    return dx[
        :,
        :,
        i : i + (rows - 1) * stride[0] + 1 : stride[0],
        j : j + (columns - 1) * stride[1] + 1 : stride[1],
    ]
