"""Columns of a DataFrame and rows of an RDD as arrays: names, reading, the form of a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import ArgumentError, DataError, SandboxError
from ..data.dataset import Pair
from ..data.trees import arrays, is_tree, named
from ..engine.oplist import Spec


@dataclass(frozen=True)
class Columns:
    """Names of columns that make one array."""

    names: tuple[str, ...]


def grouped(given: Any, what: str) -> Any:
    """Return a tree of `Columns`: a name, or a list or tuple of names, is one array."""
    if isinstance(given, dict):
        return {key: grouped(item, what) for key, item in given.items()}
    if isinstance(given, tuple) and not all(isinstance(item, str) for item in given):
        return tuple(grouped(item, what) for item in given)
    names = (given,) if isinstance(given, str) else ()
    if isinstance(given, list | tuple):
        names = tuple(given)
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(
            f"SparkDataset: `{what}` must be names of columns, several of them for one array, or a "
            f"dict or tuple of lists of those; got {given!r}."
        )
    return Columns(names)


def as_given(columns: Columns) -> Any:
    """Return the names of an array's columns as `SparkDataset` takes them."""
    return columns.names[0] if len(columns.names) == 1 else list(columns.names)


def names_of(columns: Any) -> list[str]:
    """Return the names of all columns of a tree of `Columns`."""
    return [name for group in tree.leaves(columns) for name in group.names]


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


def rdd_rows(rows: list[Any], partition: int, before: int) -> Pair:
    """Turn pairs (x, y) of an RDD, from row `before` on, into arrays or trees of arrays."""
    try:
        x, y = (_stacked([row[place] for row in rows]) for place in (0, 1))
    except (SandboxError, TypeError, ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"partition {partition} of the RDD, rows {before} to {before + len(rows) - 1}: must be "
            f"pairs (x, y) of numbers, all of one shape; got {error}."
        ) from None
    for name, part in (("x", x), ("y", y)):
        leaves, form = tree.flatten(part)
        for path, array in zip(form.paths, leaves, strict=True):
            if array.dtype.kind not in "iubf":
                raise DataError(
                    f"partition {partition} of the RDD, row {before}: {named(name, path)} must be "
                    f"numbers; got dtype {array.dtype}."
                )
    return x, y


def _stacked(rows: list[Any]) -> Any:
    if not is_tree(rows[0]):
        return np.stack([np.asarray(row) for row in rows])
    return tree.map(lambda *parts: np.stack(parts), *[arrays(row, "a row") for row in rows])


def array_of(
    column: Any, name: str, place: str, before: int, bytes_dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Turn one Arrow column into an array with one row per row."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.null_count:
        row = before + array.is_null().to_pylist().index(True)
        raise DataError(f"{place}, row {row}: column {name!r} must have a value; got none.")
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _same_length(
            [np.frombuffer(item.as_buffer(), bytes_dtype) for item in array], name, place, before
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            row = int(np.argmax(lengths != lengths[0]))
            raise DataError(
                f"{place}, row {before + row}: lists of column {name!r} must have {lengths[0]} "
                f"numbers as in the row before; got {lengths[row]}."
            )
        flat = array_of(array.flatten(), name, place, before, bytes_dtype)
        return flat.reshape(len(array), -1) if len(array) else flat.reshape(0, 0)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _same_length(rows: list[NDArray[Any]], name: str, place: str, before: int) -> NDArray[Any]:
    if len({len(row) for row in rows}) > 1:
        row = next(i for i, part in enumerate(rows) if len(part) != len(rows[0]))
        raise DataError(
            f"{place}, row {before + row}: bytes of column {name!r} must hold {len(rows[0])} "
            f"numbers as in the row before; got {len(rows[row])}."
        )
    return np.stack(rows)


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def row_spec(array: NDArray[Any], shape: tuple[int, ...] | None) -> Spec:
    """Return what one row is, in the given shape if there is one; float64 becomes float32."""
    found = array.shape[1:]
    wanted = found if shape is None else shape
    if int(np.prod(wanted)) != int(np.prod(found)):
        raise DataError(
            f"SparkDataset: `shape` must have the {int(np.prod(found))} numbers of the first row; "
            f"got {wanted}."
        )
    return Spec(tuple(wanted), _plain(array.dtype).name)
