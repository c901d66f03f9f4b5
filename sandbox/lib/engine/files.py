"""Files written whole or not at all, by path or by URL: the one way by which this product writes.

A path is the machine's own. A URL (`hdfs://`, `s3a://`, `s3://`, `file://`) is reached through
pyarrow, which is imported only then (`remote.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias
from urllib.parse import unquote, urlsplit

from .errors import ArgumentError
from .remote import SCHEMES, RemotePath

__all__ = ["Place", "copy_file", "locate", "put", "replacing", "write_atomic"]

Place: TypeAlias = Path | RemotePath
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)")  # one letter is a drive of Windows


def locate(path: str | os.PathLike[str]) -> Place:
    """Return what a path or URL names, with the methods of a `Path` that writers need.

    Raises
    ------
    ArgumentError : a URL of a scheme that is not known; a `Path` that was made of a URL, which has
        lost a slash.
    EngineError : what the scheme needs is not installed; names the cure.

    Examples
    --------
    >>> locate("file:///tmp/states").name
    'states'
    >>> locate("gs://bucket/states")
    Traceback (most recent call last):
        ...
    sandbox.lib.core.errors.ArgumentError: a place must be a path or a URL of file://, hdfs://, \
s3a://, s3://; got 'gs://bucket/states'.
    """
    if isinstance(path, RemotePath):
        return path
    text = os.fspath(path)
    found = _URL.match(text)
    if found is None:
        return Path(path)
    scheme, slashes = found[1].lower(), found[2]
    known = ("file", *SCHEMES)
    if isinstance(path, Path) or len(slashes) < 2:
        if scheme not in known:
            return Path(path)  # a folder may have a colon in its name
        raise ArgumentError(
            f"a place must be a path, or a URL as text; got {text!r}. A Path takes a slash out of"
            f" a URL: write '{scheme}://...'."
        )
    if scheme not in known:
        raise ArgumentError(
            f"a place must be a path or a URL of {', '.join(f'{name}://' for name in known)};"
            f" got {text!r}."
        )
    if scheme != "file":
        return RemotePath.of(text)
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise ArgumentError(f"a file:// URL must be of this machine, file:///...; got {text!r}.")
    return Path(unquote(parts.path))


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a name beside `path` to write to; it takes that place once all went well.

    The name tells host and thread, so that what killed writers leave can be found. Whatever is
    raised goes on, and nothing is left.

    Parameters
    ----------
    path : Path
    sync : bool, default=True
        Wait until the disk has it. False for what a crash of the machine may take.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(path) as half:
    ...     _ = half.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    thread = threading.get_native_id()
    half = path.with_name(f".{path.name}.{socket.gethostname()}.{thread}.tmp")
    try:
        yield half
        put(half, path, sync=sync)
    except BaseException:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise


def put(half: Path, path: Path, *, sync: bool = True) -> None:
    """Give a file that is written its name, and wait until the disk has both."""
    if not sync:
        half.replace(path)
        return
    with half.open("rb+") as file:
        os.fsync(file.fileno())
    half.replace(path)
    if os.name == "nt":  # folders cannot be opened there
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_atomic(
    path: Place,
    data: bytes | Callable[[BinaryIO], object],
    *,
    sync: bool = True,
    mode: int | None = None,
) -> None:
    """Write a file in one go.

    Parameters
    ----------
    path : what `locate` gives
    data : bytes, or function of (open file) that writes them from the beginning to the end
    sync : bool, default=True
        Wait until the disk has it.
    mode : int, optional
        Rights of a local file, 0o755 of a script; by default those of new files.

    Raises
    ------
    OSError : the disk's or the network's; nothing half is left.
    """
    if isinstance(path, RemotePath):
        path.write(data)
        return
    with replacing(path, sync=sync) as half:
        with half.open("wb") as file:
            if callable(data):
                data(file)
            else:
                file.write(data)
        if mode is not None:
            half.chmod(mode)


def copy_file(source: Place, target: Place) -> None:
    """Copy a file, piece by piece, in one go."""

    def write(file: BinaryIO) -> None:
        with source.open("rb") as there:
            shutil.copyfileobj(there, file, 1 << 20)

    write_atomic(target, write)
