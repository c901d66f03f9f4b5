"""Matrix products: the fully connected layer and plain matmul."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Value
from . import shape
from ._rules import affine_gradients, unbroadcast

__all__ = [
    "linear",
    "matmul",
]

Gradients = Sequence[Input | None]


_linear = function("linear")
_linear_grad_input = function("linear_grad_input")


_linear_grad_weight = function("linear_grad_weight")


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
def _linear_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return affine_gradients(entry, dy, _linear_grad_input, {}, _linear_grad_weight, {})


_matmul = function("matmul")


def matmul(a: Input, b: Input) -> Value:
    """Return the matrix product over the last two axes; leading axes broadcast.

    A vector on the left is one row, on the right one column; the result has not that axis.
    """
    left, right = as_operand(a), as_operand(b)
    if not left.ndim or not right.ndim:
        raise ShapeError(f"matmul needs axes on both sides; got {left.shape} and {right.shape}.")
    row, column = left.ndim == 1, right.ndim == 1
    if row:
        left = shape.reshape(left, (1, -1))
    if column:
        right = shape.reshape(right, (-1, 1))
    y = _matmul.apply((left, right), {})[0]
    if row or column:
        first, second = y.shape[-2:]
        y = shape.reshape(y, (*y.shape[:-2], *[first] * (not row), *[second] * (not column)))
    return y


def _swap(x: Input) -> Value:
    operand = as_operand(x)
    axes = list(range(operand.ndim))
    axes[-1], axes[-2] = axes[-2], axes[-1]
    return shape.transpose(operand, axes)


@_matmul.gradient
def _matmul_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(matmul(dy, _swap(b)), a) if entry.needs[0] else None,
        unbroadcast(matmul(_swap(a), dy), b) if entry.needs[1] else None,
    )
