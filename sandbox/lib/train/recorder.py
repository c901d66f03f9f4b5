"""What a run leaves behind (history, checkpoint files, last state), and who hears of it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Literal

from ..core import validate
from .checkpoint import Checkpoints, CheckpointStore, unpack
from .events import Event
from .history import History
from .job import Result, TrainJob
from .state import check_fits

__all__ = ["Recorder", "State"]

_log = logging.getLogger("sandbox.train")
State = Literal["idle", "running", "paused", "retrying", "done", "failed", "stopped"]
Listener = Callable[[Event], object]


class Recorder:
    """Takes the events of a trainer's runs: keeps what they tell and passes them on.

    Parameters
    ----------
    listener : callable
        Hears every event before the subscribers; what it raises ends the run.

    Examples
    --------
    >>> heard = []
    >>> recorder = Recorder(heard.append)
    >>> recorder.receive({"type": "state", "state": "paused"})
    >>> recorder.state, heard
    ('paused', [{'type': 'state', 'state': 'paused'}])
    """

    def __init__(self, listener: Listener) -> None:
        self.history = History()
        self.state: State = "idle"
        self.last: bytes | None = None
        """The newest packed state of the runs so far."""
        self._listener = listener
        self._subscribers: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._store: CheckpointStore | None = None
        self._stored = -1  # step of the newest checkpoint file of this run

    def prepare(
        self, job: TrainJob, resume: str | os.PathLike[str] | None, checkpoints: Checkpoints | None
    ) -> None:
        """Find the state that a job starts from, and the history that belongs to it.

        Raises
        ------
        CheckpointError : there is no such file, it is damaged, or of another run.
        """
        self._store = None if checkpoints is None else checkpoints.store()
        self._stored = -1
        if resume is not None:
            validate.path_like("resume", resume, "None, 'auto' or a checkpoint's path")
        if resume == "auto":
            found = None if self._store is None else self._store.latest()
            job.start = found[1] if found is not None else self.last
        elif resume is not None:
            job.start = CheckpointStore.read(resume)
        if self._store is not None and (resume != "auto" or job.start is None):
            self._store.new_run()
        if job.start is None:
            self.history = History()
            return
        start = unpack(job.start, "checkpoint")
        check_fits(start, job)
        self.history = History.from_arrays(start.group("history"), start.meta["validations"])

    def receive(self, event: Event) -> None:
        """Take an event: keep it, store checkpoints, pass it on."""
        kind = event["type"]
        if kind == "iteration":
            self.history.append(event)
        elif kind == "validation":
            self.history.add_validation(event)
        elif kind == "state":
            self.state = event["state"]
        elif kind == "checkpoint" and "data" in event:
            self.last = event["data"]
            if self._store is None:
                return
            path = self._store.save(event["data"], event["step"])
            self._stored = event["step"]
            event = {**event, "path": str(path)}
            del event["data"]
        self._listener(event)
        for function in self._subscribers:
            try:
                function(event)
            except Exception:  # a display must not end a training
                _log.warning("subscriber %r failed and is left out", function, exc_info=True)
                self._unsubscribe(function)

    def keep(self, result: Result) -> None:
        """Keep a run's final state, in a file too unless its newest one holds it already."""
        if result.state is not None:
            self.last = result.state
            if self._store is not None and self._stored != result.step:
                self.receive({"type": "checkpoint", "step": result.step, "data": result.state})

    def subscribe(self, function: Listener) -> Callable[[], None]:
        """Call a function with every event; what is returned ends that."""
        with self._lock:
            self._subscribers = (*self._subscribers, function)
        return lambda: self._unsubscribe(function)

    def _unsubscribe(self, function: Listener) -> None:
        with self._lock:
            self._subscribers = tuple(f for f in self._subscribers if f is not function)
