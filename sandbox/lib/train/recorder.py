"""What a run leaves behind (history, checkpoint files, last state), and who hears of it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Literal

from ..core import validate
from ..engine.files import locate
from .checkpoint import unpack
from .events import Event
from .history import History
from .job import Result, TrainJob
from .state import best_step, check_fits
from .store import Checkpoints, CheckpointStore

__all__ = ["Recorder", "State"]

_log = logging.getLogger("sandbox.train")
State = Literal["idle", "running", "paused", "retrying", "done", "failed", "stopped"]
ENDED = ("done", "failed", "stopped")
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
        self.stage: Event | None = None
        """What the run does that has not come to its first iteration."""
        self.last: bytes | None = None
        """The newest packed state of the runs so far."""
        self.best: bytes | None = None
        """The packed state of this run at which its early stop's metric was best."""
        self.good: bytes | None = None
        """The packed state that this run has gone back to, because its loss ran away."""
        self.held: bytes | None = None
        """The packed state that the model holds since the run ended."""
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
        self.good = self.held = None
        place: str | os.PathLike[str] | None = None
        if resume == "auto":
            found = None
            if self._store is not None:
                found = self._store.latest(lambda kept: check_fits(kept, job))
            place, job.start = found if found is not None else (None, self.last)
        elif resume is not None:
            place, job.start = resume, CheckpointStore.read(resume)
        if self._store is not None:
            self._store.go_on(place if resume == "auto" else None)
        if job.start is None:
            self.history, self.best = History(), None
            return
        start = unpack(job.start, "checkpoint")
        check_fits(start, job)
        self.history = History.from_arrays(start.group("history"), start.meta["validations"])
        step = best_step(start, job.early_stop)
        self.best = job.start if step == start.step else self._find(step, place)

    def _find(self, step: int | None, place: str | os.PathLike[str] | None) -> bytes | None:
        """Return the best state, of this step, of the run that is resumed: from memory or a file.

        `place` is the file that the run is resumed from.
        """
        if step is None:
            return None
        if place is not None:
            path = CheckpointStore(locate(place).parent).beside(place, step)
            return None if path is None else CheckpointStore.read(path)
        best = self.best
        return best if best is not None and unpack(best, "checkpoint").step == step else None

    def receive(self, event: Event) -> None:
        """Take an event: keep it, store checkpoints, pass it on."""
        kind = event["type"]
        if kind == "iteration":
            self.stage = None
            self.history.append(event)
        elif kind == "ranks":
            self.history.add_ranks(event)
        elif kind == "validation":
            self.history.add_validation(event)
        elif kind == "state":
            self.state = event["state"]
            if self.state in ENDED:
                self.stage = None
        elif kind == "stage":
            self.stage = event
        elif kind == "checkpoint" and "data" in event:
            self.last = event["data"]
            if event["best"]:
                self.best = event["data"]
            if event["good"]:
                self.good = event["data"]
            if self._store is None:
                return
            path = self._store.save(event["data"], event["step"], best=event["best"])
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
            self.last = self.held = result.state
            if self._store is not None and self._stored != result.step:
                event = {"step": result.step, "data": result.state, "best": False}
                self.receive({"type": "checkpoint", "good": False, **event})

    @property
    def watched(self) -> bool:
        """Whether anybody is subscribed."""
        return bool(self._subscribers)

    def subscribe(self, function: Listener) -> Callable[[], None]:
        """Call a function with every event; what is returned ends that."""
        with self._lock:
            self._subscribers = (*self._subscribers, function)
        return lambda: self._unsubscribe(function)

    def _unsubscribe(self, function: Listener) -> None:
        with self._lock:
            self._subscribers = tuple(f for f in self._subscribers if f is not function)
