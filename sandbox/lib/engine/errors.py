"""Errors of the engine; the root of the library's own errors lives here, the lowest room."""

from __future__ import annotations

from collections.abc import Sequence


class SandboxError(Exception):
    """Root of all errors the library raises on purpose."""


class EngineError(SandboxError, RuntimeError):
    """A native library is missing, refused a request, or failed while running.

    Parameters
    ----------
    message : str
        `<place>: <what must hold>; got <value>.`
    causes : sequence of str, optional
        Shown as bullets under "Likely causes:".

    Examples
    --------
    >>> print(EngineError("libdnnl.so: must be readable; got an empty file.", ["a broken install"]))
    libdnnl.so: must be readable; got an empty file.
    Likely causes:
      - a broken install
    """

    def __init__(self, message: str, causes: Sequence[str] = ()) -> None:
        self.causes = tuple(causes)
        if causes:
            message += "\nLikely causes:" + "".join(f"\n  - {cause}" for cause in causes)
        super().__init__(message)


class ArgumentError(SandboxError, ValueError):
    """An argument is outside of what its constraint allows."""

    __module__ = "sandbox.lib.core.errors"  # where users import it from


class ShapeError(SandboxError, ValueError):
    """An array has the wrong number of axes, a wrong axis or a wrong dtype."""

    __module__ = "sandbox.lib.core.errors"  # where users import it from


class DataError(SandboxError, ValueError):
    """The data themselves are bad: a label out of range, NaN, an empty set, a damaged file."""

    __module__ = "sandbox.lib.core.errors"  # where users import it from


def named(error: DataError, name: str) -> DataError:
    """Return the error with the name of what is wrong in front."""
    return DataError(f"{name}: {error}") if name else error
