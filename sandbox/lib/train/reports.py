"""What rank 0 tells of a run: iterations with the times of all ranks, snapshots, lines of text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .events import Event
from .group import Group
from .history import History

if TYPE_CHECKING:
    from ..core import FlatParameters

__all__ = ["TIMES", "Reports", "laps"]

TIMES = 5  # compute, wait, exchange, bytes, rows: what a rank tells of its last iteration


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
    several ranks each event comes one iteration late, or with `flush`.

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
        self.length = TIMES * group.size if group.size > 1 else 0
        """Numbers this needs in the vector that all ranks sum."""
        self.times: tuple[float, ...] = (0.0,) * TIMES
        self._own = slice(TIMES * group.rank, TIMES * group.rank + TIMES)
        self._pending: Event | None = None

    def put(self, room: NDArray[np.float64]) -> None:
        """Write this rank's times of the last iteration into its place of the vector."""
        if room.size:
            room[self._own] = self.times

    def take(self, room: NDArray[np.float64]) -> None:
        """Tell of the last iteration, now that the vector holds the times of all ranks."""
        event, self._pending = self._pending, None
        if event is None:
            return
        rows = room.reshape(self.group.size, TIMES).tolist()
        event["ranks"] = [_timing(rank, row) for rank, row in enumerate(rows)]
        self._iteration(event)

    def iteration(self, event: Event, times: tuple[float, ...]) -> None:
        """Take in an iteration: at once with one rank, else when the others' times are there."""
        self.times = times
        if not self.root:
            return
        if self.group.size > 1:
            self._pending = event
        else:
            event["ranks"] = [_timing(0, times)]
            self._iteration(event)

    def _iteration(self, event: Event) -> None:
        self.history.append(event)
        self.emit(event)

    def flush(self) -> None:
        """Have the last iteration told before something else is. Collective."""
        if self.length:
            room = np.zeros(self.length)
            self.put(room)
            self.take(self.group.all_reduce(room))

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


def _timing(rank: int, times: Any) -> dict[str, Any]:
    compute, wait, exchange, sent, rows = times
    return {
        "rank": rank,
        "compute": compute,
        "wait": wait,
        "exchange": exchange,
        "bytes": int(sent),
        "rows": int(rows),
    }
