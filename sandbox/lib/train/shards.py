"""A state in files: which rank writes what, the index that makes shards one state, reading parts.

One rank writes one file. Several write a shard each, `...-00001-of-00002.safetensors`: the whole
tensors that fall to it, and its own slices of the optimiser's slots, by elements:
`slot/momentum/fc.weight[0:512]`. The index, `....safetensors.index.json`, is written last: without
it there is no state. It names each shard with its digest. Any number of ranks reads the parts it
needs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import CheckpointError
from ..engine.files import Place, locate, write_atomic
from .tensors import VERSION, File, Reader

__all__ = [
    "INDEX",
    "Tensors",
    "form",
    "open_file",
    "owners",
    "part_name",
    "read_index",
    "read_part",
    "shard_name",
    "write_index",
]

INDEX = ".index.json"
_PART = re.compile(r"(slot/.+)\[(\d+):(\d+)\]")
Opener = Callable[[str], File]


# Writing ---------------------------------------------------------------------------------------


def shard_name(stem: str, rank: int, ranks: int) -> str:
    """Name a rank's shard."""
    return f"{stem}-{rank + 1:05d}-of-{ranks:05d}.safetensors"


def part_name(name: str, start: int, stop: int, view: Any) -> str:
    """Name some elements of a slot; all of them have the slot's own name."""
    whole = start == 0 and stop == view.stop - view.start
    return name if whole else f"{name}[{start}:{stop}]"


def owners(sizes: Mapping[str, int], ranks: int) -> dict[str, int]:
    """Deal whole tensors to ranks so that all write about the same number of bytes.

    Examples
    --------
    >>> owners({"a": 10, "b": 6, "c": 5}, 2)
    {'a': 0, 'b': 1, 'c': 1}
    """
    loads = [0] * ranks
    found = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        rank = loads.index(min(loads))
        loads[rank] += sizes[name]
        found[name] = rank
    return found


def write_index(
    place: Place,
    meta: Mapping[str, Any],
    shards: Mapping[str, str],
    weights: Mapping[str, str],
    *,
    sync: bool = True,
) -> None:
    """Make one state of shards.

    Parameters
    ----------
    place : where to write.
    meta : what the whole is, as JSON data.
    shards : each shard's file name and digest.
    weights : each tensor's name and file, for other programs that read such an index.
    sync : whether to wait for the disk.
    """
    text = json.dumps({"version": VERSION, "kind": "checkpoint", "shards": dict(shards), **meta})
    note = {"sandbox": text, "digest": _digest(text)}
    content = json.dumps({"metadata": note, "weight_map": dict(sorted(weights.items()))}, indent=0)
    write_atomic(place, content.encode(), sync=sync)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# Reading ---------------------------------------------------------------------------------------


