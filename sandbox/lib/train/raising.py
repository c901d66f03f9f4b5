"""Errors of one rank, raised on all: a rank that waits for a failed one would only time out."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from ..core import errors
from ..core.errors import SandboxError, TrainingError
from .batches import Batch
from .group import Group

__all__ = ["describe", "raise_together"]


def raise_together(group: Group, error: Exception | None, text: str = "") -> None:
    """Raise on every rank what the first failing rank has to say. Collective.

    Parameters
    ----------
    group : Group
        The ranks.
    error : Exception or None
        What happened here; some rank has one.
    text : str
        What to say instead of the error's own words.

    Raises
    ------
    SandboxError : of the first failing rank's class, with its text, on all ranks alike. An error of
        another class is raised as it is where it happened, and as TrainingError elsewhere.
    """
    payload = b""
    if error is not None:
        payload = json.dumps([type(error).__name__, text or str(error)]).encode()
    lengths = np.zeros(group.size)
    lengths[group.rank] = len(payload)
    lengths = group.all_reduce(lengths)
    root = int((lengths > 0).argmax())
    words = np.zeros(int(lengths[root]), np.uint8)
    if root == group.rank:
        words[:] = np.frombuffer(payload, np.uint8)
    group.broadcast(words, root)
    name, message = json.loads(words.tobytes())
    if error is not None and not isinstance(error, SandboxError):
        if text:
            error.add_note(text)
        raise error
    kind = getattr(errors, name, None)
    if kind is None:
        raise TrainingError(f"rank {root} failed with {name}: {message}") from error
    if type(error).__name__ == name and str(error) == message and error is not None:
        raise error
    raise kind(message) from error


def describe(error: Exception, place: str, batch: Batch, data: Any) -> str:
    """Return an error's text with the place in the run, and the row of the data if it names one.

    Programs count the rows of their batch ("in row 3"); the batch knows where they come from.
    """
    text = f"{place}: {error}"
    named = re.search(r"\bin row (\d+)", str(error))
    if named and int(named[1]) < batch.rows:
        where = data.place(*batch.place(int(named[1])))
        text += f" Row {named[1]} of this batch is {where} of the data set."
    return text
