"""Operations that move elements. Results may be views of the inputs; nobody writes into them."""

from __future__ import annotations

import builtins
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .math import common

Array = NDArray[Any]


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return the same elements in another shape."""
    return x.reshape(shape)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return x with its axes in another order."""
    return x.transpose(axes)


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return x repeated to a shape."""
    return np.broadcast_to(x, shape)


def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return x summed over the axes along which `shape` would be repeated."""
    extra = x.ndim - len(shape)
    axes = [k + extra for k, n in enumerate(shape) if n == 1 and x.shape[k + extra] != 1]
    summed = x.sum(axis=(*range(extra), *axes), keepdims=True, dtype=x.dtype)
    return np.asarray(summed).reshape(shape)


def concat(*xs: Array, axis: int) -> Array:
    """Return the inputs joined along an axis."""
    return np.concatenate(xs, axis=axis, dtype=reduce(common, [x.dtype for x in xs]))


def _block(starts: tuple[int, ...], stops: tuple[int, ...]) -> tuple[builtins.slice, ...]:
    return tuple(builtins.slice(a, b) for a, b in zip(starts, stops, strict=True))


def slice(x: Array, *, starts: tuple[int, ...], stops: tuple[int, ...]) -> Array:
    """Return the block between starts and stops."""
    return x[_block(starts, stops)]


def slice_grad(
    dy: Array, *, starts: tuple[int, ...], stops: tuple[int, ...], input_shape: tuple[int, ...]
) -> Array:
    """Return zeros with dy in the block."""
    dx = np.zeros(input_shape, dy.dtype)
    dx[_block(starts, stops)] = dy
    return dx
