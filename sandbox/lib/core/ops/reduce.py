"""Sums, means, extrema, norms and moments over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import arithmetic, comparison, functions, shape, sort

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "std",
    "sum",
    "variance",
]

Gradients = Sequence[Input | None]
Axes = int | Sequence[int] | None


_sum = function("sum")
_mean = function("mean")
_max = function("max")
_min = function("min")
_prod = function("prod")
_any = function("any")
_all = function("all")


def _attrs(x: Operand, axes: Axes, keepdims: bool) -> dict[str, Any]:
    count = x.ndim
    if axes is None:
        chosen = tuple(range(count))
    elif isinstance(axes, int):
        chosen = (validate.axis("axes", axes, count),)
    else:
        several = validate.several("axes", axes, "an axis, a list of axes or None")
        chosen = tuple(sorted(validate.axis("axes", k, count) for k in several))
        if len(set(chosen)) != len(chosen):
            raise ArgumentError(f"`axes` must name an axis once; got {axes}.")
    return {"axes": chosen, "keepdims": validate.boolean("keepdims", keepdims)}


def sum(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the sum over axes, all by default."""
    operand = as_operand(x)
    return _sum.apply((operand,), _attrs(operand, axes, keepdims))[0]


def mean(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the mean over axes, all by default."""
    operand = as_operand(x)
    return _mean.apply((operand,), _attrs(operand, axes, keepdims))[0]


def max(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the maximum over axes, all by default; equal maxima share the gradient.

    Notes
    -----
    Same as PyTorch `amax` and ONNX `ReduceMax`-13.
    """
    operand = as_operand(x)
    return _max.apply((operand,), _attrs(operand, axes, keepdims))[0]


def min(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the minimum over axes, all by default; equal minima share the gradient.

    Notes
    -----
    Same as PyTorch `amin` and ONNX `ReduceMin`-13.
    """
    operand = as_operand(x)
    return _min.apply((operand,), _attrs(operand, axes, keepdims))[0]


def prod(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the product over axes, all by default; its gradient is right where there are zeros.

    Notes
    -----
    Same as PyTorch `prod` and ONNX `ReduceProd`-13.
    """
    operand = as_operand(x)
    return _prod.apply((operand,), _attrs(operand, axes, keepdims))[0]


def any(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return whether one of the booleans is true."""
    operand = as_operand(x)
    return _any.apply((operand,), _attrs(operand, axes, keepdims))[0]


def all(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return whether all of the booleans are true."""
    operand = as_operand(x)
    return _all.apply((operand,), _attrs(operand, axes, keepdims))[0]


def count_nonzero(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return how many elements are not 0, as int64."""
    return sum(comparison.not_equal(x, 0), axes, keepdims=keepdims)


def norm(x: Input, p: float = 2.0, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return the p-norm over axes, all by default: (sum |x|^p)^(1/p).

    p = infinity is the largest absolute value. Where all elements are 0, so is the gradient.

    Notes
    -----
    Same as PyTorch `vector_norm`; ONNX `ReduceL1`-13 and `ReduceL2`-13.
    """
    power = validate.in_range("p", p, 0.0, math.inf, closed="right")
    size = arithmetic.abs(x)
    if power == math.inf:
        return max(size, axes, keepdims=keepdims)
    if power == 1.0:
        return sum(size, axes, keepdims=keepdims)
    if power == 2.0:
        total = sum(arithmetic.square(x), axes, keepdims=keepdims)
        return _safe(total, arithmetic.sqrt)
    terms = _safe(size, lambda size: arithmetic.power(size, power))
    total = sum(terms, axes, keepdims=keepdims)
    return _safe(total, lambda total: arithmetic.power(total, 1.0 / power))


def _safe(x: Value, function: Callable[[Value], Value]) -> Value:
    """Return function(x), but 0 and without a gradient where x is 0."""
    zero = comparison.equal(x, 0.0)
    return comparison.where(zero, 0.0, function(comparison.where(zero, 1.0, x)))


def logsumexp(x: Input, axes: Axes = None, *, keepdims: bool = False) -> Value:
    """Return log(sum e^x) over axes, all by default, without overflow.

    Notes
    -----
    Same as PyTorch `logsumexp` and ONNX `ReduceLogSumExp`-13.
    """
    attrs = _attrs(as_operand(x), axes, keepdims)
    top = shape.stop_gradient(max(x, axes, keepdims=True))
    top = comparison.where(functions.is_finite(top), top, 0.0)
    total = arithmetic.log(sum(arithmetic.exp(arithmetic.subtract(x, top)), axes, keepdims=True))
    y = arithmetic.add(total, top)
    return y if keepdims else shape.squeeze(y, attrs["axes"])


def variance(x: Input, axes: Axes = None, *, correction: int = 0, keepdims: bool = False) -> Value:
    """Return the mean of squared deviations over axes, all by default.

    With correction = 1 the squares are divided by n - 1 (Bessel), as PyTorch's `var` does.
    """
    operand = as_operand(x)
    attrs = _attrs(operand, axes, keepdims)
    count = math.prod(operand.shape[k] for k in attrs["axes"])
    left = count - validate.non_negative_int("correction", correction)
    if left <= 0:
        raise ShapeError(
            f"the variance must be over more than {correction} elements; got {count} in shape "
            f"{operand.shape}."
        )
    centred = arithmetic.subtract(operand, mean(operand, axes, keepdims=True))
    total = sum(arithmetic.square(centred), axes, keepdims=keepdims)
    return arithmetic.multiply(total, 1.0 / left)


def std(x: Input, axes: Axes = None, *, correction: int = 0, keepdims: bool = False) -> Value:
    """Return the root of `variance`; where that is 0, so is the gradient.

    Notes
    -----
    Same as PyTorch `std` (with correction=1).
    """
    return _safe(variance(x, axes, correction=correction, keepdims=keepdims), arithmetic.sqrt)


def _spread(entry: TapeEntry, reduced: Input) -> Value:
    """Bring a reduced value back to the shape of the input."""
    full = entry.inputs[0].shape
    kept = tuple(1 if k in entry.attrs["axes"] else n for k, n in enumerate(full))
    return shape.broadcast_to(shape.reshape(reduced, kept), full)


@_sum.gradient
def _sum_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_spread(entry, dy),)


@_mean.gradient
def _mean_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    count = math.prod(entry.inputs[0].shape[k] for k in entry.attrs["axes"])
    return (_spread(entry, arithmetic.multiply(dy, 1.0 / count)),)


def _extreme(entry: TapeEntry, dy: Value) -> Gradients:
    """Share the gradient among the elements that are the extreme one."""
    x = entry.inputs[0]
    beyond = comparison.greater if entry.function is _max else comparison.less
    lost = beyond(_spread(entry, entry.outputs[0]), x)
    at_top = comparison.where(lost, np.zeros((), x.dtype), np.ones((), x.dtype))
    share = arithmetic.divide(at_top, sum(at_top, entry.attrs["axes"], keepdims=True))
    return (arithmetic.multiply(_spread(entry, dy), share),)


_max.gradient(_extreme)
_min.gradient(_extreme)


@_prod.gradient
def _prod_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    """Return dy times the product of all others: of those before and of those behind."""
    x, axes = entry.inputs[0], entry.attrs["axes"]
    if x.dtype.kind != "f":
        return (None,)
    kept = [k for k in range(x.ndim) if k not in axes]
    order = [*kept, *axes]
    turned = shape.transpose(x, order)
    line = shape.reshape(turned, (*turned.shape[: len(kept)], math.prod(x.shape[k] for k in axes)))
    before = sort.cum_prod(line, exclusive=True)
    behind = sort.cum_prod(line, exclusive=True, reverse=True)
    others = shape.reshape(arithmetic.multiply(before, behind), turned.shape)
    back = sorted(range(x.ndim), key=order.__getitem__)
    return (arithmetic.multiply(_spread(entry, dy), shape.transpose(others, back)),)


@_any.gradient
@_all.gradient
def _no_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (None,)
