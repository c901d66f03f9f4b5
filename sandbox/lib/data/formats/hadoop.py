"""Hadoop's SequenceFiles: header, records, compressed blocks, keys and values.

Header: `SEQ`, a version, the Java classes of keys and values, whether values or blocks are
compressed, the codec's class, texts about the file, 16 bytes of sync mark. Then records (length,
length of the key, key, value; -1 and the mark between some of them), or blocks (-1, mark, number of
records, and the lengths of the keys, the keys, the lengths of the values and the values, each
compressed as a whole). Numbers are big endian; `vint` is Hadoop's integer of one to nine bytes.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.errors import DataError
from .base import Block
from .places import opened, read_range, size_of

__all__ = ["WHAT", "Header", "Walk", "arrow_type", "column_of", "pairs_of", "read_header"]

_IO = "org.apache.hadoop.io."
_CODECS = {
    _IO + "compress.DefaultCodec": "zlib",
    _IO + "compress.DeflateCodec": "zlib",
    _IO + "compress.GzipCodec": "gzip",
    _IO + "compress.BZip2Codec": "bz2",
}
_NUMBERS = {
    _IO + "IntWritable": ">i4",
    _IO + "LongWritable": ">i8",
    _IO + "FloatWritable": ">f4",
    _IO + "DoubleWritable": ">f8",
    _IO + "ByteWritable": ">i1",
    _IO + "ShortWritable": ">i2",
    _IO + "BooleanWritable": "?",
}
_AHEAD = 1 << 20
_LONGEST = 1 << 16  # bytes of a header
_MOST = 1 << 30  # bytes that a compressed piece may become
_CURE = "Fetch or write the file again."
WHAT = "SequenceFiles"


class _Short(Exception):  # noqa: N818 - bytes end, or are not what they must be
    pass


@dataclass(frozen=True)
class Header:
    """What the beginning of a file tells."""

    key: str
    value: str
    codec: str
    blocks: bool
    sync: bytes
    stop: int


# The file -------------------------------------------------------------------------------------


def _damaged(path: str, at: int, what: str) -> DataError:
    return DataError(f"{path}: must be a whole SequenceFile; got {what} at byte {at}. {_CURE}")


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """Return Hadoop's integer of varying length, and where it ends."""
    if at >= len(data):
        raise _Short
    first = data[at] - 256 if data[at] > 127 else data[at]
    if first >= -112:
        return first, at + 1
    size = -120 - first if first < -120 else -112 - first
    if at + 1 + size > len(data):
        raise _Short
    number = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    return (~number if first < -120 else number), at + 1 + size


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size < 0 or at + size > len(data):
        raise _Short
    return data[at : at + size], at + size


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _vint(data, at)
    return _taken(data, at, size)


def read_header(file: Any, path: str) -> Header:
    """Read what the beginning of a file tells."""
    file.seek(0)
    data = bytes(file.read(_LONGEST))
    if data[:3] != b"SEQ" or len(data) < 4 or data[3] not in (5, 6):
        raise DataError(
            f"{path}: must be a SequenceFile of version 5 or 6; got {data[:4]!r} at its beginning."
        )
    try:
        key, at = _text(data, 4)
        value, at = _text(data, at)
        flags, at = _taken(data, at, 2)
        codec = b""
        if flags[0]:
            codec, at = _text(data, at)
        if data[3] == 6:
            count, at = _taken(data, at, 4)
            for _ in range(2 * min(int.from_bytes(count, "big"), _LONGEST)):
                _, at = _text(data, at)
        sync, at = _taken(data, at, 16)
    except _Short:
        raise _damaged(path, 4, f"a header that does not end within {len(data)} bytes") from None
    name = codec.decode(errors="replace")
    if flags[0] and name not in _CODECS:
        known = ", ".join(one.rpartition(".")[2] for one in _CODECS)
        raise DataError(f"{path}: its codec must be one of {known}; got {name!r}.")
    kinds = [one.decode(errors="replace") for one in (key, value)]
    return Header(kinds[0], kinds[1], _CODECS.get(name, ""), bool(flags[1]), sync, at)


class Walk:
    """Goes through a file by its lengths, with few and large reads."""

    def __init__(self, file: Any, path: str) -> None:
        self.file, self.path, self.size = file, path, size_of(file)
        self._buffer, self._base = b"", 0

    def at(self, place: int, size: int) -> bytes:
        """Return some bytes; fewer at the end of the file."""
        here = place - self._base
        if here < 0 or here + size > len(self._buffer):
            self.file.seek(place)
            self._buffer, self._base, here = bytes(self.file.read(_AHEAD)), place, 0
        return self._buffer[here : here + size]

    def ends(self, header: Header) -> Iterator[tuple[int, int]]:
        """Give the byte after each record or block, and how many records it holds."""
        place = header.stop
        while place < self.size:
            start = place
            head = self.at(place, 24)
            if head[:4] == b"\xff\xff\xff\xff":
                if head[4:20] != header.sync:
                    raise _damaged(self.path, start, "another sync mark")
                place += 20
                if place == self.size and not header.blocks:  # a mark may be the last
                    yield place, 0
                    return
            elif header.blocks:
                raise _damaged(self.path, start, "no sync mark")
            place, count = (self._block if header.blocks else self._record)(place, start)
            if place > self.size:
                raise _damaged(self.path, start, f"a record of which {self.size - start} bytes")
            yield place, count

    def _record(self, place: int, start: int) -> tuple[int, int]:
        head = self.at(place, 8)
        if len(head) < 8:
            raise _damaged(self.path, start, "the beginning of a record")
        size, key = struct.unpack(">ii", head)
        if not 0 <= key <= size:
            raise _damaged(self.path, start, f"a record of {size} bytes with a key of {key}")
        return place + 8 + size, 1

    def _block(self, place: int, start: int) -> tuple[int, int]:
        try:
            count, used = _vint(self.at(place, 9), 0)
            place += used
            for _ in range(4):
                size, used = _vint(self.at(place, 9), 0)
                if size < 0 or count < 0:
                    raise _Short
                place += used + size
        except _Short:
            raise _damaged(self.path, start, "a block without its lengths") from None
        return place, count


