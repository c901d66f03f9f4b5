"""Sums, means and maxima over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import arithmetic, comparison, shape

__all__ = [
    "max",
    "mean",
    "sum",
]

Gradients = Sequence[Input | None]
Axes = int | Sequence[int] | None


_sum = function("sum")
_mean = function("mean")
_max = function("max")


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
    """Return the maximum over axes, all by default; equal maxima share the gradient."""
    operand = as_operand(x)
    return _max.apply((operand,), _attrs(operand, axes, keepdims))[0]


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
    count = 1
    for k in entry.attrs["axes"]:
        count *= entry.inputs[0].shape[k]
    return (_spread(entry, arithmetic.multiply(dy, 1.0 / count)),)


@_max.gradient
def _max_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x = entry.inputs[0]
    below = comparison.greater(_spread(entry, entry.outputs[0]), x)
    at_top = comparison.where(below, np.zeros((), x.dtype), np.ones((), x.dtype))
    share = arithmetic.divide(at_top, sum(at_top, entry.attrs["axes"], keepdims=True))
    return (arithmetic.multiply(_spread(entry, dy), share),)
