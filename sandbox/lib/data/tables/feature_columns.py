"""Features of tables for wide & deep networks: fitted once, the same in training and use."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...engine.files import locate
from ..files import made_folder, read_json, write_text
from . import column_statistics
from .columns import Buckets, Category, Column, Cross, Number, from_config, learned
from .tabular import as_columns, check_columns

__all__ = ["FeatureColumns"]

_FORMAT = "feature columns 1"
_LARGEST = 1 << 31  # ids are int32


class FeatureColumns:
    """Turn the columns of a table into the inputs of a network: ids of categories, and numbers.

    ids[n, f] = id of row n in field f + sizes of the fields before;
    row[n, k] = number k of row n, at mean 0 and deviation 1

    Parameters
    ----------
    columns : list of Number, Buckets, Category, Cross
        Fitted ones, see `fit`. Fields are ordered: those of the deep part first.

    Raises
    ------
    ArgumentError : there is none, one is not fitted, two have the same name, or a cross names a
        field that is not there.
    DataError : in `table`, a column is missing or holds something else, a number is not finite;
        names column, row and the cure.

    Notes
    -----
    Fit on the training part only. `fields`, `numbers` and `embedded` are what
    `nn.zoo.wide_and_deep` asks for. Categories share one table of weights, so ids are those of all
    fields, one behind the other.
    In a Spark ML Pipeline the stage `spark.ml.FeatureEncoder` holds it.
    Like BigDL `ColumnFeatureInfo` and `row_to_sample` (Analytics Zoo): sizes are measured here, not
    declared; rows are not turned one by one.

    Examples
    --------
    >>> from sandbox.lib.data.tables.columns import Category, Cross, Number
    >>> people = {"age": [20, 40], "job": ["cook", "smith"], "town": ["Rome", None]}
    >>> features = FeatureColumns.fit(
    ...     people, [Number("age"), Category("job"), Category("town"), Cross(["job", "town"])])
    >>> features
    FeatureColumns(1 number, 3 fields of 4, 3, 12 ids, 2 embedded)
    >>> ids, row = features.table({"age": [30], "job": ["king"], "town": ["Rome"]})
    >>> ids, row
    (array([[ 1,  6, 12]], dtype=int32), array([[0.]], dtype=float32))
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        found = _checked(columns)
        for column in found:
            if not column.fitted:
                raise ArgumentError(
                    f"FeatureColumns: columns must be fitted; got {column!r}. Use "
                    "FeatureColumns.fit(table, columns)."
                )
        self.columns = tuple(found)
        self._numbers = [one for one in found if isinstance(one, Number)]
        fields = [one for one in found if isinstance(one, Buckets | Category | Cross)]
        self._fields = sorted(fields, key=lambda one: not one.deep)  # stable
        sizes: dict[str, int] = {}
        for field in fields:
            if not isinstance(field, Cross):
                sizes[field.name] = field.size
        for field in fields:
            if isinstance(field, Cross):
                sizes[field.name] = field.size_of([sizes[part] for part in field.columns])
        self._sizes = sizes
        self.fields = tuple(sizes[field.name] for field in self._fields)
        self.embedded = sum(field.deep for field in fields)
        self.numbers = len(self._numbers)
        if sum(self.fields) >= _LARGEST:
            largest = max(sizes, key=lambda name: sizes[name])
            raise ArgumentError(
                f"FeatureColumns: there must be fewer than 2**31 ids; got {sum(self.fields):,}, "
                f"most of them for {largest!r}. Give it `buckets`."
            )
        self._offsets = np.cumsum([0, *self.fields[:-1]], dtype=np.int64)

    @classmethod
    def fit(cls, data: Any, columns: Sequence[Column]) -> FeatureColumns:
        """Measure what the columns have to know.

        Parameters
        ----------
        data : mapping of columns, pandas or Spark DataFrame, Arrow table
            The training part. A Spark DataFrame is measured by Spark: one aggregation for the
            numbers, one for all words.
        columns : list of Number, Buckets, Category, Cross
            What is given already (`mean`, `boundaries`, `vocabulary`) is not measured.
        """
        found = _checked(columns)
        asked = [column for column in found if not column.fitted]
        if hasattr(data, "mapInArrow") and not isinstance(data, type):
            check_columns("FeatureColumns.fit", _read(found), data.columns)
            measured = column_statistics.of_frame(asked, data)
        else:
            table = as_columns(data)
            check_columns("FeatureColumns.fit", _read(found), list(table))
            measured = column_statistics.of_table(asked, table)
        answers = iter(measured)
        return cls([one if one.fitted else learned(one, next(answers)) for one in found])

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arrays that come out: "ids" where there are fields, "row" for numbers."""
        return tuple(n for n, used in (("ids", self.fields), ("row", self.numbers)) if used)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in the order of `fields`."""
        return tuple(field.name for field in self._fields)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the table's columns that are read."""
        return tuple(_read(self.columns))

    def table(self, data: Any) -> Any:
        """Return (ids, row) of a table; only one of them where there are no fields or no numbers.

        Parameters
        ----------
        data : mapping of columns, pandas DataFrame, Arrow table

        Shapes
        ------
        ids : (rows, fields) int32
        row : (rows, numbers) float32
        """
        if hasattr(data, "mapInArrow") and not isinstance(data, type):
            raise DataError(
                "FeatureColumns.table: must be data of this process; got a Spark DataFrame. Use "
                "spark.ml.FeatureEncoderModel(features).transform(df)."
            )
        table = as_columns(data)
        check_columns("FeatureColumns", self.reads, list(table))
        parts = self.parts(table)
        return tuple(parts) if len(parts) > 1 else parts[0]

    def parts(self, table: Any, place: str = "", first: int = 0) -> list[NDArray[Any]]:
        """Return the arrays that `inputs` names, of columns by name (lists, arrays, Arrow).

        `place` says in errors where the rows are, `first` the number of the first of them.
        """
        parts: list[NDArray[Any]] = []
        if self._fields:
            parts.append(self._ids(table, place, first))
        if self._numbers:
            columns = [
                one.scaled(column_statistics.numbers(one, table[one.column], place, first))
                for one in self._numbers
            ]
            parts.append(np.stack(columns, axis=1).astype(np.float32))
        return parts

    def _ids(self, table: Any, place: str, first: int) -> NDArray[np.int32]:
        found: dict[str, NDArray[np.int64]] = {}
        for field in self._fields:
            if isinstance(field, Buckets):
                values = column_statistics.numbers(field, table[field.column], place, first)
                found[field.name] = field.ids(values)
            elif isinstance(field, Category):
                words = column_statistics.words(field, table[field.column], place)
                found[field.name] = field.ids(words)
        for field in self._fields:
            if isinstance(field, Cross):
                sizes = [self._sizes[part] for part in field.columns]
                found[field.name] = field.ids([found[part] for part in field.columns], sizes)
        ids = np.stack([found[field.name] for field in self._fields], axis=1)
        return (ids + self._offsets).astype(np.int32)

    def config(self) -> dict[str, Any]:
        """Return it as JSON-able data, see `from_config`."""
        return {"format": _FORMAT, "columns": [column.config() for column in self.columns]}

    @classmethod
    def from_config(cls, config: Any) -> FeatureColumns:
        """Return what `config` described.

        Raises
        ------
        DataError : it describes no fitted columns.
        """
        try:
            if config["format"] != _FORMAT:
                raise KeyError("format")
            return cls([from_config(one) for one in config["columns"]])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"must be written by FeatureColumns; got {error!r}.") from None

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `features.json` into a folder."""
        place = made_folder(folder)
        write_text(place / "features.json", json.dumps(self.config(), indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> FeatureColumns:
        """Read what `save` wrote."""
        path = locate(validate.path_like("folder", folder)) / "features.json"
        try:
            return cls.from_config(read_json(path, "features of a table"))
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureColumns) and self.columns == other.columns

    def __hash__(self) -> int:
        return hash(self.columns)

    def __repr__(self) -> str:
        said = [f"{self.numbers} number{'s' * (self.numbers != 1)}"]
        if self.fields:
            sizes = ", ".join(map(str, self.fields[:12])) + " ..." * (len(self.fields) > 12)
            said += [
                f"{len(self.fields)} field{'s' * (len(self.fields) != 1)} of {sizes} ids",
                f"{self.embedded} embedded",
            ]
        return f"FeatureColumns({', '.join(said)})"


def _checked(columns: Any) -> list[Column]:
    """Return columns of which each can be made."""
    found: list[Column] = validate.several("columns", columns, "a list of feature columns")
    if not found:
        raise ArgumentError("FeatureColumns: `columns` must name at least one; got none.")
    for column in found:
        if not isinstance(column, Number | Buckets | Category | Cross):
            raise ArgumentError(
                "FeatureColumns: columns must be Number, Buckets, Category or Cross of "
                f"data.columns; got {column!r}."
            )
    for number in (True, False):
        called = [one.name for one in found if isinstance(one, Number) == number]
        twice = sorted({name for name in called if called.count(name) > 1})
        if twice:
            raise ArgumentError(
                f"FeatureColumns: {'numbers' if number else 'fields'} must have different names; "
                f"got {', '.join(map(repr, twice))} several times."
            )
    parts = [one.name for one in found if isinstance(one, Buckets | Category)]
    for column in found:
        if isinstance(column, Cross):
            unknown = [name for name in column.columns if name not in parts]
            if unknown:
                raise ArgumentError(
                    f"FeatureColumns: {column!r} must name buckets or categories of the same list; "
                    f"got {', '.join(map(repr, unknown))}. There are: {', '.join(parts) or 'none'}."
                )
    return found


def _read(columns: Sequence[Column]) -> list[str]:
    found = (one.column for one in columns if isinstance(one, Number | Buckets | Category))
    return list(dict.fromkeys(found))
