"""Rows of DataFrames and RDDs on their way to the ranks: packed blocks of NumPy memory.

Spark's map tasks turn each partition into a few blocks (partition, number, rows, x bytes, y bytes;
of a tree the bytes of one array after the other), a shuffle brings them to the rank that owns the
partition, and there they become one array (or tree) for the partition, in the partition's own order
whatever order they arrived in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import DataError
from ..data.casting import cast
from ..data.dataset import Dataset, DataSpec, Pair
from ..data.trees import named
from ..engine.oplist import Spec

__all__ = ["SCHEMA", "Frame", "FrameRows", "Packer", "Rows"]

SCHEMA = "rank int, tag int, partition int, number int, rows int, x binary, y binary"
NAMES = ["rank", "tag", "partition", "number", "rows", "x", "y"]
BLOCK_BYTES = 1 << 18


@dataclass(frozen=True)
class Frame:
    """What ranks know of a DataFrame or RDD before its rows come.

    Parameters
    ----------
    tag : 0 for training, 1 for validation.
    sizes : rows of each partition, as counted by Spark.
    owner : rank of each partition.
    x, y : shape and dtype of one row, or trees of them.
    """

    tag: int
    sizes: tuple[int, ...]
    owner: tuple[int, ...]
    x: Any
    y: Any


class Packer:
    """Collects the rows of one partition and cuts them into blocks."""

    def __init__(
        self, frame: Frame, partition: int, names: tuple[str, str] = ("features", "label")
    ) -> None:
        self.frame = frame
        self.names = names
        self.partition = partition
        self.number = 0
        self.seen = 0
        self._waiting: list[list[list[NDArray[Any]]]] = []
        self._bytes = 0

    def add(self, x: Any, y: Any) -> Iterator[tuple[Any, ...]]:
        """Take rows; yields a block when enough are there."""
        columns = [
            self._all(side, spec, name)
            for side, spec, name in zip(
                (x, y), (self.frame.x, self.frame.y), self.names, strict=True
            )
        ]
        arrays = [array for column in columns for array in column]
        rows = len(arrays[0])
        if any(len(array) != rows for array in arrays):
            raise DataError(
                f"partition {self.partition}: {' and '.join(self.names)} must have the same rows; "
                f"got {', '.join(str(len(array)) for array in arrays)}."
            )
        self.seen += rows
        self._waiting.append(columns)
        self._bytes += sum(array.nbytes for array in arrays)
        if self._bytes >= BLOCK_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[tuple[Any, ...]]:
        """Yield what is left."""
        if not self._waiting:
            return
        x, y = (
            [np.concatenate(parts) for parts in zip(*column, strict=True)]
            for column in zip(*self._waiting, strict=True)
        )
        self._waiting, self._bytes = [], 0
        rows = len(x[0])
        row_bytes = max(1, sum(array.nbytes for array in x + y) // max(1, rows))
        step = max(1, 4 * BLOCK_BYTES // row_bytes)
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            yield (
                self.frame.owner[self.partition],
                self.frame.tag,
                self.partition,
                self.number,
                stop - start,
                *(b"".join(a[start:stop].tobytes() for a in column) for column in (x, y)),
            )
            self.number += 1

    def _all(self, values: Any, specs: Any, what: str) -> list[NDArray[Any]]:
        """Return the arrays of a tree, each fitted to its spec."""
        wanted, form = tree.flatten(specs)
        found, its = tree.flatten(values)
        if its != form:
            raise DataError(
                f"partition {self.partition}, row {self.seen}: {what} must be a tree like {form} as"
                f" in the first row; got {its}."
            )
        return [
            self._fit(array, spec, named(what, path))
            for array, spec, path in zip(found, wanted, form.paths, strict=True)
        ]

    def _fit(self, array: NDArray[Any], spec: Spec, what: str) -> NDArray[Any]:
        if array.shape[1:] != spec.shape:
            count = int(np.prod(spec.shape))
            if array.size != len(array) * count:
                raise DataError(
                    f"partition {self.partition}, row {self.seen}: {what} must have shape "
                    f"{spec.shape} as in the first row; got {array.shape[1:]}."
                )
            array = array.reshape(len(array), *spec.shape)
        place = f"partition {self.partition}: {what}"
        rows = np.arange(self.seen, self.seen + len(array))
        return np.ascontiguousarray(cast(array, spec.dtype, place, rows=rows))


class Rows:
    """A rank's own input: all blocks that Spark sent to it."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self._blocks: dict[int, list[tuple[int, int, int, Any, Any]]] | None = None

    def _read(self) -> dict[int, list[tuple[int, int, int, Any, Any]]]:
        if self._blocks is None:
            self._blocks = {}
            for batch in self._batches:
                if batch.schema.names != NAMES:
                    continue
                columns = [batch.column(name) for name in NAMES]
                tags, partitions, numbers, rows = (columns[i].to_pylist() for i in (1, 2, 3, 4))
                for i, tag in enumerate(tags):
                    blocks = self._blocks.setdefault(tag, [])
                    x, y = columns[5][i].as_buffer(), columns[6][i].as_buffer()
                    blocks.append((partitions[i], numbers[i], rows[i], x, y))
        return self._blocks

    def take(self, tag: int) -> list[tuple[int, int, int, Any, Any]]:
        """Return the blocks of one data set in the order of their partitions."""
        blocks = self._read().pop(tag, [])
        return sorted(blocks, key=lambda block: block[:2])

    def finish(self) -> None:
        """Read the input to its end, as Spark expects."""
        self._read()
        self._blocks = {}


