"""Columns by name: which ones make up x and y, and their numbers side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import ArgumentError, DataError
from ..engine.oplist import Spec
from .arrow import array_of
from .casting import cast, common_type, side_by_side

__all__ = [
    "Columns",
    "array_of_columns",
    "as_given",
    "grouped",
    "kept_type",
    "names_of",
    "quoted",
    "row_spec",
    "shapes_of",
]


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
    """Return the names of an array's columns as data sets take them."""
    return columns.names[0] if len(columns.names) == 1 else list(columns.names)


def names_of(columns: Any) -> list[str]:
    """Return the names of all columns of a tree of `Columns`."""
    return [name for group in tree.leaves(columns) for name in group.names]


def shapes_of(
    given: Any, columns: Any, whose: str = "SparkDataset"
) -> Iterator[tuple[int, ...] | None]:
    """Give the shape of each array, None for as it is stored."""
    if isinstance(columns, Columns):
        yield None if given is None else validate.shape("shape", given)
        return
    parts = columns if isinstance(columns, dict) else dict(enumerate(columns))
    said = dict(enumerate(given)) if isinstance(given, tuple) else given or {}
    if not isinstance(said, dict) or not set(said) <= set(parts):
        raise ArgumentError(
            f"{whose}: `shape` must go with the features {', '.join(map(str, parts))}; got "
            f"{given!r}. Name them: {{'image': (28, 28)}}."
        )
    for key, part in sorted(parts.items()):
        yield from shapes_of(said.get(key), part, whose)


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


def row_spec(found: Spec, shape: tuple[int, ...] | None, whose: str = "SparkDataset") -> Spec:
    """Return what one row is, in the given shape if there is one."""
    if shape is None:
        return found
    if int(np.prod(shape)) != found.size:
        raise DataError(
            f"{whose}: `shape` must have the {found.size} numbers of the first row; got {shape}."
        )
    return Spec(tuple(shape), found.dtype)


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


def quoted(name: str) -> str:
    """Return a column's name as Spark's SQL reads it, whatever signs are in it."""
    return "`" + name.replace("`", "``") + "`"
