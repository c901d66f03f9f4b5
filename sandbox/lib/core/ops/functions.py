"""Functions of one number and of two: trigonometry, logarithms, rounding, remainders, bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..function import Function, TapeEntry, as_operand, function
from ..value import Input, Value
from ._rules import unbroadcast
from .arithmetic import (
    add,
    divide,
    exp,
    log,
    multiply,
    negative,
    paired,
    sqrt,
    square,
    subtract,
)
from .comparison import equal, where

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp2",
    "expm1",
    "floor",
    "floor_divide",
    "fmod",
    "is_finite",
    "is_inf",
    "is_nan",
    "log1p",
    "log2",
    "log10",
    "pow",
    "reciprocal",
    "remainder",
    "round",
    "rsqrt",
    "sin",
    "sinh",
    "tan",
    "trunc",
]

Gradients = Sequence[Input | None]


_sin, _cos, _tan = function("sin"), function("cos"), function("tan")
_asin, _acos, _atan = function("asin"), function("acos"), function("atan")
_sinh, _cosh = function("sinh"), function("cosh")
_asinh, _acosh, _atanh = function("asinh"), function("acosh"), function("atanh")
_exp2, _expm1 = function("exp2"), function("expm1")
_log2, _log10, _log1p = function("log2"), function("log10"), function("log1p")
_erf = function("erf")


def sin(x: Input) -> Value:
    """Return the sine of x in radians."""
    return _sin.apply((as_operand(x),), {})[0]


def cos(x: Input) -> Value:
    """Return the cosine of x in radians."""
    return _cos.apply((as_operand(x),), {})[0]


def tan(x: Input) -> Value:
    """Return the tangent of x in radians."""
    return _tan.apply((as_operand(x),), {})[0]


def asin(x: Input) -> Value:
    """Return the angle in [-π/2, π/2] whose sine is x."""
    return _asin.apply((as_operand(x),), {})[0]


def acos(x: Input) -> Value:
    """Return the angle in [0, π] whose cosine is x."""
    return _acos.apply((as_operand(x),), {})[0]


def atan(x: Input) -> Value:
    """Return the angle in [-π/2, π/2] whose tangent is x."""
    return _atan.apply((as_operand(x),), {})[0]


def sinh(x: Input) -> Value:
    """Return the hyperbolic sine; `tanh` is among the activations."""
    return _sinh.apply((as_operand(x),), {})[0]


def cosh(x: Input) -> Value:
    """Return the hyperbolic cosine."""
    return _cosh.apply((as_operand(x),), {})[0]


def asinh(x: Input) -> Value:
    """Return the inverse of `sinh`."""
    return _asinh.apply((as_operand(x),), {})[0]


def acosh(x: Input) -> Value:
    """Return the inverse of `cosh`, for x >= 1."""
    return _acosh.apply((as_operand(x),), {})[0]


def atanh(x: Input) -> Value:
    """Return the inverse of `tanh`, for x in [-1, 1]."""
    return _atanh.apply((as_operand(x),), {})[0]


def exp2(x: Input) -> Value:
    """Return 2 to the x."""
    return _exp2.apply((as_operand(x),), {})[0]


def expm1(x: Input) -> Value:
    """Return e to the x, minus 1, exact also for small x."""
    return _expm1.apply((as_operand(x),), {})[0]


def log2(x: Input) -> Value:
    """Return the logarithm to base 2."""
    return _log2.apply((as_operand(x),), {})[0]


def log10(x: Input) -> Value:
    """Return the logarithm to base 10."""
    return _log10.apply((as_operand(x),), {})[0]


def log1p(x: Input) -> Value:
    """Return the natural logarithm of 1 + x, exact also for small x."""
    return _log1p.apply((as_operand(x),), {})[0]


def erf(x: Input) -> Value:
    """Return the error function, 2/sqrt(π) times the integral of e^(-t²) from 0 to x."""
    return _erf.apply((as_operand(x),), {})[0]


def reciprocal(x: Input) -> Value:
    """Return 1 / x."""
    return divide(1.0, x)


def rsqrt(x: Input) -> Value:
    """Return 1 / sqrt(x)."""
    return divide(1.0, sqrt(x))


def _by_slope(made: Function, slope: Callable[[Any, Any], Value]) -> None:
    """Give a function of one number its gradient, from its derivative slope(x, y)."""

    @made.gradient
    def rule(entry: TapeEntry, dy: Value) -> Gradients:
        return (multiply(dy, slope(entry.inputs[0], entry.outputs[0])),)


_by_slope(_sin, lambda x, y: cos(x))
_by_slope(_cos, lambda x, y: negative(sin(x)))
_by_slope(_tan, lambda x, y: add(square(y), 1.0))
_by_slope(_asin, lambda x, y: rsqrt(subtract(1.0, square(x))))
_by_slope(_acos, lambda x, y: negative(rsqrt(subtract(1.0, square(x)))))
_by_slope(_atan, lambda x, y: reciprocal(add(square(x), 1.0)))
_by_slope(_sinh, lambda x, y: cosh(x))
_by_slope(_cosh, lambda x, y: sinh(x))
_by_slope(_asinh, lambda x, y: rsqrt(add(square(x), 1.0)))
_by_slope(_acosh, lambda x, y: rsqrt(subtract(square(x), 1.0)))
_by_slope(_atanh, lambda x, y: reciprocal(subtract(1.0, square(x))))
_by_slope(_exp2, lambda x, y: multiply(y, math.log(2.0)))
_by_slope(_expm1, lambda x, y: add(y, 1.0))
_by_slope(_log2, lambda x, y: reciprocal(multiply(x, math.log(2.0))))
_by_slope(_log10, lambda x, y: reciprocal(multiply(x, math.log(10.0))))
_by_slope(_log1p, lambda x, y: reciprocal(add(x, 1.0)))
_by_slope(_erf, lambda x, y: multiply(exp(negative(square(x))), 2.0 / math.sqrt(math.pi)))


# -- steps: no gradient goes through them -----------------------------------------------------

_floor, _ceil, _round, _trunc = (
    function("floor"),
    function("ceil"),
    function("round"),
    function("trunc"),
)
_is_nan, _is_inf, _is_finite = function("is_nan"), function("is_inf"), function("is_finite")
_floor_divide = function("floor_divide")
_bitwise_and, _bitwise_or = function("bitwise_and"), function("bitwise_or")
_bitwise_xor, _bitwise_not = function("bitwise_xor"), function("bitwise_not")


def floor(x: Input) -> Value:
    """Return the largest whole number <= x, in x's dtype; no gradient goes through."""
    return _floor.apply((as_operand(x),), {})[0]


