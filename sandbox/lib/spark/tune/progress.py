"""How far a search is, as lines of text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ...core import validate
from .found import Found
from .records import Result

__all__ = ["Listener", "choose", "line"]

Listener = Callable[[Found, Result], object]


def choose(progress: Any) -> Listener:
    """Return who is told of results, for `search(progress=...)`."""
    if progress is None or progress is False:
        return lambda found, result: None
    if progress is True or (isinstance(progress, str) and progress == "auto"):
        return _print
    return validate.function("progress", progress, "Or 'auto', or None.")


def _print(found: Found, result: Result) -> None:
    print(line(found, result), file=sys.stderr, flush=True)


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
