"""Private folders that live as long as their process, whatever ends it.

A folder is claimed by a lock on a file in it. The system gives the lock up with its process, also
after kill -9, so that the next process of this account sees what nobody holds any more and removes
it. Numbers of processes would not do: they mean another process, or none, in another container that
shares the folder of temporary files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: folders are removed by `close` only
    fcntl = None  # type: ignore[assignment]

__all__ = ["PrivateFolder"]

_LOCK = "lock"
_UNBORN_S = 60.0  # a folder without a lock may be about to get one


class PrivateFolder:
    """A new folder that only this account reads, removed by `close` or by a later process.

    Parameters
    ----------
    prefix : str
        What its name begins with; folders of the same prefix that nobody holds are removed first.
    parent : Path, optional
        Where it lies; among the system's temporary files by default.

    Raises
    ------
    OSError : the parent cannot be written.

    Examples
    --------
    >>> with PrivateFolder("sandbox-example-") as folder:
    ...     _ = (folder.path / "numbers").write_bytes(b"123")
    >>> folder.path.exists()
    False
    """

    def __init__(self, prefix: str, parent: Path | None = None) -> None:
        home = Path(tempfile.gettempdir()) if parent is None else parent
        sweep(prefix, home)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=home))
            lock = _claim(self.path / _LOCK, wait=True)
            if lock is not None:
                self._lock: int | None = lock
                break

    def close(self) -> None:
        """Remove the folder; what still maps a file of it keeps the contents."""
        if self._lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def sweep(prefix: str, parent: Path) -> list[Path]:
    """Remove the folders of a prefix that no process holds any more; return those."""
    removed: list[Path] = []
    if fcntl is None:
        return removed
    for path in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid != os.getuid() or not path.is_dir() or path.is_symlink():
                continue
            if not (path / _LOCK).exists() and time.time() - found.st_mtime < _UNBORN_S:
                continue
            lock = _claim(path / _LOCK, wait=False)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
                removed.append(path)
    return removed


def _claim(path: Path, *, wait: bool) -> int | None:
    """Return an open lock file; None if another process holds it, or has just removed it."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if os.fstat(lock).st_ino == path.stat().st_ino:
            return lock
    except OSError:
        pass
    os.close(lock)
    return None
