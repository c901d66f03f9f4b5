"""How many OpenMP threads a kernel uses: a setting of each Python thread.

A primitive's thread count is baked in when it is created, so it is part of every cache key, and the
OpenMP setting of the running thread must agree with it: `apply` sees to that.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from .errors import ArgumentError

T = TypeVar("T")


class _State(threading.local):
    wanted: int | None = None
    applied: int | None = None
    parallel = False  # this thread has had OpenMP helpers
    lost_helpers = False  # ... and was forked: they are gone, and waiting for them would hang


_state = _State()
_setter: Callable[[int], object] | None = None


def cpu_count() -> int:
    """Return how many cores this process may use (its affinity, not the machine's size)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def set_threads(count: int) -> None:
    """Set how many cores the kernels called by this Python thread use."""
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or count < 1:
        raise ArgumentError(f"`threads` must be an int > 0; got {count!r}. Use 1 or cpu_count().")
    _state.wanted = int(count)


def get_threads() -> int:
    """Return this Python thread's setting: all cores in the main thread, 1 in others, until set."""
    if _state.wanted is not None:
        return _state.wanted
    return cpu_count() if threading.current_thread() is threading.main_thread() else 1


@contextmanager
def limit(count: int) -> Iterator[None]:
    """Use `count` threads within the block."""
    before = _state.wanted
    set_threads(count)
    try:
        yield
    finally:
        _state.wanted = before


def install(setter: Callable[[int], object]) -> None:
    """Tell how to set the OpenMP thread count (the loader calls this with libgomp's function)."""
    global _setter
    _setter = setter


def apply(count: int) -> None:
    """Make the OpenMP setting of the running thread `count`, if it is not already."""
    if _state.applied != count and _setter is not None:
        _setter(count)
        _state.applied = count
        _state.parallel = _state.parallel or count > 1


def has_lost_helpers() -> bool:
    """Return whether this thread was forked and waits for helpers that do not exist here."""
    return _forked and _state.lost_helpers


def run_in_worker(function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
    """Call a function in another thread of this process, which can have OpenMP helpers."""
    global _worker
    if _worker is None:
        _worker = ThreadPoolExecutor(1, "engine")
    count = get_threads()

    def run() -> T:
        set_threads(count)
        return function(*arguments, **keywords)

    return _worker.submit(run).result()


def _after_fork() -> None:
    global _forked, _worker
    _forked, _worker = True, None
    if _state.parallel:
        _state.lost_helpers = True


_forked = False
_worker: ThreadPoolExecutor | None = None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
