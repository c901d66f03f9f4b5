"""TFRecord files: framed records with checksums, mostly of tf.train.Example messages.

A record is its length (64 bits, little endian), a checksum of these 8 bytes, the bytes, a checksum
of the bytes; both are CRC-32C, masked. A file may be packed by gzip or zlib as a whole. An Example
is a map from names to lists of bytes, floats or 64-bit integers.
"""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...core import validate
from ...core.errors import DataError
from ...engine import wire
from ...engine.crc32c import crc32c_of, masked, masked_crc32c
from ...engine.files import locate, write_atomic
from .base import BLOCK_BYTES, Block, BlockFiles
from .places import PathLike, opened, read_range, size_of

__all__ = ["TFRecordDataset", "encode_example", "is_frame", "read_tfrecord", "write_tfrecord"]

_HEAD, _FRAME = 12, 16  # bytes before a record, and around it
_AHEAD = 1 << 20
_MOST = 4 << 30  # bytes that a packed file may unpack to
_CURE = "Fetch or write the file again."
_KINDS = {1: "bytes", 2: "floats", 3: "integers"}


class TFRecordDataset(BlockFiles):
    """Features of tf.train.Example records in TFRecord files, read block by block.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders (all `*.tfrecord`, `*.tfrecords`), patterns: `train-*-of-00010`. Packed by
        gzip or zlib or not.
    features, label, classes, shape, bytes_dtype, decode, window, memory, transform, dtype
        See `BlockFiles`. A feature of one number is a number, of several an array of them; bytes
        are one value a record.
    block_bytes : int > 0, default=8 MB
        Of a file that are read in one go.
    verify : bool, default=True
        Whether the records' checksums are looked at: about 150 MB a second and core.

    Raises
    ------
    DataError : a file is missing or damaged (names the record and the byte where it begins); a
        record lacks a feature, or has another kind or number of values there; names the row.

    Notes
    -----
    Like Zoo `TFDataset.from_tfrecord_file` and `tf.data.TFRecordDataset` with `parse_example`;
    TensorFlow is not needed. Packed files are one block each.

    Examples
    --------
    >>> rows = [{"x": [0.5, 1.5], "y": 1}, {"x": [2.5, 3.5], "y": 0}]
    >>> write_tfrecord("t.tfrecord", map(encode_example, rows))
    >>> TFRecordDataset("t.tfrecord", features="x", label="y").rows(0, [1])
    (array([[2.5, 3.5]], dtype=float32), array([0]))
    """

    suffixes = (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz")
    what = "TFRecord files"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: Any = None,
        label: Any,
        block_bytes: int = BLOCK_BYTES,
        verify: bool = True,
        **options: Any,
    ) -> None:
        self.cut_bytes = validate.positive_int("block_bytes", block_bytes)
        self.verify = validate.boolean("verify", verify)
        super().__init__(path, features=features, label=label, **options)

    def blocks_of(self, path: str) -> Iterable[Block]:
        """Follow the lengths of the records; look at the types of the first."""
        unpacked = _unpacked(path)
        found = []
        if unpacked is None:
            with opened(path, self.what) as file:
                ends = list(_ends(file, path))
            begin, rows, before = 0, 0, 0
            for end in ends:
                rows += 1
                if end - begin >= self.cut_bytes or end == ends[-1]:
                    found.append(Block(path, begin, end, rows, before))
                    begin, before, rows = end, before + rows, 0
        else:
            rows = sum(1 for _ in _records(unpacked, path, 0, 0, verify=False))
            found.append(Block(path, 0, -1, rows, 0))
        if found and found[0].rows:
            first = Block(path, 0, found[0].stop if unpacked is not None else ends[0], 1)
            self.see(path, self._table(first, None).schema)
        return found

    def table(self, block: Block) -> Any:
        """Read the features of a block."""
        return self._table(block, self.names())

    def _table(self, block: Block, names: list[str] | None) -> Any:
        """Return some features of the first records of a block; all of them without names."""
        import pyarrow as pa

        if block.stop < 0:
            data, start = _unpacked(block.path) or b"", 0
        else:
            start = block.start
            data = read_range(block.path, start, block.stop, self.what)
        records = _records(data, block.path, start, block.first, verify=self.verify)
        rows = []
        for k, (at, record) in zip(range(block.rows), records, strict=False):
            place = f"{block.path}: record {block.first + k} at byte {at}"
            rows.append(_example(record, names, place))
        wanted = sorted({name for row in rows for name in row}) if names is None else names
        return pa.table({name: _column(rows, name, block) for name in wanted})


def read_tfrecord(path: PathLike, *, verify: bool = True) -> Iterator[bytes]:
    """Give the records of a TFRecord file.

    Raises
    ------
    DataError : the file is missing or damaged; names the record and the byte where it begins.

    Examples
    --------
    >>> write_tfrecord("two.tfrecord", [b"one", b"two"])
    >>> list(read_tfrecord("two.tfrecord"))
    [b'one', b'two']
    """
    name = os.fspath(validate.path_like("path", path))
    validate.boolean("verify", verify)
    data = _unpacked(name)
    if data is None:
        with opened(name, TFRecordDataset.what) as file:
            data = bytes(file.read())
    for _, record in _records(data, name, 0, 0, verify=verify):
        yield record


