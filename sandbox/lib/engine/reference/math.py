"""Elementwise arithmetic with NumPy's broadcasting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def common(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of arithmetic with both.

    NumPy's, but for integers and booleans beside floats: they take the dtype of the floats. In
    NumPy float32 and int64 make float64, and labels would turn a whole float32 gradient into it.
    """
    if a == b:
        return a
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.result_type(a, b)


def add(a: Array, b: Array, *, activation: str | None = None) -> Array:
    """Return a + b."""
    y: Array = np.add(a, b, dtype=common(a.dtype, b.dtype))
    return np.maximum(y, 0) if activation == "relu" else y


def subtract(a: Array, b: Array) -> Array:
    """Return a - b."""
    y: Array = np.subtract(a, b, dtype=common(a.dtype, b.dtype))
    return y


def multiply(a: Array, b: Array) -> Array:
    """Return a · b."""
    y: Array = np.multiply(a, b, dtype=common(a.dtype, b.dtype))
    return y


def divide(a: Array, b: Array) -> Array:
    """Return a / b; division by zero gives inf or nan."""
    y: Array = np.divide(a, b, dtype=common(a.dtype, b.dtype))
    return y


def maximum(a: Array, b: Array) -> Array:
    """Return the larger one."""
    y: Array = np.maximum(a, b, dtype=common(a.dtype, b.dtype))
    return y


def minimum(a: Array, b: Array) -> Array:
    """Return the smaller one."""
    y: Array = np.minimum(a, b, dtype=common(a.dtype, b.dtype))
    return y


def greater(a: Array, b: Array) -> Array:
    """Return 1 where a > b, else 0, in the dtype of a and b."""
    return np.greater(a, b).astype(common(a.dtype, b.dtype))


def scale_add(a: Array, b: Array, *, alpha: float, beta: float) -> Array:
    """Return alpha · a + beta · b."""
    dtype = common(a.dtype, b.dtype)
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
