"""Recurrent layers step by step in NumPy, and their gradients through time.

Weights hold the gates below each other. Positions behind a row's length give zeros, leave the
state as it is and get no gradient. What a layer may be given beside its input and weights comes
behind them, as `optional` names it: "lengths", the first "h" and "c", "peephole", "projection".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import sigmoid

Array = NDArray[Any]
Names = Sequence[str]
LENGTHS_ALONE = ("lengths",)


class _Layer:
    """One layer's sizes, the order of its steps, who is alive at each, and what else it is given.

    `shape` is that of the input, `size` that of the state h.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        size: int,
        dtype: Any,
        given: dict[str, Array],
        reverse: bool,
    ) -> None:
        self.rows, self.time = shape[:2]
        self.size, self.dtype, self.given, self.reverse = size, dtype, given, reverse
        self.lengths = given.get("lengths")
        self.steps = list(range(self.time))[:: -1 if reverse else 1]

    def alive(self, step: int) -> Array | None:
        """Return a column of True where the row reaches to this step; None when all do."""
        return None if self.lengths is None else (step < self.lengths)[:, None]

    def first(self, name: str, size: int | None = None) -> Array:
        """Return a first state, zeros where none is given."""
        found = self.given.get(name)
        return np.zeros((self.rows, size or self.size), self.dtype) if found is None else found

    def before(self, states: Array, name: str) -> Array:
        """Return for each step the state before it, beginning with the first."""
        shifted, first = np.zeros_like(states), self.given.get(name)
        if self.reverse:
            shifted[:, :-1] = states[:, 1:]
        else:
            shifted[:, 1:] = states[:, :-1]
        if first is not None:
            last: Any = -1 if self.lengths is None else self.lengths - 1
            shifted[np.arange(self.rows), last if self.reverse else 0] = first
        return shifted

    def room(self, size: int) -> Array:
        """Return zeros for all steps."""
        return np.zeros((self.rows, self.time, size), self.dtype)


def _named(optional: Names, rest: Sequence[Array]) -> dict[str, Array]:
    return dict(zip(optional, rest, strict=False))


def keep(alive: Array | None, new: Array, old: Array) -> Array:
    """Return the new state of the rows that are alive, the old one of the others."""
    return new if alive is None else np.where(alive, new, old)


def masked(alive: Array | None, x: Array) -> Array:
    """Return x, and zeros in the rows that are not alive."""
    return x if alive is None else x * alive


class _Back:
    """What the gradient of a layer reads.

    `arrays` are the gradients that arrive at "y", "h", "c" as far as `given` tells, x, y, the
    weights, the workspace, and what is optional.
    """

    def __init__(self, arrays: Sequence[Array], given: str, optional: Names, reverse: bool) -> None:
        found = dict(zip(given, arrays, strict=False))
        self.x, self.y, self.w_input, self.w_hidden, self.bias, self.workspace = arrays[
            len(given) : len(given) + 6
        ]
        self.given = _named(optional, arrays[len(given) + 6 :])
        dtype, size = self.y.dtype, self.y.shape[2]
        self.layer = _Layer(self.x.shape, size, dtype, self.given, reverse)
        self.dy = found.get("y", np.zeros(self.y.shape, dtype))
        self.dh = found.get("h", np.zeros((len(self.y), size), dtype))
        self.dc = found.get("c")
        self.optional = optional

    def results(
        self, dz_input: Array, dz_hidden: Array, dw_hidden: Array | None, dbias: Array, **rest: Any
    ) -> tuple[Array, ...]:
        """Return dx, dw_input, dw_hidden, dbias and the gradients of what is optional, in order.

        `dz_input` and `dz_hidden` are the gradients before the gates, at the products.
        """
        left = dz_input.reshape(-1, dz_input.shape[2])
        right = dz_hidden.reshape(-1, dz_hidden.shape[2])
        if dw_hidden is None:
            before = self.layer.before(self.y, "h")
            dw_hidden = right.T @ before.reshape(-1, self.y.shape[2])
        behind = [rest[name] for name in self.optional if name in self.given and name != "lengths"]
        dw_input = left.T @ self.x.reshape(-1, self.x.shape[2])
        return (dz_input @ self.w_input, dw_input, dw_hidden, dbias, *behind)


