"""Telling how far the reading of rows is, to whoever shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..core import validate

__all__ = ["EVERY_S", "Meter", "hearing", "listener"]

EVERY_S = 0.5
Tell = Callable[[str], object]


class _Listener(threading.local):
    tell: Tell | None = None


_listener = _Listener()


@contextmanager
def hearing(tell: Tell) -> Iterator[None]:
    """Hear what this thread reads within the block, if that takes long.

    Parameters
    ----------
    tell : function of a text
        Called about twice a second: "packing rows: 40 %, 1,200,000 rows, 96 MB, 48 MB/s".

    Examples
    --------
    >>> from sandbox.lib.data import progress
    >>> with progress.hearing(print):
    ...     pass
    """
    before = _listener.tell
    _listener.tell = validate.function("tell", tell)
    try:
        yield
    finally:
        _listener.tell = before


def listener() -> Tell | None:
    """Return who listens in this thread."""
    return _listener.tell


class Meter:
    """Counts rows and bytes, and tells now and then how many there were and how fast they came.

    Parameters
    ----------
    what : str
        What goes on: "packing rows".
    tell : function of a text, optional
        By default who listens in this thread; None: nobody.

    Examples
    --------
    >>> meter = Meter("packing rows", print, every_s=0.0)
    >>> meter.seconds = lambda: 2.0
    >>> meter.count(1_200_000, 96_000_000, share=0.4)
    packing rows: 40 %, 1,200,000 rows, 96 MB, 48 MB/s
    """

    def __init__(self, what: str, tell: Tell | None = None, *, every_s: float = EVERY_S) -> None:
        self.what = what
        self.tell = listener() if tell is None else tell
        self.every_s = every_s
        self.rows = self.nbytes = 0
        self._began = self._told = time.monotonic()
        self._said = False

    def seconds(self) -> float:
        """Return for how long it has counted."""
        return time.monotonic() - self._began

    def count(self, rows: int, nbytes: int, share: float | None = None) -> None:
        """Take what has come in all, and tell it if it is time to."""
        self.rows, self.nbytes = rows, nbytes
        if self.tell is not None and time.monotonic() - self._told >= self.every_s:
            self._told = time.monotonic()
            self._said = True
            self.tell(self.text(share))

    def end(self) -> None:
        """Tell how it ended, if anything was told before."""
        if self.tell is not None and self._said:
            self.tell(self.text(1.0))

    def text(self, share: float | None = None) -> str:
        """Return what is told."""
        rate = self.nbytes / 1e6 / max(self.seconds(), 1e-9)
        part = "" if share is None else f" {share:.0%},".replace("%", " %")
        size = f"{self.nbytes / 1e6:,.0f} MB, {rate:,.0f} MB/s"
        return f"{self.what}:{part} {self.rows:,} rows, {size}"
