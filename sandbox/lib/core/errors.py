"""Errors of the library, and the one place where a module's path is put in front of a message.

Every message reads `<module path>: <argument or axis> must be <constraint>; got <value>. <cure>`.
"""

from __future__ import annotations

from ..engine.errors import ArgumentError, DataError, EngineError, SandboxError, ShapeError

__all__ = [
    "ArgumentError",
    "CheckpointError",
    "DataError",
    "DivergedError",
    "EngineError",
    "GradientError",
    "SandboxError",
    "ShapeError",
    "SparkSetupError",
    "TraceError",
    "TrainingError",
    "add_path",
]


class CheckpointError(SandboxError, RuntimeError):
    """A checkpoint or model file is damaged or does not fit."""


class SparkSetupError(SandboxError, RuntimeError):
    """Spark, Java or the cluster is not set up; quotes the setting and its value."""


class TrainingError(SandboxError, RuntimeError):
    """Training cannot go on: the loss is not a number, a step failed."""


class DivergedError(TrainingError):
    """The loss, a gradient or a parameter is no number any more; all ranks raise it alike."""


class GradientError(SandboxError, RuntimeError):
    """A gradient was asked for that does not exist."""


class TraceError(SandboxError, RuntimeError):
    """A module cannot be written down as a list of operations; the message says why.

    Such a module runs eagerly instead. What is wrong in a module has another class, and surfaces.
    """


def add_path(error: BaseException, name: str, kind: str = "") -> None:
    """Put one module's name in front of an error's path while the error unwinds.

    Call it from the innermost module outwards. Our own errors get the path in their message, all
    others as a note, so that their type and arguments stay as they were.

    Parameters
    ----------
    error : exception
        The error on its way up.
    name : str
        Name of the module in its parent ("conv1"), or of its class for the root.
    kind : str
        Class of the module; only the innermost one is shown.

    Examples
    --------
    >>> error = ShapeError("input axis 1 must be 3; got 1.")
    >>> add_path(error, "conv1", "Conv2d")
    >>> add_path(error, "Sequential", "Sequential")
    >>> print(error)
    Sequential/conv1 (Conv2d): input axis 1 must be 3; got 1.
    """
    marks = error.__dict__
    names: list[str] = marks.setdefault("_path_names", [])
    if not names:
        marks["_path_kind"] = kind
        marks["_path_message"] = str(error)
    names.insert(0, name)
    kind = marks["_path_kind"]
    path = "/".join(names) + (f" ({kind})" if kind and kind != names[-1] else "")
    if isinstance(error, SandboxError):
        error.args = (f"{path}: {marks['_path_message']}", *error.args[1:])
        return
    note = f"in module {path}"
    if len(names) > 1:
        error.__notes__[marks["_path_note"]] = note
    else:
        error.add_note(note)
        marks["_path_note"] = len(error.__notes__) - 1
