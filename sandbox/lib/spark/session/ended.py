"""Spark's Java process has ended in the middle of things: why, and how the next session starts.

py4j only finds a closed connection. The process itself tells more: memory that ran out, above all
in a container, shows as the signal by which the system killed it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

from pyspark import SparkContext

from ..errors import SparkSetupError

__all__ = ["bury", "how_java_ended", "java_alive"]

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_UNLIMITED = 1 << 50
_PATIENCE_S = 2.0  # a connection closes before its process is gone


def how_java_ended(patience_s: float = 0.0) -> str | None:
    """Tell how the Java process that this Python has started ended, and the cure; None if it runs.

    Parameters
    ----------
    patience_s : float
        How many seconds to wait for an end that seems to be under way.

    Examples
    --------
    >>> how_java_ended() is None  # it runs, or none was started
    True
    """
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None:
        return None
    try:
        status = process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return None
    if status not in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return (
            f"Spark's Java process has ended (status {status}). Start a new session; its last "
            "words are above."
        )
    limit = memory_limit()
    bound = f", which may use {limit / 2**20:.0f} MB" if limit else ""
    more = "docker run -m 3g" if limit else "close other programs"
    return (
        f"Spark's Java process was killed, as the system does when memory runs out{bound}. "
        f"Give it more ({more}), train with fewer ranks, or lower spark.driver.memory."
    )


def memory_limit() -> int | None:
    """Give the bytes of memory that this container may use; None where there is no limit."""
    for place in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limit = int(Path(place).read_text())
            return limit if limit < _UNLIMITED else None
    return None


@contextlib.contextmanager
def java_alive() -> Iterator[None]:
    """Raise what has become of Java instead of py4j's words on the connection.

    Raises
    ------
    SparkSetupError : Java has ended.
    """
    from py4j.protocol import Py4JError

    try:
        yield
    except (Py4JError, ConnectionError, EOFError):
        ended = how_java_ended(_PATIENCE_S)
        if ended is None:
            raise
        raise SparkSetupError(ended) from None


def bury() -> str | None:
    """Forget a session whose Java has ended, so that another can start; tell how it ended."""
    ended = how_java_ended()
    if ended is None:
        return None
    from pyspark.sql import SparkSession

    context = SparkContext._active_spark_context
    if context is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it cannot be stopped cleanly
            with contextlib.suppress(Exception):
                context.stop()
    SparkSession._instantiatedSession = None
    SparkContext._active_spark_context = SparkContext._gateway = SparkContext._jvm = None
    return ended
