"""Columns of a DataFrame and rows of an RDD as arrays: names, reading, the form of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree, validate
from ...core.errors import ArgumentError, DataError
from ...data.arrow import array_of
from ...data.casting import cast, common_type, side_by_side
from ...data.dataset import Pair
from ...data.trees import arrays, named
from ...engine.names import meant
from ...engine.oplist import Spec


@dataclass(frozen=True)
class Columns:
    """Names of columns that make one array."""

    names: tuple[str, ...]


def grouped(given: Any, what: str, whose: str = "SparkDataset") -> Any:
    """Return a tree of `Columns`: a name, or a list or tuple of names, is one array."""
    if isinstance(given, dict):
        return {key: grouped(item, what, whose) for key, item in given.items()}
    if isinstance(given, tuple) and not all(isinstance(item, str) for item in given):
        return tuple(grouped(item, what, whose) for item in given)
    names = (given,) if isinstance(given, str) else ()
    if isinstance(given, list | tuple):
        names = tuple(given)
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"{whose}: `{what}` must be names of columns, several of them for one array, or a "
            f"dict or tuple of lists of those; got {given!r}."
        )
    return Columns(names)


def as_given(columns: Columns) -> Any:
    """Return the names of an array's columns as `SparkDataset` takes them."""
    return columns.names[0] if len(columns.names) == 1 else list(columns.names)


def names_of(columns: Any) -> list[str]:
    """Return the names of all columns of a tree of `Columns`."""
    return [name for group in tree.leaves(columns) for name in group.names]


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
        if not (number or binary or vector) or isinstance(inner, types.DecimalType):
            raise DataError(
                f"{whose}: column {name!r} must hold numbers, lists of numbers, vectors "
                f"or (features only) bytes; got {kind.simpleString()}. Convert it first."
            )


def shapes_of(given: Any, columns: Any) -> Iterator[tuple[int, ...] | None]:
    """Give the shape of each array, None for as it is stored."""
    if isinstance(columns, Columns):
        yield None if given is None else validate.shape("shape", given)
        return
    parts = columns if isinstance(columns, dict) else dict(enumerate(columns))
    said = dict(enumerate(given)) if isinstance(given, tuple) else given or {}
    if not isinstance(said, dict) or not set(said) <= set(parts):
        raise ArgumentError(
            f"SparkDataset: `shape` must go with the features {', '.join(map(str, parts))}; got "
            f"{given!r}. Name them: {{'image': (28, 28)}}."
        )
    for key, part in sorted(parts.items()):
        yield from shapes_of(said.get(key), part)


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


def kept_type(
    kinds: list[np.dtype[Any]], wanted: np.dtype[Any] | None, *, alone: bool
) -> np.dtype[Any]:
    """Return the type in which the columns of one array travel and are kept.

    Parameters
    ----------
    kinds : list of numpy dtypes
        Of the columns.
    wanted : numpy dtype or None
        What the batches want; None to keep what is stored.
    alone : bool
        Whether x is this one array, not a tree in which integers stay integers.
    """
    joint = common_type(kinds)
    if wanted is None or (joint.kind == "f") > (wanted.kind == "f"):
        return joint
    if joint.kind == "f":
        return wanted if wanted.itemsize < joint.itemsize or len(kinds) > 1 else joint
    return wanted if alone and len(kinds) > 1 else joint


def array_of_columns(
    columns: Columns,
    table: Mapping[str, Any],
    place: str,
    first: int,
    *,
    wanted: np.dtype[Any] | None,
    alone: bool,
    bytes_dtype: Any = None,
) -> NDArray[Any]:
    """Return the one array that some columns make, side by side if they are several.

    Parameters
    ----------
    table : mapping of names to Arrow columns
    place, first : how errors call the table, and the number of its first row.
    wanted, alone : see `kept_type`.
    bytes_dtype : numpy dtype, optional
        What bytes hold.
    """
    names = columns.names
    parts = [array_of(table[name], name, place, first, bytes_dtype) for name in names]
    dtype = kept_type([part.dtype for part in parts], wanted, alone=alone)
    if len(parts) > 1:
        return side_by_side(parts, names, place, dtype, first)
    rows = np.arange(first, first + len(parts[0]))
    return cast(parts[0], dtype, f"{place}: column {names[0]!r}", rows=rows)


def row_spec(found: Spec, shape: tuple[int, ...] | None) -> Spec:
    """Return what one row is, in the given shape if there is one."""
    if shape is None:
        return found
    if int(np.prod(shape)) != found.size:
        raise DataError(
            f"SparkDataset: `shape` must have the {found.size} numbers of the first row; got "
            f"{shape}."
        )
    return Spec(tuple(shape), found.dtype)
