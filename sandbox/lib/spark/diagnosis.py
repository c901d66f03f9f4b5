"""What the driver makes of failures: a rank's own error as itself, Spark's words as advice."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core import errors as core_errors
from . import errors as own_errors
from .errors import SparkSetupError, WorkerError
from .session.ended import java_alive

__all__ = ["explain", "named_errors", "python_error", "rebuild"]

# Errors of Python that come back under their own name; their only argument is the text.
_PLAIN = (
    "IndexError",
    "KeyError",
    "MemoryError",
    "NotImplementedError",
    "TypeError",
    "ValueError",
    "ZeroDivisionError",
)
_ADVICE = {
    "SPARK-24942": "spark.dynamicAllocation.enabled=true: set it to false for training.",
    "SPARK-24819": "the cluster has fewer slots than ranks.",
    "PYTHON_VERSION_MISMATCH": "the hosts' Python differs from the driver's: set PYSPARK_PYTHON to"
    " the same version on all hosts.",
}


def rebuild(failure: dict[str, Any]) -> Exception:
    """Make the error that a rank raised, with its traceback as a note.

    Examples
    --------
    >>> rebuild({"type": "ValueError", "library": False, "text": "no", "rank": 1, "trace": "..."})
    ValueError('no')
    """
    name, text = failure["type"], failure["text"]
    kind = None
    if failure["library"]:
        kind = getattr(core_errors, name, None) or getattr(own_errors, name, None)
    if kind is None and name in _PLAIN:
        kind = getattr(builtins, name)
    error: Exception = WorkerError(f"{name}: {text}") if kind is None else kind(text)
    where = f"rank {failure['rank']}" if "rank" in failure else "a worker, before training"
    error.add_note(f"on {where}:\n{failure['trace']}")
    return error


def explain(text: str) -> None:
    """Raise an error with the cure if Spark's message is of a kind that trying again cannot help.

    Raises
    ------
    SparkSetupError : the cure, and the first line of what Spark says.
    """
    for sign, advice in _ADVICE.items():
        if sign in text:
            raise SparkSetupError(f"{advice} Spark says: {text.strip().splitlines()[0]}")


@contextmanager
def named_errors() -> Iterator[None]:
    """Raise what Python code in a task raised, for what Spark makes of it."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        with java_alive():
            yield
    except (Py4JJavaError, PySparkException) as error:
        found = python_error(str(error))
        if found is None:
            raise
        raise found from None


# Not the code's own: something was lost or closed, trying again may help.
_LOST: tuple[str, ...]
_LOST = ("BrokenPipeError", "ConnectionError", "ConnectionRefusedError", "ConnectionResetError")
_LOST += ("EOFError", "OSError", "Py4JError", "Py4JNetworkError", "TimeoutError", "timeout")
_RAISED = re.compile(r"^(?:(?P<module>[\w.]+)\.)?(?P<name>[A-Za-z_]\w*)(?:: (?P<text>.*))?$")


def python_error(text: str) -> Exception | None:
    r"""Return the error that Python code in a task raised, from Spark's account of it.

    None where no such code failed: a lost worker, or ranks that lost one another.

    Examples
    --------
    >>> python_error(
    ...     "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
    ...     '  File "a.py", line 1, in f\nsandbox.lib.core.errors.DataError: row 7: no number\n'
    ...     "\n\tat org.apache.spark"
    ... )
    DataError('row 7: no number')
    """
    start = text.rfind("Traceback (most recent call last):")
    if start < 0:
        return None
    lines = text[start:].splitlines()
    place = next((k for k, line in enumerate(lines[1:], 1) if line and line[0] not in " \t"), None)
    found = None if place is None else _RAISED.match(lines[place])
    if place is None or found is None or _is_lost(found["name"]):
        return None
    said = [found["text"] or ""]
    for line in lines[place + 1 :]:
        if not line.strip() or line.lstrip().startswith(("at ", "SQLSTATE")):
            break
        said.append(line)
    return rebuild(
        {
            "type": found["name"],
            "library": (found["module"] or "").startswith("sandbox."),
            "text": "\n".join(said),
            "trace": "\n".join(lines[: place + 1]),
        }
    )


def _is_lost(name: str) -> bool:
    return name in _LOST or name in own_errors.__all__
