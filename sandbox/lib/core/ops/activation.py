"""Activations.

Gradients of the first ones are computed from the OUTPUT, so that the input can be forgotten; those
of the others need the INPUT. Some are made of other operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import Function, TapeEntry, as_operand, function
from ..value import Input, Value
from .arithmetic import multiply

__all__ = [
    "celu",
    "clip",
    "elu",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
    "tanh_shrink",
    "threshold",
]

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


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _family(
    name: str, output_tells: Callable[[dict[str, Any]], bool] | None = None, back: str = ""
) -> Function:
    """Register an activation with its gradient.

    `output_tells` says with which attributes the gradient is the same from the output: then the
    input can be forgotten, and be written over. `back` names a gradient that several share.
    """
    made = function(name)
    back_function = function(back or f"{name}_grad")

    def gradient(entry: TapeEntry, dy: Value) -> Gradients:
        from_output = output_tells is not None and output_tells(entry.attrs)
        data = entry.outputs[0] if from_output else entry.inputs[0]
        return (back_function.apply((dy, data), entry.attrs)[0],)

    made.gradient(gradient)
    return made


_leaky_relu = _family("leaky_relu", lambda attrs: attrs["slope"] >= 0)  # the sign is kept
_elu = _family("elu")
_gelu = _family("gelu")
_silu = _family("silu")
_mish = _family("mish")
_softplus = _family("softplus")
_softsign = _family("softsign")
_hard_sigmoid = _family("hard_sigmoid")
_hard_swish = _family("hard_swish")
_hard_shrink = _family("hard_shrink", back="shrink_grad")
_soft_shrink = _family("soft_shrink", back="shrink_grad")
_tanh_shrink = _family("tanh_shrink")
_threshold = _family("threshold")
_glu = _family("glu")
_prelu = function("prelu")
_prelu_grad = function("prelu_grad")
_clip = _family("clip", lambda attrs: True)  # what is between the ends stays between them


def leaky_relu(x: Input, slope: float = 0.01) -> Value:
    """Return x where it is positive, else slope · x; the gradient at 0 is slope."""
    return _leaky_relu.apply((as_operand(x),), {"slope": validate.number("slope", slope)})[0]


def elu(x: Input, alpha: float = 1.0) -> Value:
    """Return x where it is positive, else alpha · (e^x - 1)."""
    return _elu.apply((as_operand(x),), {"alpha": validate.number("alpha", alpha)})[0]


def selu(x: Input) -> Value:
    """Return 1.0507 · elu(x, 1.6733), which keeps mean 0 and variance 1."""
    return multiply(elu(x, _SELU_ALPHA), _SELU_SCALE)


def gelu(x: Input, *, approximate: bool = False) -> Value:
    """Return x · P(X <= x) of a normal X; `approximate` takes a tanh for it."""
    return _gelu.apply(
        (as_operand(x),), {"approximate": validate.boolean("approximate", approximate)}
    )[0]


def silu(x: Input, beta: float = 1.0) -> Value:
    """Return x · sigmoid(beta · x); 1.702 comes near to GELU."""
    return _silu.apply((as_operand(x),), {"beta": validate.number("beta", beta)})[0]


def mish(x: Input) -> Value:
    """Return x · tanh(log(1 + e^x))."""
    return _mish.apply((as_operand(x),), {})[0]


def softplus(x: Input, beta: float = 1.0) -> Value:
    """Return log(1 + e^(beta · x)) / beta, a smooth ReLU."""
    found = validate.number("beta", beta)
    if found == 0:
        raise ArgumentError("`beta` must not be 0; got 0.")
    return _softplus.apply((as_operand(x),), {"beta": found})[0]


def log_sigmoid(x: Input) -> Value:
    """Return log(sigmoid(x)), without overflow."""
    return softplus(x, -1.0)


def softsign(x: Input) -> Value:
    """Return x / (1 + |x|)."""
    return _softsign.apply((as_operand(x),), {})[0]


def hard_sigmoid(x: Input, slope: float = 1 / 6, offset: float = 0.5) -> Value:
    """Return slope · x + offset, kept in 0..1; beyond the ends the gradient is 0."""
    attrs = {"slope": validate.number("slope", slope), "offset": validate.number("offset", offset)}
    return _hard_sigmoid.apply((as_operand(x),), attrs)[0]


def hard_swish(x: Input) -> Value:
    """Return x · hard_sigmoid(x)."""
    return _hard_swish.apply((as_operand(x),), {"slope": 1 / 6, "offset": 0.5})[0]


def clip(x: Input, low: float, high: float) -> Value:
    """Return x, kept in low..high; at and beyond the ends the gradient is 0."""
    low, high = validate.number("low", low), validate.number("high", high)
    if not low < high:
        raise ArgumentError(f"`low` must be less than `high`; got {low} and {high}.")
    return _clip.apply((as_operand(x),), {"low": low, "high": high})[0]


def hard_tanh(x: Input, low: float = -1.0, high: float = 1.0) -> Value:
    """Return x, kept in low..high (-1..1 by default); at the ends and beyond the gradient is 0."""
    return clip(x, low, high)


def threshold(x: Input, at: float, value: float) -> Value:
    """Return x where it is more than `at` (or NaN), else `value`; there the gradient is 0."""
    attrs = {"at": validate.number("at", at), "value": validate.number("value", value)}
    return _threshold.apply((as_operand(x),), attrs)[0]


def celu(x: Input, alpha: float = 1.0) -> Value:
    """Return x where it is positive, else alpha · (e^(x / alpha) - 1)."""
    found = validate.number("alpha", alpha)
    if found == 1.0:
        return elu(x)
    if found == 0:
        raise ArgumentError("`alpha` must not be 0; got 0.")
    return multiply(elu(multiply(x, 1.0 / found)), found)


def hard_shrink(x: Input, threshold: float = 0.5) -> Value:
    """Return x where it is further from 0 than the threshold, else 0."""
    attrs = {"threshold": validate.non_negative("threshold", threshold)}
    return _hard_shrink.apply((as_operand(x),), attrs)[0]


def soft_shrink(x: Input, threshold: float = 0.5) -> Value:
    """Return x, moved towards 0 by the threshold, and not beyond."""
    attrs = {"threshold": validate.non_negative("threshold", threshold)}
    return _soft_shrink.apply((as_operand(x),), attrs)[0]


def tanh_shrink(x: Input) -> Value:
    """Return x - tanh(x)."""
    return _tanh_shrink.apply((as_operand(x),), {})[0]


def glu(x: Input, axis: int = -1) -> Value:
    """Return the first half along an axis, weighted by the sigmoid of the second."""
    operand = as_operand(x)
    return _glu.apply((operand,), {"axis": validate.axis("axis", axis, operand.ndim)})[0]


def prelu(x: Input, slope: Input, axis: int = 1) -> Value:
    """Return x where it is positive, else slope · x, with one slope or one per channel.

    Shapes
    ------
    x : any
    slope : (1,) or (size of `axis`,)
    """
    from .shape import reshape

    operand, slopes = as_operand(x), as_operand(slope)
    place = validate.axis("axis", axis, operand.ndim)
    shape = [1] * operand.ndim
    if slopes.ndim != 1:
        raise ShapeError(
            f"slope must have 1 axis (one, or one per channel); got shape {slopes.shape}."
        )
    if slopes.shape != (1,):
        shape[place] = slopes.shape[0]
    return _prelu.apply((operand, reshape(slopes, tuple(shape))), {})[0]


@_prelu.gradient
def _prelu_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return _prelu_grad.apply((dy, *entry.inputs), {})
