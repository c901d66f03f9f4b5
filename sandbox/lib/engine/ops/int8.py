"""Operations on 8-bit integers that stand for real numbers, in exact arithmetic.

A map holds unsigned bytes, weights hold signed ones. A convolution adds up whole numbers; what
leaves it is `sum · factor + offset (+ share · residual)`, rounded to the nearest whole number, ties
to even, and clipped. `quantize` chooses factors and offsets as multiples of a power of two, few
enough bits long that float32 holds every intermediate result: so it does not matter in which
order, with or without fused multiply-add, a kernel computes them, nor whether it computes them in
integers at all. All kernels on all processors give the same integers; NumPy shows which.

Processors without VNNI instructions add pairs of products in 16 bits: exact for maps up to 127
(2 · 127 · 127 < 32,768), wrong beyond. Larger ones run there in float32, on the same integers.
The native kernels are in `int8_native.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ShapeError
from ..operation import register
from ..oplist import Spec
from ..steps import Array
from .convolution import conv, infer_conv
from .int8_native import (
    BYTE,
    lower_add_int8,
    lower_avg_pool2d_int8,
    lower_concat_int8,
    lower_conv2d_int8,
    lower_dequantize_int8,
    lower_linear_int8,
    lower_max_pool2d_int8,
    lower_quantize_int8,
)
from .rules import axis_is, floating, ndim, window_length
from .windows import pad_images, windows

if TYPE_CHECKING:
    pass

Limits = tuple[float | None, float | None]


# -- rules -----------------------------------------------------------------------------------------


def _is(x: Spec, dtype: str, what: str) -> None:
    if x.dtype != dtype:
        raise ShapeError(f"{what} dtype must be {dtype}; got {x.dtype} in shape {x.shape}.")


def _check_numbers(x: Spec, w: Spec, factors: Spec, offsets: Spec) -> None:
    _is(x, BYTE, "input")
    _is(w, "int8", "weight")
    for name, spec in (("factors", factors), ("offsets", offsets)):
        _is(spec, "float32", name)
        if spec.shape != w.shape[:1]:
            raise ShapeError(f"{name} must have shape {w.shape[:1]}; got {spec.shape}.")


def _infer_conv2d(
    x: Spec,
    w: Spec,
    factors: Spec,
    offsets: Spec,
    residual: Spec | None = None,
    *,
    dtype: str,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    **attrs: Any,
) -> tuple[Spec, ...]:
    _check_numbers(x, w, factors, offsets)
    window = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    (result,) = infer_conv(Spec(x.shape), Spec(w.shape), **window)
    if residual is not None and residual != Spec(result.shape, dtype):
        raise ShapeError(
            f"residual must be {dtype} in shape {result.shape}; got {residual.dtype} in shape "
            f"{residual.shape}."
        )
    return (Spec(result.shape, dtype),)


def _infer_linear(
    x: Spec, w: Spec, factors: Spec, offsets: Spec, *, dtype: str, **attrs: Any
) -> tuple[Spec, ...]:
    ndim(w, 2, "(out_features, in_features)", "weight")
    ndim(x, 2, "(batch, in_features)")
    _check_numbers(x, w, factors, offsets)
    axis_is(x, 1, w.shape[1], "in_features")
    return (Spec((x.shape[0], w.shape[0]), dtype),)


def _infer_quantize(x: Spec, factor: Spec, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    return (Spec(x.shape, BYTE),)


def _infer_dequantize(x: Spec, factor: Spec, **attrs: Any) -> tuple[Spec, ...]:
    _is(x, BYTE, "input")
    return (Spec(x.shape, "float32"),)


def _infer_pool(x: Spec, *, kernel: Any, stride: Any, padding: Any, **a: Any) -> tuple[Spec, ...]:
    _is(x, BYTE, "input")
    ndim(x, 4, "(batch, channels, height, width)")
    sizes = [window_length(x.shape[2 + k], kernel[k], stride[k], padding[k]) for k in (0, 1)]
    if min(sizes) < 1:
        raise ShapeError(f"input must be at least as large as the kernel {kernel}; got {x.shape}.")
    return (Spec((*x.shape[:2], *sizes), BYTE),)


def _infer_pad(x: Spec, *, padding: Any, value: int) -> tuple[Spec, ...]:
    _is(x, BYTE, "input")
    sizes = [x.shape[2 + k] + sum(padding[k]) for k in (0, 1)]
    return (Spec((*x.shape[:2], *sizes), BYTE),)


def _infer_add(a: Spec, b: Spec, *factors: Spec, **attrs: Any) -> tuple[Spec, ...]:
    _is(a, BYTE, "input")
    if a != b:
        raise ShapeError(f"inputs must be alike; got {a.dtype} {a.shape} and {b.dtype} {b.shape}.")
    return (a,)


def _infer_concat(*xs: Spec, axis: int) -> tuple[Spec, ...]:
    for k, x in enumerate(xs):
        _is(x, BYTE, f"input {k}")
        if len(x.shape) != len(xs[0].shape):
            raise ShapeError(f"inputs must have as many axes; got {xs[0].shape} and {x.shape}.")
    total = sum(x.shape[axis] for x in xs)
    shape = xs[0].shape
    return (Spec((*shape[:axis], total, *shape[axis + 1 :]), BYTE),)


# -- NumPy: exact, as float64 holds every sum ------------------------------------------------------


def _finish(y: Array, dtype: str, low: float | None, high: float | None) -> Array:
    if low is not None or high is not None:
        y = np.clip(y, low, high)
    return y.astype(np.float32) if dtype == "float32" else np.rint(y).astype(np.uint8)


def _conv2d(
    x: Array,
    w: Array,
    factors: Array,
    offsets: Array,
    residual: Array | None = None,
    *,
    share: float,
    limit: int,
    low: float | None,
    high: float | None,
    dtype: str,
    **window: Any,
) -> Array:
    """y[n, o] = clip(factors[o] · (w * x)[n, o] + offsets[o] + share · residual[n, o])."""
    y = conv(x.astype(np.float64), w.astype(np.float64), **window)
    y = y * factors.astype(np.float64)[:, None, None] + offsets[:, None, None]
    if residual is not None:
        y = y + np.float64(np.float32(share)) * residual
    return _finish(y, dtype, low, high)


def _linear(
    x: Array,
    w: Array,
    factors: Array,
    offsets: Array,
    *,
    limit: int,
    low: float | None,
    high: float | None,
    dtype: str,
) -> Array:
    """y[n, o] = clip(factors[o] · (x · wᵀ)[n, o] + offsets[o])."""
    y = x.astype(np.float64) @ w.astype(np.float64).T
    return _finish(y * factors.astype(np.float64) + offsets, dtype, low, high)


def _quantize(
    x: Array, factor: Array, *, zero: int, top: int, limits: tuple[float, float], positive: bool
) -> Array:
    """Return zero + round(factor · x), clipped to 0..top."""
    if np.isnan(x).any():
        raise DataError("input must hold numbers; got NaN, which no integer can stand for.")
    low, high = np.float32(limits[0]), np.float32(limits[1])
    product = np.clip(x.astype(np.float32), low, high) * factor.astype(np.float32)
    q: Array = np.clip(np.rint(product) + zero, 0, top).astype(np.uint8)
    return q


def _dequantize(x: Array, factor: Array, *, zero: int) -> Array:
    """Return factor · (x - zero)."""
    return (x.astype(np.float32) - np.float32(zero)) * factor.astype(np.float32)


def _pad(x: Array, *, padding: Any, value: int) -> Array:
    """Return the map with a border of one number: that which stands for zero."""
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def _max_pool2d(x: Array, *, kernel: Any, stride: Any, padding: Any) -> Array:
    """Return the maximum of each window."""
    y: Array = windows(pad_images(x, padding, 0), kernel, stride).max(axis=(4, 5))
    return y


def _avg_pool2d(
    x: Array, *, kernel: Any, stride: Any, padding: Any, include_padding: bool
) -> Array:
    """Return the mean of each window, rounded to the nearest, ties to even."""
    ones = pad_images(np.ones((1, 1, *x.shape[2:])), padding)
    counts = windows(ones, kernel, stride).sum(axis=(4, 5))
    counts = np.asarray(kernel[0] * kernel[1]) if include_padding else counts
    total = windows(pad_images(x.astype(np.float64), padding), kernel, stride).sum(axis=(4, 5))
    y: Array = np.rint(total / counts).astype(np.uint8)
    return y


def _add(
    a: Array, b: Array, first: Array, second: Array, *, offset: float, low: float, high: float
) -> Array:
    """Return clip(first · a + second · b + offset)."""
    y = a * first.astype(np.float64) + b * second.astype(np.float64) + offset
    return _finish(y, BYTE, low, high)


def _concat(*xs: Array, axis: int) -> Array:
    """Return the inputs joined along an axis."""
    return np.concatenate(xs, axis=axis)


register(
    "conv2d_int8",
    infer=_infer_conv2d,
    reference=_conv2d,
    lower=lower_conv2d_int8,
    alone="iiffi",
)
register(
    "linear_int8", infer=_infer_linear, reference=_linear, lower=lower_linear_int8, alone="iiff"
)
register(
    "quantize_int8",
    infer=_infer_quantize,
    reference=_quantize,
    lower=lower_quantize_int8,
    alone="f",
    loses_nan=True,
)
register(
    "dequantize_int8",
    infer=_infer_dequantize,
    reference=_dequantize,
    lower=lower_dequantize_int8,
    alone="if",
)
register(
    "max_pool2d_int8",
    infer=_infer_pool,
    reference=_max_pool2d,
    lower=lower_max_pool2d_int8,
    alone="i",
)
register(
    "avg_pool2d_int8",
    infer=_infer_pool,
    reference=_avg_pool2d,
    lower=lower_avg_pool2d_int8,
    alone="i",
)
register("pad_int8", infer=_infer_pad, reference=_pad)
register("add_int8", infer=_infer_add, reference=_add, lower=lower_add_int8, alone="iiff")
register("concat_int8", infer=_infer_concat, reference=_concat, lower=lower_concat_int8, alone="i")
