"""What every rank's seconds go to, kept in memory that does not grow with the ranks."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHOWN", "TIMES", "RankTables"]

TIMES = ("compute", "wait", "exchange", "bytes", "rows")
"""What a rank tells of an iteration: three times in seconds, bytes sent, rows of its share."""
SHOWN = 8
"""Up to so many ranks are told one by one with every iteration."""
_WHOLE = 64  # tables that are kept as they came


class RankTables:
    """The tables of all ranks' times, each the mean over some iterations.

    Kept are at most `SHOWN` ranks' numbers for each iteration: with more ranks than that,
    neighbouring tables become one where too many have come.

    Examples
    --------
    >>> tables = RankTables()
    >>> each = {"wait": 0.0, "exchange": 0.0, "bytes": 0, "rows": 4}
    >>> tables.add(1, 2, [{"compute": 0.1, **each}, {"compute": 0.3, **each}])
    >>> tables.columns(1, np.array([1, 2, 3]))["compute"]
    array([0.3, 0.3, nan])
    """

    def __init__(self) -> None:
        self.ranks = 0
        self._first, self._last = array("q"), array("q")
        self._values = array("d")

    def add(self, first: int, last: int, timings: Sequence[Mapping[str, Any]]) -> None:
        """Take in the mean times of all ranks from iteration `first` to `last`."""
        table = np.array([[timing[name] for name in TIMES] for timing in timings], np.float64)
        if len(table) > self.ranks:  # ranks that had not reported before have gaps there
            kept = self._tables()
            self.ranks = len(table)
            self._store(_widened(kept, self.ranks))
        self._first.append(first)
        self._last.append(last)
        self._values.frombytes(_widened(table[None], self.ranks).tobytes())
        iterations = last - self._first[0] + 1
        if len(self._last) > max(_WHOLE, SHOWN * iterations // self.ranks):
            self._thin()

    def cut(self, step: int) -> None:
        """Forget iteration `step` and what came after."""
        n = bisect_left(self._last, step)
        if n < len(self._last) and self._first[n] < step:  # what comes before it is still told
            self._last[n] = step - 1
            n += 1
        del self._first[n:], self._last[n:], self._values[n * self.ranks * len(TIMES) :]

    def columns(self, rank: int, steps: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Return a rank's times at these iterations; NaN where no table tells of them."""
        if not len(self._last):
            return {name: np.full(len(steps), np.nan) for name in TIMES}
        place = np.searchsorted(np.array(self._last), steps)
        place = np.minimum(place, len(self._last) - 1)
        inside = (np.array(self._first)[place] <= steps) & (steps <= np.array(self._last)[place])
        values = self._tables()[place, rank]
        values[~inside] = np.nan
        return {name: values[:, i].copy() for i, name in enumerate(TIMES)}

    def to_lists(self) -> list[dict[str, list[float]]]:
        """Return for each rank its times, one value a table."""
        tables = self._tables()
        return [
            {name: tables[:, rank, i].tolist() for i, name in enumerate(TIMES)}
            for rank in range(self.ranks)
        ]

    @property
    def steps(self) -> list[int]:
        """The last iteration of each table."""
        return self._last.tolist()

    def _tables(self) -> NDArray[np.float64]:
        return np.array(self._values).reshape(len(self._last), self.ranks, len(TIMES))

    def _store(self, tables: NDArray[np.float64]) -> None:
        self._values = array("d", tables.ravel().tolist())

    def _thin(self) -> None:
        """Make one table of every two."""
        tables, first, last = self._tables(), np.array(self._first), np.array(self._last)
        weights = (last - first + 1)[:, None, None]
        starts = np.arange(0, len(last), 2)
        sums = np.add.reduceat(tables * weights, starts)
        self._store(sums / np.add.reduceat(weights, starts))
        self._first = array("q", first[starts].tolist())
        self._last = array("q", last[np.minimum(starts + 1, len(last) - 1)].tolist())


def _widened(tables: NDArray[np.float64], ranks: int) -> NDArray[np.float64]:
    """Return tables of so many ranks, NaN for those that are not there."""
    wide = np.full((len(tables), ranks, len(TIMES)), np.nan)
    wide[:, : tables.shape[1]] = tables
    return wide
