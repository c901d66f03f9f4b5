"""Clipping by norm over slices, and by value."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.core.errors import ArgumentError, TrainingError


def test_norm_is_summed_over_slices_and_scaled_to_the_limit():
    g = np.random.default_rng(0).standard_normal(100_003).astype("f4")
    clip = optim.ClipNorm(2.5)
    total = sum(clip.local(part) for part in np.array_split(g, 3))
    assert total == pytest.approx(float(np.sum(g.astype("f8") ** 2)), rel=1e-12)
    g *= clip.scale(total)
    # 1e-5: NumPy adds up 100,003 float32 squares in float32
    assert np.linalg.norm(g) == pytest.approx(2.5, rel=1e-5)


def test_small_gradients_are_left_as_they_are():
    clip = optim.ClipNorm(10)
    assert clip.scale(clip.local(np.array([3, 4], "f4"))) == 1.0
    assert clip.scale(clip.local(np.zeros(0, "f4"))) == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_norm_that_is_not_finite_stops_with_a_cure(bad):
    clip = optim.ClipNorm(1)
    with pytest.raises(TrainingError, match=r"must be finite.*learning rate"):
        clip.scale(clip.local(np.array([1, bad], "f4")))


def test_values_are_clipped_in_place():
    g = np.array([-5, -0.5, 0.5, 5], "f4")
    optim.ClipValue(1).apply(g)
    np.testing.assert_array_equal(g, np.array([-1, -0.5, 0.5, 1], "f4"))
    assert g.dtype == np.float32


def test_limits_must_be_positive_and_clips_have_configs():
    with pytest.raises(ArgumentError, match="ClipNorm: `max_norm` must be"):
        optim.ClipNorm(0)
    with pytest.raises(ArgumentError, match="ClipValue: `value` must be"):
        optim.ClipValue(-1)
    assert optim.ClipNorm(2.0) == optim.from_config(optim.ClipNorm(2.0).config())