def read_index(text: bytes, place: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what an index says of the whole, and each tensor's file.

    Raises
    ------
    CheckpointError : it is damaged or of a newer version.
    """
    try:
        found = json.loads(text)
        note, weights = found["metadata"], dict(found["weight_map"])
        if _digest(note["sandbox"]) != note["digest"]:
            raise ValueError("its digest does not fit")
        meta: dict[str, Any] = json.loads(note["sandbox"])
        names = dict(meta["shards"])
        if any(Path(name).name != name for name in names):
            raise ValueError("shards must lie beside it")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{place}: must be the whole index of a checkpoint; got {error}. It was cut off or"
            " damaged: use an earlier one."
        ) from None
    if meta["version"] > VERSION:
        raise CheckpointError(
            f"{place}: the format version must be at most {VERSION}; got {meta['version']}."
            " Update this library."
        )
    return meta, weights


class _LocalFile:
    """A file that is closed when nobody holds it any more."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def read(self, size: int, /) -> bytes:
        return os.read(self._descriptor, size)

    def readinto(self, memory: Any, /) -> int:
        return os.readv(self._descriptor, [memory])


def open_file(place: str) -> File:
    """Open a file to read parts of it.

    Raises
    ------
    CheckpointError : it is not there, or cannot be read.
    """
    try:
        path = locate(place)
        file: File = _LocalFile(path) if isinstance(path, Path) else path.open()
    except OSError as error:
        raise CheckpointError(f"{place}: must be a checkpoint file; got {error}.") from None
    return file


class Tensors(Mapping[str, NDArray[Any]]):
    """The tensors of some files by name, each read when it is asked for.

    Parts that are spread over files are one tensor.

    Parameters
    ----------
    readers : the files.
    place : how messages call the whole.

    Raises
    ------
    CheckpointError : parts of a tensor are missing.
    """

    def __init__(self, readers: Sequence[Reader], place: str) -> None:
        self._readers, self._place = readers, place
        self._whole: dict[str, Reader] = {}
        self._parts: dict[str, list[tuple[int, int, str, Reader]]] = {}
        for reader in readers:
            for name in reader.places:
                part = _PART.fullmatch(name)
                if part is None:
                    self._whole[name] = reader
                else:
                    at = (int(part[2]), int(part[3]), name, reader)
                    self._parts.setdefault(part[1], []).append(at)
        for name, parts in self._parts.items():
            parts.sort(key=lambda part: part[0])
            size = int(np.prod(self.form(name)[1], dtype=np.int64))
            ends = [0, *(stop for _, stop, _, _ in parts)]
            if ends[:-1] != [start for start, _, _, _ in parts] or ends[-1] != size:
                raise CheckpointError(f"{place}: must hold all of {name}; parts are missing.")

    def form(self, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """Return a tensor's dtype and shape; a slot has its parameter's shape."""
        if name in self._whole:
            found = self._whole[name].places[name]
            return found.dtype, found.shape
        parameter = "parameter/" + name.split("/", 2)[2]
        _, _, part, reader = self._parts[name][0]
        return reader.places[part].dtype, self._whole[parameter].places[parameter].shape

    def read(self, name: str, into: NDArray[Any]) -> None:
        """Read a tensor into a contiguous array of its dtype and shape."""
        if name in self._whole:
            self._whole[name].read(name, into)
        else:
            self.read_part(name, 0, into.reshape(-1))

    def read_part(self, name: str, start: int, into: NDArray[Any]) -> None:
        """Read so many elements as a vector of its dtype has, from element `start` on."""
        if name in self._whole:
            self._whole[name].read_part(name, start, into)
            return
        for first, last, part, reader in self._parts[name]:
            a, b = max(first, start), min(last, start + into.size)
            if a < b:
                reader.read_part(part, a - first, into[a - start : b - start])

    def check(self) -> None:
        """Read everything once; what was changed raises `CheckpointError`."""
        for reader in self._readers:
            reader.check()

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self:
            raise KeyError(name)
        dtype, shape = self.form(name)
        array = np.empty(shape, dtype)
        self.read(name, array)
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._whole or name in self._parts

    def __iter__(self) -> Iterator[str]:
        yield from self._whole
        yield from self._parts

    def __len__(self) -> int:
        return len(self._whole) + len(self._parts)


def form(tensors: Mapping[str, NDArray[Any]], name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return a tensor's dtype and shape without reading it."""
    if isinstance(tensors, Tensors):
        return tensors.form(name)
    return tensors[name].dtype, tensors[name].shape


def read_part(
    tensors: Mapping[str, NDArray[Any]], name: str, start: int, into: NDArray[Any]
) -> None:
    """Read so many elements as a vector has, from element `start` of a tensor on."""
    if not isinstance(tensors, Tensors):
        into[:] = tensors[name].reshape(-1)[start : start + into.size]
    elif tensors.form(name)[0] == into.dtype:
        tensors.read_part(name, start, into)
    else:
        part = np.empty(into.size, tensors.form(name)[0])
        tensors.read_part(name, start, part)
        into[:] = part
