"""Each way to find a range, on distributions whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.quantize.calibration import (
    Observed,
    entropy,
    min_max,
    mse,
    percentile,
    widest,
)


def seen(x):
    made = Observed("x")
    for look in (made.look, made.count):
        for part in np.array_split(np.float32(x), 3):
            look(part)
    return made


def test_min_max_is_the_whole_range():
    assert min_max(seen([-1.5, 0.0, 4.0, 2.0])) == (-1.5, 4.0)


def test_percentile_leaves_the_rarest_out():
    ramp = seen(np.arange(10_001) / 100.0)  # 0 to 100, even

    assert percentile(ramp, 99.0) == (0.0, pytest.approx(99.0, abs=100 / 2048))
    assert percentile(ramp, 100.0) == (0.0, pytest.approx(100.0))


def test_percentile_cuts_both_ends_where_there_are_negative_numbers():
    ramp = seen(np.arange(-10_000, 10_001) / 100.0)

    low, high = percentile(ramp, 99.0)

    assert low == pytest.approx(-98.0, abs=200 / 2048)
    assert high == pytest.approx(98.0, abs=200 / 2048)


def test_mse_keeps_an_even_distribution_whole():
    # Cutting a share c of width 1 costs c³/3; the step's square falls by 2c of 1/12/127² only.
    assert mse(seen(np.linspace(0, 1, 100_000)))[1] >= 0.99


def test_mse_gives_one_outlier_up():
    # 10,000 numbers in 0..1 and one 20: whole, the step is 20/127 and each costs its square / 12,
    # 2.07e-3, in all 20.7; cut at t, (20 - t)² + 10,001 (t/127)²/12. Its minimum is t = 19.0.
    x = np.append(np.linspace(0, 1, 10_000), 20.0)

    best = min(np.arange(1, 101) / 5, key=lambda t: (20 - t) ** 2 + 10_001 * (t / 127) ** 2 / 12)

    assert mse(seen(x))[1] == pytest.approx(best, abs=0.21)
    assert best < 20


def test_entropy_cuts_a_long_tail_and_keeps_an_even_distribution():
    rng = np.random.default_rng(0)
    even, tail = rng.uniform(0, 1, 100_000), np.append(rng.exponential(1.0, 100_000), 100.0)

    assert entropy(seen(even))[1] >= 0.95
    assert 4 < entropy(seen(tail))[1] < 30


def test_entropy_does_not_count_exact_zeros():
    rng = np.random.default_rng(0)
    x = rng.exponential(1.0, 50_000)

    assert entropy(seen(np.append(x, np.zeros(10**6)))) == entropy(seen(x[x.argsort()]))


@pytest.mark.parametrize("method", [min_max, percentile, mse, entropy])
def test_a_value_that_is_always_the_same_has_a_range(method):
    assert method(seen([3.0, 3.0, 3.0])) == (3.0, 3.0)


def test_the_widest_range_holds_zero():
    assert widest([(1.0, 2.0), (0.5, 1.0)]) == (0.0, 2.0)
    assert widest([(-3.0, -1.0)]) == (-3.0, 0.0)


def test_infinity_is_refused_with_the_place():
    with pytest.raises(DataError, match=r"values of conv1 must be finite; got 0\.0 to inf"):
        Observed("conv1").look(np.float32([0.0, np.inf]))
