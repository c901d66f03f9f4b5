"""What a run leaves behind (history, checkpoint files, last state), and who hears of it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..core import validate
from ..core.errors import CheckpointError
from ..engine.files import locate
from ..engine.spool import PrivateFolder
from .checkpoint import PackedState, StateFile, unpack
from .events import Event
from .history import History
from .job import Result, StatePlaces, TrainJob
from .run_state import best_step, check_fits
from .store import Checkpoints, CheckpointStore

__all__ = ["Recorder", "State"]

_log = logging.getLogger("sandbox.train")
State = Literal["idle", "running", "paused", "retrying", "done", "failed", "stopped"]
ENDED = ("done", "failed", "stopped")
Listener = Callable[[Event], object]
_MAYBE_LARGE = 4 << 20  # bytes of parameters whose states, with slots, may be large


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
        self.last: PackedState | None = None
        """The newest packed state of the runs so far."""
        self.best: PackedState | None = None
        """The packed state of this run at which its early stop's metric was best."""
        self.good: PackedState | None = None
        """The packed state that this run has gone back to, because its loss ran away."""
        self.held: PackedState | None = None
        """The packed state that the model holds since the run ended."""
        self._listener = listener
        self._subscribers: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._store: CheckpointStore | None = None
        self._spool: PrivateFolder | None = None
        self._spooled: weakref.WeakSet[StateFile] = weakref.WeakSet()  # whose files lie there
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
            place, job.start = found if found is not None else (None, _there(self.last))
        elif resume is not None:
            place, job.start = resume, CheckpointStore.read(resume)
        if self._store is not None:
            self._store.go_on(place if resume == "auto" else None)
        job.places = self._places(job)
        if job.start is None:
            self.history, self.best = History(), None
            return
        start = unpack(job.start, "checkpoint")
        check_fits(start, job)
        self.history = History.from_arrays(start.group("history"), start.meta["validations"])
        step = best_step(start, job.early_stop)
        self.best = job.start if step == start.step else self._find(step, place)

    def _find(self, step: int | None, place: str | os.PathLike[str] | None) -> PackedState | None:
        """Return the best state, of this step, of the run that is resumed: from memory or a file.

        `place` is the file that the run is resumed from.
        """
        if step is None:
            return None
        if place is not None:
            path = CheckpointStore(locate(place).parent).beside(place, step)
            return None if path is None else CheckpointStore.read(path)
        best = _there(self.best)
        return best if best is not None and unpack(best, "checkpoint").step == step else None

    def _places(self, job: TrainJob) -> StatePlaces | None:
        """Return where ranks write large states; None for a model whose states are small."""
        if sum(parameter.data.nbytes for parameter in job.model.parameters()) < _MAYBE_LARGE:
            return None
        if self._spool is None:
            try:
                self._spool = PrivateFolder("sandbox-states-")
            except OSError:  # states are handed over in memory
                return None
            weakref.finalize(self, self._spool.close)
        self._sweep(self._spool.path)
        kept, run = ("", "") if self._store is None else (self._store.place, self._store.run)
        return StatePlaces(str(self._spool.path), str(kept), str(run))

    def _sweep(self, folder: Path) -> None:
        """Remove what ranks that were lost or cancelled have left: shards of no state."""
        held: set[str] = set()
        for state in self._spooled:
            with contextlib.suppress(CheckpointError):  # it is gone
                held |= {path.name for path in state.files()}
        for path in folder.iterdir():
            if path.name.lstrip(".").startswith(("state-", "weights-")) and path.name not in held:
                path.unlink(missing_ok=True)

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
            data: PackedState = event["data"]
            if self._store is not None:
                path = self._store.save(data, event["step"], best=event["best"])
                self._stored = event["step"]
                if isinstance(data, StateFile):
                    data = StateFile(path)
            elif isinstance(data, StateFile):
                self._spooled.add(data.own())
            self.last = data
            if event["best"]:
                self.best = data
            if event["good"]:
                self.good = data
            if self._store is None:
                return
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
        state = result.state
        if state is None:
            return
        if self._store is not None and self._stored != result.step:
            event = {"step": result.step, "data": state, "best": False}
            self.receive({"type": "checkpoint", "good": False, **event})
            state = self.last
        elif isinstance(state, StateFile):
            # Of what has come as a checkpoint already, that one; else of this run alone.
            known = isinstance(self.last, StateFile) and self.last.place == state.place
            state = self.last if known or self._store is not None else state.own()
            if isinstance(state, StateFile) and self._store is None:
                self._spooled.add(state)
        self.last = self.held = result.state = state

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


def _there(state: PackedState | None) -> PackedState | None:
    """Return a state unless its files are gone: the user may have removed their folder."""
    if isinstance(state, StateFile):
        try:
            state.open()
        except CheckpointError:
            return None
    return state
