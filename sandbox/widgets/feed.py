"""The way from a trainer's thread to a widget: a bounded queue, emptied at most ten times a second.

`put` may be called from any thread and costs a few microseconds: a slow browser never slows the
training. The reader's thread lives only while events come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["EventFeed"]

Event = Mapping[str, Any]
_LOG = logging.getLogger("sandbox.widgets")
_DROPPABLE = ("iteration", "ranks", "snapshot")
_LINGER = 1.0


class EventFeed:
    """Hand events in batches to `handle`, which always runs on one thread at a time.

    Parameters
    ----------
    handle : callable taking a list of events
        An error it raises is logged; the feed goes on.
    interval : float, default=0.1
        Seconds between two batches.
    capacity : int, default=4096
        Events kept while the reader is busy; then the oldest iterations (with the times of their
        ranks) and snapshots go first.
    """

    def __init__(
        self,
        handle: Callable[[list[Event]], None],
        *,
        interval: float = 0.1,
        capacity: int = 4096,
    ) -> None:
        self._handle = handle
        self._interval = interval
        self._capacity = capacity
        self._queue: deque[Event] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self.dropped = 0

    def put(self, event: Event) -> None:
        """Queue an event; never waits and never raises."""
        with self._changed:
            if len(self._queue) >= self._capacity:
                self._drop()
            self._queue.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._read, name="widget", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything queued so far has been handled; tell whether it has."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self._thread is not None and (self._queue or self._busy):
                if not self._changed.wait(max(deadline - time.monotonic(), 0)):
                    return False
        return True

    def _drop(self) -> None:
        index = next((i for i, e in enumerate(self._queue) if e.get("type") in _DROPPABLE), 0)
        del self._queue[index]
        self.dropped += 1

    def _read(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._changed.wait(_LINGER)
                if not self._queue:
                    self._thread = None
                    return
                batch = list(self._queue)
                self._queue.clear()
                self._busy = True
            try:
                self._handle(batch)
            except Exception:
                _LOG.exception("a widget could not show %d events", len(batch))
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            time.sleep(self._interval)
