"""Sums, means and maxima over axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def sum(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the sum; the dtype stays."""
    return np.asarray(x.sum(axis=axes, keepdims=keepdims, dtype=x.dtype))


def mean(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the mean."""
    return np.asarray(x.mean(axis=axes, keepdims=keepdims))


def max(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Return the maximum."""
    return np.asarray(x.max(axis=axes, keepdims=keepdims))
