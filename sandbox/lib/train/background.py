"""A run in its own thread: the notebook stays free, errors are kept, the exit is clean."""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from ..core.errors import TrainingError

__all__ = ["BackgroundRun", "forsaken", "refuse_shared"]

_EXIT_PATIENCE = 10.0  # seconds that the interpreter's exit waits for an iteration to end
_trainers: weakref.WeakSet[Any] = weakref.WeakSet()  # that have trained
_running: weakref.WeakSet[BackgroundRun] = weakref.WeakSet()


class BackgroundRun:
    """Runs a function in a thread and keeps what it raised.

    Parameters
    ----------
    function : callable
        The work.
    stop : callable
        Asks the work to end soon; called when the interpreter exits.
    owner : object, optional
        Whose work it is.

    Examples
    --------
    >>> done = []
    >>> run = BackgroundRun(lambda: done.append(1), stop=lambda: None)
    >>> run.wait(), done
    (True, [1])
    """

    def __init__(
        self, function: Callable[[], object], stop: Callable[[], object], *, owner: object = None
    ) -> None:
        self._function = function
        self.stop = stop
        self.owner = owner
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

    def stop_and_join(self) -> None:
        """Stop, wait for the end however long it takes, and raise nothing."""
        self.stop()
        self._thread.join()


def forsaken(newcomer: object) -> list[BackgroundRun]:
    """Return the runs whose owners no name of the notebook leads to any more; none elsewhere.

    Whoever runs the cell again that makes a trainer has a new one under the old name; the old one's
    run would hold Spark's slots with nobody left who could stop it. Names that IPython gives
    (`_`, `Out`) do not count.
    """
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or getattr(shell, "kernel", None) is None:
        return []
    spaces = list(shell.user_ns.items())
    named = [value for name, value in spaces if not name.startswith("_") and name != "Out"]
    held = {id(newcomer), *map(id, named)}
    for value in named:
        held.update(map(id, _parts(value)))
    return [run for run in list(_running) if run.owner is not None and id(run.owner) not in held]


def refuse_shared(trainer: Any, ending: list[BackgroundRun]) -> None:
    """Refuse to train what another trainer is training, unless that one is about to end."""
    owners = [run.owner for run in ending]
    mine = {id(parameter) for _, parameter in trainer.model.named_parameters()}
    for other in list(_trainers):
        if other is trainer or not other.running or any(other is owner for owner in owners):
            continue
        if any(id(parameter) in mine for _, parameter in other.model.named_parameters()):
            raise TrainingError(
                "fit: a model must be trained by one trainer at a time; got one that another"
                " is training. Stop that one (its `stop()`, or Stop in its view) and wait for"
                " its end (`wait()`), or train a copy: copy.deepcopy(model)."
            )
    _trainers.add(trainer)


def _parts(value: object) -> list[object]:
    """Return what a list, a dict or an object of a class of the notebook's own holds."""
    if type(value).__module__ == "__main__":
        value = getattr(value, "__dict__", None)
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple | set) else []


@atexit.register
def _stop_all() -> None:
    runs = list(_running)
    for run in runs:
        run.stop()
    for run in runs:
        run.join(_EXIT_PATIENCE)
