"""Safetensors files, tensor by tensor: nothing is ever held twice, and a digest covers everything.

The layout is that of the format: the length of a header, the header as JSON, the numbers. The
metadata hold one text, which begins with a digest over that text and all tensors in order of name.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.errors import CheckpointError

__all__ = ["VERSION", "Reader", "write"]

VERSION = 1
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
_PIECE = 1 << 20  # bytes read or written at once
_UNWRITTEN = "0" * 32


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


def write(
    file: BinaryIO, meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], kind: str
) -> None:
    """Write a file that can be sought in.

    Every piece is copied before it is counted into the digest and written: what another thread
    writes into a tensor meanwhile cannot make the file one that does not fit its digest.

    Raises
    ------
    CheckpointError : a tensor is of a dtype that the format does not know.
    """
    text = json.dumps({"version": VERSION, "kind": kind, **meta})
    places, header = _header(tensors, f"{_UNWRITTEN} {text}")
    file.write(header)
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in sorted(tensors):
        place = places[name]
        array = np.ascontiguousarray(tensors[name], place.dtype)
        digest.update(_introduction(name, place))
        file.seek(len(header) + place.start)
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE].tobytes()
            digest.update(piece)
            file.write(piece)
    file.seek(header.index(_UNWRITTEN.encode()))
    file.write(digest.hexdigest().encode())


def _header(tensors: Mapping[str, NDArray[Any]], text: str) -> tuple[dict[str, Place], bytes]:
    """Lay the tensors out as the format's own library does: by dtype, then by name."""
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
    order, start = list(_NAMES), 0
    for name in sorted(tensors, key=lambda name: (order.index(kinds[name].str), name)):
        dtype, shape = kinds[name], tensors[name].shape
        stop = start + dtype.itemsize * math.prod(shape)
        places[name] = Place(dtype, shape, start, stop)
        entries[name] = {
            "dtype": _NAMES[dtype.str],
            "shape": list(shape),
            "data_offsets": [start, stop],
        }
        start = stop
    data = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    data += b" " * (-len(data) % 8)
    return places, struct.pack("<Q", len(data)) + data


def _introduction(name: str, place: Place) -> bytes:
    return f"\0{name}\0{place.dtype.str}\0{place.shape}\0".encode()


class Reader:
    """A file that `write` made, checked as a whole before anything of it is used.

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

    Raises
    ------
    CheckpointError : truncated, changed, of another kind or of a newer version; names the place.
    """

    def __init__(self, file: File, kind: str, place: str) -> None:
        self._file = file
        size = file.seek(0, 2)
        try:
            self.places, text, self._begin = _parse(file, size)
        except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
            raise CheckpointError(
                f"{place}: must be a whole safetensors file; got {size} bytes that are not"
                f" ({error}). It was cut off or damaged: use an earlier one."
            ) from None
        digest, space, text = text.partition(" ")
        if not space:
            raise CheckpointError(
                f"{place}: must be written by this library; got a safetensors file of another"
                " program."
            )
        if digest != self._digest(text):
            raise CheckpointError(
                f"{place}: the digest must fit the content; it does not. The file was damaged or"
                " changed after it was written: use an earlier one."
            )
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
        flat = array.reshape(-1).view(np.uint8)
        self._file.seek(self._begin + place.start)
        for start in range(0, flat.size, _PIECE):
            self._file.readinto(flat[start : start + _PIECE].data)
        return array

    def _digest(self, text: str) -> str:
        digest = hashlib.blake2b(text.encode(), digest_size=16)
        for name in sorted(self.places):
            place = self.places[name]
            digest.update(_introduction(name, place))
            self._file.seek(self._begin + place.start)
            for start in range(place.start, place.stop, _PIECE):
                digest.update(self._file.read(min(_PIECE, place.stop - start)))
        return digest.hexdigest()


def _parse(file: File, size: int) -> tuple[dict[str, Place], str, int]:
    """Return the tensors' places, the text of the metadata, and where the numbers begin."""
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    if length > size - 8:
        raise ValueError("the header is not all there")
    entries = json.loads(file.read(length))
    notes = entries.pop("__metadata__", None) or {}
    places = {name: _place(entry) for name, entry in entries.items()}
    end = 0
    for start, stop in sorted((place.start, place.stop) for place in places.values()):
        if start != end:
            raise ValueError("tensors overlap or leave gaps")
        end = stop
    if 8 + length + end != size:
        raise ValueError(f"the header tells of {8 + length + end} bytes")
    return places, str(notes.get("sandbox", "")), 8 + length


def _place(entry: Mapping[str, Any]) -> Place:
    dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
    start, stop = entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
        raise ValueError("sizes are whole numbers")
    if stop - start != dtype.itemsize * math.prod(shape):
        raise ValueError("a tensor's bytes do not fit its shape")
    return Place(dtype, shape, start, stop)
