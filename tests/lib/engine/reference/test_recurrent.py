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
