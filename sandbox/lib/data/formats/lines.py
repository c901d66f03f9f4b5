"""Files of lines cut into blocks at the ends of lines, compressed ones in one block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...core.errors import DataError
from .places import opened, read_range

__all__ = ["block_bytes", "cuts"]

_BOM = b"\xef\xbb\xbf"
_LONGEST = 64  # blocks that a row may take
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}


def cuts(path: str, size: int, what: str, quote: bytes = b"") -> Iterator[tuple[int, int, bytes]]:
    """Give the lines of a file in pieces of about so many bytes: (start, stop, bytes).

    Parameters
    ----------
    path : str
    size : int
    what : str
        How errors call the file.
    quote : bytes
        Ends of lines between two of these are part of a field.

    Raises
    ------
    DataError : a row does not end.
    """
    packed = _packing(path, what)
    if packed is not None:
        data = _unpacked(path, packed, what)
        if data:
            yield 0, -1, data
        return
    with opened(path, what) as file:
        start, rest = 0, b""
        if file.read(3) == _BOM:
            start = 3
        file.seek(start)
        while True:
            more = bytes(file.read(size))
            rest += more
            if len(more) < size:
                if rest:
                    yield start, start + len(rest), rest
                return
            end = _last_end(rest, quote)
            if end:
                yield start, start + end, rest[:end]
                start, rest = start + end, rest[end:]
            elif len(rest) > _LONGEST * size:
                cure = " Is a quotation mark left open?" if quote in rest and quote else ""
                raise DataError(
                    f"{path}: rows must end within {_LONGEST * size >> 20} MB; got none from byte "
                    f"{start} on.{cure}"
                )


def block_bytes(path: str, start: int, stop: int, what: str) -> bytes:
    """Return the bytes of a piece that `cuts` gave."""
    if stop < 0:
        return _unpacked(path, _packing(path, what) or "gzip", what)
    return read_range(path, start, stop, what)


def _last_end(data: bytes, quote: bytes) -> int:
    """Return where the last line ends that is no part of a quoted field; 0 if there is none."""
    end = data.rfind(b"\n")
    if end < 0 or not quote:
        return end + 1
    inside = data.count(quote, 0, end) % 2
    while end >= 0 and inside:
        before = data.rfind(b"\n", 0, data.rfind(quote, 0, end))
        inside ^= data.count(quote, max(before, 0), end) % 2
        end = before
    return end + 1


def _packing(path: str, what: str) -> str | None:
    with opened(path, what) as file:
        start = bytes(file.read(4))
    return next((kind for magic, kind in _PACKED.items() if start.startswith(magic)), None)


def _unpacked(path: str, kind: str, what: str) -> bytes:
    import pyarrow as pa

    with opened(path, what) as file:
        try:
            with pa.CompressedInputStream(pa.PythonFile(file, "r"), kind) as stream:
                data = bytes(stream.read())
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{path}: must be a whole {kind} file; got {str(error).splitlines()[0]}. Fetch or "
                "write the file again."
            ) from None
    return data.removeprefix(_BOM)


def rows_of(data: Any) -> list[bytes]:
    """Return the lines of a piece without their ends."""
    found: list[bytes] = bytes(data).splitlines()
    return found
