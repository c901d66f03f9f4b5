"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def linear(x: Array, w: Array, b: Array | None = None, *, activation: str | None = None) -> Array:
    """Return x · wᵀ + b."""
    y = x @ w.T
    if b is not None:
        y = y + b
    return np.maximum(y, 0) if activation == "relu" else y


def linear_grad_input(dy: Array, w: Array) -> Array:
    """Return dy · w."""
    return dy @ w


def linear_grad_weight(
    x: Array, dy: Array, *, with_bias: bool = False
) -> Array | tuple[Array, Array]:
    """Return dyᵀ · x and, if asked for, the column sums of dy."""
    dw = dy.T @ x
    return (dw, dy.sum(axis=0)) if with_bias else dw


def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product over the last two axes."""
    y: Array = np.matmul(a, b)
    return y
