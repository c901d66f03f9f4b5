"""The recurrent reference kernels against loops that follow the formulas word by word."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import normal, numpy_kernel


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(z_input, z_hidden, b, h, c):
    i, f, g, o = np.split(z_input + z_hidden + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(z_input, z_hidden, b, h, c):
    (xu, xr, xo), (hu, hr, ho), (bu, br, bo, bh) = (
        np.split(z_input, 3),
        np.split(z_hidden, 3),
        np.split(b, 4),
    )
    u, r = sigmoid(xu + hu + bu), sigmoid(xr + hr + br)
    return u * h + (1 - u) * np.tanh(xo + bo + r * (ho + bh)), c


def rnn_step(z_input, z_hidden, b, h, c):
    return np.tanh(z_input + z_hidden + b), c


def peephole_step(w, u, b, p, q, x, h, c):
    """One step of an LSTM with peepholes p and the projection q (Sak et al. 2014)."""
    (i, f, g, o), (pi, pf, po) = np.split(w @ x + u @ h + b, 4), np.split(p, 3)
    i, f = sigmoid(i + pi * c), sigmoid(f + pf * c)
    c = f * c + i * np.tanh(g)
    return q @ (sigmoid(o + po * c) * np.tanh(c)), c


def reset_before_step(w, u, b, x, h):
    """One step of a GRU as Cho et al. 2014 write it."""
    (wu, wr, wo), (uu, ur, uo), (bu, br, bo) = np.split(w, 3), np.split(u, 3), np.split(b, 3)
    update, reset = sigmoid(wu @ x + uu @ h + bu), sigmoid(wr @ x + ur @ h + br)
    return update * h + (1 - update) * np.tanh(wo @ x + uo @ (reset * h) + bo)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("name", "step", "gates", "biases"),
    [("lstm", lstm_step, 4, 4), ("gru", gru_step, 3, 4), ("rnn", rnn_step, 1, 1)],
)
def test_recurrent_layers_are_their_formulas(name, step, gates, biases, reverse):
    x, size, lengths = normal(3, 5, 2), 4, [5, 1, 3]
    w, u = normal(gates * size, 2, seed=1), normal(gates * size, size, seed=2)
    b = normal(biases * size, seed=3)
    attrs = {"activation": "tanh"} if name == "rnn" else {}

    y, h_last, *rest = numpy_kernel(name)(x, w, u, b, np.array(lengths), reverse=reverse, **attrs)

    for row, length in enumerate(lengths):
        h = c = np.zeros(size)
        for t in range(length)[:: -1 if reverse else 1]:
            h, c = step(w @ x[row, t], u @ h, b, h, c)
            np.testing.assert_allclose(h, y[row, t], atol=1e-12)
        np.testing.assert_allclose(h, h_last[row], atol=1e-12)
        np.testing.assert_array_equal(0, y[row, length:])
        if name == "lstm":
            np.testing.assert_allclose(c, rest[0][row], atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_peepholes_projection_and_first_states_are_their_formulas(reverse):
    x, cells, size, lengths = normal(3, 5, 2), 4, 3, [5, 1, 3]
    w, u, b = normal(16, 2, seed=1), normal(16, size, seed=2), normal(16, seed=3)
    p, q = normal(12, seed=4), normal(size, cells, seed=5)
    h0, c0 = normal(3, size, seed=6), normal(3, cells, seed=7)
    names = ("lengths", "h", "c", "peephole", "projection")

    y, h_last, c_last, _ = numpy_kernel("lstm")(
        x, w, u, b, np.array(lengths), h0, c0, p, q, reverse=reverse, optional=names
    )

    for row, length in enumerate(lengths):
        h, c = h0[row], c0[row]
        for t in range(length)[:: -1 if reverse else 1]:
            h, c = peephole_step(w, u, b, p, q, x[row, t], h, c)
            np.testing.assert_allclose(h, y[row, t], atol=1e-12)
        np.testing.assert_allclose(h, h_last[row], atol=1e-12)
        np.testing.assert_allclose(c, c_last[row], atol=1e-12)
        np.testing.assert_array_equal(0, y[row, length:])


def test_a_gru_whose_reset_comes_before_is_its_formula():
    x, size = normal(2, 4, 3), 5
    w, u, b = normal(15, 3, seed=1), normal(15, size, seed=2), normal(15, seed=3)
    h0 = normal(2, size, seed=4)

    y, h_last, _ = numpy_kernel("gru")(
        x, w, u, b, h0, reverse=False, reset_after=False, optional=("h",)
    )

    for row in range(2):
        h = h0[row]
        for t in range(4):
            h = reset_before_step(w, u, b, x[row, t], h)
            np.testing.assert_allclose(h, y[row, t], atol=1e-12)
        np.testing.assert_allclose(h, h_last[row], atol=1e-12)
