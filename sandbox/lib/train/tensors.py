"""Safetensors files, tensor by tensor: nothing is ever held twice, and checks cover everything.

The layout is that of the format: the length of a header, the header as JSON, the numbers. Version 2
ends with one more tensor, the checks: a digest over the header and over the rest of the checks, and
a CRC-32 for each piece of 1 MiB of each tensor. So a file is written from its beginning to its end,
to a disk or to a store that cannot go back, and a reader checks what it reads and no more. Version
1 has one digest over everything in its header, and is read as a whole once.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import CheckpointError

__all__ = ["VERSION", "Reader", "write"]

VERSION = 2
# In the order in which the format's own library lays them out.
_DTYPES = {
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "F32": "<f4",
    "U32": "<u4",
    "I32": "<i4",
    "F16": "<f2",
    "U16": "<u2",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error)
_CHECKS = "sandbox/checks"
_PIECE = 1 << 20  # bytes under one CRC
_AT_ONCE = 16 * _PIECE  # bytes read at once: of an object store each reading is a request
_DIGEST = 16


class File(Protocol):
    """What is needed of an open file."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""

    def read(self, size: int, /) -> bytes:
        """Return bytes from there."""

    def readinto(self, memory: Any, /) -> int:
        """Fill memory with bytes from there."""


class Place(NamedTuple):
    """Where a tensor stands: start and stop count from the end of the header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


# Writing ---------------------------------------------------------------------------------------


def write(
    file: BinaryIO, meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], kind: str
) -> str:
    """Write a file from its beginning to its end, and return the digest that tells it from others.

    Every piece is copied before it is counted into its check and written: what another thread
    writes into a tensor meanwhile cannot make the file one that does not fit its checks.

    Raises
    ------
    CheckpointError : a tensor is of a dtype that the format does not know.
    """
    text = json.dumps({"version": VERSION, "kind": kind, **meta})
    places, header = _header(tensors, text)
    file.write(header)
    sums: list[int] = []
    memory = np.empty(_PIECE, np.uint8)
    for name, place in places.items():
        if name == _CHECKS:
            continue
        flat = np.ascontiguousarray(tensors[name], place.dtype).reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _PIECE):
            part = flat[start : start + _PIECE]
            piece = memory[: part.size]
            np.copyto(piece, part)
            sums.append(zlib.crc32(piece.data))
            file.write(piece.data)
    checks = np.array(sums, "<u4").tobytes()
    digest = _digest(header, checks)
    file.write(digest + checks)
    return digest.hex()


def _digest(header: bytes, checks: bytes) -> bytes:
    digest = hashlib.blake2b(header, digest_size=_DIGEST)
    digest.update(checks)
    return digest.digest()


def _header(tensors: Mapping[str, NDArray[Any]], text: str) -> tuple[dict[str, Place], bytes]:
    """Lay the tensors out as the format's own library does, by dtype, then by name; checks last."""
    # One key only of metadata: so it has been since the first version.
    entries: dict[str, Any] = {"__metadata__": {"sandbox": text}}
    places: dict[str, Place] = {}
    kinds = {name: np.dtype(t.dtype).newbyteorder("<") for name, t in tensors.items()}
    for name, dtype in kinds.items():
        if dtype.str not in _NAMES:
            raise CheckpointError(
                f"{name}: must be of a dtype that files can hold, {', '.join(_DTYPES)}; got"
                f" {dtype}."
            )
    order, start, pieces = list(_NAMES), 0, 0
    for name in sorted(tensors, key=lambda name: (order.index(kinds[name].str), name)):
        dtype, shape = kinds[name], tensors[name].shape
        stop = start + dtype.itemsize * math.prod(shape)
        places[name] = Place(dtype, shape, start, stop)
        pieces += _pieces(places[name])
        start = stop
    size = _DIGEST + 4 * pieces
    places[_CHECKS] = Place(np.dtype(np.uint8), (size,), start, start + size)
    for name, (dtype, shape, start, stop) in places.items():
        entries[name] = {
            "dtype": _NAMES[dtype.str],
            "shape": list(shape),
            "data_offsets": [start, stop],
        }
    data = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-len(data) % 8)
    return places, struct.pack("<Q", len(data)) + data


