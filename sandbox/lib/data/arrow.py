"""Columns of Arrow tables as arrays: numbers, lists of numbers, bytes; exact, nothing empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

__all__ = [
    "array_of",
    "as_bytes",
    "bytes_of_rows",
    "classes_of",
    "holds_numbers",
    "is_bytes",
    "is_number",
    "type_of",
]


def array_of(
    column: Any, name: str, place: str, first: int = 0, bytes_dtype: Any = None
) -> NDArray[Any]:
    """Return a column as an array (rows,), or (rows, n, ...) if it holds lists or bytes.

    Parameters
    ----------
    column : pyarrow Array or ChunkedArray
        Numbers, booleans, lists of these of one length (also lists of lists), or bytes.
    name, place : str
        How errors call the column, and where it is.
    first : int
        The number that errors give the first row.
    bytes_dtype : numpy dtype, optional
        What bytes hold; without it they are refused.

    Raises
    ------
    DataError : a place is empty, lists differ in length, or it holds no numbers; names the row.

    Examples
    --------
    >>> import pyarrow as pa
    >>> array_of(pa.array([[1, 2], [3, 4]]), "a", "t.parquet")
    array([[1, 2],
           [3, 4]])
    >>> array_of(pa.array([1, None]), "a", "t.parquet")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: t.parquet: column 'a' must have a value in each row; got \
none in row 1 (1 of 2 rows). Fill such rows or drop them.
    """
    array = _whole(column)
    _refuse_empty(array.is_null(), len(array), name, place, first)
    if is_number(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if bytes_dtype is not None and is_bytes(array.type):
        return _bytes(array, name, place, first, bytes_dtype)
    if not _is_list(array.type):
        raise _no_numbers(array.type, name, place)
    if not holds_numbers(array.type):
        raise _no_numbers(array.type, name, place)
    shape, inner, each = [len(array)], array, 1
    while _is_list(inner.type):
        lengths = np.asarray(inner.value_lengths())
        _refuse_lengths(lengths, "lists", name, place, first, each)
        shape.append(int(lengths[0]) if len(lengths) else 0)
        each *= shape[-1]
        inner = inner.flatten()
        if inner.null_count:
            empty = np.asarray(inner.is_null()).reshape(len(array), -1).any(axis=1)
            _refuse_empty(empty, len(array), name, place, first)
    return np.asarray(inner.to_numpy(zero_copy_only=False)).reshape(shape)


def bytes_of_rows(
    column: Any, name: str, place: str, first: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the bytes of a binary column, and where each row begins (and the last ends) in them.

    Parameters are those of `array_of`.

    Raises
    ------
    DataError : a place is empty; names the row.

    Examples
    --------
    >>> import pyarrow as pa
    >>> offsets, data = bytes_of_rows(pa.array([b"ab", b"", b"c"]), "a", "t.parquet")
    >>> offsets.tolist(), bytes(data)
    ([0, 2, 2, 3], b'abc')
    """
    import pyarrow.types as kinds

    array = _whole(column)
    _refuse_empty(array.is_null(), len(array), name, place, first)
    _, places, data = array.buffers()
    width = np.dtype(np.int64 if kinds.is_large_binary(array.type) else np.int32)
    offsets = np.frombuffer(places, width, len(array) + 1, array.offset * width.itemsize)
    whole = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return offsets.astype(np.int64), whole


def _bytes(array: Any, name: str, place: str, first: int, dtype: Any) -> NDArray[Any]:
    """Return bytes of one length as an array that reads the column's own memory."""
    if not len(array):
        return np.zeros((0, 0), dtype)
    offsets, data = bytes_of_rows(array, name, place, first)
    lengths, size = np.diff(offsets), np.dtype(dtype).itemsize
    _refuse_lengths(lengths, "bytes", name, place, first)
    if lengths[0] % size:
        raise DataError(
            f"{_called(name, place)} must hold whole numbers of {size} bytes ({np.dtype(dtype)}); "
            f"got {lengths[0]} bytes in row {first}."
        )
    count = len(array) * int(lengths[0]) // size
    flat = np.frombuffer(data, dtype, count, int(offsets[0])) if count else np.zeros(0, dtype)
    return flat.reshape(len(array), -1) if count else flat.reshape(len(array), 0)


