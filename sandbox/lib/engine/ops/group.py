"""Normalisation within each row: over groups of channels, by the root mean square, by the length.

NumPy kernels, run over pieces of rows (`pieces`); batch and layer normalisation are in `norm`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import register
from ..oplist import Spec
from .pieces import by_rows
from .rules import floating

Array = NDArray[Any]


def _infer_group(
    x: Spec, gamma: Spec, beta: Spec, *, groups: int, epsilon: float
) -> tuple[Spec, ...]:
    floating(x)
    if len(x.shape) < 2 or x.shape[1] % groups:
        raise ShapeError(
            f"input axis 1 must be a multiple of {groups} (groups); got shape {x.shape}."
        )
    for name, vector in (("gamma", gamma), ("beta", beta)):
        if vector.shape != x.shape[1:2]:
            raise ShapeError(
                f"{name} must have shape {x.shape[1:2]}, one number per channel of input {x.shape};"
                f" got {vector.shape}."
            )
    if x.size == 0 and 0 in x.shape[1:]:
        raise ShapeError(f"input must have channels and elements in each; got shape {x.shape}.")
    statistics = Spec((x.shape[0], groups), x.dtype)
    return x, statistics, statistics


def _infer_rms(x: Spec, gamma: Spec, *, epsilon: float) -> tuple[Spec, ...]:
    floating(x)
    first = len(x.shape) - len(gamma.shape)
    if first < 1 or x.shape[first:] != gamma.shape:
        raise ShapeError(
            f"gamma must have the shape of the last axes of input {x.shape}; got {gamma.shape}."
        )
    return x, Spec(x.shape[:first], x.dtype)


def _infer_length(x: Spec, *, axis: int, epsilon: float) -> tuple[Spec, ...]:
    floating(x)
    return x, Spec((*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)


def _infer_response(x: Spec, *, axes: tuple[int, ...], **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    if max(axes) >= len(x.shape):
        raise ShapeError(f"input must have an axis {max(axes)}; got shape {x.shape}.")
    return x, x


# -- groups of channels ----------------------------------------------------------------------------


def _by_group(x: Array, groups: int) -> Array:
    """Return (batch, groups, channels of each, elements)."""
    rows, channels = x.shape[:2]
    return x.reshape(rows, groups, channels // groups, math.prod(x.shape[2:]))


def _wide(statistic: Array) -> Array:
    return statistic[:, :, None, None]


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, epsilon: float
) -> tuple[Array, Array, Array]:
    """Return y, and mean and biased variance of each group of each row."""
    parts = _by_group(x, groups)
    flat = parts.reshape(*parts.shape[:2], math.prod(parts.shape[2:]))
    mean = flat.mean(axis=2)
    y = parts - _wide(mean)
    flat = y.reshape(flat.shape)
    count = math.prod(parts.shape[2:])
    variance = np.vecdot(flat, flat) / np.asarray(count, x.dtype)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    y *= gamma.reshape(groups, -1, 1) * _wide(inverse)
    y += beta.reshape(groups, -1, 1)
    return y.reshape(x.shape), mean, variance


def group_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    parts, above = _by_group(x, groups), _by_group(dy, groups)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    scale = gamma.reshape(groups, -1, 1) * _wide(inverse)
    centred = parts - _wide(mean)
    sums = above.sum(axis=3)
    products = np.vecdot(above, centred)
    count = np.asarray(math.prod(parts.shape[2:]), x.dtype)
    shift = (scale[..., 0] * sums).sum(axis=2) / count
    slope = (scale[..., 0] * products).sum(axis=2) * np.square(inverse) / count
    dx = above * scale
    centred *= _wide(slope)
    dx -= centred
    dx -= _wide(shift)
    dgamma = (products * inverse[:, :, None]).sum(axis=0)
    return dx.reshape(x.shape), dgamma.reshape(-1), sums.sum(axis=0).reshape(-1)


# -- root mean square, length ----------------------------------------------------------------------


def rms_norm(x: Array, gamma: Array, *, epsilon: float) -> tuple[Array, Array]:
    """Return gamma · x / sqrt(mean(x²) + epsilon), and the inverse of that root."""
    flat = x.reshape(-1, gamma.size)
    squares = np.vecdot(flat, flat) / np.asarray(gamma.size, x.dtype)
    inverse = 1 / np.sqrt(squares + np.asarray(epsilon, x.dtype))
    y = flat * inverse[:, None]
    y *= gamma.reshape(-1)
    return y.reshape(x.shape), inverse.reshape(x.shape[: x.ndim - gamma.ndim])


def rms_norm_grad(
    dy: Array, x: Array, gamma: Array, inverse: Array, *, epsilon: float
) -> tuple[Array, Array]:
    """Return dx and dgamma; the root depends on x, which dx accounts for."""
    size = gamma.size
    above, flat = dy.reshape(-1, size), x.reshape(-1, size)
    scale, column = gamma.reshape(-1), inverse.reshape(-1)
    products = above * flat
    slope = (products @ scale) * column * column / np.asarray(size, x.dtype)
    dgamma = column @ products
    dx = above * scale
    dx -= np.multiply(flat, slope[:, None], out=products)
    dx *= column[:, None]
    return dx.reshape(x.shape), dgamma.reshape(gamma.shape)


def normalize(x: Array, *, axis: int, epsilon: float) -> tuple[Array, Array]:
    """Return x / max(length, epsilon), and that divisor; the length is along an axis."""
    length = np.sqrt(np.square(x).sum(axis=axis, keepdims=True))
    length = np.maximum(length, np.asarray(epsilon, x.dtype))
    return x / length, length


def normalize_grad(dy: Array, y: Array, length: Array, *, axis: int, epsilon: float) -> Array:
    """Return (dy - y · sum(dy · y)) / length, or dy / epsilon where x is shorter than that."""
    products = dy * y
    along = products.sum(axis=axis, keepdims=True)
    along *= length > np.asarray(epsilon, y.dtype)
    np.multiply(y, along, out=products)
    dx: Array = dy - products
    dx /= length
    return dx


# -- local response --------------------------------------------------------------------------------


def _windows(x: Array, before: int, after: int, axes: tuple[int, ...]) -> Array:
    """Return the sums over windows along axes; what lies outside counts as 0."""
    for axis in axes:
        total = x.copy()
        size = x.shape[axis]
        for step in range(1, min(before, size - 1) + 1):
            here = _along(total, axis, slice(step, None))
            here += _along(x, axis, slice(None, size - step))
        for step in range(1, min(after, size - 1) + 1):
            here = _along(total, axis, slice(None, size - step))
            here += _along(x, axis, slice(step, None))
        x = total
    return x


def _along(x: Array, axis: int, part: slice) -> Array:
    return x[(slice(None),) * axis + (part,)]


def _falling(x: Array, beta: float) -> Array:
    """Return x to the power -beta; the usual one by roots, which are quicker."""
    if beta == 0.75:
        root: Array = np.sqrt(x)
        root *= np.sqrt(root)
        return np.divide(1, root, out=root)
    power: Array = np.power(x, np.asarray(-beta, x.dtype))
    return power


def local_response_norm(
    x: Array, *, size: int, alpha: float, beta: float, k: float, axes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return x · s^-beta and s = k + alpha · (mean of x² over windows of `size`)."""
    scale = _windows(np.square(x), size // 2, (size - 1) // 2, axes)
    scale *= np.asarray(alpha / size ** len(axes), x.dtype)
    scale += np.asarray(k, x.dtype)
    return x * _falling(scale, beta), scale


def local_response_norm_grad(
    dy: Array,
    x: Array,
    scale: Array,
    *,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    axes: tuple[int, ...],
) -> Array:
    """Return dx: x counts for itself, and for all windows it lies in."""
    dx = dy * _falling(scale, beta)
    inner = dx * x
    inner /= scale
    inner = _windows(inner, (size - 1) // 2, size // 2, axes)
    inner *= x
    inner *= np.asarray(2 * alpha * beta / size ** len(axes), x.dtype)
    dx -= inner
    return dx


register(
    "group_norm", cheap=True, infer=_infer_group, reference=group_norm, lower=by_rows(0), alone="f"
)
register(
    "group_norm_grad",
    infer=lambda dy, x, gamma, *rest, **attrs: (x, gamma, gamma),
    reference=group_norm_grad,
    lower=by_rows(0, 1, 3, 4),
    alone="f",
    gradient=True,
    batch_outputs=1,
)
register("rms_norm", cheap=True, infer=_infer_rms, reference=rms_norm, lower=by_rows(0), alone="f")
register(
    "rms_norm_grad",
    infer=lambda dy, x, gamma, inverse, **attrs: (x, gamma),
    reference=rms_norm_grad,
    lower=by_rows(0, 1, 3),
    alone="f",
    gradient=True,
    batch_outputs=1,
)
register(
    "normalize", cheap=True, infer=_infer_length, reference=normalize, lower=by_rows(0), alone="f"
)
register(
    "normalize_grad",
    infer=lambda dy, x, *rest, **attrs: (x,),
    reference=normalize_grad,
    lower=by_rows(0, 1, 2),
    alone="f",
    gradient=True,
)
register(
    "local_response_norm",
    cheap=True,
    infer=_infer_response,
    reference=local_response_norm,
    lower=by_rows(0),
    alone="f",
)
register(
    "local_response_norm_grad",
    infer=lambda dy, x, *rest, **attrs: (x,),
    reference=local_response_norm_grad,
    lower=by_rows(0, 1, 2),
    alone="f",
    gradient=True,
)