def write_tfrecord(path: PathLike, records: Iterable[bytes], *, packed: bool = False) -> None:
    """Write a TFRecord file in one go, packed by gzip if wanted.

    Raises
    ------
    DataError : the file cannot be written.
    """
    place = locate(validate.path_like("path", path))
    rows = validate.several("records", records, "rows of bytes")
    for row in rows:
        if not isinstance(row, bytes | bytearray | memoryview):
            raise validate.refuse("records", "rows of bytes", row)
    validate.boolean("packed", packed)

    def write(file: Any) -> None:
        for row in rows:
            length = struct.pack("<Q", len(row))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(row)
            file.write(struct.pack("<I", masked_crc32c(bytes(row))))

    def write_packed(file: Any) -> None:
        with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as stream:
            write(stream)

    try:
        write_atomic(place, write_packed if packed else write)
    except OSError as error:
        raise DataError(f"{path}: must be a file one can write; got {error}.") from None


def encode_example(values: Mapping[str, Any]) -> bytes:
    """Return a tf.train.Example of numbers, lists of numbers, bytes and texts.

    Raises
    ------
    ArgumentError : a value is none of these; names it.

    Examples
    --------
    >>> encode_example({"y": 3}).hex()
    '0a0c0a0a0a017912051a030a0103'
    """
    body = b""
    for name, value in validate.instance("values", values, Mapping).items():
        if isinstance(value, str | bytes):
            found = wire.text(1, wire.text(1, value))
        else:
            numbers = np.atleast_1d(validate.numbers(str(name), value))
            if numbers.ndim != 1:
                raise validate.refuse(
                    str(name), "a number, a list of numbers, bytes or text", value
                )
            if numbers.dtype.kind == "f":
                found = wire.text(2, wire.singles(1, numbers.tolist()))
            else:
                found = wire.text(3, wire.integers(1, numbers.tolist()))
        body += wire.text(1, wire.text(1, str(name)) + wire.text(2, found))
    return wire.text(1, body)


# Frames ---------------------------------------------------------------------------------------


def _damaged(path: str, row: int, at: int, what: str) -> DataError:
    return DataError(
        f"{path}: record {row} at byte {at} must be a whole record of a TFRecord file; got {what}. "
        f"{_CURE}"
    )


def _ends(file: Any, path: str) -> Iterator[int]:
    """Give the byte after each record, by the lengths alone."""
    size, at, row = size_of(file), 0, 0
    buffer, base = b"", 0
    while at < size:
        if at + _HEAD > base + len(buffer):
            file.seek(at)
            buffer, base = bytes(file.read(_AHEAD)), at
        head = buffer[at - base : at - base + _HEAD]
        at = _end(head, path, row, at, size)
        row += 1
        yield at


def _end(head: bytes, path: str, row: int, at: int, size: int) -> int:
    """Return the byte after a record by its first bytes."""
    if len(head) < _HEAD:
        raise _damaged(path, row, at, f"{len(head)} bytes of {_HEAD} before it")
    length, crc = struct.unpack("<QI", head)
    if masked_crc32c(head[:8]) != crc:
        raise _damaged(path, row, at, "a length with a wrong checksum")
    end: int = at + _FRAME + length
    if end > size:
        raise _damaged(path, row, at, f"{size - at - _HEAD} of {length} bytes")
    return end


def _records(
    data: bytes, path: str, start: int, first: int, *, verify: bool
) -> Iterator[tuple[int, bytes]]:
    """Give the records of some bytes of a file, and where each begins in it."""
    at, row, frames = 0, first, []
    while at < len(data):
        end = _end(data[at : at + _HEAD], path, row, at + start, len(data) + start) - start
        frames.append((at, end))
        at, row = end, row + 1
    if verify and frames:
        view = memoryview(data)
        crcs = masked(crc32c_of([view[a + _HEAD : b - 4] for a, b in frames]))
        for k, (begin, end) in enumerate(frames):
            if int.from_bytes(data[end - 4 : end], "little") != crcs[k]:
                raise _damaged(path, first + k, begin + start, "bytes with a wrong checksum")
    for begin, end in frames:
        yield begin + start, data[begin + _HEAD : end - 4]


