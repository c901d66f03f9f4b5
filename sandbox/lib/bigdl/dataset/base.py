"""Where files of data sets lie."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import DataError


def find(folder: str, *names: str) -> Path:
    """Return the first of these names that is in a folder.

    Raises
    ------
    DataError : none of them is there; names the folder and what belongs into it.
    """
    for name in names:
        if (Path(folder) / name).exists():
            return Path(folder) / name
    raise DataError(f"{folder}: must hold {' or '.join(names)}; got none. Put the file there.")


def maybe_download(filename: str, work_directory: str, source_url: str) -> str:
    """Return the path of a file that is there already; nothing is downloaded.

    Raises
    ------
    DataError : the file is not there; names where to get it.
    """
    path = Path(work_directory) / filename
    if not path.exists():
        raise DataError(f"{path}: must be there; got no file. Download it from {source_url}.")
    return str(path)