def _whole(column: Any) -> Any:
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1:
        return column.chunk(0)  # which is not copied
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def is_number(kind: Any) -> bool:
    """Tell whether an Arrow type is a number or boolean of NumPy's; decimals are not."""
    import pyarrow.types as kinds

    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind))


def _is_list(kind: Any) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def is_bytes(kind: Any) -> bool:
    """Tell whether an Arrow type is that of bytes of any number."""
    import pyarrow.types as kinds

    return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def holds_numbers(kind: Any) -> bool:
    """Tell whether an Arrow type is a number, or lists of them."""
    return is_number(_innermost(kind))


def _innermost(kind: Any) -> Any:
    while _is_list(kind):
        kind = kind.value_type
    return kind


def classes_of(
    column: Any, classes: Sequence[str], name: str, place: str, first: int = 0
) -> NDArray[np.int64]:
    """Return for each text of a column its place among `classes`.

    Raises
    ------
    DataError : a place is empty, or a text is none of them; names the row.

    Examples
    --------
    >>> import pyarrow as pa
    >>> classes_of(pa.array(["no", "yes", "no"]), ["no", "yes"], "paid", "t.csv")
    array([0, 1, 0])
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _whole(column)
    _refuse_empty(array.is_null(), len(array), name, place, first)
    texts = pc.utf8_trim_whitespace(array.cast(pa.string()))
    found = pc.index_in(texts, value_set=pa.array(list(classes), pa.string()))
    unknown = np.asarray(found.is_null())
    if unknown.any():
        row = int(unknown.argmax())
        raise DataError(
            f"{_called(name, place)} must hold one of the classes "
            f"{', '.join(map(repr, classes))}; got {texts[row].as_py()!r} in row {first + row}."
        )
    return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.int64)


def as_bytes(column: Any) -> Any:
    """Return a column of texts as one of their bytes in UTF-8; others as they are."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_string(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.large_binary()) if kinds.is_large_string(column.type) else column


def type_of(kind: Any, name: str, place: str) -> np.dtype[Any]:
    """Return the NumPy dtype of a column's numbers by its Arrow type."""
    inner = _innermost(kind)
    if not is_number(inner):
        raise _no_numbers(kind, name, place)
    found: np.dtype[Any] = np.dtype(inner.to_pandas_dtype())
    return found


def _called(name: str, place: str) -> str:
    return f"{place}: column {name!r}" if name else place


def _no_numbers(kind: Any, name: str, place: str) -> DataError:
    import pyarrow.types as kinds

    cure = "Convert it, or leave it out of the features."
    if kinds.is_decimal(kind):
        cure = "Turn it into floats, cast('double'), or into whole numbers of its smallest unit."
    elif kinds.is_dictionary(kind) or kinds.is_string(kind) or kinds.is_large_string(kind):
        cure = "Map its texts to class numbers first, or leave it out of the features."
    return DataError(
        f"{_called(name, place)} must hold numbers or lists of numbers; got {kind}. {cure}"
    )


def _refuse_empty(empty: Any, rows: int, name: str, place: str, first: int) -> None:
    found = np.asarray(empty)
    if found.any():
        raise DataError(
            f"{_called(name, place)} must have a value in each row; got none in row "
            f"{first + int(found.argmax())} ({int(found.sum())} of {rows} rows). Fill such rows "
            "or drop them."
        )


def _refuse_lengths(
    lengths: NDArray[Any], what: str, name: str, place: str, first: int, each: int = 1
) -> None:
    """Refuse lists of several lengths; a row holds `each` of them."""
    if len(lengths) and (lengths != lengths[0]).any():
        at = int(np.argmax(lengths != lengths[0]))
        row = at // each
        raise DataError(
            f"{_called(name, place)}: {what} must have one length, {lengths[0]} as in row "
            f"{first}; got {lengths[at]} in row {first + row}. Pad them to one length."
        )
