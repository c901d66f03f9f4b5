"""Activations. Their gradients are computed from the OUTPUT, so that the input can be forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from ...engine.oplist import Spec
from .. import validate
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Value
from ._rules import floating, same_float

Gradients = Sequence[Input | None]


def _from_output(dy: Spec, y: Spec, **attrs: object) -> tuple[Spec, ...]:
    return (y,)


_relu = Primitive("relu", same_float)
_relu_grad = Primitive("relu_grad", _from_output)
_tanh = Primitive("tanh", same_float)
_tanh_grad = Primitive("tanh_grad", _from_output)
_sigmoid = Primitive("sigmoid", same_float)
_sigmoid_grad = Primitive("sigmoid_grad", _from_output)


def relu(x: Input) -> Value:
    """Return max(x, 0); the gradient at 0 is 0."""
    return _relu.apply((as_operand(x),), {})[0]


def tanh(x: Input) -> Value:
    """Return the hyperbolic tangent."""
    return _tanh.apply((as_operand(x),), {})[0]


def sigmoid(x: Input) -> Value:
    """Return 1 / (1 + e^-x)."""
    return _sigmoid.apply((as_operand(x),), {})[0]


@_relu.gradient
def _relu_gradient(node: Node, dy: Value) -> Gradients:
    return (_relu_grad.apply((dy, node.outputs[0]), {})[0],)


@_tanh.gradient
def _tanh_gradient(node: Node, dy: Value) -> Gradients:
    return (_tanh_grad.apply((dy, node.outputs[0]), {})[0],)


@_sigmoid.gradient
def _sigmoid_gradient(node: Node, dy: Value) -> Gradients:
    return (_sigmoid_grad.apply((dy, node.outputs[0]), {})[0],)


def _along(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    floating(x)
    return (x,)


_softmax = Primitive("softmax", _along)
_softmax_grad = Primitive("softmax_grad", _from_output)
_log_softmax = Primitive("log_softmax", _along)
_log_softmax_grad = Primitive("log_softmax_grad", _from_output)


def softmax(x: Input, axis: int = -1) -> Value:
    """Return e^x / sum(e^x) along an axis."""
    operand = as_operand(x)
    return _softmax.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})[0]


def log_softmax(x: Input, axis: int = -1) -> Value:
    """Return x - log(sum(e^x)) along an axis."""
    operand = as_operand(x)
    return _log_softmax.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})[0]


@_softmax.gradient
def _softmax_gradient(node: Node, dy: Value) -> Gradients:
    return (_softmax_grad.apply((dy, node.outputs[0]), node.attrs)[0],)


@_log_softmax.gradient
def _log_softmax_gradient(node: Node, dy: Value) -> Gradients:
    return (_log_softmax_grad.apply((dy, node.outputs[0]), node.attrs)[0],)
