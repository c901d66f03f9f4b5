"""Activations whose gradient is computed from the INPUT: the output does not tell enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_ROOT_2_BY_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715  # of the approximation of gelu by tanh
_erf = np.frompyfunc(math.erf, 1, 1)


def _below(x: Array) -> Array:
    """Return P(X <= x) of a normal X."""
    erf: Array = np.asarray(_erf(x / math.sqrt(2)), x.dtype)
    return 0.5 * (1 + erf)


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def leaky_relu(x: Array, *, slope: float) -> Array:
    """Return x where it is positive, else slope · x."""
    return np.where(x > 0, x, x * slope)


def leaky_relu_grad(dy: Array, x: Array, *, slope: float) -> Array:
    """Return dy, or slope · dy where x is not positive."""
    return np.where(x > 0, dy, dy * slope)


def elu(x: Array, *, alpha: float) -> Array:
    """Return x where it is positive, else alpha · (e^x - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_grad(dy: Array, x: Array, *, alpha: float) -> Array:
    """Return dy, or dy · alpha · e^x where x is not positive."""
    return np.where(x > 0, dy, dy * (alpha * np.exp(np.minimum(x, 0))))


def gelu(x: Array, *, approximate: bool) -> Array:
    """Return x · P(X <= x) of a normal X, or its approximation by tanh."""
    if approximate:
        near: Array = x * 0.5 * (1 + np.tanh(_ROOT_2_BY_PI * (x + _CUBIC * x * x * x)))
        return near
    y: Array = x * _below(x)
    return y


def gelu_grad(dy: Array, x: Array, *, approximate: bool) -> Array:
    """Return dy · (P(X <= x) + x · density(x))."""
    dx: Array
    if approximate:
        tanh = np.tanh(_ROOT_2_BY_PI * (x + _CUBIC * x * x * x))
        inner = _ROOT_2_BY_PI * (1 + 3 * _CUBIC * x * x)
        dx = dy * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner)
        return dx
    dx = dy * (_below(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))
    return dx


def silu(x: Array) -> Array:
    """Return x · sigmoid(x)."""
    y: Array = x * _sigmoid(x)
    return y


def silu_grad(dy: Array, x: Array) -> Array:
    """Return dy · s · (1 + x · (1 - s))."""
    s = _sigmoid(x)
    dx: Array = dy * (s * (1 + x * (1 - s)))
    return dx


def mish(x: Array) -> Array:
    """Return x · tanh(softplus(x))."""
    y: Array = x * np.tanh(softplus(x))
    return y


def mish_grad(dy: Array, x: Array) -> Array:
    """Return dy · (t + x · (1 - t²) · sigmoid(x)), t = tanh(softplus(x))."""
    t = np.tanh(softplus(x))
    dx: Array = dy * (t + x * (1 - t * t) * _sigmoid(x))
    return dx


def softplus(x: Array) -> Array:
    """Return log(1 + e^x), without overflow."""
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def softplus_grad(dy: Array, x: Array) -> Array:
    """Return dy · sigmoid(x)."""
    dx: Array = dy * _sigmoid(x)
    return dx


def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    y: Array = x / (1 + np.abs(x))
    return y


def softsign_grad(dy: Array, x: Array) -> Array:
    """Return dy / (1 + |x|)²."""
    dx: Array = dy / np.square(1 + np.abs(x))
    return dx


def hard_sigmoid(x: Array, *, slope: float, offset: float) -> Array:
    """Return slope · x + offset, kept in 0..1."""
    return np.clip(x * slope + offset, 0, 1)


def hard_sigmoid_grad(dy: Array, x: Array, *, slope: float, offset: float) -> Array:
    """Return slope · dy between the ends, else 0."""
    y = x * slope + offset
    return np.where((y > 0) & (y < 1), dy * slope, np.zeros((), dy.dtype))


def clip(x: Array, *, low: float, high: float) -> Array:
    """Return x, kept in low..high."""
    return np.clip(x, low, high)


def clip_grad(dy: Array, x: Array, *, low: float, high: float) -> Array:
    """Return dy between the ends, else 0."""
    return np.where((x > low) & (x < high), dy, np.zeros((), dy.dtype))


KERNELS = (
    *(leaky_relu, leaky_relu_grad, elu, elu_grad, gelu, gelu_grad, silu, silu_grad),
    *(mish, mish_grad, softplus, softplus_grad, softsign, softsign_grad),
    *(hard_sigmoid, hard_sigmoid_grad, clip, clip_grad),
)
