"""Recurrent layers over (batch, time, features), run from a zero state."""

from __future__ import annotations

from collections.abc import Sequence

from .. import validate
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


def _inputs(
    x: Input, w_input: Input, w_hidden: Input, bias: Input, lengths: Input | None
) -> tuple[Operand, ...]:
    first = as_operand(x)
    inputs = (first, as_operand(w_input), as_operand(w_hidden), as_operand(bias))
    return inputs if lengths is None else (*inputs, as_operand(lengths))


def lstm(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
    reverse: bool = False,
) -> tuple[Value, Value, Value]:
    """Run a long short-term memory over the time axis; returns (y, last h, last c).

    i, f, o = sigmoid(...), g = tanh(...) of w_input · x_t + w_hidden · h_(t-1) + bias;
    c_t = f · c_(t-1) + i · g; h_t = o · tanh(c_t)

    Shapes
    ------
    x : (batch, time, in_features)
    w_input : (4 · hidden, in_features), gates i, f, g, o below each other
    w_hidden : (4 · hidden, hidden)
    bias : (4 · hidden,)
    lengths : (batch,) integers in [1, time]; y is 0 behind them, the last state is that at the
        length. With `reverse` a row is read from its own end to its beginning.
    y : (batch, time, hidden); last h, last c : (batch, hidden)
    """
    inputs = _inputs(x, w_input, w_hidden, bias, lengths)
    y, h, c, _ = _lstm.apply(inputs, {"reverse": validate.boolean("reverse", reverse)})
    return y, h, c


def gru(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
    reverse: bool = False,
) -> tuple[Value, Value]:
    """Run a gated recurrent unit over the time axis; returns (y, last h).

    u, r = sigmoid(...); o = tanh(w_o · x_t + b_o + r · (u_o · h_(t-1) + b_o'));
    h_t = u · h_(t-1) + (1 - u) · o

    Shapes
    ------
    x : (batch, time, in_features)
    w_input : (3 · hidden, in_features), gates u, r, o below each other
    w_hidden : (3 · hidden, hidden)
    bias : (4 · hidden,): u, r, o and the hidden part's own, o'
    lengths, y, last h : as in `lstm`
    """
    inputs = _inputs(x, w_input, w_hidden, bias, lengths)
    y, h, _ = _gru.apply(inputs, {"reverse": validate.boolean("reverse", reverse)})
    return y, h


def rnn(
    x: Input,
    w_input: Input,
    w_hidden: Input,
    bias: Input,
    lengths: Input | None = None,
    *,
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
    lengths, y, last h : as in `lstm`
    """
    validate.one_of("activation", activation, ("tanh", "relu"))
    inputs = _inputs(x, w_input, w_hidden, bias, lengths)
    y, h, _ = _rnn.apply(
        inputs, {"activation": activation, "reverse": validate.boolean("reverse", reverse)}
    )
    return y, h


def _backward(grad: Function, entry: TapeEntry, arriving: dict[str, Value | None]) -> Gradients:
    """Write the gradient down with those of the outputs' gradients that there are."""
    given = {name: dy for name, dy in arriving.items() if dy is not None}
    rest = [None] * (len(entry.inputs) - 4)
    if not given:
        return (None, None, None, None, *rest)
    x, w_input, w_hidden, bias, *lengths = entry.inputs
    inputs = (*given.values(), x, entry.outputs[0], w_input, w_hidden, bias, entry.outputs[-1])
    attrs = {"given": "".join(given), **entry.attrs}
    return (*grad.apply((*inputs, *lengths), attrs), *rest)


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
