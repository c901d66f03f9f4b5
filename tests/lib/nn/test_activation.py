"""Activations that PyTorch has not, and what flows back where that is not the slope."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import RandomKey, Tape, Value, ops, using
from sandbox.lib.core.errors import ArgumentError

X = np.linspace(-3.0, 3.0, 61).reshape(1, 61)


def test_s_shaped_rectifiers_bend_where_they_are_told():
    layer = nn.SReLU(61)
    layer.astype("float64")
    for name, number in (("left", -1.0), ("left_slope", 0.2), ("right", 0.5), ("right_slope", 2.0)):
        getattr(layer, name).set(np.full(61, number))
    expected = [
        -1 + 0.2 * (v + 1) if v <= -1 else 0.5 + 2 * (v - 0.5) if v >= 0.5 else v for v in X[0]
    ]
    np.testing.assert_allclose(layer.call(Value(X)).data[0], expected, rtol=1e-12)


def test_random_slopes_lie_between_their_ends_and_their_middle_is_taken_afterwards():
    x = -np.ones((50, 40), "f4")
    layer = nn.RReLU(0.1, 0.5)
    with using(training=True, random=RandomKey(0, 0, 0)):
        y = -layer(Value(x)).data
    assert 0.1 <= y.min() < 0.12
    assert 0.48 < y.max() <= 0.5
    assert abs(y.mean() - 0.3) < 0.02
    np.testing.assert_allclose(layer(x), -0.3, rtol=1e-6)
    with pytest.raises(ArgumentError, match="low"):
        nn.RReLU(0.5, 0.1)


def test_a_binary_threshold_gives_zeros_and_ones_and_no_gradient():
    layer = nn.BinaryThreshold(0.25)
    assert layer.forward(X.astype("f4")).sum() == (X > 0.25).sum()
    assert not layer.backward(np.ones((1, 61), "f4")).any()


@pytest.mark.parametrize(("at", "value"), [(0.5, 0.0), (0.5, -2.0), (-0.5, 0.0), (0.5, 20.0)])
def test_thresholds_let_what_is_above_through_bit_for_bit(at, value):
    x = np.random.default_rng(0).normal(size=(40, 500)).astype("f4")
    x[0, :3] = at, np.inf, -np.inf
    found = nn.Threshold(at, value)(x)
    expected = np.where(x > np.float32(at), x, np.float32(value))
    assert np.array_equal(found, expected)


def test_quick_gelu_comes_near_to_gelu():
    assert np.abs(nn.SiLU(1.702)(X) - nn.GELU()(X)).max() < 0.021


def test_a_gradient_is_turned_round():
    with Tape() as tape:
        x = Value(X)
        y = ops.sum(ops.square(nn.GradientReversal(0.3)(x)))
    np.testing.assert_allclose(tape.gradients(y, [x])[0], -0.3 * 2 * X, rtol=1e-6)
