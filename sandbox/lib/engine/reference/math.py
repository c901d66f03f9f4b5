"""Elementwise arithmetic with NumPy's broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def add(a: Array, b: Array, *, activation: str | None = None) -> Array:
    """Return a + b."""
    y = np.add(a, b)
    return np.maximum(y, 0) if activation == "relu" else y


def subtract(a: Array, b: Array) -> Array:
    """Return a - b."""
    return np.subtract(a, b)


def multiply(a: Array, b: Array) -> Array:
    """Return a · b."""
    return np.multiply(a, b)


def divide(a: Array, b: Array) -> Array:
    """Return a / b; division by zero gives inf or nan."""
    y: Array = np.divide(a, b, dtype=np.result_type(a, b))
    return y


def maximum(a: Array, b: Array) -> Array:
    """Return the larger one."""
    return np.maximum(a, b)


def minimum(a: Array, b: Array) -> Array:
    """Return the smaller one."""
    return np.minimum(a, b)


def greater(a: Array, b: Array) -> Array:
    """Return 1 where a > b, else 0, in the dtype of a and b."""
    return np.greater(a, b).astype(np.result_type(a, b))


def scale_add(a: Array, b: Array, *, alpha: float, beta: float) -> Array:
    """Return alpha · a + beta · b."""
    dtype = np.result_type(a, b)
    y: Array = np.asarray(alpha, dtype) * a + np.asarray(beta, dtype) * b
    return y


def exp(x: Array) -> Array:
    """Return e to the x; too large an x gives inf."""
    return np.exp(x)


def log(x: Array) -> Array:
    """Return the natural logarithm; 0 gives -inf and x < 0 nan."""
    return np.log(x)


def sqrt(x: Array) -> Array:
    """Return the square root; x < 0 gives nan."""
    return np.sqrt(x)


def square(x: Array) -> Array:
    """Return x · x."""
    return np.square(x)


def abs(x: Array) -> Array:
    """Return the absolute value."""
    return np.abs(x)


def negative(x: Array) -> Array:
    """Return -x."""
    return np.negative(x)


def sign(x: Array) -> Array:
    """Return -1, 0 or 1."""
    return np.sign(x)


def power(x: Array, *, exponent: float) -> Array:
    """Return x to a constant power; results that do not exist are nan or inf."""
    y: Array = np.power(x, np.asarray(exponent, x.dtype))
    return y
