"""Rows of DataFrames and RDDs as packed blocks: a row of Spark's holds a megabyte of NumPy memory.

A block is (partition, first row in it, rows, form, digest, data): the bytes of one array after the
other, those of x first. The form tells structure, shapes and dtypes. The digest is that of all
bytes of the partition up to the block's end, so that its last block tells whether a partition is
still the one that was counted.
"""

from __future__ import annotations

import functools
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree
from ...core.errors import DataError
from ...data.trees import named
from ...engine.oplist import Spec

__all__ = ["BLOCK_BYTES", "NAMES", "RAGGED", "SCHEMA", "Form", "Packer", "Ragged", "record_batch"]

NAMES = ["partition", "first", "rows", "form", "digest", "data"]
SCHEMA = "partition int, first bigint, rows int, form string, digest bigint, data binary"
BLOCK_BYTES = 1 << 20
RAGGED = "bytes"  # the dtype of a row whose bytes vary in number
Block = tuple[int, int, int, str, int, bytes]


class Ragged:
    """Rows of bytes of varying length.

    Parameters
    ----------
    ends : (rows + 1,) int64
        Where each row begins in `data`, and where the last ends.
    data : 1-D uint8

    Examples
    --------
    >>> rows = Ragged(np.array([0, 2, 2, 5]), np.frombuffer(b"abcde", np.uint8))
    >>> [bytes(row) for row in rows], [bytes(row) for row in rows[1:3]]
    ([b'ab', b'', b'cde'], [b'', b'cde'])
    >>> [bytes(row) for row in Ragged.read(b"." + rows[1:].tobytes(), 2, 1)]
    [b'', b'cde']
    """

    def __init__(self, ends: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        self.ends, self.data = ends, data

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in a block."""
        return int(self.ends.nbytes + self.ends[-1] - self.ends[0])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, rows: slice) -> Ragged:
        start, stop, _ = rows.indices(len(self))
        return Ragged(self.ends[start : stop + 1], self.data)

    def __iter__(self) -> Iterator[memoryview]:
        for start, stop in itertools.pairwise(self.ends):
            yield self.data[start:stop].data

    def tobytes(self) -> bytes:
        """Return ends, then bytes."""
        low, high = self.ends[0], self.ends[-1]
        ends: bytes = (self.ends - low).tobytes()
        return ends + self.data[low:high].tobytes()

    @classmethod
    def joined(cls, parts: Sequence[Ragged]) -> Ragged:
        """Return several as one."""
        lengths = np.concatenate([np.diff(part.ends) for part in parts])
        data = np.concatenate([part.data[part.ends[0] : part.ends[-1]] for part in parts])
        return cls(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), data)

    @classmethod
    def read(cls, block: Any, rows: int, at: int) -> Ragged:
        """Return what `tobytes` wrote into a block, from byte `at` on."""
        ends = np.frombuffer(block, np.int64, rows + 1, at)
        return cls(ends, np.frombuffer(block, np.uint8, int(ends[-1]), at + ends.nbytes))


@dataclass(frozen=True)
class Form:
    """What a row is: trees of `Spec`.

    Examples
    --------
    >>> form = Form({"ids": Spec((2,), "int64")}, Spec((), "float32"))
    >>> Form.from_json(form.to_json()) == form, form.row_bytes
    (True, 20)
    """

    x: Any
    y: Any

    @property
    def specs(self) -> list[Spec]:
        """Those of x, then those of y."""
        return [*tree.leaves(self.x), *tree.leaves(self.y)]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return sum(np.dtype(spec.dtype).itemsize * spec.size for spec in self.specs)

    def places(self, names: tuple[str, str]) -> list[str]:
        """Return how errors call each array, from what they call x and y."""
        return [
            named(name, path)
            for name, part in zip(names, (self.x, self.y), strict=True)
            for path in tree.flatten(part)[1].paths
        ]

    def like(self, specs: list[Spec]) -> Form:
        """Return the same structure with other specs."""
        x_form, y_form = tree.flatten(self.x)[1], tree.flatten(self.y)[1]
        return Form(x_form.unflatten(specs[: x_form.size]), y_form.unflatten(specs[x_form.size :]))

    def to_json(self) -> str:
        """Return it as text."""
        parts = []
        for part in (self.x, self.y):
            specs, form = tree.flatten(part)
            parts.append([form.to_json(), [[list(s.shape), s.dtype] for s in specs]])
        return json.dumps(parts)

    @classmethod
    @functools.lru_cache(maxsize=64)
    def from_json(cls, text: str) -> Form:
        """Rebuild it."""
        x, y = (
            tree.Structure.from_json(form).unflatten([Spec(tuple(s), d) for s, d in specs])
            for form, specs in json.loads(text)
        )
        return cls(x, y)


class Packer:
    """Collects the rows of one partition and cuts them into blocks.

    Parameters
    ----------
    partition : int
    names : (str, str)
        How errors call x and y.
    salt : int
        What digests begin with: another one for each packing, so that Spark takes none for another
        of the same source.

    Raises
    ------
    DataError : rows differ in structure or shape from the partition's first.
    """

    def __init__(
        self, partition: int, names: tuple[str, str] = ("features", "label"), salt: int = 0
    ) -> None:
        self.partition, self.names = partition, names
        self.seen = 0
        self._written = 0
        self._digest = salt
        self._first: Form | None = None
        self._form: Form | None = None
        self._waiting: list[list[Any]] = []
        self._bytes = 0
        self.nbytes = 0  # that are packed

    def add(self, x: Any, y: Any) -> Iterator[Block]:
        """Take rows; yields blocks when enough are there."""
        arrays = [*tree.leaves(x), *tree.leaves(y)]
        rows = len(arrays[0])
        if any(len(array) != rows for array in arrays):
            raise DataError(
                f"partition {self.partition}: {' and '.join(self.names)} must have the same rows; "
                f"got {', '.join(str(len(array)) for array in arrays)}."
            )
        if not rows:
            return
        form = Form(tree.map(_spec, x), tree.map(_spec, y))
        self._first = self._first or form
        check_alike(form, self._first, self.names, f"partition {self.partition}, row {self.seen}")
        if form != self._form:  # numbers of another type
            yield from self.flush()
        self._form = form
        self.seen += rows
        self._waiting.append(arrays)
        self._bytes += sum(array.nbytes for array in arrays)
        if self._bytes >= BLOCK_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Block]:
        """Yield what is left."""
        if not self._waiting or self._form is None:
            return
        arrays = [_joined(parts) for parts in zip(*self._waiting, strict=True)]
        self._waiting, self._bytes = [], 0
        form = self._form.to_json()
        for start, stop in _cuts(arrays, self._form.row_bytes):
            data = b"".join(array[start:stop].tobytes() for array in arrays)
            self._digest = zlib.crc32(data, self._digest)
            yield self.partition, self._written, stop - start, form, self._digest, data
            self._written += stop - start
            self.nbytes += len(data)


def _joined(parts: Sequence[Any]) -> Any:
    return Ragged.joined(parts) if isinstance(parts[0], Ragged) else np.concatenate(parts)


def _cuts(arrays: list[Any], row_bytes: int) -> Iterator[tuple[int, int]]:
    """Give ranges of rows that fill a block, at least a row each."""
    rows = len(arrays[0])
    ends = np.arange(1, rows + 1) * row_bytes
    for array in arrays:
        if isinstance(array, Ragged):
            ends = ends + array.ends[1:] - array.ends[0]
    start = 0
    while start < rows:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK_BYTES, side="right")))
        yield start, stop
        start = stop


def check_alike(form: Form, first: Form, names: tuple[str, str], place: str) -> None:
    """Refuse rows of another structure or shape; types may differ.

    Raises
    ------
    DataError : names the place and the array.
    """
    for name, part, known in zip(names, (form.x, form.y), (first.x, first.y), strict=True):
        structure, wanted = tree.flatten(part)[1], tree.flatten(known)[1]
        if structure != wanted:
            raise DataError(
                f"{place}: {name} must be a tree like {wanted} as in the first row; got "
                f"{structure}."
            )
    for name, spec, known in zip(form.places(names), form.specs, first.specs, strict=True):
        if spec.shape != known.shape:
            raise DataError(
                f"{place}: {name} must have shape {known.shape} as in the first row; got "
                f"{spec.shape}."
            )


def record_batch(block: Block) -> Any:
    """Return a block as a batch of one row, for `mapInArrow`."""
    import pyarrow as pa

    kinds = [pa.int32(), pa.int64(), pa.int32(), pa.string(), pa.int64(), pa.binary()]
    schema = pa.schema(list(zip(NAMES, kinds, strict=True)))
    return pa.RecordBatch.from_pydict(
        {name: [value] for name, value in zip(NAMES, block, strict=True)}, schema
    )


def _spec(array: Any) -> Spec:
    if isinstance(array, Ragged):
        return Spec((), RAGGED)
    return Spec(tuple(array.shape[1:]), array.dtype.name)
