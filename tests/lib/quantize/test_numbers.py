"""Layers in whole numbers: float32 holds every step exactly, and they mean what they should."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.quantize.numbers import EXACT, REAL, Bytes, product


def units(made, x, residual):
    """The largest sum of each row in the finest unit of its parts."""
    finest = np.abs(made.factors.astype(np.float64))
    parts = [made.factors, made.offsets, np.full(len(finest), made.share)]
    places = [max(_places(float(part[o])) for part in parts) for o in range(len(made.factors))]
    whole = made.weight.astype(int).reshape(len(finest), -1)
    rows = np.maximum(np.maximum(whole, 0).sum(1), np.maximum(-whole, 0).sum(1))
    most = rows * finest * x.top + np.abs(made.offsets) + made.share * (255 if residual else 0)
    return most * 2.0 ** np.array(places)


def _places(number):
    """Binary places of a number behind the point."""
    count = 0
    while number != round(number):
        number, count = number * 2, count + 1
    return count


@pytest.mark.parametrize("inside", [1, 9, 144, 576, 4608])
@pytest.mark.parametrize("top", [127, 255])
@pytest.mark.parametrize("added", [False, True])
def test_no_sum_leaves_what_float32_holds_exactly(inside, top, added):
    rng = np.random.default_rng(inside)
    weight = rng.standard_normal((8, inside)) / np.sqrt(inside)
    weight[0] = 0.5  # all as large as can be
    x, y = Bytes.over(0, 3.0, top), Bytes.over(-2.0, 2.5, top)
    residual = Bytes.over(-1.0, 2.0, top) if added else None

    made = product(weight, rng.standard_normal(8), x, y, residual)

    assert (units(made, x, added) < EXACT).all()


def test_a_layer_means_what_the_real_one_does():
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((5, 40)), rng.standard_normal(5)
    x = Bytes.over(-1.0, 2.0, 127)
    q = rng.integers(0, 128, (100, 40))

    made = product(weight, bias, x, REAL)

    exact = x.real(q) @ weight.T + bias
    found = q @ made.weight.T.astype(int) * made.factors + made.offsets
    step = np.abs(weight).max(1) / 127 * 1.02  # of a weight, a little more for a short factor
    assert (np.abs(found - exact) <= 40 * step * 2.0 / 2).all()
    assert np.sqrt(np.square(found - exact).mean()) < 0.02 * exact.std()


def test_a_channel_without_weights_gives_its_bias():
    made = product(np.zeros((1, 4)), np.array([0.75]), Bytes.over(0, 1, 127), REAL)

    assert (made.weight == 0).all()
    assert made.offsets.tolist() == [0.75]


def test_zero_is_a_byte_of_its_own():
    signed = Bytes.over(-0.3, 1.0, 127)

    assert signed.real(signed.of(np.zeros(1))).tolist() == [0.0]
    assert Bytes.over(0.0, 1.0, 127).of(np.float32([-1.0, 0.0, 1.0, 9.0])).tolist() == [
        0,
        0,
        127,
        127,
    ]
