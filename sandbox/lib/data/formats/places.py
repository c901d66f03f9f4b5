"""Where files are: paths, folders, patterns and URLs made into lists; opened, with errors named."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...core import validate
from ...core.errors import DataError, SandboxError
from ...engine.files import locate
from ...engine.remote import RemotePath

__all__ = ["PathLike", "find", "located", "opened", "read_range", "size_of"]

PathLike = str | os.PathLike[str]
_SIGNS = "*?["


def find(path: PathLike | Sequence[PathLike], suffixes: Sequence[str], what: str) -> list[str]:
    """Return the files of a path, or of several.

    Parameters
    ----------
    path : path or URL, or a list of them
        A file as it is; of a folder all files with one of the suffixes, also in folders of it; a
        pattern in the name: `day-*.csv`. Sorted by name, folder by folder.
    suffixes : list of str
        In lower case, `.csv`; without a dot in front it is how names begin: `part-`.
    what : str
        How errors call such files.

    Raises
    ------
    DataError : nothing is found; a URL's file system is not known or does not answer.
    """
    if isinstance(path, str | os.PathLike):
        given = [validate.path_like("path", path)]
    else:
        given = validate.several("path", path, "a path or a list of paths")
        if not given:
            raise validate.refuse("path", "a path or a list of paths", path)
        given = [validate.path_like("path", one) for one in given]
    return [name for one in given for name in _files(one, suffixes, what)]


def _files(path: PathLike, suffixes: Sequence[str], what: str) -> list[str]:
    place: Any = located(path)
    try:
        if any(sign in place.name for sign in _SIGNS) and not place.exists():
            inside = [p for p in place.parent.iterdir() if fnmatch.fnmatch(p.name, place.name)]
            names = sorted(str(p) for p in inside if p.name[0] not in "._")
        elif place.is_dir():
            names = sorted(_walk(place, tuple(suffixes)))
        else:
            return [str(place)]
    except OSError as error:
        raise DataError(f"{path}: must be {what}; got {error}. Check the path.") from None
    if not names:
        ends = " or ".join(suffixes)
        raise DataError(f"{path}: must hold {what}, {ends}; got none. Check the path.")
    return names


def _walk(folder: Any, suffixes: tuple[str, ...]) -> Iterator[str]:
    begins = tuple(one for one in suffixes if one[:1] not in ("", ".")) or ("\0",)
    for place in folder.iterdir():
        if place.name[0] in "._":  # what jobs leave beside their files: _SUCCESS, .crc
            continue
        if place.is_dir():
            yield from _walk(place, suffixes)
        elif place.name.lower().endswith(suffixes) or place.name.startswith(begins):
            yield str(place)


def located(path: PathLike) -> Any:
    """Return the place of a path or URL, an absolute one."""
    try:
        place = locate(path)
    except SandboxError as error:
        raise DataError(f"{path}: {error} Read it with Spark and give the DataFrame.") from None
    return place if isinstance(place, RemotePath) else place.absolute()


@contextmanager
def opened(name: str, what: str) -> Iterator[Any]:
    """Give a file to read in, anywhere; what the system says against it names the file."""
    try:
        with located(name).open("rb") as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"{name}: must be {what}; got no file. Check the path.") from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(f"{name}: must be {what}; got {reason}.") from None


def size_of(file: Any) -> int:
    """Return the bytes of an open file."""
    here = file.tell()
    end = int(file.seek(0, os.SEEK_END))
    file.seek(here)
    return end


def read_range(name: str, start: int, stop: int, what: str) -> bytes:
    """Return the bytes of a file from `start` up to `stop`.

    Raises
    ------
    DataError : the file has become shorter.
    """
    with opened(name, what) as file:
        file.seek(start)
        data = bytes(file.read(stop - start))
    if len(data) != stop - start:
        raise DataError(
            f"{name}: must hold {stop - start} bytes from byte {start} on, as when it was opened; "
            f"got {len(data)}. Open the data set anew."
        )
    return data
