"""Recurrent layers over (batch, time, features), run from a zero state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine.oplist import Spec
from .. import validate
from ..errors import ShapeError
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Operand, Value
from ._rules import axis_is, floating, ndim, promoted
from .sequence import lengths_operand, lengths_rule

Gradients = Sequence[Input | None]


def _check(
    x: Spec, w_input: Spec, w_hidden: Spec, bias: Spec, lengths: Spec | None, gates: int, rows: int
) -> tuple[Spec, Spec]:
    """Check the shapes and return the specs of y and of a last state."""
    floating(x)
    ndim(x, 3, "(batch, time, in_features)")
    if x.shape[1] == 0:
        raise ShapeError(f"input axis 1 (time) must not be empty; got shape {x.shape}.")
    ndim(w_hidden, 2, "(gates · hidden, hidden)", "w_hidden")
    size = w_hidden.shape[1]
    wanted = ((gates * size, x.shape[2]), (gates * size, size), (rows * size,))
    axis_is(x, 2, w_input.shape[-1], "in_features")
    for name, spec, shape in zip(
        ("w_input", "w_hidden", "bias"), (w_input, w_hidden, bias), wanted, strict=True
    ):
        if spec.shape != shape:
            raise ShapeError(f"{name} must have shape {shape}; got {spec.shape}.")
    if lengths is not None:
        lengths_rule(x, lengths)
    dtype = promoted(x, w_input)
    return Spec((*x.shape[:2], size), dtype), Spec((x.shape[0], size), dtype)


def _lstm_infer(
    x: Spec, w: Spec, u: Spec, b: Spec, lengths: Spec | None = None, *, reverse: bool
) -> tuple[Spec, ...]:
    y, state = _check(x, w, u, b, lengths, 4, 4)
    return y, state, state, Spec((*y.shape[:2], 5 * y.shape[2]), y.dtype)


def _gru_infer(
    x: Spec, w: Spec, u: Spec, b: Spec, lengths: Spec | None = None, *, reverse: bool
) -> tuple[Spec, ...]:
    y, state = _check(x, w, u, b, lengths, 3, 4)
    return y, state, Spec((*y.shape[:2], 4 * y.shape[2]), y.dtype)


def _rnn_infer(
    x: Spec,
    w: Spec,
    u: Spec,
    b: Spec,
    lengths: Spec | None = None,
    *,
    activation: str,
    reverse: bool,
) -> tuple[Spec, ...]:
    y, state = _check(x, w, u, b, lengths, 1, 1)
    return y, state, y


def _grad_infer(*specs: Spec, given: str, **attrs: Any) -> tuple[Spec, ...]:
    x, _, w_input, w_hidden, bias = specs[len(given) : len(given) + 5]
    return x, w_input, w_hidden, bias


_lstm = Primitive("lstm", _lstm_infer)
_lstm_grad = Primitive("lstm_grad", _grad_infer)
_gru = Primitive("gru", _gru_infer)
_gru_grad = Primitive("gru_grad", _grad_infer)
_rnn = Primitive("rnn", _rnn_infer)
_rnn_grad = Primitive("rnn_grad", _grad_infer)


def _inputs(
    x: Input, w_input: Input, w_hidden: Input, bias: Input, lengths: Input | None
) -> tuple[Operand, ...]:
    first = as_operand(x)
    inputs = (first, as_operand(w_input), as_operand(w_hidden), as_operand(bias))
    return inputs if lengths is None else (*inputs, lengths_operand(first, lengths))


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
    y, h, c, _ = _lstm.apply(inputs, {"reverse": bool(reverse)})
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
    y, h, _ = _gru.apply(inputs, {"reverse": bool(reverse)})
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
    y, h, _ = _rnn.apply(inputs, {"activation": activation, "reverse": bool(reverse)})
    return y, h


def _backward(grad: Primitive, node: Node, arriving: dict[str, Value | None]) -> Gradients:
    """Write the gradient down with those of the outputs' gradients that there are."""
    given = {name: dy for name, dy in arriving.items() if dy is not None}
    rest = [None] * (len(node.inputs) - 4)
    if not given:
        return (None, None, None, None, *rest)
    x, w_input, w_hidden, bias, *lengths = node.inputs
    inputs = (*given.values(), x, node.outputs[0], w_input, w_hidden, bias, node.outputs[-1])
    attrs = {"given": "".join(given), **node.attrs}
    return (*grad.apply((*inputs, *lengths), attrs), *rest)


@_lstm.gradient
def _lstm_gradient(
    node: Node, dy: Value | None, dh: Value | None, dc: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_lstm_grad, node, {"y": dy, "h": dh, "c": dc})


@_gru.gradient
def _gru_gradient(
    node: Node, dy: Value | None, dh: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_gru_grad, node, {"y": dy, "h": dh})


@_rnn.gradient
def _rnn_gradient(
    node: Node, dy: Value | None, dh: Value | None, dworkspace: Value | None
) -> Gradients:
    return _backward(_rnn_grad, node, {"y": dy, "h": dh})