def lstm(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    *rest: Array,
    reverse: bool,
    optional: Names = LENGTHS_ALONE,
) -> tuple[Array, Array, Array, Array]:
    """Return y, the last h and c, and the workspace (gates i, f, g, o and c); gates i, f, g, o."""
    before, cells = x @ w_input.T + bias, len(bias) // 4
    layer = _Layer(x.shape, w_hidden.shape[1], before.dtype, _named(optional, rest), reverse)
    peephole, projection = layer.given.get("peephole"), layer.given.get("projection")
    y, workspace = layer.room(layer.size), layer.room(5 * cells)
    h, c = layer.first("h"), layer.first("c", cells)
    for step in layer.steps:
        zi, zf, zg, zo = np.split(before[:, step] + h @ w_hidden.T, 4, axis=1)
        if peephole is not None:
            zi, zf = zi + peephole[:cells] * c, zf + peephole[cells : 2 * cells] * c
        i, f, g = sigmoid(zi), sigmoid(zf), np.tanh(zg)
        new_c = f * c + i * g
        if peephole is not None:
            zo = zo + peephole[2 * cells :] * new_c
        o = sigmoid(zo)
        new_h = o * np.tanh(new_c)
        if projection is not None:
            new_h = new_h @ projection.T
        alive = layer.alive(step)
        h, c = keep(alive, new_h, h), keep(alive, new_c, c)
        y[:, step] = masked(alive, h)
        workspace[:, step] = np.concatenate((i, f, g, o, c), axis=1)
    return y, h, c, workspace


def lstm_grad(
    *arrays: Array, given: str, reverse: bool, optional: Names = LENGTHS_ALONE
) -> tuple[Array, ...]:
    """Return dx, dw_input, dw_hidden, dbias, and the gradients of what is optional."""
    back = _Back(arrays, given, optional, reverse)
    layer, workspace, dh = back.layer, back.workspace, back.dh
    cells = workspace.shape[2] // 5
    dc = np.zeros((layer.rows, cells), dh.dtype) if back.dc is None else back.dc
    peephole, projection = back.given.get("peephole"), back.given.get("projection")
    dprojection = None if projection is None else np.zeros_like(projection)
    before = layer.before(workspace[:, :, 4 * cells :], "c")
    dz = layer.room(4 * cells)
    for step in reversed(layer.steps):
        i, f, g, o, c = np.split(workspace[:, step], 5, axis=1)
        alive, top = layer.alive(step), np.tanh(c)
        total = dh + back.dy[:, step]
        if projection is not None and dprojection is not None:
            dprojection += masked(alive, total).T @ (o * top)
            total = total @ projection
        dzo = total * top * o * (1 - o)
        inner = dc + total * o * (1 - top * top)
        if peephole is not None:
            inner = inner + dzo * peephole[2 * cells :]
        dzi, dzf = inner * g * i * (1 - i), inner * before[:, step] * f * (1 - f)
        old = inner * f
        if peephole is not None:
            old = old + dzi * peephole[:cells] + dzf * peephole[cells : 2 * cells]
        now = np.concatenate((dzi, dzf, inner * i * (1 - g * g), dzo), axis=1)
        dz[:, step] = masked(alive, now)
        dh, dc = keep(alive, now @ back.w_hidden, dh), keep(alive, old, dc)
    dpeephole = None
    if peephole is not None:
        di, df, _, do = np.split(dz, 4, axis=2)
        seen = (di * before, df * before, do * workspace[:, :, 4 * cells :])
        dpeephole = np.concatenate([part.sum(axis=(0, 1)) for part in seen])
    return back.results(
        dz, dz, None, dz.sum(axis=(0, 1)), h=dh, c=dc, peephole=dpeephole, projection=dprojection
    )


def gru(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    *rest: Array,
    reverse: bool,
    reset_after: bool = True,
    optional: Names = LENGTHS_ALONE,
) -> tuple[Array, Array, Array]:
    """Return y, the last h and the workspace (u, r, o and o's hidden part); gates u, r, o.

    The reset gate works on the product of o's hidden part, whose bias is the fourth quarter; or on
    the state before the product.
    """
    size = w_hidden.shape[1]
    before = x @ w_input.T + bias[: 3 * size]
    layer = _Layer(x.shape, size, before.dtype, _named(optional, rest), reverse)
    y, workspace, h = layer.room(size), layer.room(4 * size), layer.first("h")
    gates, candidate = w_hidden[: 2 * size], w_hidden[2 * size :]
    for step in layer.steps:
        z = before[:, step]
        both = sigmoid(z[:, : 2 * size] + h @ gates.T)
        u, r = both[:, :size], both[:, size:]
        if reset_after:
            part = h @ candidate.T + bias[3 * size :]
            o = np.tanh(z[:, 2 * size :] + r * part)
        else:
            part = r * h
            o = np.tanh(z[:, 2 * size :] + part @ candidate.T)
        alive = layer.alive(step)
        h = keep(alive, u * h + (1 - u) * o, h)
        y[:, step] = masked(alive, h)
        workspace[:, step] = np.concatenate((u, r, o, part), axis=1)
    return y, h, workspace


