"""Activations; every gradient is computed from the output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def relu_grad(dy: Array, y: Array) -> Array:
    """Let through where the output is positive."""
    dx: Array = dy * (y > 0)
    return dx


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def tanh_grad(dy: Array, y: Array) -> Array:
    """Return dy · (1 - y²)."""
    dx: Array = dy * (1 - y * y)
    return dx


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x), without overflow at either end."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_grad(dy: Array, y: Array) -> Array:
    """Return dy · y · (1 - y)."""
    dx: Array = dy * y * (1 - y)
    return dx


def softmax(x: Array, *, axis: int) -> Array:
    """Return e^x / sum(e^x), shifted by the maximum so that nothing overflows."""
    if x.size == 0:
        return x.copy()
    powers: Array = np.exp(x - x.max(axis=axis, keepdims=True))
    powers /= powers.sum(axis=axis, keepdims=True)
    return powers


def softmax_grad(dy: Array, y: Array, *, axis: int) -> Array:
    """Return y · (dy - sum(dy · y))."""
    dx: Array = y * (dy - (dy * y).sum(axis=axis, keepdims=True))
    return dx


def log_softmax(x: Array, *, axis: int) -> Array:
    """Return x - log(sum(e^x)), shifted by the maximum."""
    if x.size == 0:
        return x.copy()
    shifted: Array = x - x.max(axis=axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


def log_softmax_grad(dy: Array, y: Array, *, axis: int) -> Array:
    """Return dy - e^y · sum(dy)."""
    dx: Array = dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)
    return dx