def ceil(x: Input) -> Value:
    """Return the smallest whole number >= x, in x's dtype; no gradient goes through."""
    return _ceil.apply((as_operand(x),), {})[0]


def round(x: Input) -> Value:
    """Return the nearest whole number, the even one of two; no gradient goes through."""
    return _round.apply((as_operand(x),), {})[0]


def trunc(x: Input) -> Value:
    """Return x without its fraction, towards 0; no gradient goes through."""
    return _trunc.apply((as_operand(x),), {})[0]


def is_nan(x: Input) -> Value:
    """Return whether elements are NaN.

    Notes
    -----
    Same as PyTorch `isnan` and ONNX `IsNaN`-13.
    """
    return _is_nan.apply((as_operand(x),), {})[0]


def is_inf(x: Input) -> Value:
    """Return whether elements are infinite, of either sign.

    Notes
    -----
    Same as PyTorch `isinf` and ONNX `IsInf`-10.
    """
    return _is_inf.apply((as_operand(x),), {})[0]


def is_finite(x: Input) -> Value:
    """Return whether elements are neither NaN nor infinite.

    Notes
    -----
    Same as PyTorch `isfinite`.
    """
    return _is_finite.apply((as_operand(x),), {})[0]


def floor_divide(a: Input, b: Input) -> Value:
    """Return the largest whole number <= a / b; no gradient goes through."""
    return _floor_divide.apply(paired(a, b), {})[0]


