"""Rows of DataFrames and RDDs as packed blocks: a row of Spark's holds a megabyte of NumPy memory.

A block is (partition, first row in it, rows, form, digest, data): the bytes of one array after the
other, those of x first. The form tells structure, shapes and dtypes. The digest is that of all
bytes of the partition up to the block's end, so that its last block tells whether a partition is
still the one that was counted.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import DataError
from ..data.trees import named
from ..engine.oplist import Spec

__all__ = ["BLOCK_BYTES", "NAMES", "SCHEMA", "Form", "Packer", "record_batch"]

NAMES = ["partition", "first", "rows", "form", "digest", "data"]
SCHEMA = "partition int, first bigint, rows int, form string, digest bigint, data binary"
BLOCK_BYTES = 1 << 20
Block = tuple[int, int, int, str, int, bytes]


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
        self._waiting: list[list[NDArray[Any]]] = []
        self._bytes = 0

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
        arrays = [np.concatenate(parts) for parts in zip(*self._waiting, strict=True)]
        self._waiting, self._bytes = [], 0
        rows, form = len(arrays[0]), self._form.to_json()
        step = max(1, BLOCK_BYTES // max(1, self._form.row_bytes))
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            data = b"".join(array[start:stop].tobytes() for array in arrays)
            self._digest = zlib.crc32(data, self._digest)
            yield self.partition, self._written, stop - start, form, self._digest, data
            self._written += stop - start


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


def _spec(array: NDArray[Any]) -> Spec:
    return Spec(tuple(array.shape[1:]), array.dtype.name)
