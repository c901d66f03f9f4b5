"""Trainings of this process that share a session: who holds its slots, and who waits for them.

Ranks that find too few free slots wait inside of Spark, as long as another training runs, and
nobody hears why. So trainings take turns here, and the one that waits can stop the other.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from ..core.errors import TrainingError
from ..train.events import Event, stage
from ..train.job import Command
from .cluster import slots

__all__ = ["Turn", "check_free", "stop_holders"]

_LOOK_S = 0.1
_lock = threading.Lock()
_holders: weakref.WeakKeyDictionary[Any, list[Turn]] = weakref.WeakKeyDictionary()


class Turn:
    """One training's hold of slots, from `take` to `give_back`.

    Parameters
    ----------
    context : SparkContext
        Whose slots.
    ranks : int > 0
        How many it needs, all at the same time.
    emit, poll : callable
        Where events go and commands come from; `hear` and `command` stand in for them meanwhile.
    """

    def __init__(
        self,
        context: Any,
        ranks: int,
        emit: Callable[[Event], None],
        poll: Callable[[], Command | None],
    ) -> None:
        self.context, self.ranks = context, ranks
        self._emit, self._poll = emit, poll
        self._early: deque[Command] = deque()  # came while it waited
        self._stop = threading.Event()
        self._told = False
        self.paused = False

    def take(self, share: float) -> bool:
        """Wait for the slots, telling why; False if this training is stopped meanwhile."""
        said, there = "", slots(self.context)
        while True:
            with _lock:
                others = _holders.setdefault(self.context, [])
                if not others or sum(one.ranks for one in others) + self.ranks <= there:
                    others.append(self)
                    return True
                kind = "a paused" if all(one.paused for one in others) else "another"
            text = f"{kind} training holds Spark: stop it?"
            if text != said:
                said = text
                self._emit(stage(text, share, held=True))
            command = self._poll()
            if command is not None and command.kind == "stop":
                return False
            if command is not None:
                self._early.append(command)
            time.sleep(_LOOK_S)

    def give_back(self) -> None:
        """Let others have the slots; called again it does nothing."""
        with _lock:
            others = _holders.get(self.context, [])
            if self in others:
                others.remove(self)

    def hear(self, event: Event) -> None:
        """Pass an event on."""
        if event["type"] == "state":
            self.paused = event["state"] == "paused"
        self._emit(event)

    def command(self) -> Command | None:
        """Give the next command: what came early, the stop of one who waits, what comes now."""
        if self._early:
            return self._early.popleft()
        if self._stop.is_set() and not self._told:
            self._told = True
            return Command("stop")
        return self._poll()

    def stop(self) -> None:
        """Ask the training that holds to end."""
        self._stop.set()


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
    if not held or not here or held < slots(context):
        return
    raise TrainingError(
        f"Spark must have a free slot to count rows; a training that runs holds all {held}. "
        "Stop it (its `stop()`, or Stop in its view), or wait for it (its `wait()`)."
    )
