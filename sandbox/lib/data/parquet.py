"""Parquet files as a data set, read by the ranks themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from .dataset import DataSpec, FileDataset, Pair, TransformLike

PathLike = str | os.PathLike[str]


class ParquetDataset(FileDataset):
    """Columns of Parquet files: numbers side by side, or one column of equally long lists.

    Parameters
    ----------
    path : path, or list of paths
        A file, a folder (all `*.parquet` in it, sorted by name) or a pattern: `day-*.parquet`.
    features : str or list of str, optional
        Columns of x. Number columns become one float32 row; a single list column gives its
        elements. Without it: all number columns but the label, in the order of the file.
    label : str
        Column of y, integers, booleans or floats.
    partition_by : None, "file" or "row_group"
        None: one partition that every rank can read whole. Else ranks own these pieces, and a rank
        reads only what it is asked for.
    transform, dtype
        See `Dataset`.

    Raises
    ------
    DataError : a file is missing or damaged; a column is missing (those present are listed), has
        empty places, or is neither numbers nor lists of one length.

    Examples
    --------
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> pq.write_table(pa.table({"a": [1., 2.], "b": [3, 4], "class": [0, 1]}), "t.parquet")
    >>> ParquetDataset("t.parquet", label="class").rows(0, [1])
    (array([[2., 4.]], dtype=float32), array([1]))
    """

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        *,
        features: str | Sequence[str] | None = None,
        label: str,
        partition_by: str | None = None,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        validate.one_of("partition_by", partition_by, (None, "file", "row_group"))
        self.label, self.partition_by = label, partition_by
        self.paths = [found for one in _listed(path) for found in _find(one)]
        self.shared = partition_by is None
        self._pieces: list[list[tuple[str, int]]] = []  # (file, row group) of each partition
        sizes: list[int] = []
        wanted = [features] if isinstance(features, str) else features
        if wanted is not None:
            wanted = validate.several("features", wanted, "names of columns")
            wanted = [validate.text("features", name) for name in wanted]
        validate.text("label", label)
        self.features: list[str] = []
        for name in self.paths:
            with _opened(name) as file:
                columns = file.schema_arrow
                if not self.features:
                    self.features = list(wanted) if wanted else _numbers(columns, label)
                _check_columns(name, columns, [*self.features, label])
                groups = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
            pieces = [(name, g) for g in range(len(groups))]
            if partition_by == "row_group":
                self._pieces += [[piece] for piece in pieces]
                sizes += groups
            else:
                self._pieces.append(pieces)
                sizes.append(sum(groups))
        if partition_by is None:
            self._pieces, sizes = [[p for pieces in self._pieces for p in pieces]], [sum(sizes)]
        if not sum(sizes):
            raise DataError(
                f"{self.paths[0]}: the data set must have at least one row; got 0 in "
                f"{len(self.paths)} file(s)."
            )
        self._sizes = tuple(sizes)
        self._stored: DataSpec | None = None

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition."""
        return self._sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row; reads one row group of a list column."""
        if self._stored is None:
            name, group = next(p for pieces in self._pieces for p in pieces if _rows(*p))
            x, y = self._read_piece(name, group)
            self._stored = DataSpec(
                Spec(tuple(x.shape[1:]), x.dtype.name), Spec(tuple(y.shape[1:]), y.dtype.name)
            )
        return self._stored

    def column_name(self, index: tuple[int, ...]) -> str:
        """Return the number of a column with its name in the file."""
        number = super().column_name(index)
        return f"{number} ({self.features[index[0]]!r})" if len(self.features) > 1 else number

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"{self.paths[0]}{more}: {super().__repr__()}"

    __str__ = __repr__

    def read(self, partition: int) -> Pair:
        """Read the columns of a partition into arrays."""
        shape = self.stored().x.shape
        x = np.empty((self._sizes[partition], *shape), np.float32)
        y = np.empty(self._sizes[partition], self.stored().y.dtype)
        start = 0
        for name, group in self._pieces[partition]:
            part_x, part_y = self._read_piece(name, group)
            stop = start + len(part_y)
            if len(part_y) and part_x.shape[1:] != shape:
                raise DataError(
                    f"{name}: lists in column {self.features[0]!r} must have {shape[0]} elements "
                    f"as in the first file; got {part_x.shape[1]}."
                )
            x[start:stop] = part_x.reshape(len(part_y), *shape)
            y[start:stop] = part_y
            start = stop
        return x, y

    def _read_piece(self, name: str, group: int) -> Pair:
        with _opened(name) as file:
            before = sum(file.metadata.row_group(g).num_rows for g in range(group))
            table = file.read_row_group(group, columns=[*self.features, self.label])
        y = _column(table.column(self.label), name, self.label, before)
        if y.ndim != 1:
            raise DataError(f"{name}: label column {self.label!r} must be numbers; got lists.")
        columns = [_column(table.column(c), name, c, before) for c in self.features]
        if len(columns) == 1 and columns[0].ndim == 2:
            return columns[0].astype(np.float32, copy=False), y
        x = np.empty((len(y), len(columns)), np.float32)
        for i, (feature, column) in enumerate(zip(self.features, columns, strict=True)):
            if column.ndim != 1:
                raise DataError(
                    f"{name}: feature columns must all be numbers, or one column of lists; got "
                    f"lists in {feature!r} beside {len(columns) - 1} other columns."
                )
            x[:, i] = column
        return x, y


def _listed(path: PathLike | Sequence[PathLike]) -> list[PathLike]:
    if not isinstance(path, str | os.PathLike):
        paths = validate.several("path", path, "a path or a list of paths")
        if not paths:
            raise validate.refuse("path", "a path or a list of paths", path)
        return [validate.path_like("path", one) for one in paths]
    return [validate.path_like("path", path)]


def _find(path: PathLike) -> list[str]:
    text = os.fspath(path)
    if "://" in text and not text.startswith("file://"):
        raise DataError(
            f"{text}: must be a path that each rank can open; got a "
            f"{text.split('://')[0]} address. "
            "Read it with Spark and give the DataFrame to the Spark backend."
        )
    place = Path(text.removeprefix("file://")).absolute()
    if place.is_dir():
        found = sorted(str(p) for p in place.rglob("*.parquet") if p.name[0] not in "._")
    elif any(sign in place.name for sign in "*?["):
        found = sorted(str(p) for p in place.parent.glob(place.name))
    else:
        found = [str(place)]
    if not found:
        raise DataError(f"{text}: must hold Parquet files; got none. Check the path.")
    return found


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(name) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(
                f"{name}: must be a Parquet file; got no file. Check the path."
            ) from None
        size = Path(name).stat().st_size if Path(name).exists() else 0
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"{name}: must be a whole Parquet file; got {size} bytes that cannot be read "
            f"({reason}). Fetch or write the file again."
        ) from None


def _rows(name: str, group: int) -> int:
    with _opened(name) as file:
        return int(file.metadata.row_group(group).num_rows)


def _numbers(schema: Any, label: str) -> list[str]:
    import pyarrow.types as kinds

    return [
        field.name
        for field in schema
        if field.name != label and (kinds.is_integer(field.type) or kinds.is_floating(field.type))
    ]


def _check_columns(name: str, schema: Any, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in schema.names]
    if missing or not wanted[:-1]:
        what = f"no column {', '.join(map(repr, missing))}" if missing else "no number column"
        raise DataError(
            f"{name}: features and label must be columns of the file; got {what}. "
            f"Columns present: {', '.join(schema.names)}."
        )


def _column(column: Any, name: str, title: str, before: int) -> NDArray[Any]:
    """Return a column as a 1-D array of numbers, or 2-D if it holds lists."""
    import pyarrow as pa
    import pyarrow.types as kinds

    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    kind = array.type
    if array.null_count:
        row = before + int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(
            f"{name}: column {title!r} must have a value in each row; got {array.null_count} empty "
            f"ones, the first in row {row}. Fill or drop them."
        )
    if kinds.is_boolean(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False), np.bool_)
    if kinds.is_integer(kind) or kinds.is_floating(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        lengths = np.asarray(array.value_lengths())
        if len(lengths) and (lengths != lengths[0]).any():
            row = int(np.flatnonzero(lengths != lengths[0])[0])
            raise DataError(
                f"{name}: lists in column {title!r} must have {lengths[0]} elements as in the "
                f"first row; got {lengths[row]} in row {before + row}. Pad them to one length."
            )
        flat = _column(pa.chunked_array([array.flatten()]), name, title, 0)
        return flat.reshape(len(lengths), -1) if len(lengths) else flat.reshape(0, 0)
    raise DataError(
        f"{name}: column {title!r} must hold numbers or lists of numbers; got {kind}. "
        "Convert it, or leave it out of `features`."
    )
