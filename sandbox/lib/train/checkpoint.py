"""The state of a run, packed: as bytes while it is small, else as files that are read in parts.

Its tensors are named by what they are (`parameter/conv1.weight`, `buffer/...`,
`slot/momentum/conv1.weight`, `history/loss`), so they do not depend on the number of ranks; one
JSON text says where the run stands.
"""

from __future__ import annotations

import io
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ..core.errors import CheckpointError
from ..engine.files import Place, locate
from .shards import INDEX, Opener, Tensors, open_file, read_index
from .tensors import Reader, write

__all__ = ["Checkpoint", "PackedState", "StateFile", "in_memory", "pack", "unpack"]


@dataclass
class Checkpoint:
    """What a packed state holds.

    Parameters
    ----------
    meta : dict
        Step, epoch, position, seed, fingerprints, the optimiser's config, ... as JSON data.
    tensors : mapping of arrays
        Parameters, buffers and optimiser slots by name; of files, each read when it is asked for.
    """

    meta: dict[str, Any]
    tensors: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Iterations done."""
        return int(self.meta["step"])

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the tensors whose names begin with `prefix/`, without it."""
        n = len(prefix) + 1
        names = [name for name in self.tensors if name.startswith(prefix + "/")]
        return {name[n:]: self.tensors[name] for name in names}


class StateFile:
    """A packed state that lies in a file, or in shards with an index.

    It can be pickled; the copy names the same files.

    Parameters
    ----------
    place : path or URL
        Of the file, or of the index.
    opener : function of (place as text) that gives an open file, optional
        By which ways it is read here; by default as files are.
    """

    def __init__(self, place: str | Place, opener: Opener = open_file) -> None:
        self.place, self._opener = str(place), opener
        self._owned = False

    def open(self, kind: str = "checkpoint") -> Checkpoint:
        """Return what it holds, to be read in parts.

        Raises
        ------
        CheckpointError : it is not there, damaged, or of another kind.
        """
        if not self.place.endswith(INDEX):
            reader = Reader(self._opener(self.place), kind, self.place)
            return Checkpoint(reader.meta, Tensors([reader], self.place))
        meta, _ = read_index(self._text(), self.place)
        folder = self.place.rpartition("/")[0]
        readers = []
        for name, digest in meta["shards"].items():
            reader = Reader(self._opener(f"{folder}/{name}"), "shard", f"{folder}/{name}")
            if reader.digest != digest:
                raise CheckpointError(
                    f"{folder}/{name}: must be the shard that {self.place} was written for; got"
                    " another one. Use an earlier checkpoint."
                )
            readers.append(reader)
        return Checkpoint(meta, Tensors(readers, self.place))

    def _text(self) -> bytes:
        file = self._opener(self.place)
        size = file.seek(0, 2)
        file.seek(0)
        return file.read(size)

    def files(self) -> list[Place]:
        """List what it consists of, the index last."""
        whole = locate(self.place)
        if not self.place.endswith(INDEX):
            return [whole]
        meta, _ = read_index(self._text(), self.place)
        return [*(whole.with_name(name) for name in meta["shards"]), whole]

    def own(self) -> StateFile:
        """Remove the files when nobody holds this object any more; returns it."""
        if not self._owned:
            self._owned = True
            weakref.finalize(self, _remove, self.files())
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return StateFile, (self.place,)

    def __repr__(self) -> str:
        return f"StateFile({self.place!r})"


PackedState: TypeAlias = bytes | StateFile
_OF_FILES = ("version", "kind", "shards")


def in_memory(state: PackedState | None) -> bytes | None:
    """Return a state as bytes, wherever it lies."""
    if not isinstance(state, StateFile):
        return state
    found = state.open()
    meta = {name: value for name, value in found.meta.items() if name not in _OF_FILES}
    return pack(meta, dict(found.tensors), "checkpoint")


def _remove(files: list[Place]) -> None:
    for path in reversed(files):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def pack(meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], kind: str) -> bytes:
    """Return the bytes of a safetensors file that holds the tensors and the JSON data.

    Parameters
    ----------
    meta : dict
        Plain data. Numbers that JSON does not know (NaN, infinity) are kept.
    tensors : dict of arrays
        Any dtype of safetensors.
    kind : "checkpoint" or "model"
        What the reader must ask for.

    Examples
    --------
    >>> import numpy as np
    >>> data = pack({"step": 3}, {"parameter/w": np.ones(2, "f4")}, "checkpoint")
    >>> unpack(data, "checkpoint").step
    3
    """
    file = io.BytesIO()
    write(file, meta, tensors, kind)
    return file.getvalue()


def unpack(data: PackedState, kind: str, place: str = "the checkpoint") -> Checkpoint:
    """Read a packed state: bytes at once, of files what is asked for.

    Raises
    ------
    CheckpointError : truncated, changed, of another kind or of a newer version; names the place.
    """
    if isinstance(data, StateFile):
        return data.open(kind)
    reader = Reader(io.BytesIO(data), kind, place)
    return Checkpoint(reader.meta, {name: reader.read(name) for name in reader.places})
