"""Small files of settings: written in one go, read with an error that names the file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core import validate
from ..core.errors import DataError
from ..engine.files import Place, locate, write_atomic


def write_text(path: Place, text: str) -> Place:
    """Write a file in one go.

    Raises
    ------
    DataError : it cannot be written, or is a folder; nothing half is left.
    """
    try:
        write_atomic(path, text.encode())
    except OSError as error:
        raise DataError(
            f"{path}: must be a file one can write; got {error.strerror or error}."
        ) from None
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_folder(folder: str | os.PathLike[str]) -> Place:
    """Make a folder to write into, or raise `DataError`."""
    place = locate(validate.path_like("folder", folder))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{place}: must be a folder one can write to; got {error.strerror or error}."
        ) from None
    return place


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Read a JSON object, or raise `DataError`."""
    try:
        found = json.loads(locate(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: must be {what}; got {error}.") from None
    if not isinstance(found, Mapping):
        raise DataError(f"{path}: must be {what}; got a {type(found).__name__}.")
    return dict(found)
