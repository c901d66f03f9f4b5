"""Files written whole or not at all: at any moment the old or the new content is there."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["put", "replacing", "write_atomic"]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; it takes that place once all went well.

    The name tells host and thread, so that what killed writers leave can be found. Whatever is
    raised goes on, and nothing is left.

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
        put(half, path)
    except BaseException:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise


def put(half: Path, path: Path) -> None:
    """Give a file that is written its name, and wait until the disk has both."""
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


def write_atomic(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Write a file in one go.

    Parameters
    ----------
    path : Path
    data : bytes, or function of (open file) that writes them

    Raises
    ------
    OSError : the disk's; nothing half is left.
    """
    with replacing(path) as half, half.open("wb") as file:
        if callable(data):
            data(file)
        else:
            file.write(data)