def _pieces(place: Place) -> int:
    return -(-(place.stop - place.start) // _PIECE)


# Reading ---------------------------------------------------------------------------------------


class Reader:
    """A file that `write` made: what is read of it is checked.

    Parameters
    ----------
    file : open binary file
    kind : "checkpoint" or "model"
        What it must be.
    place : str
        How messages call it.

    Attributes
    ----------
    meta : dict
        The JSON data.
    places : name -> Place(dtype, shape, start, stop)
    digest : str
        What `write` returned.

    Raises
    ------
    CheckpointError : truncated, changed, of another kind or of a newer version; names the place.
    """

    def __init__(self, file: File, kind: str, place: str) -> None:
        self._file, self._name = file, place
        self._checks: dict[str, NDArray[Any]] = {}
        size = file.seek(0, 2)
        try:
            self.places, text, header = _parse(file, size)
        except _UNREADABLE as error:
            raise CheckpointError(
                f"{place}: must be a whole safetensors file; got {size} bytes that are not"
                f" ({error}). It was cut off or damaged: use an earlier one."
            ) from None
        self._begin = len(header)
        if _CHECKS in self.places:
            self._take_checks(header)
        else:
            text = self._read_as_version_1(text)
        self.meta: dict[str, Any] = json.loads(text)
        if self.meta["version"] > VERSION:
            raise CheckpointError(
                f"{place}: the format version must be at most {VERSION}; got"
                f" {self.meta['version']}. Update this library."
            )
        if self.meta["kind"] != kind:
            raise CheckpointError(
                f"{place}: must be a {kind} file; got a {self.meta['kind']} file."
            )

    def read(self, name: str, into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return a tensor, read into a contiguous array of its dtype and shape if one is given."""
        place = self.places[name]
        array = np.empty(place.shape, place.dtype) if into is None else into
        self._fill(name, array.reshape(-1).view(np.uint8), 0)
        return array

    def read_part(self, name: str, start: int, into: NDArray[Any]) -> None:
        """Read so many elements as a contiguous array has, from element `start` of a tensor on.

        The pieces at both ends are read as a whole, for their checks.
        """
        place = self.places[name]
        wanted = into.reshape(-1).view(np.uint8)
        first, at = start * place.dtype.itemsize, 0
        while at < wanted.size:
            inside = (first + at) % _PIECE
            begin, left = first + at - inside, wanted.size - at
            if inside or left < _PIECE:
                piece = np.empty(min(_PIECE, place.stop - place.start - begin), np.uint8)
                self._fill(name, piece, begin)
                found = piece[inside : inside + left]
                wanted[at : at + found.size] = found
                at += found.size
            else:
                whole = left // _PIECE * _PIECE
                self._fill(name, wanted[at : at + whole], begin)
                at += whole

    def check(self) -> None:
        """Read everything once.

        Raises
        ------
        CheckpointError : something was changed.
        """
        memory = np.empty(_AT_ONCE, np.uint8)
        for name in self._checks:
            place = self.places[name]
            for start in range(0, place.stop - place.start, _AT_ONCE):
                self._fill(name, memory[: place.stop - place.start - start], start)

    def _fill(self, name: str, memory: NDArray[np.uint8], start: int) -> None:
        """Fill memory with the bytes from a border between two pieces on, and check them."""
        self._file.seek(self._begin + self.places[name].start + start)
        sums = self._checks.get(name)  # none in version 1
        for at in range(0, memory.size, _AT_ONCE):
            part = memory[at : at + _AT_ONCE]
            whole = self._file.readinto(part.data) == part.size
            if sums is None:
                continue
            pieces = [part[k : k + _PIECE] for k in range(0, part.size, _PIECE)]
            first = (start + at) // _PIECE
            expected = sums[first : first + len(pieces)].tolist()
            if not whole or [zlib.crc32(piece.data) for piece in pieces] != expected:
                raise self._damaged(name)

    def _take_checks(self, header: bytes) -> None:
        place = self.places.pop(_CHECKS)
        self._file.seek(self._begin + place.start)
        found = self._file.read(place.stop - place.start)
        if _digest(header, found[_DIGEST:]) != found[:_DIGEST]:
            raise self._damaged("the header")
        self.digest = found[:_DIGEST].hex()
        sums = np.frombuffer(found[_DIGEST:], "<u4")
        at = 0
        for name, one in sorted(self.places.items(), key=lambda item: item[1].start):
            self._checks[name] = sums[at : at + _pieces(one)]
            at += _pieces(one)

    def _read_as_version_1(self, text: str) -> str:
        digest, space, text = text.partition(" ")
        if not space:
            raise CheckpointError(
                f"{self._name}: must be written by this library; got a safetensors file of another"
                " program."
            )
        found = hashlib.blake2b(text.encode(), digest_size=16)
        for name in sorted(self.places):
            place = self.places[name]
            found.update(f"\0{name}\0{place.dtype.str}\0{place.shape}\0".encode())
            self._file.seek(self._begin + place.start)
            for start in range(place.start, place.stop, _PIECE):
                found.update(self._file.read(min(_PIECE, place.stop - start)))
        if digest != found.hexdigest():
            raise self._damaged("its content")
        self.digest = digest
        return text

    def _damaged(self, what: str) -> CheckpointError:
        return CheckpointError(
            f"{self._name}: {what} must fit its digest; it does not. The file was damaged or"
            " changed after it was written: use an earlier one."
        )


def _parse(file: File, size: int) -> tuple[dict[str, Place], str, bytes]:
    """Return the tensors' places, the text of the metadata, and the header."""
    file.seek(0)
    head = file.read(8)
    (length,) = struct.unpack("<Q", head)
    if length > size - 8:
        raise ValueError("the header is not all there")
    header = file.read(length)
    entries = json.loads(header)
    notes = entries.pop("__metadata__", None) or {}
    places = {name: _place(entry) for name, entry in entries.items()}
    end = 0
    for start, stop in sorted((place.start, place.stop) for place in places.values()):
        if start != end:
            raise ValueError("tensors overlap or leave gaps")
        end = stop
    if 8 + length + end != size:
        raise ValueError(f"the header tells of {8 + length + end} bytes")
    checks = places.get(_CHECKS)
    if checks is not None:
        pieces = sum(map(_pieces, places.values())) - _pieces(checks)
        if checks.stop != end or checks.stop - checks.start != _DIGEST + 4 * pieces:
            raise ValueError("the checks are not those of its tensors")
    return places, str(notes.get("sandbox", "")), head + header


def _place(entry: Mapping[str, Any]) -> Place:
    dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
    start, stop = entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
        raise ValueError("sizes are whole numbers")
    if stop - start != dtype.itemsize * math.prod(shape):
        raise ValueError("a tensor's bytes do not fit its shape")
    return Place(dtype, shape, start, stop)
