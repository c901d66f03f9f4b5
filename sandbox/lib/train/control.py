"""How a person (or a widget, or a callback) reaches into a running training."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

from ..core import validate
from .job import Command

__all__ = ["Control", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a run: one record, of which the newest alone counts.

    Parameters
    ----------
    number : int
        Of the change that made this record: of two, the one with the higher number is the newer.
    stop, pause : bool
        Whether the run shall end; whether it shall hold.
    learning_rate : float, optional
        The rate set by hand; NaN gives it back to the schedule, None says nothing of it.
    """

    number: int = 0
    stop: bool = False
    pause: bool = False
    learning_rate: float | None = None

    def changed_by(self, command: Command) -> Wanted:
        """Return the record after a command."""
        changes = {
            "stop": {"stop": True},
            "pause": {"pause": True},
            "resume": {"pause": False},
            "learning_rate": {"learning_rate": command.value},
        }[command.kind]
        return replace(self, number=self.number + 1, **changes)  # type: ignore[arg-type]


class Control:
    """What is wanted of a run, and what of it the run has been told: any thread may send.

    Commands change the record of what is wanted, they do not queue: whoever trains asks once an
    iteration for what is new, and a record that is sent again after a failure says all there is.

    Examples
    --------
    >>> control = Control()
    >>> control.learning_rate(0.01)
    >>> control.poll()
    Command(kind='learning_rate', value=0.01)
    >>> control.poll() is None
    True
    """

    def __init__(self, wanted: Wanted | None = None) -> None:
        self.wanted = wanted or Wanted()
        self._told = Wanted()
        self._lock = threading.Lock()

    def send(self, command: Command) -> None:
        """Change what is wanted."""
        with self._lock:
            self.wanted = self.wanted.changed_by(command)

    def want(self, wanted: Wanted) -> None:
        """Take a whole record, unless a newer one is known."""
        with self._lock:
            if wanted.number > self.wanted.number:
                self.wanted = wanted

    def poll(self) -> Command | None:
        """Return one command of those that lead to what is wanted, a stop first, or None."""
        wanted, told = self.wanted, self._told
        if wanted is told:
            return None
        if wanted.stop and not told.stop:
            self._told = replace(told, stop=True)
            return Command("stop")
        rate = wanted.learning_rate
        if rate is not None and not _same(rate, told.learning_rate):
            self._told = replace(told, learning_rate=rate)
            return Command("learning_rate", rate)
        self._told = wanted
        if wanted.pause != told.pause:
            return Command("pause" if wanted.pause else "resume")
        return None

    def pause(self) -> None:
        """Hold after the running iteration."""
        self.send(Command("pause"))

    def resume(self) -> None:
        """Go on after a pause."""
        self.send(Command("resume"))

    def stop(self) -> None:
        """End after the running iteration."""
        self.send(Command("stop"))

    def learning_rate(self, value: float | None) -> None:
        """Use this learning rate from the next iteration on; None gives it back to the schedule."""
        if value is None:
            self.send(Command("learning_rate", math.nan))
            return
        rate = validate.non_negative("learning_rate", value, "None gives it back to the schedule.")
        self.send(Command("learning_rate", rate))


def _same(rate: float, other: float | None) -> bool:
    return other is not None and (rate == other or (math.isnan(rate) and math.isnan(other)))
