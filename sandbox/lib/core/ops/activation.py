"""Activations. Their gradients are computed from the OUTPUT, so that the input can be forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Value

Gradients = Sequence[Input | None]


_relu = function("relu")
_relu_grad = function("relu_grad")
_tanh = function("tanh")
_tanh_grad = function("tanh_grad")
_sigmoid = function("sigmoid")
_sigmoid_grad = function("sigmoid_grad")


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
def _relu_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_relu_grad.apply((dy, entry.outputs[0]), {})[0],)


@_tanh.gradient
def _tanh_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_tanh_grad.apply((dy, entry.outputs[0]), {})[0],)


@_sigmoid.gradient
def _sigmoid_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_sigmoid_grad.apply((dy, entry.outputs[0]), {})[0],)


_softmax = function("softmax")
_softmax_grad = function("softmax_grad")
_log_softmax = function("log_softmax")
_log_softmax_grad = function("log_softmax_grad")


def softmax(x: Input, axis: int = -1) -> Value:
    """Return e^x / sum(e^x) along an axis."""
    operand = as_operand(x)
    return _softmax.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})[0]


def log_softmax(x: Input, axis: int = -1) -> Value:
    """Return x - log(sum(e^x)) along an axis."""
    operand = as_operand(x)
    return _log_softmax.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})[0]


@_softmax.gradient
def _softmax_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_softmax_grad.apply((dy, entry.outputs[0]), entry.attrs)[0],)


@_log_softmax.gradient
def _log_softmax_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_log_softmax_grad.apply((dy, entry.outputs[0]), entry.attrs)[0],)