def _unpacked(path: str) -> bytes | None:
    """Return the bytes of a packed file; None if it is not packed."""
    with opened(path, TFRecordDataset.what) as file:
        head = bytes(file.read(_HEAD))
        packed = head[:2] == b"\x1f\x8b" or (head[:1] == b"\x78" and len(head) > 1)
        if not packed or (len(head) == _HEAD and is_frame(head)):
            return None
        file.seek(0)
        reader = zlib.decompressobj(wbits=47)  # gzip or zlib, as its first bytes say
        parts, size = [], 0
        try:
            while piece := bytes(file.read(_AHEAD)):
                while piece:
                    parts.append(reader.decompress(piece, _MOST - size + 1))
                    size += len(parts[-1])
                    if size > _MOST:
                        raise DataError(f"{path}: must unpack to at most {_MOST} bytes; got more.")
                    piece = reader.unconsumed_tail or reader.unused_data
                    if reader.eof and piece:  # files of gzip may follow each other
                        reader = zlib.decompressobj(wbits=47)
        except zlib.error as error:
            raise DataError(f"{path}: must be a whole packed file; got {error}. {_CURE}") from None
        if not reader.eof:
            raise DataError(f"{path}: must be a whole packed file; got its beginning. {_CURE}")
    return b"".join(parts)


def is_frame(head: bytes) -> bool:
    """Tell whether twelve bytes are the beginning of a record."""
    return int.from_bytes(head[8:], "little") == masked_crc32c(head[:8])


# Messages -------------------------------------------------------------------------------------


def _example(record: bytes, names: list[str] | None, place: str) -> dict[str, tuple[int, Any]]:
    """Return the kind and the values of each feature of an Example."""
    try:
        found: dict[str, tuple[int, Any]] = {}
        wanted = None if names is None else {name.encode(): name for name in names}
        for number, kind, start, stop in wire.fields(record):
            if number != 1 or kind != wire.BYTES:
                continue
            for inner, its, begin, end in wire.fields(record, start, stop):
                if inner != 1 or its != wire.BYTES:
                    continue
                key, value = b"", (end, end)
                for part, how, a, b in wire.fields(record, begin, end):
                    if how == wire.BYTES and part == 1:
                        key = record[a:b]
                    elif how == wire.BYTES and part == 2:
                        value = (a, b)
                if wanted is None:
                    found[key.decode()] = _values(record, *value)
                elif key in wanted:
                    found[wanted[key]] = _values(record, *value)
    except (wire.WireError, UnicodeDecodeError) as error:
        raise DataError(f"{place} must be a tf.train.Example; got {error}.") from None
    return found


def _values(record: bytes, start: int, stop: int) -> tuple[int, Any]:
    """Return the kind of a feature, and its values: a list of bytes or an array."""
    kind, texts, numbers = 0, [], []
    for number, how, begin, end in wire.fields(record, start, stop):
        if number not in _KINDS or how != wire.BYTES:
            continue
        kind = number
        for inner, its, a, b in wire.fields(record, begin, end):
            if inner != 1:
                continue
            if kind == 1 and its == wire.BYTES:
                texts.append(record[a:b])
            elif kind == 2 and its in (wire.BYTES, wire.FIXED32):
                if (b - a) % 4:
                    raise wire.WireError(f"{b - a} bytes of floats at byte {a}")
                numbers.append(np.frombuffer(record, "<f4", (b - a) // 4, a))
            elif kind == 3 and its in (wire.BYTES, wire.VARINT):
                numbers.append(wire.read_integers(record, a, b))
            else:
                raise wire.WireError(f"{_KINDS[kind]} of wire type {its} at byte {a}")
    if kind == 1:
        return kind, texts
    if not numbers:
        return kind, np.zeros(0, np.float32 if kind == 2 else np.int64)
    return kind, numbers[0] if len(numbers) == 1 else np.concatenate(numbers)


def _column(rows: list[dict[str, tuple[int, Any]]], name: str, block: Block) -> Any:
    """Return a feature of all records as an Arrow array, empty where it is missing."""
    import pyarrow as pa

    kinds = {row[name][0] for row in rows if name in row and len(row[name][1])}
    if not kinds:
        return pa.nulls(len(rows))
    kind = next(row[name][0] for row in rows if name in row and len(row[name][1]))
    empty = np.array([name not in row or not len(row[name][1]) for row in rows])
    for k, row in enumerate(rows):
        if not empty[k] and (row[name][0] != kind or (kind == 1 and len(row[name][1]) != 1)):
            got = _KINDS[row[name][0]] if row[name][0] != kind else f"{len(row[name][1])} values"
            raise DataError(
                f"{block.path}: column {name!r} must hold {_KINDS[kind]} in each record"
                f"{', one value' if kind == 1 else ''}; got {got} in row {block.first + k}."
            )
    if kind == 1:
        return pa.array([None if empty[k] else row[name][1][0] for k, row in enumerate(rows)])
    lists = [row[name][1] if name in row else () for row in rows]
    lengths = np.array([len(values) for values in lists])
    flat = np.concatenate([values for values in lists if len(values)])
    if lengths.max() == 1:
        values = np.zeros(len(rows), flat.dtype)
        values[~empty] = flat
        return pa.array(values, mask=empty)
    ends = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    found = pa.LargeListArray.from_arrays(pa.array(ends), pa.array(flat))
    if not empty.any():
        return found
    return pa.array([None if empty[k] else found[k].as_py() for k in range(len(rows))], found.type)
