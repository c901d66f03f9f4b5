"""Calibration: which range of a value the bytes are to stand for, from numbers it has had.

No method always wins. What lies outside of the range is clipped; a wide range makes all steps
coarse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

Range = tuple[float, float]
BINS = 2048
TRIALS = 100  # ranges that "mse" and "entropy" try


class Observed:
    """The numbers a value has had: extremes first, then how often each part of the range came up.

    Parameters
    ----------
    name : str
        What an error calls the value.

    Examples
    --------
    >>> seen = Observed("x")
    >>> for look in (seen.look, seen.count):
    ...     look(np.float32([0.0, 1.0, 4.0]))
    >>> min_max(seen)
    (0.0, 4.0)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.low = np.inf
        self.high = -np.inf
        self.counts = np.zeros(BINS)
        self.zeros = 0

    def look(self, x: NDArray[np.floating]) -> None:
        """Take note of the extremes."""
        low, high = float(x.min()), float(x.max())
        if not np.isfinite([low, high]).all():
            raise DataError(
                f"quantize: values of {self.name} must be finite; got {low} to {high}. Look at the "
                "data and the weights for NaN and infinity."
            )
        self.low, self.high = min(self.low, low), max(self.high, high)

    def count(self, x: NDArray[np.floating]) -> None:
        """Count how often each part of the range comes up; the extremes must be known."""
        if self.high > self.low:
            self.zeros += int((x == 0).sum())
            self.counts += np.histogram(x, BINS, (self.low, self.high))[0]

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of each part of the range."""
        edges = np.linspace(self.low, self.high, BINS + 1)
        return (edges[:-1] + edges[1:]) / 2


def min_max(seen: Observed) -> Range:
    """Return all of the range."""
    return seen.low, seen.high


def percentile(seen: Observed, percent: float = 99.99) -> Range:
    """Return the range without the rarest numbers at its ends.

    Parameters
    ----------
    percent : float in (50, 100]
        Share of the numbers that are at most the upper end; and at least the lower one, where
        there are negative numbers.
    """
    total = seen.counts.sum()
    if not total:
        return min_max(seen)
    edges = np.linspace(seen.low, seen.high, BINS + 1)
    share = np.cumsum(seen.counts) / total
    high = float(edges[1 + np.searchsorted(share, percent / 100 - 1e-12)])
    if seen.low >= 0:
        return seen.low, high
    low = float(edges[np.searchsorted(share, 1 - percent / 100, side="right")])
    return min(low, 0.0), max(high, 0.0)


def mse(seen: Observed, levels: int = 128) -> Range:
    """Return the range with the least mean square of what rounding and clipping change.

    Parameters
    ----------
    levels : int
        Numbers a byte takes.
    """
    if not seen.counts.sum():
        return min_max(seen)
    x = seen.centres

    def error(low: float, high: float) -> float:
        step = (high - min(low, 0.0)) / (levels - 1)
        outside = x - np.clip(x, low, high)
        return float((seen.counts * np.where(outside == 0, step**2 / 12, outside**2)).sum())

    return _best(seen, error)


def entropy(seen: Observed, levels: int = 128) -> Range:
    """Return the range whose bytes tell the most: least Kullback-Leibler divergence.

    Exact zeros are left out: they stay zeros in any range. Source: Migacz 2017, "8-bit inference
    with TensorRT".
    """
    counts = seen.counts.copy()
    if seen.zeros and seen.low <= 0 <= seen.high:
        place = int((0 - seen.low) / (seen.high - seen.low) * BINS)
        counts[min(place, BINS - 1)] -= seen.zeros
    if not counts.sum():
        return min_max(seen)
    x = seen.centres

    def divergence(low: float, high: float) -> float:
        inside = (x >= low) & (x <= high)
        kept = counts[inside]
        if len(kept) < levels:
            return np.inf
        reference = kept.copy()
        reference[0] += counts[x < low].sum()
        reference[-1] += counts[x > high].sum()
        return _divergence(reference, _merged(kept, levels))

    return _best(seen, divergence)


def _best(seen: Observed, cost: Callable[[float, float], float]) -> Range:
    shares = np.arange(TRIALS, 0, -1) / TRIALS
    ranges = [(min(seen.low, 0.0) * share, max(seen.high, 0.0) * share) for share in shares]
    costs = [cost(*pair) for pair in ranges]
    return ranges[int(np.argmin(costs))]


def _merged(counts: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Return the counts as they are once `levels` numbers stand for all: spread evenly."""
    group = np.arange(len(counts)) * levels // len(counts)
    filled = counts > 0
    totals = np.bincount(group, counts, levels)
    members = np.bincount(group, filled, levels)
    shared = np.divide(totals, members, out=np.zeros(levels), where=members > 0)
    return np.where(filled, shared[group], 0.0)


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """Return the sum of p · log(p / q) of two histograms; 0 counts as a small probability."""
    p, q = p / p.sum(), q / max(q.sum(), 1e-300)
    some = p > 0
    return float((p[some] * np.log(p[some] / np.maximum(q[some], 1e-7))).sum())


CALIBRATIONS: dict[str, Callable[[Observed], Range]] = {
    "min_max": min_max,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
}


def widest(ranges: Sequence[Range]) -> Range:
    """Return the range that holds all of these, and zero, which bytes always stand for."""
    return min(0.0, *(low for low, _ in ranges)), max(0.0, *(high for _, high in ranges))