class FrameRows(Dataset):
    """The partitions of a DataFrame or RDD that this rank owns, as arrays.

    Raises
    ------
    DataError : the rows that came are not those that were counted.
    """

    shared = False

    def __init__(
        self,
        frame: Frame,
        like: Dataset,
        blocks: list[tuple[int, int, int, Any, Any]],
        rank: int,
        size: int,
    ) -> None:
        super().__init__(transform=like.transform, dtype=like.dtype)
        self._classes = like._classes
        self._like = like
        self.frame = frame
        self.owner = list(frame.owner)
        self._parts: dict[int, Pair] = {}
        by_partition: dict[int, list[tuple[int, int, int, Any, Any]]] = {}
        for block in blocks:
            by_partition.setdefault(block[0], []).append(block)
        for partition, count in enumerate(frame.sizes):
            if frame.owner[partition] != rank:
                continue
            mine = by_partition.pop(partition, [])
            got = sum(block[2] for block in mine)
            if got != count:
                raise DataError(
                    f"partition {partition} of the DataFrame must have {count} rows as counted; got"
                    f" {got}. Its rows change from one reading to the next: call cache() or "
                    "checkpoint() on it before training."
                )
            self._parts[partition] = (
                _join([(block[2], block[3]) for block in mine], frame.x, count),
                _join([(block[2], block[4]) for block in mine], frame.y, count),
            )
        if by_partition:
            raise DataError(
                f"rank {rank} got rows of partition {min(by_partition)}, which had none when "
                "counted: call cache() or checkpoint() on the DataFrame before training."
            )

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition, also of those that other ranks own."""
        return self.frame.sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return DataSpec(self.frame.x, self.frame.y)

    def called(self, side: str, path: str) -> str:
        """Return how errors call an array of x or y."""
        return self._like.called(side, path)

    def load(self, partition: int) -> Pair:
        """Return the arrays of a partition that is held here."""
        part = self._parts.get(partition)
        if part is None:
            raise DataError(
                f"FrameRows: partition must be one held here {sorted(self._parts)}; got "
                f"{partition}."
            )
        return part


def _join(blocks: list[tuple[int, Any]], specs: Any, count: int) -> Any:
    """Return the (tree of) arrays of a partition from its blocks: their rows and their bytes."""
    leaves, form = tree.flatten(specs)
    arrays = [np.empty((count, *spec.shape), spec.dtype) for spec in leaves]
    at = 0
    for rows, buffer in blocks:
        start = 0
        for array, spec in zip(arrays, leaves, strict=True):
            part = np.frombuffer(buffer, spec.dtype, rows * spec.size, start)
            array[at : at + rows] = part.reshape(rows, *spec.shape)
            start += part.nbytes
        at += rows
    return form.unflatten(arrays)
