"""What the driver makes of failures: a rank's own error as itself, Spark's words as advice."""

from __future__ import annotations

import builtins
from typing import Any

from ..core import errors as core_errors
from . import errors as own_errors
from .errors import SparkSetupError, WorkerError

__all__ = ["explain", "rebuild"]

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
    error.add_note(f"on rank {failure['rank']}:\n{failure['trace']}")
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
