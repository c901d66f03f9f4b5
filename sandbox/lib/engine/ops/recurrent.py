"""Recurrent layers over (batch, time, features), and their gradients through time.

Weights hold the gates below each other. Positions behind a row's length give zeros, leave the
state as it is and get no gradient. The workspace of a forward kernel is for its own gradient only.
The native kernels are in `recurrent_native.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import Range, register
from ..oplist import Spec
from .activation import sigmoid
from .ranges import check_lengths
from .recurrent_native import lower_recurrent, lower_recurrent_grad
from .rules import axis_is, floating, ndim, promoted
from .sequence import infer_lengths

Array = NDArray[Any]


def _check(
    x: Spec, w_input: Spec, w_hidden: Spec, bias: Spec, lengths: Spec | None, gates: int, rows: int
) -> tuple[Spec, Spec]:
    """Check the shapes and return the specs of y and of a last state."""
    floating(x)
    ndim(x, 3, "(batch, time, in_features)")
    if x.shape[1] == 0:
        raise ShapeError(f"input axis 1 (time) must not be empty; got shape {x.shape}.")
    ndim(w_hidden, 2, "(gates · hidden, hidden)", "w_hidden")
    ndim(w_input, 2, "(gates · hidden, in_features)", "w_input")
    size = w_hidden.shape[1]
    wanted = ((gates * size, x.shape[2]), (gates * size, size), (rows * size,))
    axis_is(x, 2, w_input.shape[-1], "in_features")
    for name, spec, shape in zip(
        ("w_input", "w_hidden", "bias"), (w_input, w_hidden, bias), wanted, strict=True
    ):
        if spec.shape != shape:
            raise ShapeError(f"{name} must have shape {shape}; got {spec.shape}.")
    if lengths is not None:
        infer_lengths(x, lengths)
    dtype = promoted(x, w_input)
    return Spec((*x.shape[:2], size), dtype), Spec((x.shape[0], size), dtype)


def _infer_lstm(
    x: Spec, w: Spec, u: Spec, b: Spec, lengths: Spec | None = None, *, reverse: bool
) -> tuple[Spec, ...]:
    y, state = _check(x, w, u, b, lengths, 4, 4)
    return y, state, state, Spec((*y.shape[:2], 5 * y.shape[2]), y.dtype)


def _infer_gru(
    x: Spec, w: Spec, u: Spec, b: Spec, lengths: Spec | None = None, *, reverse: bool
) -> tuple[Spec, ...]:
    y, state = _check(x, w, u, b, lengths, 3, 4)
    return y, state, Spec((*y.shape[:2], 4 * y.shape[2]), y.dtype)


def _infer_rnn(
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


def _infer_grad(*specs: Spec, given: str, **attrs: Any) -> tuple[Spec, ...]:
    x, _, w_input, w_hidden, bias = specs[len(given) : len(given) + 5]
    return x, w_input, w_hidden, bias


class _Walk:
    """The order of the steps, and who is alive at each."""

    def __init__(self, shape: tuple[int, ...], lengths: Array | None, reverse: bool) -> None:
        self.rows, self.time = shape[:2]
        self.reverse = reverse
        self.lengths = lengths
        self.steps = list(range(self.time))[:: -1 if reverse else 1]

    def alive(self, step: int) -> Array | None:
        """Return a column of True where the row reaches to this step; None when all do."""
        return None if self.lengths is None else (step < self.lengths)[:, None]

    def before(self, states: Array) -> Array:
        """Return for each step the state before it, zeros at first."""
        shifted = np.zeros_like(states)
        if self.reverse:
            shifted[:, :-1] = states[:, 1:]
        else:
            shifted[:, 1:] = states[:, :-1]
        return shifted


def _keep(alive: Array | None, new: Array, old: Array) -> Array:
    return new if alive is None else np.where(alive, new, old)


def _arriving(given: str, arrays: list[Array], y: Array) -> list[Array]:
    """Return the gradients that arrive at "y", "h", "c" as far as given; zeros for the others."""
    found = []
    for name in "yhc":
        shape = y.shape if name == "y" else (y.shape[0], y.shape[2])
        found.append(arrays.pop(0) if name in given else np.zeros(shape, y.dtype))
    return found


def _weights(
    walk: _Walk, x: Array, y: Array, dz_input: Array, dz_hidden: Array, w_input: Array
) -> tuple[Array, Array, Array]:
    """Return dx, dw_input, dw_hidden from the gradients before the gates."""
    left = dz_input.reshape(-1, dz_input.shape[2])
    right = dz_hidden.reshape(-1, dz_hidden.shape[2])
    dw_input = left.T @ x.reshape(-1, x.shape[2])
    dw_hidden = right.T @ walk.before(y).reshape(-1, y.shape[2])
    return dz_input @ w_input, dw_input, dw_hidden


def lstm(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    lengths: Array | None = None,
    *,
    reverse: bool,
) -> tuple[Array, Array, Array, Array]:
    """Return y, the last h and c, and the workspace (gates i, f, g, o and c); gates i, f, g, o."""
    walk, size = _Walk(x.shape, lengths, reverse), w_hidden.shape[1]
    before = x @ w_input.T + bias
    y = np.zeros((*x.shape[:2], size), before.dtype)
    workspace = np.zeros((*x.shape[:2], 5 * size), before.dtype)
    h = np.zeros((x.shape[0], size), before.dtype)
    c = h
    for step in walk.steps:
        z = before[:, step] + h @ w_hidden.T
        i, f = sigmoid(z[:, :size]), sigmoid(z[:, size : 2 * size])
        g, o = np.tanh(z[:, 2 * size : 3 * size]), sigmoid(z[:, 3 * size :])
        new_c = f * c + i * g
        new_h = o * np.tanh(new_c)
        alive = walk.alive(step)
        h, c = _keep(alive, new_h, h), _keep(alive, new_c, c)
        y[:, step] = h if alive is None else h * alive
        workspace[:, step] = np.concatenate((i, f, g, o, c), axis=1)
    return y, h, c, workspace


def lstm_grad(*arrays: Array, given: str, reverse: bool) -> tuple[Array, Array, Array, Array]:
    """Return dx, dw_input, dw_hidden, dbias from (given gradients, x, y, weights, workspace)."""
    rest = list(arrays)
    y = arrays[len(given) + 1]
    dy, dh, dc = _arriving(given, rest, y)
    x, y, w_input, w_hidden, _, workspace = rest[:6]
    walk, size = _Walk(x.shape, rest[6] if len(rest) > 6 else None, reverse), y.shape[2]
    cells = walk.before(workspace[:, :, 4 * size :])
    dz = np.zeros((*x.shape[:2], 4 * size), y.dtype)
    for step in reversed(walk.steps):
        i, f, g, o, c = np.split(workspace[:, step], 5, axis=1)
        alive = walk.alive(step)
        total = dh + dy[:, step]
        top = np.tanh(c)
        inner = dc + total * o * (1 - top * top)
        parts = (
            inner * g * i * (1 - i),
            inner * cells[:, step] * f * (1 - f),
            inner * i * (1 - g * g),
            total * top * o * (1 - o),
        )
        now = np.concatenate(parts, axis=1)
        dz[:, step] = now if alive is None else now * alive
        dh = _keep(alive, now @ w_hidden, dh)
        dc = _keep(alive, inner * f, dc)
    return (*_weights(walk, x, y, dz, dz, w_input), dz.sum(axis=(0, 1)))


def gru(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    lengths: Array | None = None,
    *,
    reverse: bool,
) -> tuple[Array, Array, Array]:
    """Return y, the last h and the workspace (u, r, o and o's hidden part); gates u, r, o.

    The reset gate works on the hidden part's product ("linear before reset"), whose bias is the
    fourth quarter.
    """
    walk, size = _Walk(x.shape, lengths, reverse), w_hidden.shape[1]
    before = x @ w_input.T + bias[: 3 * size]
    y = np.zeros((*x.shape[:2], size), before.dtype)
    workspace = np.zeros((*x.shape[:2], 4 * size), before.dtype)
    h = np.zeros((x.shape[0], size), before.dtype)
    for step in walk.steps:
        z, hidden = before[:, step], h @ w_hidden.T
        u = sigmoid(z[:, :size] + hidden[:, :size])
        r = sigmoid(z[:, size : 2 * size] + hidden[:, size : 2 * size])
        part = hidden[:, 2 * size :] + bias[3 * size :]
        o = np.tanh(z[:, 2 * size :] + r * part)
        alive = walk.alive(step)
        h = _keep(alive, u * h + (1 - u) * o, h)
        y[:, step] = h if alive is None else h * alive
        workspace[:, step] = np.concatenate((u, r, o, part), axis=1)
    return y, h, workspace


def gru_grad(*arrays: Array, given: str, reverse: bool) -> tuple[Array, Array, Array, Array]:
    """Return dx, dw_input, dw_hidden, dbias from (given gradients, x, y, weights, workspace)."""
    rest = list(arrays)
    y = arrays[len(given) + 1]
    dy, dh, _ = _arriving(given, rest, y)
    x, y, w_input, w_hidden, _, workspace = rest[:6]
    walk, size = _Walk(x.shape, rest[6] if len(rest) > 6 else None, reverse), y.shape[2]
    states = walk.before(y)
    dz = np.zeros((*x.shape[:2], 3 * size), y.dtype)
    dpart = np.zeros_like(dz)
    for step in reversed(walk.steps):
        u, r, o, part = np.split(workspace[:, step], 4, axis=1)
        alive = walk.alive(step)
        total = dh + dy[:, step]
        du = total * (states[:, step] - o) * u * (1 - u)
        do = total * (1 - u) * (1 - o * o)
        dr = do * part * r * (1 - r)
        now = np.concatenate((du, dr, do), axis=1)
        hidden = np.concatenate((du, dr, do * r), axis=1)
        dz[:, step] = now if alive is None else now * alive
        dpart[:, step] = hidden if alive is None else hidden * alive
        dh = _keep(alive, total * u + hidden @ w_hidden, dh)
    dbias = np.concatenate((dz.sum(axis=(0, 1)), dpart[:, :, 2 * size :].sum(axis=(0, 1))))
    return (*_weights(walk, x, y, dz, dpart, w_input), dbias)


def rnn(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    lengths: Array | None = None,
    *,
    activation: str,
    reverse: bool,
) -> tuple[Array, Array, Array]:
    """Return y, the last h and the workspace (y again)."""
    walk, size = _Walk(x.shape, lengths, reverse), w_hidden.shape[1]
    before = x @ w_input.T + bias
    y = np.zeros((*x.shape[:2], size), before.dtype)
    h = np.zeros((x.shape[0], size), before.dtype)
    for step in walk.steps:
        z = before[:, step] + h @ w_hidden.T
        alive = walk.alive(step)
        h = _keep(alive, np.tanh(z) if activation == "tanh" else np.maximum(z, 0), h)
        y[:, step] = h if alive is None else h * alive
    return y, h, y.copy()


def rnn_grad(
    *arrays: Array, given: str, activation: str, reverse: bool
) -> tuple[Array, Array, Array, Array]:
    """Return dx, dw_input, dw_hidden, dbias from (given gradients, x, y, weights, workspace)."""
    rest = list(arrays)
    y = arrays[len(given) + 1]
    dy, dh, _ = _arriving(given, rest, y)
    x, y, w_input, w_hidden = rest[:4]
    walk = _Walk(x.shape, rest[6] if len(rest) > 6 else None, reverse)
    dz = np.zeros_like(y)
    for step in reversed(walk.steps):
        alive, now = walk.alive(step), y[:, step]
        slope = 1 - now * now if activation == "tanh" else (now > 0).astype(y.dtype)
        local = (dh + dy[:, step]) * slope
        dz[:, step] = local if alive is None else local * alive
        dh = _keep(alive, local @ w_hidden, dh)
    return (*_weights(walk, x, y, dz, dz, w_input), dz.sum(axis=(0, 1)))


_LENGTHS = Range(4, check_lengths, lambda x, *rest, **attrs: int(x.shape[1]))

for _forward, _backward, _infer in (
    (lstm, lstm_grad, _infer_lstm),
    (gru, gru_grad, _infer_gru),
    (rnn, rnn_grad, _infer_rnn),
):
    register(
        _forward.__name__,
        infer=_infer,
        reference=_forward,
        lower=lower_recurrent,
        loses_nan=True,
        ranges=(_LENGTHS,),
    )
    register(
        _backward.__name__,
        infer=_infer_grad,
        reference=_backward,
        lower=lower_recurrent_grad,
        loses_nan=True,
        gradient=True,
    )
