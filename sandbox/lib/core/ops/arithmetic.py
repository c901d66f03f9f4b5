"""Arithmetic: elementwise with NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value, wrap
from ._rules import unbroadcast

__all__ = [
    "abs",
    "add",
    "divide",
    "exp",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "power",
    "scale_add",
    "sign",
    "sqrt",
    "square",
    "subtract",
]

Gradients = Sequence[Input | None]


def paired(a: Input, b: Input) -> tuple[Operand, Operand]:
    """Wrap both; a constant takes the other one's dtype where that can hold it."""
    if isinstance(a, Operand):
        if isinstance(b, Operand):
            return a, b
        if isinstance(b, float | int):
            return a, _scalar(b, a)
        return a, _constant(b, a)
    if isinstance(b, Operand):
        if isinstance(a, float | int):
            return _scalar(a, b), b
        return _constant(a, b), b
    if isinstance(a, float | int):
        second = as_operand(b)
        return as_operand(a) if isinstance(b, float | int) else _scalar(a, second), second
    first = as_operand(a)
    return first, _scalar(b, first) if isinstance(b, float | int) else as_operand(b)


def _constant(array: Input, like: Operand) -> Operand:
    """Wrap an array; floats beside floats take their dtype: NumPy's float64 widens nothing."""
    operand = as_operand(array)
    if operand.dtype.kind != "f" or like.dtype.kind != "f" or operand.dtype == like.dtype:
        return operand
    return wrap(operand._data.astype(like.dtype))


def _scalar(number: float, like: Operand) -> Operand:
    """Wrap a Python number in the other side's dtype, where that can hold it."""
    dtype = like.dtype
    if dtype.kind == "f" or (isinstance(number, bool) and dtype.kind == "b"):
        return wrap(np.asarray(number, dtype))
    if isinstance(number, int) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return wrap(np.asarray(number, dtype if limits.min <= number <= limits.max else np.int64))
    return wrap(np.asarray(number, np.float32))


_add = function("add")
_subtract = function("subtract")
_multiply = function("multiply")
_divide = function("divide")
_maximum = function("maximum")
_minimum = function("minimum")
_scale_add = function("scale_add")


def add(a: Input, b: Input) -> Value:
    """Return a + b."""
    return _add.apply(paired(a, b), {})[0]


def subtract(a: Input, b: Input) -> Value:
    """Return a - b."""
    return _subtract.apply(paired(a, b), {})[0]


def multiply(a: Input, b: Input) -> Value:
    """Return a · b, elementwise."""
    return _multiply.apply(paired(a, b), {})[0]


def divide(a: Input, b: Input) -> Value:
    """Return a / b."""
    return _divide.apply(paired(a, b), {})[0]


def maximum(a: Input, b: Input) -> Value:
    """Return the larger one; where both are equal the gradient goes to b."""
    return _maximum.apply(paired(a, b), {})[0]


def minimum(a: Input, b: Input) -> Value:
    """Return the smaller one; where both are equal the gradient goes to b."""
    return _minimum.apply(paired(a, b), {})[0]


def scale_add(a: Input, b: Input, alpha: float, beta: float) -> Value:
    """Return alpha · a + beta · b, for instance a running mean."""
    return _scale_add.apply(
        paired(a, b),
        {"alpha": validate.number("alpha", alpha), "beta": validate.number("beta", beta)},
    )[0]


@_add.gradient
def _add_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return unbroadcast(dy, a) if entry.needs[0] else None, unbroadcast(dy, b) if entry.needs[
        1
    ] else None


@_subtract.gradient
def _subtract_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(dy, a) if entry.needs[0] else None,
        unbroadcast(negative(dy), b) if entry.needs[1] else None,
    )


@_multiply.gradient
def _multiply_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(multiply(dy, b), a) if entry.needs[0] else None,
        unbroadcast(multiply(dy, a), b) if entry.needs[1] else None,
    )


@_divide.gradient
def _divide_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    da = divide(dy, b)
    return (
        unbroadcast(da, a) if entry.needs[0] else None,
        unbroadcast(negative(multiply(da, entry.outputs[0])), b) if entry.needs[1] else None,
    )


@_maximum.gradient
def _maximum_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return _split(entry, comparison.greater(a, b), dy)


@_minimum.gradient
def _minimum_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return _split(entry, comparison.greater(b, a), dy)


def _split(entry: TapeEntry, to_a: Value, dy: Value) -> Gradients:
    """Give each element of dy to a where the mask says so, else to b."""
    a, b = entry.inputs
    return (
        unbroadcast(comparison.where(to_a, dy, 0.0), a) if entry.needs[0] else None,
        unbroadcast(comparison.where(to_a, 0.0, dy), b) if entry.needs[1] else None,
    )


@_scale_add.gradient
def _scale_add_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(multiply(dy, entry.attrs["alpha"]), a) if entry.needs[0] else None,
        unbroadcast(multiply(dy, entry.attrs["beta"]), b) if entry.needs[1] else None,
    )


_exp = function("exp")
_log = function("log")
_sqrt = function("sqrt")
_square = function("square")
_abs = function("abs")
_negative = function("negative")
_sign = function("sign")
_power = function("power")


def exp(x: Input) -> Value:
    """Return e to the x."""
    return _exp.apply((as_operand(x),), {})[0]


def log(x: Input) -> Value:
    """Return the natural logarithm."""
    return _log.apply((as_operand(x),), {})[0]


def sqrt(x: Input) -> Value:
    """Return the square root."""
    return _sqrt.apply((as_operand(x),), {})[0]


def square(x: Input) -> Value:
    """Return x · x."""
    return _square.apply((as_operand(x),), {})[0]


def abs(x: Input) -> Value:
    """Return the absolute value; its gradient at 0 is 0."""
    return _abs.apply((as_operand(x),), {})[0]


def negative(x: Input) -> Value:
    """Return -x."""
    return _negative.apply((as_operand(x),), {})[0]


def sign(x: Input) -> Value:
    """Return -1, 0 or 1; its gradient is zero."""
    return _sign.apply((as_operand(x),), {})[0]


def power(x: Input, exponent: float) -> Value:
    """Return x to a constant power."""
    return _power.apply((as_operand(x),), {"exponent": validate.number("exponent", exponent)})[0]


@_exp.gradient
def _exp_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (multiply(dy, entry.outputs[0]),)


@_log.gradient
def _log_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (divide(dy, entry.inputs[0]),)


@_sqrt.gradient
def _sqrt_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (divide(multiply(dy, 0.5), entry.outputs[0]),)


@_square.gradient
def _square_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (multiply(multiply(dy, 2.0), entry.inputs[0]),)


@_abs.gradient
def _abs_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (multiply(dy, sign(entry.inputs[0])),)


@_negative.gradient
def _negative_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (negative(dy),)


@_sign.gradient
def _sign_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (None,)


@_power.gradient
def _power_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    exponent = entry.attrs["exponent"]
    if exponent == 0.0:
        return (None,)  # a constant, also at 0, where x to the -1 does not exist
    return (multiply(multiply(dy, exponent), power(entry.inputs[0], exponent - 1.0)),)


from . import comparison  # noqa: E402 - its gradients use arithmetic, and these use it
