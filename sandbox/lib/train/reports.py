"""What rank 0 tells of a run: iterations with the times of all ranks, snapshots, lines of text."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .events import Event
from .group import Group
from .history import History
from .timings import SHOWN, TIMES

if TYPE_CHECKING:
    from ..core import FlatParameters

__all__ = ["Reports", "laps"]

_N = len(TIMES)
_ASKED, _SUMS = 0, slice(1, 1 + _N)  # places in the part of the vector that is summed
_PERIOD_S = 1.0  # between two tables of all ranks, where they are many


def laps() -> Callable[[], float]:
    """Return a function that gives the seconds since its last call, at first since this one."""
    mark = time.perf_counter()

    def lap() -> float:
        nonlocal mark
        before, mark = mark, time.perf_counter()
        return mark - before

    return lap


class Reports:
    """Makes the events and keeps the run's history.

    The other ranks' times of an iteration are known to rank 0 with the next all-reduce only: with
    several ranks each event comes one iteration late, or with `flush`. What goes into that sum does
    not grow with the ranks: the sums of all times, those of the slowest rank, and up to `SHOWN`
    ranks their own. With more of them rank 0 asks once a second for a table of all.

    Parameters
    ----------
    group : Group
        The ranks.
    emit : callable
        Takes the events, on rank 0.
    history : History
        Goes into checkpoints.
    """

    def __init__(self, group: Group, emit: Callable[[Event], None], history: History) -> None:
        self.group = group
        self.emit = emit
        self.history = history
        self.root = group.rank == 0
        several, shown = group.size > 1, 1 < group.size <= SHOWN
        self._table = slice(_SUMS.stop, _SUMS.stop + (_N * group.size if shown else 0))
        self.length = self._table.stop if several else 0
        """Numbers this needs in the vector that all ranks sum,"""
        self.record = _N + 1 if several else 0
        """and as many at its end, which are those of the slowest rank."""
        self.times: tuple[float, ...] = (0.0,) * _N
        self._spent, self._steps, self._step = np.zeros(_N), 0, 0  # since the last table
        self._told = -math.inf
        self._pending: Event | None = None

    def put(self, room: NDArray[np.float64], record: NDArray[np.float64]) -> None:
        """Write this rank's times of the last iteration into its places of the vector."""
        if not room.size:
            return
        room[_SUMS] = self.times
        table = room[self._table]
        if table.size:
            table.reshape(-1, _N)[self.group.rank] = self.times
        elif self.root and time.monotonic() - self._told > _PERIOD_S:
            room[_ASKED] = 1.0
        record[:-1], record[-1] = self.times, self.group.rank

    def gather(self, room: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the mean times of each rank, if that is what rank 0 asked for. Collective."""
        if room[self._table].size:
            return room[self._table].reshape(-1, _N)
        if not room.size or not room[_ASKED] or not self._steps:
            return None
        table = np.zeros((self.group.size, _N))
        table[self.group.rank] = self._spent / self._steps
        self._told = time.monotonic()
        return self.group.all_reduce(table)

    def take(
        self,
        room: NDArray[np.float64],
        record: NDArray[np.float64],
        table: NDArray[np.float64] | None,
    ) -> None:
        """Tell of the last iteration, now that the vector holds the times of all ranks."""
        if table is not None:
            if self.root and self._steps:
                timings = [_timing(row, rank) for rank, row in enumerate(table.tolist())]
                told = {"step": self._step, "steps": self._steps, "timings": timings}
                self.history.add_ranks(told)
                self.tell("ranks", **told)
            self._spent[:], self._steps = 0.0, 0
        event, self._pending = self._pending, None
        if event is not None:
            *slowest, rank = record.tolist()
            self._iteration(event, (room[_SUMS] / self.group.size).tolist(), slowest, int(rank))

    def iteration(self, event: Event, times: tuple[float, ...]) -> None:
        """Take in an iteration: at once with one rank, else when the others' times are there."""
        self.times = times
        self._spent += times
        self._steps += 1
        self._step = event["step"]
        if not self.root:
            return
        if self.group.size > 1:
            self._pending = event
        else:
            self._iteration(event, times, times, 0)

    def _iteration(
        self, event: Event, mean: Sequence[float], slowest: Sequence[float], rank: int
    ) -> None:
        event["ranks"] = self.group.size
        event["mean"] = _timing(mean)
        event["slowest"] = _timing(slowest, rank)
        self.history.append(event)
        self.emit(event)

    def flush(self, *, ends: bool = False) -> None:
        """Have the last iteration told before something else is. Collective.

        With `ends` also each rank's times since they were told last.
        """
        if not self.length:
            return
        small = np.zeros(self.length + self.record)
        self.put(small[: self.length], small[self.length :])
        total = self.group.all_reduce(small, self.record)
        room, record = total[: self.length], total[self.length :]
        if ends:
            room[_ASKED] = 1.0
        self.take(room, record, self.gather(room))

    def tell(self, kind: str, **fields: Any) -> None:
        """Emit an event from rank 0."""
        if self.root:
            self.emit({"type": kind, **fields})

    def log(self, level: str, text: str) -> None:
        """Emit a line of text from rank 0."""
        self.tell("log", level=level, text=text)

    def snapshot(self, names: tuple[str, ...], flat: FlatParameters, step: int) -> None:
        """Emit copies of some parameters."""
        if self.root:
            values = {name: flat.value(name).copy() for name in names}
            self.emit({"type": "snapshot", "step": step, "values": values})


def _timing(times: Sequence[float], rank: int | None = None) -> dict[str, Any]:
    named: dict[str, Any] = dict(zip(TIMES, times, strict=True))
    for count in ("bytes", "rows"):
        named[count] = round(named[count])
    return named if rank is None else {"rank": rank, **named}
