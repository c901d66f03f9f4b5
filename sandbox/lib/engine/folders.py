"""Where this product keeps what can be made again: one folder, for every kind of account."""

from __future__ import annotations

import functools
import os
import stat
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return `SANDBOX_CACHE`, else the user's cache folder, else one among the temporary files.

    The last is for accounts without a home of their own: HOME is `/`, or unset, or closed to them.
    A `SANDBOX_CACHE` counts as it is: whether it can be written is seen by who writes there.
    """
    asked = os.environ.get("SANDBOX_CACHE")
    if asked:
        return Path(os.path.expanduser(asked)).absolute()
    folder = _home_cache()
    return temporary_folder() if folder is None else folder / "bigdl-sandbox"


def _home_cache() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:  # no HOME, and the system knows no account of this number
        return None
    there = folder / "bigdl-sandbox"
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    usable = there != Path(there.root) and os.path.isdir(there) and os.access(there, os.W_OK)
    return folder if usable else None


def is_ours_alone(folder: Path) -> bool:
    """Tell whether nobody but this account, its own group and the administrator writes a folder.

    What is run from a folder must lie in such ones only: who can write the folder can put another
    file in the place of any file in it, whomever that belongs to.
    """
    try:
        found = folder.stat()
    except OSError:
        return False
    groups = 0o020 if found.st_gid not in (os.getgid(), 0) else 0
    return found.st_uid in (os.getuid(), 0) and not found.st_mode & (0o002 | groups)


@functools.cache
def temporary_folder() -> Path:
    """Make a folder that nobody else can write, the same one for each process if possible."""
    folder = Path(tempfile.gettempdir()) / f"bigdl-sandbox-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and is_ours_alone(folder):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="bigdl-sandbox-"))
