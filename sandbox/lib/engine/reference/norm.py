"""Batch normalisation over axis 1 of (batch, features) or (batch, channels, height, width).

Layer normalisation over the last axes of each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def _axes(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(vector: Array, x: Array) -> Array:
    return vector.reshape((1, -1) + (1,) * (x.ndim - 2))


def batch_norm(
    x: Array, gamma: Array, beta: Array, *, epsilon: float, activation: str | None = None
) -> tuple[Array, ...]:
    """Return y, the batch's mean and biased variance (after a ReLU also where it let through)."""
    mean = x.mean(axis=_axes(x))
    variance = np.square(x - _column(mean, x)).mean(axis=_axes(x))
    y = batch_norm_inference(x, gamma, beta, mean, variance, epsilon=epsilon)
    if activation == "relu":
        return np.maximum(y, 0), mean, variance, (y > 0).astype(np.uint8)
    return y, mean, variance


def batch_norm_inference(
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
    activation: str | None = None,
) -> Array:
    """Return gamma · (x - mean) / sqrt(variance + epsilon) + beta."""
    scale = gamma / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    y = (x - _column(mean, x)) * _column(scale, x) + _column(beta, x)
    return np.maximum(y, 0) if activation == "relu" else y


def batch_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    workspace: Array | None = None,
    *,
    epsilon: float,
    activation: str | None = None,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    if activation == "relu" and workspace is not None:
        dy = dy * (workspace > 0)
    axes = _axes(x)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    normal = (x - _column(mean, x)) * _column(inverse, x)
    dbeta = dy.sum(axis=axes)
    dgamma = (dy * normal).sum(axis=axes)
    count = np.asarray(x.size // max(x.shape[1], 1), x.dtype)
    inner = dy - _column(dbeta / count, x) - normal * _column(dgamma / count, x)
    return inner * _column(gamma * inverse, x), dgamma, dbeta


def layer_norm(
    x: Array, gamma: Array, beta: Array, *, epsilon: float, axes_from: int
) -> tuple[Array, Array, Array]:
    """Return y, and mean and biased variance over the axes from `axes_from` on."""
    axes = tuple(range(axes_from, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    variance = np.square(x - mean).mean(axis=axes, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    shape = x.shape[:axes_from]
    return normal * gamma + beta, mean.reshape(shape), variance.reshape(shape)


def layer_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
    axes_from: int,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    axes = tuple(range(axes_from, x.ndim))
    column = (*mean.shape, *(1 for _ in axes))
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype)).reshape(column)
    normal = (x - mean.reshape(column)) * inverse
    rows = tuple(range(axes_from))
    scaled = dy * gamma
    inner = scaled - scaled.mean(axis=axes, keepdims=True)
    inner -= normal * (scaled * normal).mean(axis=axes, keepdims=True)
    return inner * inverse, (dy * normal).sum(axis=rows), dy.sum(axis=rows)
