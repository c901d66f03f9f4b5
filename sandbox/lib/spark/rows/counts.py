"""What the tasks that pack rows have done so far, told to whoever listens in the driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...data.progress import EVERY_S, Meter

__all__ = ["Counts", "told"]


class Counts:
    """Rows, bytes and tasks that are done, added up by Spark as tasks end.

    Parameters
    ----------
    context : SparkContext
    tell : function of a text
        Hears of them.
    """

    def __init__(self, context: Any, tell: Callable[[str], object]) -> None:
        self.tell = tell
        self._sums = [context.accumulator(0) for _ in range(3)]

    def add(self, rows: int, nbytes: int) -> None:
        """Count a partition that a task has packed."""
        for total, value in zip(self._sums, (rows, nbytes, 1), strict=True):
            total.add(value)

    def so_far(self) -> tuple[int, int, int]:
        """Return rows, bytes and tasks."""
        rows, nbytes, tasks = (int(total.value) for total in self._sums)
        return rows, nbytes, tasks

    def __getstate__(self) -> dict[str, Any]:
        """Leave out who listens: only the sums travel to tasks."""
        return {"_sums": self._sums}


@contextmanager
def told(counts: Counts | None, tasks: int) -> Iterator[None]:
    """Tell how many of so many tasks are done, while the block runs."""
    if counts is None:
        yield
        return
    meter = Meter("packing rows", counts.tell, every_s=0.0)  # the watch has its own pace
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_S):
            rows, nbytes, done = counts.so_far()
            meter.count(rows, nbytes, min(1.0, done / max(1, tasks)))

    watcher = threading.Thread(target=watch, name="sandbox-packing", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    meter.count(*counts.so_far()[:2], 1.0)
    meter.end()
