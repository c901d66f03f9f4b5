"""Where a job runs: in this process, or wherever another backend takes it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol, runtime_checkable

from .events import Event
from .group import SingleGroup
from .job import Command, Result, TrainJob

__all__ = ["Backend", "Interrupted", "LocalBackend", "calling_at_interrupt"]


@runtime_checkable
class Backend(Protocol):
    """Runs a job and tells what happens.

    `emit` takes the loop's events and may be called from any one thread at a time; `poll` gives the
    next command or None at once. A backend raises what the loop raised, and KeyboardInterrupt once
    its ranks are gone.

    Three more methods are optional. `adapt(data)` turns what only this backend understands (a
    DataFrame, an RDD) into a dataset. `threads()` gives the threads of one rank where the user
    named none. `stop_others()` stops the runs that one of this backend waits for.
    """

    def run(
        self, job: TrainJob, emit: Callable[[Event], None], poll: Callable[[], Command | None]
    ) -> Result:
        """Train until the job's end and return the result of rank 0."""


class LocalBackend:
    """Trains in this process, with one rank and as many threads as the job says.

    Ctrl-C (or the notebook's stop button) ends the run after the iteration that is under way, so
    that the weights are those of a whole number of iterations; KeyboardInterrupt is raised then. A
    second Ctrl-C does not wait.
    """

    def run(
        self, job: TrainJob, emit: Callable[[Event], None], poll: Callable[[], Command | None]
    ) -> Result:
        """Train until the job's end."""
        from .loop import run

        interrupted = threading.Event()

        def interrupt() -> None:
            if interrupted.is_set():
                raise KeyboardInterrupt
            interrupted.set()

        def listen() -> Command | None:
            return Command("stop") if interrupted.is_set() else poll()

        with calling_at_interrupt(interrupt):
            result = run(job, SingleGroup(), emit, listen)
        if interrupted.is_set():
            raise Interrupted(result)
        return result


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run that ended cleanly; `result` is its state."""

    def __init__(self, result: Result) -> None:
        super().__init__("training was interrupted")
        self.result = result


@contextmanager
def calling_at_interrupt(function: Callable[[], None]) -> Iterator[None]:
    """Call a function at each SIGINT instead of raising KeyboardInterrupt, in the main thread.

    In other threads, which get no signals, nothing changes.
    """
    previous: Any = None
    if threading.current_thread() is threading.main_thread():
        previous = signal.getsignal(signal.SIGINT)
    if previous is None:  # another thread, or set by foreign code that Python cannot restore
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        function()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
