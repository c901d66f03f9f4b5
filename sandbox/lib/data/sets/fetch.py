"""One file from the web into a folder: resumed where it broke off, checked, whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from ...core.errors import DataError
from ...engine.files import put
from ..files import digest

__all__ = ["fetch_file", "shown"]

log = logging.getLogger("sandbox.data")

Progress = Callable[[int, int], object]
_BLOCK = 1 << 18
_TRIES = 4  # of one address in a row, without a byte more
_PAUSE_S = 1.0
# The network's; other errors of reading and writing are the disk's.
_BROKEN = (
    http.client.HTTPException, TimeoutError, ConnectionError, urllib.error.URLError, ssl.SSLError
)  # fmt: skip


def fetch_file(
    addresses: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
    pause_s: float = _PAUSE_S,
) -> Path:
    """Fetch a file from the first address that gives it.

    What has come is kept beside the target as `.NAME.part`: the next call goes on there.

    Parameters
    ----------
    addresses : http or https addresses
        Of the same file, tried in turn.
    target : Path
        Where it goes once it is whole; its folder is made.
    sha256 : str, optional
        Its checksum; a file of another one is thrown away.
    progress : callable(bytes so far, bytes in all or 0), optional
        Called for each block.
    timeout_s, pause_s : float > 0
        Of silence, until the connection counts as broken; before it is tried again.

    Raises
    ------
    DataError : no address gives it (with each one's reason), the disk is full, or another process
        fetches it.
    """
    part = target.with_name(f".{target.name}.part")
    reasons = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _lock(file, target)
            for address in addresses:
                reason = _from(address, file, part, sha256, progress, timeout_s, pause_s)
                if not reason:
                    put(part, target)
                    return target
                reasons.append(f"{address}: {reason}")
    except OSError as error:  # of the disk: those of the network are reasons
        raise DataError(
            f"{target}: must be a file one can write; got {error.strerror or error}. What has come "
            "is kept; free some disk or set SANDBOX_CACHE to another one, and fetch again."
        ) from None
    if not part.stat().st_size:
        part.unlink()
    raise DataError(f"{target.name} could not be fetched: {'; '.join(reasons)}.")


def _lock(file: IO[bytes], target: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(
            f"{target.name} is being fetched by another process. Wait for its end."
        ) from None


def _from(
    address: str,
    file: IO[bytes],
    part: Path,
    sha256: str | None,
    progress: Progress | None,
    timeout_s: float,
    pause_s: float,
) -> str:
    """Fetch from one address what is missing; give the reason why not, empty if it is whole."""
    tries, reason, anew, moved = 0, "", False, False
    while tries < _TRIES:
        before = part.stat().st_size
        try:
            total = _go_on(address, file, before, progress, timeout_s)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # nothing behind: it is whole, or of another file
                total = before
            elif error.code < 500:
                return f"HTTP {error.code} {error.reason}"
            else:
                total, reason = -1, f"HTTP {error.code} {error.reason}"
        except _BROKEN as error:
            total, reason = -1, str(getattr(error, "reason", "") or error) or type(error).__name__
        file.flush()
        size = part.stat().st_size
        if total >= 0 and size == (total or size):
            if sha256 is None or digest(part) == sha256:
                return ""
            file.truncate(0)
            if before and not anew:  # the beginning was of another file, or damaged
                anew = True
                continue
            return f"its SHA-256 is not {sha256[:12]}..."
        reason = reason or f"it ended after {size:,} of {total:,} bytes"
        log.info("%s: %s, after %d bytes", address, reason, size)
        moved = moved or size > before
        if not moved and not reason.startswith("HTTP"):
            return reason  # nobody there, or no network: asking again does not help
        tries = 0 if size > before else tries + 1
        time.sleep(pause_s)
    return reason


def _go_on(
    address: str, file: IO[bytes], have: int, progress: Progress | None, timeout_s: float
) -> int:
    """Append what an address gives behind `have` bytes; give the whole size, 0 if unknown."""
    request = urllib.request.Request(address, headers={"User-Agent": "bigdl-sandbox"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        have = _start(answer, have)
        file.truncate(have)
        total = _total(answer, have)
        while block := answer.read(_BLOCK):
            file.write(block)
            have += len(block)
            if progress is not None:
                progress(have, total)
    return total


def _start(answer: Any, have: int) -> int:
    """Return where the bytes of an answer belong: perhaps before those asked for."""
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if answer.status != 206 or found is None:
        return 0
    if int(found[1]) > have:
        raise http.client.HTTPException(f"it answered from byte {found[1]} on instead of {have}")
    return int(found[1])


def _total(answer: Any, have: int) -> int:
    found = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    if found:
        return int(found[1])
    length = answer.headers.get("Content-Length")
    return have + int(length) if length else 0


@contextlib.contextmanager
def shown(name: str, stream: TextIO) -> Iterator[Progress]:
    """Show how far a file has come: a bar in terminals, else the last of it as a line.

    Parameters
    ----------
    name : str
        What is fetched.
    stream : file
        Where to write.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with shown("imdb", out) as progress:
    ...     progress(84_000_000, 84_000_000)
    >>> "imdb" in out.getvalue(), "84.0/84.0 MB" in out.getvalue()
    (True, True)
    """
    columns = TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Bars(*columns, TimeRemainingColumn(), console=Console(file=stream)) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
