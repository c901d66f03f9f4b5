"""Rules that weights are drawn by."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.nn import init


@pytest.mark.parametrize("shape", [(700, 300), (3,), (1, 1), (0, 4)])
def test_drawing_piece_by_piece_gives_what_one_draw_gives(shape):
    def draw(name):
        return init.draw(name, shape, 5)

    rng, fan_in, fan_out = np.random.default_rng(5), *init.fans(shape)
    deviation = np.sqrt(2.0 / max(fan_in, 1))
    np.testing.assert_array_equal(rng.normal(0.0, deviation, shape).astype("f4"), draw("he_normal"))
    bound, rng = np.sqrt(6.0 / max(fan_in + fan_out, 1)), np.random.default_rng(5)
    np.testing.assert_array_equal(
        rng.uniform(-bound, bound, shape).astype("f4"), draw("xavier_uniform")
    )
    rng = np.random.default_rng(5)
    whole = rng.standard_normal(shape)
    beyond = np.abs(whole) > 2.0
    while beyond.any():
        whole[beyond] = rng.standard_normal(int(beyond.sum()))
        beyond = np.abs(whole) > 2.0
    expected = (whole * (deviation / 0.87962566103423978)).astype("f4")
    np.testing.assert_array_equal(expected, draw("truncated_normal"))


@pytest.mark.parametrize(
    ("rule", "mean", "deviation"),
    [
        ("random_uniform(-0.1, 0.3)", 0.1, 0.4 / np.sqrt(12)),
        ("random_normal(0.5, 0.02)", 0.5, 0.02),
        ("random_truncated_normal(-1, 0.2)", -1.0, 0.2),
        ("variance_scaling(2)", 0.0, np.sqrt(2 / 300)),
        ("variance_scaling(1, fan_out, uniform)", 0.0, np.sqrt(1 / 200)),
        ("variance_scaling(3, fan_avg, truncated_normal)", 0.0, np.sqrt(3 / 250)),
        ("normal", 0.0, 0.05),
    ],
)
def test_rules_with_arguments_have_the_moments_of_their_formula(rule, mean, deviation):
    weight = init.draw(rule, (200, 300), 0).astype("f8")
    # 60,000 draws: the mean is known to 0.4 % of the deviation, which is known to 0.3 %
    assert abs(weight.mean() - mean) < 0.02 * deviation
    assert abs(weight.std() - deviation) < 0.02 * deviation


def test_variance_scaling_holds_the_rules_of_he_glorot_and_lecun():
    for args, name in [
        ((2.0, "fan_in", "normal"), "he_normal"),
        ((2.0, "fan_in", "truncated_normal"), "truncated_normal"),
        ((1.0, "fan_avg", "normal"), "xavier_normal"),
        ((1.0, "fan_in", "normal"), "lecun_normal"),
    ]:
        made = init.draw_by(init.variance_scaling(*args), (20, 30, 3, 3), 5)
        np.testing.assert_array_equal(init.draw(name, (20, 30, 3, 3), 5), made)


def test_scaled_orthogonal_stretches_all_lengths_alike():
    w = init.draw("scaled_orthogonal(1.5)", (6, 2, 2, 2), 3).reshape(6, 8).astype("f8")
    np.testing.assert_allclose(w @ w.T, 2.25 * np.eye(6), atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 3, 3), (2, 4, 3, 3), (4, 2, 3, 3, 3)])
def test_a_dirac_convolution_hands_its_input_on(shape):
    weight = init.draw("dirac", shape, None)
    x = np.random.default_rng(0).normal(size=(1, shape[1], *[5] * (len(shape) - 2)))
    windows = np.lib.stride_tricks.sliding_window_view(x, shape[2:], tuple(range(2, x.ndim)))
    axes = ([1, *range(x.ndim, windows.ndim)], list(range(1, len(shape))))
    y = np.moveaxis(np.tensordot(windows, weight, axes), -1, 1)
    inner = (slice(None), slice(None), *[slice(1, -1)] * (len(shape) - 2))
    both = min(shape[:2])
    np.testing.assert_array_equal(x[inner][:, :both], y[:, :both])
    assert not y[:, both:].any()


def test_identity_is_of_matrices_only():
    np.testing.assert_array_equal(np.eye(3, 2), init.draw("identity", (3, 2), None))
    with pytest.raises(ArgumentError, match="`identity` must be of matrices"):
        init.draw("identity", (3,), None)
    with pytest.raises(ArgumentError, match="`dirac` must be of weights with windows"):
        init.draw("dirac", (3, 3), None)


def test_sparse_leaves_as_many_inputs_out_as_it_says():
    w = init.draw("sparse(0.9, 0.5)", (40, 50), 1)
    assert ((w == 0).sum(axis=1) == 45).all()
    assert 0.4 < w[w != 0].std() < 0.6
    assert len({tuple(np.flatnonzero(row)) for row in w}) > 30  # each unit has inputs of its own


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("variance_scaling(0)", "`scale` must be"),
        ("variance_scaling(2, width)", "`mode` must be"),
        ("random_uniform(2, 1)", "`low` must not be above"),
        ("random_normal(0)", "deviation"),
        ("sparse(1)", "`share` must be"),
        ("zeros(1)", "got 'zeros\\(1\\)'"),
    ],
)
def test_arguments_of_rules_are_checked_by_name(wrong, words):
    with pytest.raises(ArgumentError, match=f"`weight_init` must be one of .*{words}"):
        init.draw(wrong, (4, 4), 0)
