"""Noise: its distribution, and that it depends on a row's position alone."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import RandomKey, Value, ops, scope, using
from sandbox.lib.engine.random import normal, uniform

LAYERS = {
    "Dropout": lambda: nn.Dropout(0.4),
    "SpatialDropout": lambda: nn.SpatialDropout(0.4),
    "AlphaDropout": lambda: nn.AlphaDropout(0.4),
    "GaussianDropout": lambda: nn.GaussianDropout(0.4),
    "GaussianNoise": lambda: nn.GaussianNoise(0.4),
    "RReLU": lambda: nn.RReLU(),
}


def trained(layer, x, first):
    with using(training=True, random=RandomKey(3, 1, first), collect=True):
        return layer(Value(x)).data


@pytest.mark.parametrize("name", LAYERS)
def test_rows_of_a_rank_get_the_noise_of_their_place_in_the_whole_batch(name):
    layer, x = LAYERS[name](), np.random.default_rng(0).normal(size=(6, 5, 7)).astype("f4")
    whole = trained(layer, x, 0)
    parts = [trained(layer, x[:2], 0), trained(layer, x[2:], 2)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_normal_numbers_have_the_moments_and_the_tails_of_the_distribution():
    x = normal((500, 201), "noise", RandomKey(1), np.float64)
    count = x.size
    assert abs(x.mean()) < 4 / np.sqrt(count)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / count)
    assert abs((np.abs(x) > 2).mean() - 0.0455) < 4 * np.sqrt(0.0455 / count)
    assert abs(np.corrcoef(x[:, :100].ravel(), x[:, 101:].ravel())[0, 1]) < 4 / np.sqrt(count / 2)
    assert np.isfinite(x).all()


def test_uniform_numbers_are_less_than_one_in_every_dtype():
    for dtype in (np.float32, np.float64):
        x = uniform((300, 100), "noise", RandomKey(1), dtype)
        assert 0 <= x.min() < x.max() < 1
        assert abs(x.mean() - 0.5) < 4 / np.sqrt(12 * x.size)


def test_channels_are_dropped_as_a_whole():
    y = trained(nn.SpatialDropout(0.5), np.ones((20, 8, 3, 3), "f4"), 0)
    assert set(np.unique(y.reshape(160, 9).var(axis=1))) == {0.0}
    assert 0.3 < (y == 0).mean() < 0.7
    steps = trained(nn.SpatialDropout(0.5, axis=-1), np.ones((20, 6, 8), "f4"), 0)
    assert np.array_equal(steps, np.repeat(steps[:, :1], 6, axis=1))


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(400, 300)).astype("f4")
    for layer in (nn.AlphaDropout(0.3), nn.AlphaDropout(0.3, whole_channels=True)):
        y = trained(layer, x, 0)
        assert abs(y.mean()) < 0.02
        assert abs(y.std() - 1) < 0.02
        p, floor = 0.3, -1.7580993408473766
        a = ((1 - p) * (1 + p * floor**2)) ** -0.5
        low = np.float32(a * floor * (1 - p))
        assert abs(np.isclose(y, low, atol=1e-5).mean() - p) < 0.01


def test_a_sampler_draws_from_the_given_distributions():
    mean, log_variance = np.full((300, 200), 2.0, "f4"), np.full((300, 200), np.log(9.0), "f4")
    with using(training=True, random=RandomKey(0, 0, 0)):
        y = nn.GaussianSampler()(Value(mean), Value(log_variance)).data
    assert abs(y.mean() - 2) < 0.05
    assert abs(y.std() - 3) < 0.05
    assert np.array_equal(nn.GaussianSampler()(mean, log_variance), mean)


def test_noise_of_two_modules_differs():
    with using(training=True, random=RandomKey(0, 0, 0)):
        with scope("one"):
            a = ops.random_normal(np.zeros((2, 3), "f4")).data
        with scope("two"):
            b = ops.random_normal(np.zeros((2, 3), "f4")).data
    assert not np.array_equal(a, b)
