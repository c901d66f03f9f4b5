"""How far a cell is, in a line that stays: for what takes its time and would say nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["track", "working"]

T = TypeVar("T")


def track(items: Sequence[T], what: str) -> Iterator[T]:
    """Hand on the items, showing how many have been and how long the others will take.

    Parameters
    ----------
    items : sequence
        What somebody else goes through.
    what : str
        What is done with them.

    Examples
    --------
    >>> sum(track([1, 2, 3], "adding"))
    adding ━━━━━━━━━━━━━━━━━━━━ 3/3 0:00:00
    6
    """
    columns = BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    with _shown(what, *columns) as progress:
        yield from progress.track(items, description=what)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something is done, and for how long, while the lines under `with` run.

    Examples
    --------
    >>> with working("thinking"):  # doctest: +NORMALIZE_WHITESPACE
    ...     answer = 6 * 7
    thinking 0:00:00
    """
    with _shown(what, TimeElapsedColumn(), SpinnerColumn(finished_text="")) as progress:
        task = progress.add_task(what, total=1)
        yield
        progress.update(task, completed=1)


def _shown(what: str, *columns: Any) -> Progress:
    # A notebook's output is no terminal, but takes lines that are written over. As plain text it
    # stays in the saved notebook, and needs no kernel to be seen.
    live = type(sys.stdout).__module__.startswith("ipykernel") or None
    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else 64,  # a notebook's width on a projector
        force_terminal=live,
        force_jupyter=False,
        color_system=None,
    )
    return Progress(TextColumn("{task.description}"), *columns, console=console)
