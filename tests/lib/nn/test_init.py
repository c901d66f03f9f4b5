"""Rules that weights are drawn by."""

from __future__ import annotations

import numpy as np
import pytest

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
