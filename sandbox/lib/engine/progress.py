"""Telling how far the choice of kernels is, to whoever shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import ArgumentError

EVERY = 0.5  # seconds between two reports, and before the first


class _Listener(threading.local):
    tell: Callable[[float], None] | None = None
    last = 0.0


_listener = _Listener()


@contextmanager
def planning(tell: Callable[[float], None]) -> Iterator[None]:
    """Hear how far each program is whose kernels this thread chooses within the block.

    Parameters
    ----------
    tell : function of (share)
        Called twice a second while kernels are timed, with a share of 0.0 to 1.0.

    Examples
    --------
    >>> from sandbox.lib import engine
    >>> with engine.planning(lambda share: print(f"{share:.0%}")):
    ...     pass
    """
    if not callable(tell):
        raise ArgumentError(f"planning: `tell` must be a function of a share; got {tell!r}.")
    before = _listener.tell
    _listener.tell, _listener.last = tell, time.monotonic()
    try:
        yield
    finally:
        _listener.tell = before


def report(share: float) -> None:
    """Tell who listens, unless that was done a moment ago."""
    if _listener.tell is not None and time.monotonic() - _listener.last >= EVERY:
        _listener.last = time.monotonic()
        _listener.tell(share)
