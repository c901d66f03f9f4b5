"""Spark's ML vectors as Arrow holds them: into lists of numbers, and out of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_vectors", "lists_of", "vectors_of"]

_PARTS = ("type", "size", "indices", "values")
_SPARSE, _DENSE = 0, 1


def is_vectors(kind: Any) -> bool:
    """Tell whether an Arrow type is that of Spark's vectors, a struct of their four parts."""
    import pyarrow.types as kinds

    return bool(kinds.is_struct(kind)) and tuple(part.name for part in kind) == _PARTS


def lists_of(column: Any) -> Any:
    """Return a column of vectors, dense and sparse ones, as lists; empty rows stay empty.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = [
    ...     {"type": 1, "size": None, "indices": None, "values": [1.0, 2.0]},
    ...     {"type": 0, "size": 2, "indices": [1], "values": [5.0]},
    ... ]
    >>> kind = pa.struct([("type", pa.int8()), ("size", pa.int32()),
    ...                   ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))])
    >>> lists_of(pa.array(rows, kind)).to_pylist()
    [[1.0, 2.0], [0.0, 5.0]]
    """
    import pyarrow as pa
    import pyarrow.compute as compute

    kinds, values = column.field("type"), column.field("values")
    valid = column.is_valid()
    if not compute.any(compute.and_(valid, compute.equal(kinds, _SPARSE))).as_py():
        return compute.if_else(valid, values, pa.scalar(None, values.type))
    here = np.asarray(valid)
    sparse = (np.asarray(kinds.fill_null(_DENSE)) == _SPARSE) & here
    given = _lengths(values) * here
    lengths = np.where(sparse, np.asarray(column.field("size").fill_null(0)), given)
    ends = np.cumsum(lengths, dtype=np.int64)
    starts = ends - lengths
    flat = np.zeros(int(lengths.sum()), np.float64)
    found = np.asarray(values.filter(valid).flatten())
    row = np.repeat(np.arange(len(column)), given)  # of each number that is given
    within = np.arange(len(found)) - np.repeat(np.cumsum(given) - given, given)
    in_sparse = sparse[row]
    within[in_sparse] = np.asarray(column.field("indices").filter(pa.array(sparse)).flatten())
    flat[starts[row] + within] = found
    offsets = pa.array(np.concatenate([[0], ends]), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, pa.array(flat), mask=pa.array(~here))


def _lengths(lists: Any) -> NDArray[np.int64]:
    return np.asarray(lists.value_lengths().fill_null(0)).astype(np.int64)


def vectors_of(array: NDArray[Any], kind: Any) -> Any:
    """Return the rows of an array (rows, n) as dense vectors of this Arrow type.

    Examples
    --------
    >>> import pyarrow as pa
    >>> kind = pa.struct([("type", pa.int8()), ("size", pa.int32()),
    ...                   ("indices", pa.list_(pa.int32())), ("values", pa.list_(pa.float64()))])
    >>> vectors_of(np.ones((1, 2)), kind).to_pylist()
    [{'type': 1, 'size': None, 'indices': None, 'values': [1.0, 1.0]}]
    """
    import pyarrow as pa

    rows, size = array.shape
    types = {part.name: part.type for part in kind}
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * size)
    values = pa.array(np.ascontiguousarray(array, np.float64).reshape(-1))
    parts = [
        pa.array(np.full(rows, _DENSE, np.int8)),
        pa.nulls(rows, types["size"]),
        pa.nulls(rows, types["indices"]),
        pa.ListArray.from_arrays(offsets, values, type=types["values"]),
    ]
    return pa.StructArray.from_arrays(parts, fields=list(kind))
