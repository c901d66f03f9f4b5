"""A run in its own thread: the notebook stays free, errors are kept, the exit is clean."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable

__all__ = ["BackgroundRun"]

_EXIT_PATIENCE = 10.0  # seconds that the interpreter's exit waits for an iteration to end
_running: weakref.WeakSet[BackgroundRun] = weakref.WeakSet()


class BackgroundRun:
    """Runs a function in a thread and keeps what it raised.

    Parameters
    ----------
    function : callable
        The work.
    stop : callable
        Asks the work to end soon; called when the interpreter exits.

    Examples
    --------
    >>> done = []
    >>> run = BackgroundRun(lambda: done.append(1), stop=lambda: None)
    >>> run.wait(), done
    (True, [1])
    """

    def __init__(self, function: Callable[[], object], stop: Callable[[], object]) -> None:
        self._function = function
        self.stop = stop
        self.error: BaseException | None = None
        # A daemon, since the interpreter would else wait for the end of training before it
        # calls the exit functions, of which ours asks the training to end.
        self._thread = threading.Thread(target=self._work, name="sandbox-train", daemon=True)
        _running.add(self)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._function()
        except BaseException as error:  # kept for `wait`, whatever it is
            self.error = error
        finally:
            _running.discard(self)

    @property
    def alive(self) -> bool:
        """Whether the work goes on."""
        return self._thread.is_alive()

    @property
    def inside(self) -> bool:
        """Whether the caller is the work itself."""
        return threading.current_thread() is self._thread

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end and raise what the work raised; False if it still goes on."""
        self._thread.join(timeout)
        if self.alive:
            return False
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return True

    def join(self, timeout: float) -> None:
        """Wait for the end, raising nothing."""
        self._thread.join(timeout)


@atexit.register
def _stop_all() -> None:
    runs = list(_running)
    for run in runs:
        run.stop()
    for run in runs:
        run.join(_EXIT_PATIENCE)
