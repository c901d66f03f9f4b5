"""How a person (or a widget, or a callback) reaches into a running training."""

from __future__ import annotations

import math
from collections import deque

from ..core import validate
from .job import Command

__all__ = ["Control"]


class Control:
    """A line of commands: any thread sends, the training loop polls once an iteration.

    Examples
    --------
    >>> control = Control()
    >>> control.learning_rate(0.01)
    >>> control.poll()
    Command(kind='learning_rate', value=0.01)
    >>> control.poll() is None
    True
    """

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()

    def send(self, command: Command) -> None:
        """Put a command at the end of the line; a stop goes to its front."""
        if command.kind == "stop":
            self._commands.appendleft(command)
        else:
            self._commands.append(command)

    def poll(self) -> Command | None:
        """Take the next command, or None."""
        try:
            return self._commands.popleft()
        except IndexError:
            return None

    def clear(self) -> None:
        """Forget commands that an ended run did not take."""
        self._commands.clear()

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