def bitwise_and(a: Input, b: Input) -> Value:
    """Return the bits that both integers have; of booleans, whether both are true."""
    return _bitwise_and.apply(paired(a, b), {})[0]


def bitwise_or(a: Input, b: Input) -> Value:
    """Return the bits that one of the integers has; of booleans, whether one is true."""
    return _bitwise_or.apply(paired(a, b), {})[0]


def bitwise_xor(a: Input, b: Input) -> Value:
    """Return the bits that one integer alone has; of booleans, whether they differ."""
    return _bitwise_xor.apply(paired(a, b), {})[0]


def bitwise_not(x: Input) -> Value:
    """Return the integer of all other bits; of booleans, whether they are false."""
    return _bitwise_not.apply((as_operand(x),), {})[0]


STEPS = (
    *(_floor, _ceil, _round, _trunc, _is_nan, _is_inf, _is_finite, _floor_divide),
    *(_bitwise_and, _bitwise_or, _bitwise_xor, _bitwise_not),
)
for _step in STEPS:

    @_step.gradient
    def _nothing(entry: TapeEntry, dy: Value) -> Gradients:
        return [None] * len(entry.inputs)


# -- functions of two numbers --------------------------------------------------------------------

_remainder, _fmod = function("remainder"), function("fmod")
_atan2, _pow = function("atan2"), function("pow")


def remainder(a: Input, b: Input) -> Value:
    """Return a - b · floor(a / b): what is left has the sign of b, as Python's `%`.

    Notes
    -----
    Same as PyTorch `remainder` and ONNX `Mod`-13; C's is `fmod`.

    Examples
    --------
    >>> import numpy as np
    >>> remainder(np.array([-3, 3]), 5).data
    array([2, 3])
    """
    return _remainder.apply(paired(a, b), {})[0]


def fmod(a: Input, b: Input) -> Value:
    """Return a - b · trunc(a / b): what is left has the sign of a, as C's `fmod`."""
    return _fmod.apply(paired(a, b), {})[0]


def atan2(y: Input, x: Input) -> Value:
    """Return the angle of the point (x, y) in (-π, π]."""
    return _atan2.apply(paired(y, x), {})[0]


def pow(a: Input, b: Input) -> Value:
    """Return a to the b, elementwise; for a constant exponent `power` is quicker.

    The gradient of b is 0 where a is: 0 to the b is 0 all around.

    Notes
    -----
    Same as PyTorch `pow` and ONNX `Pow`-15.
    """
    return _pow.apply(paired(a, b), {})[0]


@_remainder.gradient
def _remainder_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(dy, a) if entry.needs[0] else None,
        unbroadcast(negative(multiply(dy, floor_divide(a, b))), b) if entry.needs[1] else None,
    )


@_fmod.gradient
def _fmod_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    return (
        unbroadcast(dy, a) if entry.needs[0] else None,
        unbroadcast(negative(multiply(dy, trunc(divide(a, b)))), b) if entry.needs[1] else None,
    )


@_atan2.gradient
def _atan2_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    y, x = entry.inputs
    share = divide(dy, add(square(x), square(y)))
    return (
        unbroadcast(multiply(share, x), y) if entry.needs[0] else None,
        unbroadcast(negative(multiply(share, y)), x) if entry.needs[1] else None,
    )


@_pow.gradient
def _pow_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    a, b = entry.inputs
    da = db = None
    if entry.needs[0]:
        da = unbroadcast(multiply(dy, multiply(b, pow(a, subtract(b, 1.0)))), a)
    if entry.needs[1]:
        zero = equal(a, 0.0)
        slope = where(zero, 0.0, log(where(zero, 1.0, a)))
        db = unbroadcast(multiply(multiply(dy, entry.outputs[0]), slope), b)
    return da, db