def pairs_of(block: Block) -> tuple[Header, list[tuple[bytes, bytes]]]:
    """Return the records of some bytes of a file, as they were before compression."""
    with opened(block.path, WHAT) as file:
        header = read_header(file, block.path)
    data = read_range(block.path, block.start, block.stop, WHAT)
    pairs: list[tuple[bytes, bytes]] = []
    at = start = 0
    try:
        while at < len(data):
            start = at
            if data[at : at + 4] == b"\xff\xff\xff\xff":
                at += 20
            if at == len(data):
                break
            if header.blocks:
                some, at = _block_pairs(data, at, header)
                pairs += some
            else:
                head, at = _taken(data, at, 8)
                size, key_size = struct.unpack(">ii", head)
                key, at = _taken(data, at, key_size)
                value, at = _taken(data, at, size - key_size)
                pairs.append((key, _plain(value, header.codec) if header.codec else value))
    except (_Short, zlib.error, OSError, EOFError, ValueError) as error:
        what = str(error) or "lengths that do not fit"
        raise _damaged(block.path, block.start + start, what) from None
    if len(pairs) != block.rows:
        raise _damaged(block.path, block.start, f"{len(pairs)} of {block.rows} records")
    return header, pairs


def _block_pairs(data: bytes, at: int, header: Header) -> tuple[list[tuple[bytes, bytes]], int]:
    count, at = _vint(data, at)
    parts = []
    for _ in range(4):
        size, at = _vint(data, at)
        part, at = _taken(data, at, size)
        parts.append(_plain(part, header.codec or "zlib"))
    keys, values = (_cut(parts[k], parts[k + 1], count) for k in (0, 2))
    return list(zip(keys, values, strict=True)), at


def _cut(lengths: bytes, data: bytes, count: int) -> list[bytes]:
    """Return pieces of some bytes by a list of lengths."""
    found, place, at = [], 0, 0
    if count > len(lengths):
        raise _Short
    for _ in range(count):
        size, place = _vint(lengths, place)
        piece, at = _taken(data, at, size)
        found.append(piece)
    return found


def _plain(data: bytes, codec: str) -> bytes:
    """Return what was compressed, up to a bound."""
    if not data:
        return b""
    reader: Any = bz2.BZ2Decompressor() if codec == "bz2" else zlib.decompressobj(wbits=47)
    made = bytes(reader.decompress(data, _MOST))
    if not reader.eof:
        raise ValueError("a compressed piece that does not end")
    return made


# Keys and values ------------------------------------------------------------------------------


def arrow_type(kind: str, path: str) -> Any:
    """Return the Arrow type of the keys or values of a Java class."""
    import pyarrow as pa

    if kind in _NUMBERS:
        return pa.from_numpy_dtype(np.dtype(_NUMBERS[kind]).newbyteorder("="))
    if kind in (_IO + "Text", _IO + "BytesWritable"):
        return pa.binary()
    if kind == _IO + "NullWritable":
        return pa.null()
    known = ", ".join(name.rpartition(".")[2] for name in _NUMBERS)
    raise DataError(
        f"{path}: keys and values must be Text, BytesWritable, NullWritable, {known}; got "
        f"{kind!r}. Read it with Spark, and give the RDD."
    )


def column_of(rows: list[bytes], kind: str, block: Block) -> Any:
    """Return keys or values as an Arrow array."""
    import pyarrow as pa

    if kind == _IO + "NullWritable":
        return pa.nulls(len(rows))
    if kind in _NUMBERS:
        dtype = np.dtype(_NUMBERS[kind])
        wrong = [k for k, row in enumerate(rows) if len(row) != dtype.itemsize]
        if wrong:
            raise _damaged(block.path, block.start, f"a number of {len(rows[wrong[0]])} bytes")
        numbers = np.frombuffer(b"".join(rows), np.uint8 if kind.endswith("Boolean") else dtype)
        return pa.array(numbers.astype(dtype.newbyteorder("=")))
    arrow_type(kind, block.path)
    found = []
    for k, row in enumerate(rows):
        try:
            if kind == _IO + "Text":
                size, at = _vint(row, 0)
            else:
                head, at = _taken(row, 0, 4)
                size = int.from_bytes(head, "big")
            value, at = _taken(row, at, size)
        except _Short:
            what = f"a value of row {block.first + k} that is cut off"
            raise _damaged(block.path, block.start, what) from None
        found.append(value)
    return pa.array(found, pa.binary())
