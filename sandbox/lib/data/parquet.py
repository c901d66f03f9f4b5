"""Parquet files as a data set, read by the ranks themselves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..core import validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from . import arrow
from .casting import cast, common_type, side_by_side
from .dataset import DataSpec, Pair, TransformLike
from .file_dataset import FileDataset

PathLike = str | os.PathLike[str]


class ParquetDataset(FileDataset):
    """Columns of Parquet files: numbers side by side, or one column of equally long lists.

    Parameters
    ----------
    path : path, or list of paths
        A file, a folder (all `*.parquet` in it, sorted by name) or a pattern: `day-*.parquet`.
    features : str or list of str, optional
        Columns of x: numbers side by side, whole numbers alone as they are, else floats; a single
        list column gives its elements. Without it: all columns of numbers and booleans but the
        label, in the order of the file, without the row labels that pandas writes; a warning says
        which ones were left out.
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
        kinds: dict[str, list[np.dtype[Any]]] = {}
        for name in self.paths:
            with _opened(name) as file:
                columns = file.schema_arrow
                if not self.features:
                    self.features = list(wanted) if wanted else _choose(name, columns, label)
                _check_columns(name, columns, [*self.features, label])
                for title in (*self.features, label) if file.metadata.num_rows else ():
                    kind = arrow.type_of(columns.field(title).type, title, name)
                    kinds.setdefault(title, []).append(kind)
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
        self._x_type = common_type(kind for title in self.features for kind in kinds[title])
        self._y_type = common_type(kinds[label])
        self._stored: DataSpec | None = None

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition."""
        return self._sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row; reads one row group of a list column."""
        if self._stored is None:
            name, group = next(p for pieces in self._pieces for p in pieces if _rows(*p))
            x, _ = self._read_piece(name, group)
            self._stored = DataSpec(
                Spec(tuple(x.shape[1:]), x.dtype.name), Spec((), self._y_type.name)
            )
        return self._stored

    def called(self, side: str, path: str) -> str:
        """Return how errors call x or y: y by its column."""
        return side if side == "x" else f"column {self.label!r}"

    def column_names(self) -> Sequence[str]:
        """Return the names of the columns of x."""
        return self.features

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
        stored = self.stored()
        x = np.empty((self._sizes[partition], *stored.x.shape), stored.x.dtype)
        y = np.empty(self._sizes[partition], stored.y.dtype)
        start = 0
        for name, group in self._pieces[partition]:
            part_x, part_y = self._read_piece(name, group)
            stop = start + len(part_y)
            if len(part_y) and part_x.shape[1:] != stored.x.shape:
                raise DataError(
                    f"{name}: lists in column {self.features[0]!r} must have {stored.x.shape[0]} "
                    f"elements as in the first file; got {part_x.shape[1]}."
                )
            x[start:stop] = part_x.reshape(len(part_y), *stored.x.shape)
            y[start:stop] = part_y
            start = stop
        return x, y

    def _read_piece(self, name: str, group: int) -> Pair:
        with _opened(name) as file:
            before = sum(file.metadata.row_group(g).num_rows for g in range(group))
            table = file.read_row_group(group, columns=[*self.features, self.label])
        y = arrow.array_of(table.column(self.label), self.label, name, before)
        if y.ndim != 1:
            raise DataError(f"{name}: label column {self.label!r} must be numbers; got lists.")
        rows = np.arange(before, before + len(y))
        y = cast(y, self._y_type, f"{name}: column {self.label!r}", rows=rows)
        columns = [arrow.array_of(table.column(c), c, name, before) for c in self.features]
        wanted = self._x_type if self.transform is not None else self.dtype or self._x_type
        if len(columns) == 1 and columns[0].ndim == 2:
            return side_by_side(columns, self.features, name, wanted, before), y
        for feature, column in zip(self.features, columns, strict=True):
            if column.ndim != 1:
                raise DataError(
                    f"{name}: feature columns must all be numbers, or one column of lists; got "
                    f"lists in {feature!r} beside {len(columns) - 1} other columns."
                )
        return side_by_side(columns, self.features, name, wanted, before), y


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


def _choose(name: str, schema: Any, label: str) -> list[str]:
    """Return all columns that can be features, and say once which ones are not taken."""
    labels = [
        n for n in (schema.pandas_metadata or {}).get("index_columns", ()) if n in schema.names
    ]
    taken = [f.name for f in schema if f.name not in (label, *labels) and arrow.is_number(f.type)]
    left = [f"{f.name} ({f.type})" for f in schema if f.name != label and f.name not in taken]
    if left and taken and label in schema.names:
        warnings.warn(
            f"{name}: features are {', '.join(taken)}; left out: {', '.join(left)}. "
            "Name the columns: ParquetDataset(..., features=[...]).",
            stacklevel=3,
        )
    return taken


def _check_columns(name: str, schema: Any, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in schema.names]
    if missing or not wanted[:-1]:
        what = f"no column {', '.join(map(repr, missing))}" if missing else "no number column"
        raise DataError(
            f"{name}: features and label must be columns of the file; got {what}. "
            f"Columns present: {', '.join(schema.names)}."
        )
