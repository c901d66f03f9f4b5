"""Trainings of this process that share a session: who holds its slots, and who waits for them.

Ranks that find too few free slots wait inside of Spark, as long as another training runs, and
nobody hears why. So trainings take turns here, and the one that waits can stop the other.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from ..core.errors import TrainingError
from ..train.control import Control
from ..train.events import Event, stage
from ..train.job import Command
from .session.cluster import capacity

__all__ = ["Turn", "Unwanted", "check_free", "stop_holders"]

_LOOK_S = 0.1
_lock = threading.Lock()
_holders: weakref.WeakKeyDictionary[Any, list[Turn]] = weakref.WeakKeyDictionary()
_waiting: weakref.WeakKeyDictionary[Any, list[Turn]] = weakref.WeakKeyDictionary()
"""Trainings that wait: the trials of a search let them go first, or they might wait for ever."""


class Unwanted(Exception):  # noqa: N818 - reads as what happened
    """The training is stopped before it has begun."""


class Turn:
    """One training's hold of slots, from `take` to `give_back`.

    Parameters
    ----------
    context : SparkContext
        Whose slots.
    emit, poll : callable
        Where events go and commands come from; `hear` and `command` stand in for them meanwhile.
    check : callable
        Called while it waits; raises KeyboardInterrupt after Ctrl-C.
    """

    def __init__(
        self,
        context: Any,
        emit: Callable[[Event], None],
        poll: Callable[[], Command | None],
        check: Callable[[], object],
    ) -> None:
        self.context = context
        self.ranks = 0
        self._emit, self._poll, self._check = emit, poll, check
        self._control = Control()
        self.paused = False

    def rest(self, seconds: float = _LOOK_S) -> None:
        """Sleep while waiting for something.

        Raises
        ------
        Unwanted, KeyboardInterrupt : the training was stopped, or Ctrl-C pressed.
        """
        self._check()
        self._listen()
        if self._control.wanted.stop:
            raise Unwanted
        time.sleep(seconds)

    def take(self, ranks: int, share: float) -> None:
        """Wait for the slots, telling why; raises as `rest` does."""
        said = ""
        while not self.try_take(ranks):
            with _lock:
                held = [one.paused for one in _holders[self.context]]
            kind = "a paused" if held and all(held) else "another"
            text = f"{kind} training holds Spark: stop it?"
            if text != said:
                said = text
                self._emit(stage(text, share, held=True))
            self.rest()

    def try_take(self, ranks: int, *, behind: bool = False) -> bool:
        """Take the slots if they are free; with `behind` only if no training waits for some."""
        there = capacity(self.context)
        with _lock:
            others = _holders.setdefault(self.context, [])
            waiting = _waiting.setdefault(self.context, [])
            free = not others or sum(one.ranks for one in others) + ranks <= there
            if not free or (behind and waiting):
                if not behind and self not in waiting:
                    waiting.append(self)
                return False
            if self in waiting:
                waiting.remove(self)
            self.ranks = ranks
            others.append(self)
            return True

    def give_back(self) -> None:
        """Let others have the slots; called again it does nothing."""
        with _lock:
            for turns in (_holders, _waiting):
                others = turns.get(self.context, [])
                if self in others:
                    others.remove(self)

    def hear(self, event: Event) -> None:
        """Pass an event on."""
        if event["type"] == "state":
            self.paused = event["state"] == "paused"
        self._emit(event)

    def command(self) -> Command | None:
        """Give the next command: what came early, the stop of one who waits, what comes now."""
        self._listen()
        return self._control.poll()

    def stop(self) -> None:
        """Ask the training that holds to end."""
        self._control.stop()

    def _listen(self) -> None:
        command = self._poll()
        if command is not None:
            self._control.send(command)


def stop_holders(context: Any) -> bool:
    """Stop the trainings that hold slots of a session; False if there are none."""
    with _lock:
        others = list(_holders.get(context, []))
    for one in others:
        one.stop()
    return bool(others)


def check_free(context: Any) -> None:
    """Refuse to ask Spark something from the main thread while trainings hold all of its slots.

    The answer would come when they end, and till then nothing would tell why. Other threads wait.

    Raises
    ------
    TrainingError : says what to do.
    """
    with _lock:
        held = sum(one.ranks for one in _holders.get(context, []))
    here = threading.current_thread() is threading.main_thread()
    if not held or not here or held < capacity(context):
        return
    raise TrainingError(
        f"Spark must have a free slot to count rows; a training that runs holds all {held}. "
        "Stop it (its `stop()`, or Stop in its view), or wait for it (its `wait()`)."
    )
