"""Sums, means and maxima over axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.oplist import Spec
from .. import validate
from ..errors import ArgumentError, ShapeError
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Operand, Value
from . import math, shape
from ._rules import floating

Gradients = Sequence[Input | None]
Axes = int | Sequence[int] | None


def _infer(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    if keepdims:
        return (Spec(tuple(1 if k in axes else n for k, n in enumerate(x.shape)), x.dtype),)
    return (Spec(tuple(n for k, n in enumerate(x.shape) if k not in axes), x.dtype),)


def _mean_infer(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    floating(x)
    _not_empty(x, axes)
    return _infer(x, axes=axes, keepdims=keepdims)


def _max_infer(x: Spec, *, axes: tuple[int, ...], keepdims: bool) -> tuple[Spec, ...]:
    _not_empty(x, axes)
    return _infer(x, axes=axes, keepdims=keepdims)


def _not_empty(x: Spec, axes: tuple[int, ...]) -> None:
    for k in axes:
        if x.shape[k] == 0:
            raise ShapeError(f"input axis {k} must not be empty; got shape {x.shape}.")


_sum = Primitive("sum", _infer)
_mean = Primitive("mean", _mean_infer)
_max = Primitive("max", _max_infer)


def _attrs(x: Operand, axes: Axes, keepdims: bool) -> dict[str, Any]:
    count = x.ndim
    if axes is None:
        chosen = tuple(range(count))
    elif isinstance(axes, int):
        chosen = (validate.axis("axes", axes, count),)
    else:
        chosen = tuple(sorted(validate.axis("axes", k, count) for k in axes))
        if len(set(chosen)) != len(chosen):
            raise ArgumentError(f"`axes` must name an axis once; got {axes}.")
    return {"axes": chosen, "keepdims": bool(keepdims)}


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


def _spread(node: Node, reduced: Input) -> Value:
    """Bring a reduced value back to the shape of the input."""
    full = node.inputs[0].shape
    kept = tuple(1 if k in node.attrs["axes"] else n for k, n in enumerate(full))
    return shape.broadcast_to(shape.reshape(reduced, kept), full)


@_sum.gradient
def _sum_gradient(node: Node, dy: Value) -> Gradients:
    return (_spread(node, dy),)


@_mean.gradient
def _mean_gradient(node: Node, dy: Value) -> Gradients:
    count = 1
    for k in node.attrs["axes"]:
        count *= node.inputs[0].shape[k]
    return (_spread(node, math.multiply(dy, 1.0 / count)),)


@_max.gradient
def _max_gradient(node: Node, dy: Value) -> Gradients:
    below = math.greater(_spread(node, node.outputs[0]), node.inputs[0])
    at_top = math.subtract(1.0, below)
    share = math.divide(at_top, sum(at_top, node.attrs["axes"], keepdims=True))
    return (math.multiply(_spread(node, dy), share),)
