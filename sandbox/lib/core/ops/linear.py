"""Matrix products: the fully connected layer and plain matmul."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.oplist import Spec
from ..errors import ShapeError
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Value
from . import math, shape
from ._rules import affine_gradients, axis_is, floating, ndim, promoted, unbroadcast

Gradients = Sequence[Input | None]


def _linear_infer(x: Spec, w: Spec, b: Spec | None = None, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    ndim(w, 2, "(out_features, in_features)", "weight")
    ndim(x, 2, "(batch, in_features)")
    axis_is(x, 1, w.shape[1], "in_features")
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(f"bias must have shape {w.shape[:1]} (out_features); got {b.shape}.")
    return (Spec((x.shape[0], w.shape[0]), promoted(x, w)),)


_linear = Primitive("linear", _linear_infer)
_linear_grad_input = Primitive(
    "linear_grad_input", lambda dy, w: (Spec((dy.shape[0], w.shape[1]), promoted(dy, w)),)
)


def _grad_weight_infer(x: Spec, dy: Spec, *, with_bias: bool) -> tuple[Spec, ...]:
    dtype = promoted(x, dy)
    dw = Spec((dy.shape[1], x.shape[1]), dtype)
    return (dw, Spec((dy.shape[1],), dtype)) if with_bias else (dw,)


_linear_grad_weight = Primitive("linear_grad_weight", _grad_weight_infer)


def linear(x: Input, weight: Input, bias: Input | None = None) -> Value:
    """Return x · weightᵀ + bias.

    Shapes
    ------
    x : (..., in_features)
    weight : (out_features, in_features)
    bias : (out_features,)
    output : (..., out_features)
    """
    operand = as_operand(x)
    leading = operand.shape[:-1]
    if len(leading) > 1:
        operand = shape.reshape(operand, (-1, operand.shape[-1]))
    inputs = (operand, as_operand(weight))
    if bias is not None:
        inputs = (*inputs, as_operand(bias))  # type: ignore[assignment]
    y = _linear.apply(inputs, {})[0]
    return shape.reshape(y, (*leading, y.shape[-1])) if len(leading) > 1 else y


@_linear.gradient
def _linear_gradient(node: Node, dy: Value) -> Gradients:
    return affine_gradients(node, dy, _linear_grad_input, {}, _linear_grad_weight, {})


def _matmul_infer(a: Spec, b: Spec) -> tuple[Spec, ...]:
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(
            f"matmul needs at least 2 axes on both sides; got {a.shape} and {b.shape}. Use reshape."
        )
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul needs a's last axis equal to b's last but one; got {a.shape} and {b.shape}."
        )
    batch = math._broadcast(Spec(a.shape[:-2], a.dtype), Spec(b.shape[:-2], b.dtype))[0]
    return (Spec((*batch.shape, a.shape[-2], b.shape[-1]), batch.dtype),)


_matmul = Primitive("matmul", _matmul_infer)


def matmul(a: Input, b: Input) -> Value:
    """Return the matrix product over the last two axes; leading axes broadcast."""
    return _matmul.apply((as_operand(a), as_operand(b)), {})[0]


def _swap(x: Input) -> Value:
    operand = as_operand(x)
    axes = list(range(operand.ndim))
    axes[-1], axes[-2] = axes[-2], axes[-1]
    return shape.transpose(operand, axes)


@_matmul.gradient
def _matmul_gradient(node: Node, dy: Value) -> Gradients:
    a, b = node.inputs
    return (
        unbroadcast(matmul(dy, _swap(b)), a) if node.needs[0] else None,
        unbroadcast(matmul(_swap(a), dy), b) if node.needs[1] else None,
    )
