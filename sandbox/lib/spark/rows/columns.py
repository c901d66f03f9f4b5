"""Columns of a DataFrame, looked at, and rows of an RDD as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree
from ...core.errors import DataError
from ...data.casting import cast, common_type
from ...data.dataset import Pair
from ...data.named_columns import (
    Columns,
    array_of_columns,
    as_given,
    grouped,
    kept_type,
    names_of,
    quoted,
    row_spec,
    shapes_of,
)
from ...data.trees import arrays, named
from ...engine.names import meant

__all__ = [
    "PICTURE",
    "Columns",
    "array_of_columns",
    "as_given",
    "check_columns",
    "chunks",
    "column",
    "grouped",
    "is_picture",
    "kept_type",
    "names_of",
    "rdd_rows",
    "row_spec",
    "shapes_of",
]

PICTURE = ("height", "width", "nChannels", "data")


def column(name: str) -> Any:
    """Return a column by its very name, whatever signs are in it."""
    from pyspark.sql import functions as f

    return f.col(quoted(name))


def check_columns(
    source: Any, features: list[str], labels: list[str] | None = None, whose: str = "SparkDataset"
) -> None:
    """Refuse columns of a DataFrame that are not there once, or hold no numbers.

    Raises
    ------
    DataError : names the column, and the one that may have been meant.
    """
    from pyspark.sql import types

    labels = labels or []
    wanted = list(dict.fromkeys([*features, *labels]))
    fields = {field.name: field.dataType for field in source.schema.fields}
    missing = [name for name in wanted if name not in fields]
    if missing:
        near = {name: meant(name, fields) for name in missing}
        hint = "".join(f" {n!r}: is {m!r} meant?" for n, m in near.items() if m is not None)
        raise DataError(
            f"{whose}: features and label must be columns of the DataFrame; got no "
            f"{', '.join(missing)}. Columns present: {', '.join(fields)}.{hint}"
        )
    present = [field.name for field in source.schema.fields]
    exact = source.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true"
    for name in wanted:
        alike = [p for p in present if p == name or (not exact and p.lower() == name.lower())]
        if len(alike) > 1:
            raise DataError(
                f"{whose}: column {name!r} must be there once; got {', '.join(alike)}. "
                "After a join, rename or drop one: df.drop(right['...'])."
            )
    for name in wanted:
        kind = fields[name]
        inner = kind.elementType if isinstance(kind, types.ArrayType) else kind
        vector = type(kind).__name__ == "VectorUDT"
        number = isinstance(inner, types.NumericType | types.BooleanType)
        binary = isinstance(kind, types.BinaryType) and name not in labels
        picture = is_picture(kind) and name not in labels
        if not (number or binary or vector or picture) or isinstance(inner, types.DecimalType):
            raise DataError(
                f"{whose}: column {name!r} must hold numbers, lists of numbers, vectors "
                f"or (features only) bytes or pictures; got {kind.simpleString()}. "
                "Convert it first."
            )


def is_picture(kind: Any) -> bool:
    """Tell whether a column's type is that of Spark's `image` source."""
    names = getattr(kind, "names", ())
    return set(PICTURE) <= set(names) and kind["data"].dataType.simpleString() == "binary"


def chunks(rows: Iterator[Any], count: int) -> Iterator[list[Any]]:
    """Give rows in lists of so many, the last perhaps shorter."""
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == count:
            yield some
            some = []
    if some:
        yield some


def rdd_rows(rows: list[Any], partition: int, before: int) -> Pair:
    """Turn pairs (x, y) of an RDD, from row `before` on, into arrays or trees of arrays.

    Each keeps its numbers: rows of integers among rows of floats make floats.

    Raises
    ------
    DataError : a row is no pair, has another form than the first of them, or holds no numbers;
        names the row.
    """
    place = f"partition {partition} of the RDD, row"
    pairs = [_pair(row, f"{place} {before + k}") for k, row in enumerate(rows)]
    x, y = (_stacked([pair[side] for pair in pairs], "xy"[side], place, before) for side in (0, 1))
    return x, y


def _pair(row: Any, place: str) -> Pair:
    """Return x and y of a row as trees of arrays."""
    if not isinstance(row, tuple | list) or len(row) != 2:
        got = f"{type(row).__name__} of {len(row)}" if hasattr(row, "__len__") else repr(row)
        raise DataError(f"{place}: must be a pair (x, y); got a {got}.")
    for name, part in zip("xy", row, strict=True):
        if part is None:
            raise DataError(f"{place}: {name} must be numbers; got None. Fill or drop such rows.")
    x, y = (arrays(part, f"{place}: {name}") for name, part in zip("xy", row, strict=True))
    return x, y


def _stacked(rows: list[Any], side: str, place: str, before: int) -> Any:
    """Return the rows' trees as one tree, each array with a row axis."""
    leaves, form = tree.flatten(rows[0])
    parts: list[list[NDArray[Any]]] = [[] for _ in leaves]
    for k, row in enumerate(rows):
        found, its = tree.flatten(row)
        if its != form:
            raise DataError(
                f"{place} {before + k}: {side} must be a tree like {form} as in row {before}; got "
                f"{its}."
            )
        for array, path, known, first in zip(found, form.paths, parts, leaves, strict=True):
            if array.shape != first.shape:
                raise DataError(
                    f"{place} {before + k}: {named(side, path)} must have shape {first.shape} as "
                    f"in row {before}; got {array.shape}."
                )
            known.append(array)
    joint = []
    for path, known in zip(form.paths, parts, strict=True):
        kinds = {array.dtype for array in known}
        if len(kinds) > 1:
            dtype = common_type(kinds)
            known = [
                cast(array[None], dtype, f"{place} {before + k}: {named(side, path)}")[0]
                for k, array in enumerate(known)
            ]
        joint.append(np.stack(known))
    return form.unflatten(joint)
