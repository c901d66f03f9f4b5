"""Recurrent layers over (batch, time, features), from a zero state or a given one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import validate
from ..errors import ArgumentError
from ..function import Function, TapeEntry, as_operand, function
from ..value import Input, Operand, Value

__all__ = [
    "gru",
    "lstm",
    "rnn",
]

Gradients = Sequence[Input | None]


_lstm = function("lstm")
_lstm_grad = function("lstm_grad")
_gru = function("gru")
_gru_grad = function("gru_grad")
_rnn = function("rnn")
_rnn_grad = function("rnn_grad")


def _call(
    layer: Function, inputs: Sequence[Input], optional: dict[str, Input | None], **attrs: Any
) -> tuple[Value, ...]:
    """Run a layer with what there is of the optional inputs; returns all but the workspace."""
    given = {name: x for name, x in optional.items() if x is not None}
    operands: tuple[Operand, ...] = tuple([as_operand(x) for x in (*inputs, *given.values())])
    attrs["reverse"] = validate.boolean("reverse", attrs["reverse"])
    return layer.apply(operands, {**attrs, "optional": tuple(given)})[:-1]


def lstm(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
    state: tuple[Input, Input] | None = None,
    peephole: Input | None = None,
    projection: Input | None = None,
    reverse: bool = False,
) -> tuple[Value, Value, Value]:
    """Run a long short-term memory over the time axis; returns (y, last h, last c).

    i, f, o = sigmoid(...), g = tanh(...) of w_input · x_t + w_hidden · h_(t-1) + bias;
    c_t = f · c_(t-1) + i · g; h_t = o · tanh(c_t)

    With peepholes i and f also see p · c_(t-1), and o sees p · c_t. With a projection h_t is that
    times the projection.

    Shapes
    ------
    x : (batch, time, in_features)
    w_input : (4 · hidden, in_features), gates i, f, g, o below each other
    w_hidden : (4 · hidden, hidden); (4 · hidden, projected) with a projection
    bias : (4 · hidden,)
    lengths : (batch,) integers in [1, time]; y is 0 behind them, the last state is that at the
        length. With `reverse` a row is read from its own end to its beginning.
    state : the first (h, c), as the last ones; zeros by default
    peephole : (3 · hidden,), of i, f, o
    projection : (projected, hidden)
    y : (batch, time, hidden or projected)
    last h : (batch, hidden or projected); last c : (batch, hidden)
    """
    if state is not None and (not isinstance(state, tuple | list) or len(state) != 2):
        raise ArgumentError(f"`state` must be a pair (h, c) of values; got {type(state).__name__}.")
    h, c = (None, None) if state is None else state
    optional = {"lengths": lengths, "h": h, "c": c, "peephole": peephole, "projection": projection}
    y, h, c = _call(_lstm, (x, w_input, w_hidden, bias), optional, reverse=reverse)
    return y, h, c


def gru(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
    state: Input | None = None,
    reset_after: bool = True,
    reverse: bool = False,
) -> tuple[Value, Value]:
    """Run a gated recurrent unit over the time axis; returns (y, last h).

    u, r = sigmoid(...); h_t = u · h_(t-1) + (1 - u) · o with
    o = tanh(w_o · x_t + b_o + r · (u_o · h_(t-1) + b_o')) where the reset comes after the product,
    o = tanh(w_o · x_t + b_o + u_o · (r · h_(t-1))) where it comes before

    Shapes
    ------
    x : (batch, time, in_features)
    w_input : (3 · hidden, in_features), gates u, r, o below each other
    w_hidden : (3 · hidden, hidden)
    bias : (4 · hidden,): u, r, o and the hidden part's own, o'; (3 · hidden,) without
        `reset_after`
    state : the first h, (batch, hidden); zeros by default
    lengths, y, last h : as in `lstm`
    """
    reset_after = validate.boolean("reset_after", reset_after)
    optional = {"lengths": lengths, "h": state}
    inputs = (x, w_input, w_hidden, bias)
    y, h = _call(_gru, inputs, optional, reset_after=reset_after, reverse=reverse)
    return y, h


def rnn(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
    state: Input | None = None,
    activation: str = "tanh",
    reverse: bool = False,
) -> tuple[Value, Value]:
    """Run h_t = activation(w_input · x_t + w_hidden · h_(t-1) + bias); returns (y, last h).

    Shapes
    ------
    x : (batch, time, in_features)
    w_input : (hidden, in_features)
    w_hidden : (hidden, hidden)
    bias : (hidden,)
    state : the first h, (batch, hidden); zeros by default
    lengths, y, last h : as in `lstm`
    """
    validate.one_of("activation", activation, ("tanh", "relu"))
    optional = {"lengths": lengths, "h": state}
    inputs = (x, w_input, w_hidden, bias)
    y, h = _call(_rnn, inputs, optional, activation=activation, reverse=reverse)
    return y, h


def _backward(grad: Function, entry: TapeEntry, arriving: dict[str, Value | None]) -> Gradients:
    """Write the gradient down with those of the outputs' gradients that there are."""
    given = {name: dy for name, dy in arriving.items() if dy is not None}
    if not given:
        return (None,) * len(entry.inputs)
    x, w_input, w_hidden, bias, *rest = entry.inputs
    inputs = (*given.values(), x, entry.outputs[0], w_input, w_hidden, bias, entry.outputs[-1])
    attrs = {"given": "".join(given), **entry.attrs}
    found: list[Input | None] = list(grad.apply((*inputs, *rest), attrs))
    if "lengths" in entry.attrs["optional"]:
        found.insert(4, None)
    return found


@_lstm.gradient
def _lstm_gradient(
    entry: TapeEntry, dy: Value | None, dh: Value | None, dc: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_lstm_grad, entry, {"y": dy, "h": dh, "c": dc})


@_gru.gradient
def _gru_gradient(
    entry: TapeEntry, dy: Value | None, dh: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_gru_grad, entry, {"y": dy, "h": dh})


@_rnn.gradient
def _rnn_gradient(
    entry: TapeEntry, dy: Value | None, dh: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_rnn_grad, entry, {"y": dy, "h": dh})