def gru_grad(
    *arrays: Array,
    given: str,
    reverse: bool,
    reset_after: bool = True,
    optional: Names = LENGTHS_ALONE,
) -> tuple[Array, ...]:
    """Return dx, dw_input, dw_hidden, dbias, and the gradients of what is optional."""
    back = _Back(arrays, given, optional, reverse)
    layer, dh, size = back.layer, back.dh, back.layer.size
    states = layer.before(back.y, "h")
    dz, dpart = layer.room(3 * size), layer.room(3 * size)
    gates, candidate = back.w_hidden[: 2 * size], back.w_hidden[2 * size :]
    for step in reversed(layer.steps):
        u, r, o, part = np.split(back.workspace[:, step], 4, axis=1)
        alive, h = layer.alive(step), states[:, step]
        total = dh + back.dy[:, step]
        du = total * (h - o) * u * (1 - u)
        do = total * (1 - u) * (1 - o * o)
        if reset_after:
            dr, hidden = do * part * r * (1 - r), do * r
            through = hidden @ candidate
        else:
            reset = do @ candidate
            dr, hidden, through = reset * h * r * (1 - r), do, reset * r
        both = np.concatenate((du, dr), axis=1)
        dz[:, step] = masked(alive, np.concatenate((both, do), axis=1))
        dpart[:, step] = masked(alive, np.concatenate((both, hidden), axis=1))
        dh = keep(alive, total * u + both @ gates + through, dh)
    dbias, dw_hidden = dz.sum(axis=(0, 1)), None
    if reset_after:
        dbias = np.concatenate((dbias, dpart[:, :, 2 * size :].sum(axis=(0, 1))))
    else:
        right, flat = dz.reshape(-1, 3 * size), states.reshape(-1, size)
        parts = back.workspace[:, :, 3 * size :].reshape(-1, size)
        products = (right[:, : 2 * size].T @ flat, right[:, 2 * size :].T @ parts)
        dw_hidden = np.concatenate(products)
    return back.results(dz, dpart, dw_hidden, dbias, h=dh)


def rnn(
    x: Array,
    w_input: Array,
    w_hidden: Array,
    bias: Array,
    *rest: Array,
    activation: str,
    reverse: bool,
    optional: Names = LENGTHS_ALONE,
) -> tuple[Array, Array, Array]:
    """Return y, the last h and the workspace (y again)."""
    before, size = x @ w_input.T + bias, w_hidden.shape[1]
    layer = _Layer(x.shape, size, before.dtype, _named(optional, rest), reverse)
    y, h = layer.room(size), layer.first("h")
    for step in layer.steps:
        z = before[:, step] + h @ w_hidden.T
        alive = layer.alive(step)
        h = keep(alive, np.tanh(z) if activation == "tanh" else np.maximum(z, 0), h)
        y[:, step] = masked(alive, h)
    return y, h, y.copy()


def rnn_grad(
    *arrays: Array,
    given: str,
    activation: str,
    reverse: bool,
    optional: Names = LENGTHS_ALONE,
) -> tuple[Array, ...]:
    """Return dx, dw_input, dw_hidden, dbias, and the gradients of what is optional."""
    back = _Back(arrays, given, optional, reverse)
    layer, dh = back.layer, back.dh
    dz = layer.room(layer.size)
    for step in reversed(layer.steps):
        alive, now = layer.alive(step), back.y[:, step]
        slope = 1 - now * now if activation == "tanh" else (now > 0).astype(now.dtype)
        local = (dh + back.dy[:, step]) * slope
        dz[:, step] = masked(alive, local)
        dh = keep(alive, local @ back.w_hidden, dh)
    return back.results(dz, dz, None, dz.sum(axis=(0, 1)), h=dh)
