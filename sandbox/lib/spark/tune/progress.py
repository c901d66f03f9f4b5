"""How far a search is, as lines of text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ...core import validate
from .found import Found
from .records import Result
from .trial import Order

__all__ = ["Listener", "choose", "line"]

_VERBS = ("begin", "hear", "tell")


class Listener:
    """Is told how a search goes on, and says nothing."""

    def begin(self, found: Found, order: Order, epochs: int) -> None:
        """Take a trial that is trained, or waits for a slot, up to so many epochs."""

    def hear(self, found: Found, result: Result) -> None:
        """Take a result; `found` holds it already."""

    def tell(self, text: str) -> None:
        """Take what else there is to say."""


class Lines(Listener):
    """Prints a line for each result, on stderr."""

    def hear(self, found: Found, result: Result) -> None:
        """Print it."""
        self.tell(line(found, result))

    def tell(self, text: str) -> None:
        """Print it."""
        print(text, file=sys.stderr, flush=True)


class Calling(Listener):
    """Calls a function with each result."""

    def __init__(self, function: Callable[[Found, Result], object]) -> None:
        self._function = function

    def hear(self, found: Found, result: Result) -> None:
        """Call it."""
        self._function(found, result)


def choose(progress: Any) -> Listener:
    """Return who is told of results, for `search(progress=...)`.

    Parameters
    ----------
    progress : "auto", True, None, False, function of (Found, Result), or an object
        The object has the methods of `Listener`.
    """
    if progress is None or progress is False:
        return Listener()
    if all(callable(getattr(progress, verb, None)) for verb in _VERBS):
        listener: Listener = progress
        return listener
    if progress is True or (isinstance(progress, str) and progress == "auto"):
        return Lines()
    return Calling(validate.function("progress", progress, "Or 'auto', or None."))


def line(found: Found, result: Result) -> str:
    """Return a result, and the best one so far, as a line."""
    config = "  ".join(f"{name} {_short(value)}" for name, value in result.config.items())
    told = f"trial {result.trial}  {config}  epoch {result.epochs}  "
    told += f"{found.metric} {result.score:.4f}" if result.score is not None else result.status
    if result.status != "done":
        return f"{told}: {result.error}"
    best = found.trials[0]
    mark = "best" if best.number == result.trial else f"best {best.score:.4f}, trial {best.number}"
    return f"{told}  ({mark})"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
