"""Rows of files, read block by block: what all formats of columns have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import tree, validate
from ...core.errors import DataError
from ...engine.names import meant
from ...engine.oplist import Spec
from .. import arrow
from ..block_cache import BlockCache
from ..blocks import BlockOrder
from ..casting import cast, common_type
from ..dataset import Dataset, DataSpec, Pair, TransformLike
from ..decoding import decoded
from ..named_columns import (
    Columns,
    array_of_columns,
    grouped,
    kept_type,
    names_of,
    row_spec,
    shapes_of,
)
from ..progress import Meter
from .places import PathLike, find

__all__ = ["Block", "BlockFiles"]

BLOCK_BYTES = 8 << 20
MEMORY = 1 << 30
_WINDOW_BYTES = 256 << 20
_LEAST = 4  # blocks of a window


@dataclass(frozen=True)
class Block:
    """A piece of a file that is read in one go.

    Parameters
    ----------
    path : str
    start, stop : int
        Bytes of the file, or what else the format counts.
    rows : int
    first : int
        Number of its first row in the file.
    """

    path: str
    start: int
    stop: int
    rows: int
    first: int = 0


class BlockFiles(Dataset):
    """Base of data sets whose rows are columns of files, in bounded memory.

    A subclass gives `blocks_of`, which cuts a file, and `table`, which reads a block. Blocks are
    the partitions: all ranks may read each, the order of an epoch (`BlockOrder`) mixes the rows of
    some at a time, and those that come next are read ahead in a thread.

    Parameters
    ----------
    path : path or URL, or list of them
        Files, folders, patterns; `hdfs://` and `s3a://` through pyarrow.
    features : str or names, or a dict or tuple of lists of names, optional
        Columns of x, as of `SparkDataset`; None: all columns of numbers but the label.
    label : str, a dict or tuple of str, or None
        Columns of y; None for rows that are only to be predicted.
    classes : list of str, optional
        What the label column's texts may be: y is the place of each in this list.
    shape : tuple of int, or a dict or tuple of them, optional
        Of one row of x.
    label_shape : tuple of int, optional
        Of one row of y, where that is one array: (1,) for `MSE` on a layer of one output.
    bytes_dtype : dtype, default=uint8
        What the bytes of a binary column are.
    decode : function of bytes, optional
        Makes the array of a row of x from the bytes of its one column.
    window : int > 0, optional
        Blocks that are mixed at once; by default as many as make up 256 MB, at least 4.
    memory : int > 0, default=1 GiB
        Bytes of blocks that stay in each process; those of two windows stay in any case.
    transform, dtype
        See `Dataset`.
    """

    shared = True
    suffixes: tuple[str, ...] = ()
    what = "files of rows"

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: Any = None,
        label: Any,
        classes: Sequence[str] | None = None,
        shape: Any = None,
        label_shape: Any = None,
        bytes_dtype: Any = np.uint8,
        decode: Callable[[bytes], Any] | None = None,
        window: int | None = None,
        memory: int = MEMORY,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        name = type(self).__name__
        self.features = None if features is None else grouped(features, "features", name)
        self.label = None if label is None else grouped(label, "label", name)
        self.classes = _texts(classes)
        self._shape = shape
        self._label_shape = None
        if label_shape is not None:
            self._label_shape = validate.shape("label_shape", label_shape)
            if not isinstance(self.label, Columns):
                raise validate.refuse("label_shape", "None unless y is one array", label_shape)
        self.bytes_dtype = validate.number_dtype("bytes_dtype", bytes_dtype)
        self.decode = None if decode is None else validate.function("decode", decode)
        self.window = None if window is None else validate.positive_int("window", window)
        self.memory = validate.positive_int("memory", memory)
        self.paths = find(path, self.suffixes, self.what)
        self._kinds: dict[str, set[Any]] = {}
        self.blocks = [block for block in self.cut(self.paths) if block.rows]
        self._sizes = tuple(block.rows for block in self.blocks)
        if not sum(self._sizes):
            raise DataError(
                f"{self.paths[0]}: the data set must have at least one row; got 0 in "
                f"{len(self.paths)} file(s)."
            )
        self._stored: DataSpec | None = None
        self._cache = BlockCache(self.read, self.memory)
        self.stored()
        self._check_settings()

    # What a format says -----------------------------------------------------------------------

    def cut(self, paths: list[str]) -> list[Block]:
        """Cut all files into blocks."""
        found, meter = [], Meter(f"reading {self.what}")
        rows = nbytes = 0
        for path in paths:
            for block in self.blocks_of(path):
                found.append(block)
                rows, nbytes = rows + block.rows, nbytes + max(0, block.stop - block.start)
                meter.count(rows, nbytes)
        meter.end()
        return found

    def where(self, block: Block, name: str, row: int) -> str:
        """Return how errors call a row of a block that is decoded."""
        return f"{block.path}: column {name!r}, row {block.first + row}"

    @abstractmethod
    def blocks_of(self, path: str) -> Iterable[Block]:
        """Cut a file into blocks; tells `see` the types of columns where it learns them."""

    @abstractmethod
    def table(self, block: Block) -> Any:
        """Return the columns `names()` of a block as an Arrow table."""

    def names(self) -> list[str]:
        """Return the columns that are read."""
        label = [] if self.label is None else names_of(self.label)
        return list(dict.fromkeys([*names_of(self.features), *label]))

    def choose(self, path: str, schema: Any) -> None:
        """Look for the columns in a file's schema, and choose the features if none were named."""
        if self.features is None:
            label = [] if self.label is None else names_of(self.label)
            taken = [f.name for f in schema if f.name not in label and arrow.is_number(f.type)]
            if not taken:
                raise DataError(
                    f"{path}: features must be columns of the file; got no number column. Columns "
                    f"present: {', '.join(schema.names)}."
                )
            self.features = Columns(tuple(taken))
        missing = [name for name in self.names() if name not in schema.names]
        if missing:
            near = {name: meant(name, schema.names) for name in missing}
            hint = "".join(f" {n!r}: is {m!r} meant?" for n, m in near.items() if m is not None)
            raise DataError(
                f"{path}: features and label must be columns of the file; got no column "
                f"{', '.join(map(repr, missing))}. Columns present: {', '.join(schema.names)}."
                f"{hint}"
            )

    def see(self, path: str, schema: Any) -> None:
        """Take note of the types of a file's columns."""
        self.choose(path, schema)
        for name in self.names():
            kind = schema.field(name).type
            if str(kind) != "null":  # of a block of empty places, which its row will tell
                self._kinds.setdefault(name, set()).add(kind)

    # What a data set does ---------------------------------------------------------------------

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each block."""
        return self._sizes

    def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> BlockOrder:
        """Return which rows make up the global batches: a window of blocks mixed at a time."""
        window = self.window
        if window is None:
            typical = max(1, sum(map(self.block_bytes, self.blocks)) // len(self.blocks))
            window = max(_LEAST, _WINDOW_BYTES // typical)
        return BlockOrder(self._sizes, batch_size, window=window, seed=seed, shuffle=shuffle)

    def block_bytes(self, block: Block) -> int:
        """Return about how many bytes a block takes in memory."""
        spec = self.stored()
        row: int = sum(
            s.size * np.dtype(s.dtype).itemsize
            for s in [*tree.leaves(spec.x), *tree.leaves(spec.y)]
        )
        return block.rows * row

    def batch(
        self,
        parts: Iterable[tuple[int, ArrayLike]],
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return rows of several blocks as one batch, and begin to read what comes next."""
        held = getattr(parts, "held", None)
        if held is not None:
            self._cache.expect(held, getattr(parts, "upcoming", ()))
        return super().batch(parts, out=out, random=random)

    def load(self, partition: int) -> Pair:
        """Return the arrays of a block, read if they are not at hand."""
        self._check_partition(partition)
        pair: Pair = self._cache.get(partition)
        return pair

    def held(self, partition: int) -> Any:
        """Return y of a block that is at hand."""
        self._check_partition(partition)
        pair = self._cache.held(partition)
        return None if pair is None else pair[1]

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row; reads a block for it."""
        if self._stored is None:
            first = self.blocks[0]
            table = self.table(first)
            # What is decoded need not be seen as a whole: its first row tells the form.
            x, y = self._pair(first, table if self.decode is None else table.slice(0, 1))
            self._stored = DataSpec(self._joint(x, self.features), self._joint(y, self.label))
        return self._stored

    def _joint(self, found: Any, columns: Any) -> Any:
        """Return the form of a row of the first block in types that hold all blocks'."""
        if columns is None:
            return tree.map(lambda a: Spec(tuple(a.shape[1:]), a.dtype.name), found)
        groups = tree.leaves(columns)
        arrays, form = tree.flatten(found)
        is_x = columns is self.features
        wanted = self._wanted if is_x else None
        specs = []
        for array, group in zip(arrays, groups, strict=True):
            dtype = array.dtype
            seen = [kind for name in group.names for kind in self._kinds.get(name, ())]
            if seen and self._is_number(group):
                kinds = [
                    arrow.type_of(kind, name, self.paths[0])
                    for name in group.names
                    for kind in self._kinds.get(name, ())
                ]
                dtype = kept_type(
                    [common_type(kinds)] * len(group.names), wanted, alone=self._alone
                )
            specs.append(Spec(tuple(array.shape[1:]), dtype.name))
        return form.unflatten(specs)

    def _is_number(self, group: Columns) -> bool:
        """Tell whether columns hold numbers or lists of them, not bytes or texts."""
        kinds = [kind for name in group.names for kind in self._kinds.get(name, ())]
        return all(arrow.holds_numbers(kind) for kind in kinds)

    @property
    def _alone(self) -> bool:
        return isinstance(self.features, Columns)

    @property
    def _wanted(self) -> np.dtype[Any] | None:
        """What the batches want of floats, where no transform comes between."""
        given = isinstance(self.dtype, np.dtype) and self.transform is None
        return self.dtype if given else None

    def read(self, partition: int) -> Pair:
        """Read the arrays of a block, in the form of `stored`."""
        block = self.blocks[partition]
        found = self._pair(block, self.table(block))
        made = []
        for name, part, known in zip("xy", found, self.stored(), strict=True):
            arrays, form = tree.flatten(part)
            fitted = [
                self._fitted(array, spec, block, named)
                for array, spec, named in zip(
                    arrays, tree.leaves(known), self._array_names(name, form), strict=True
                )
            ]
            made.append(form.unflatten(fitted))
        return made[0], made[1]

    def _array_names(self, side: str, form: Any) -> list[str]:
        columns = self.features if side == "x" else self.label
        if columns is None:
            return [side] * form.size
        return ["column " + ", ".join(map(repr, g.names)) for g in tree.leaves(columns)]

    def _fitted(self, array: NDArray[Any], spec: Spec, block: Block, name: str) -> NDArray[Any]:
        """Return an array in the form of the first block's."""
        place = f"{block.path}: {name}"
        if array.shape[1:] != spec.shape:
            raise DataError(
                f"{place} must have shape {spec.shape} in each row, as in the first; got "
                f"{array.shape[1:]} from row {block.first} on. Pad them to one length."
            )
        rows = np.arange(block.first, block.first + len(array))
        return cast(array, spec.dtype, place, rows=rows)

    def _pair(self, block: Block, table: Any) -> Pair:
        """Turn a block's columns into x and y."""
        place, before = block.path, block.first

        def joined(columns: Columns, wanted: np.dtype[Any] | None, alone: bool) -> NDArray[Any]:
            return array_of_columns(
                columns,
                {name: table.column(name) for name in columns.names},
                place,
                before,
                wanted=wanted,
                alone=alone,
                bytes_dtype=self.bytes_dtype,
            )

        def x_of(columns: Columns) -> NDArray[Any]:
            return joined(columns, self._wanted, self._alone)

        def y_of(columns: Columns) -> NDArray[Any]:
            if self.classes is None:
                return self._shaped(joined(columns, None, True), self._label_shape)
            name = columns.names[0]
            return arrow.classes_of(table.column(name), self.classes, name, place, before)

        if self.decode is not None:
            x: Any = self._decoded(self.decode, table, block)
        else:
            x = tree.map(x_of, self.features)
            leaves, form = tree.flatten(x)
            shapes = list(shapes_of(self._shape, self.features, type(self).__name__))
            x = form.unflatten([self._shaped(*both) for both in zip(leaves, shapes, strict=True)])
        if self.label is None:
            return x, np.zeros(table.num_rows, np.int8)
        return x, tree.map(y_of, self.label)

    def _shaped(self, array: NDArray[Any], shape: tuple[int, ...] | None) -> NDArray[Any]:
        if shape is None:
            return array
        spec = Spec(tuple(array.shape[1:]), array.dtype.name)
        return array.reshape(len(array), *row_spec(spec, shape, type(self).__name__).shape)

    def _decoded(self, decode: Callable[[bytes], Any], table: Any, block: Block) -> NDArray[Any]:
        name = names_of(self.features)[0]
        column = arrow.as_bytes(table.column(name))
        if not self._alone or len(names_of(self.features)) > 1 or not arrow.is_bytes(column.type):
            raise DataError(
                f"{block.path}: `decode` must have one column of bytes or texts as features; got "
                f"{name!r} ({column.type})."
            )
        ends, data = arrow.bytes_of_rows(column, name, block.path, block.first)
        spec = None if self._stored is None else tree.leaves(self._stored.x)[0]
        rows = []
        for k in range(len(column)):
            row = data[ends[k] : ends[k + 1]].tobytes()
            made = decoded(decode, row, self.where(block, name, k), spec)
            spec = spec or Spec(made.shape, made.dtype.name)
            rows.append(made)
        return np.stack(rows)

    def check_types(self, partition: int) -> None:
        """Look at a block once, as any data set; errors name the row of the file."""
        try:
            super().check_types(partition)
        except DataError as error:
            block = self.blocks[partition]
            text = str(error).replace(f"partition {partition}, ", "")
            text = re.sub(r"row (\d+)", lambda m: f"row {block.first + int(m[1])}", text, count=1)
            raise DataError(text.replace(str(self), block.path)) from None

    # How errors and people call it ------------------------------------------------------------

    def called(self, side: str, path: str) -> str:
        """Return how errors call an array of x or y: by its column, if it is one."""
        columns = self.features if side == "x" else self.label
        if isinstance(columns, Columns) and len(columns.names) == 1:
            return f"column {columns.names[0]!r}"
        return super().called(side, path)

    def column_names(self) -> Sequence[str]:
        """Return the names of the columns of x, where they lie side by side."""
        return self.features.names if isinstance(self.features, Columns) else ()

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row: by its number in its file."""
        block = self.blocks[partition]
        return f"row {block.first + row} of {block.path}"

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_cache"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._cache = BlockCache(self.read, self.memory)

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}: {super().__repr__()}"

    __str__ = __repr__


def _texts(classes: Any) -> list[str] | None:
    if classes is None:
        return None
    found = validate.several("classes", classes, "a list of texts")
    return [validate.text("classes", one) for one in found]
