"""Numbers from one type into another: their values stay, or an error names the row.

The one place that decides what becomes of a type. Whole numbers and booleans must keep their value;
floats may be rounded to a smaller float, as their type says, but not become infinite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError

__all__ = ["cast", "check_fit", "common_type", "native", "side_by_side"]

Array = NDArray[Any]


def native(array: Array) -> Array:
    """Return an array in this machine's byte order.

    Examples
    --------
    >>> native(np.array([1, 2], ">i4")).dtype == np.int32
    True
    """
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def cast(
    array: Array,
    dtype: Any,
    place: str,
    *,
    rows: Array | None = None,
    names: Sequence[str] = (),
) -> Array:
    """Return an array in another dtype, with the same values.

    Parameters
    ----------
    array : array of shape (rows, ...)
        Integers, booleans or floats.
    dtype : numpy dtype
        Floats become smaller floats by rounding; all else must be exact.
    place : str
        How the error calls the array.
    rows : (rows,) ints, optional
        The numbers that errors call the rows; they count from 0 by default.
    names : list of str
        Names of the columns, if there are several.

    Raises
    ------
    DataError : a value cannot be held; names the row and, where there are several, the column.

    Examples
    --------
    >>> cast(np.array([1.0, 2.0]), np.int32, "y")
    array([1, 2], dtype=int32)
    >>> cast(np.array([1.0, 2.7]), np.int64, "y")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: y must hold numbers that int64 can hold; got 2.7 (float64) \
in row 1. Whole numbers only: round them first, or keep them as floats.
    """
    dtype = np.dtype(dtype)
    if array.dtype == dtype:
        return array
    check_fit(array, dtype, place, rows=rows, names=names)
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def check_fit(
    array: Array,
    dtype: Any,
    place: str,
    *,
    rows: Array | None = None,
    names: Sequence[str] = (),
) -> None:
    """Raise what `cast` raises, without the cast."""
    dtype = np.dtype(dtype)
    if _fits(array, dtype):
        return
    bad = _lost(array, dtype)
    if not bad.any():
        return
    where = tuple(int(i) for i in np.argwhere(bad)[0]) if array.ndim else ()
    row = f" in row {where[0] if rows is None else rows[where[0]]}" if where else ""
    if len(where) > 1 and (names or array.shape[1:] != (1,)):
        column = ", ".join(map(str, where[1:]))
        name = f" ({names[where[1]]!r})" if len(where) == 2 and where[1] < len(names) else ""
        row += f", column {column if len(where) == 2 else f'({column})'}{name}"
    raise DataError(
        f"{place} must hold numbers that {dtype} can hold; got {array[where]} ({array.dtype})"
        f"{row}. {_cure(array[where], dtype)}"
    )


def _fits(array: Array, dtype: np.dtype[Any]) -> bool:
    """Tell quickly whether all values can be held; False where it needs a closer look."""
    kind, wanted = array.dtype.kind, dtype.kind
    rounds = kind in "iu" and wanted == "f"  # NumPy calls int64 to float64 safe
    if array.size == 0 or (np.can_cast(array.dtype, dtype, "safe") and not rounds):
        return True
    if kind == "f":
        if wanted != "f":
            return False
        low, high = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
        largest = np.finfo(dtype).max
        return bool(-largest <= low and high <= largest)
    if wanted == "b":
        return False
    low, high = int(array.min()), int(array.max())
    if wanted == "f":
        whole = 1 << (np.finfo(dtype).nmant + 1)
        return -whole <= low and high <= whole
    limits = np.iinfo(dtype)
    return bool(limits.min <= low and high <= limits.max)


def _lost(array: Array, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Return which values would change."""
    kind, wanted = array.dtype.kind, dtype.kind
    if wanted == "b":
        return np.asarray((array != 0) & (array != 1))
    if wanted == "f":
        with np.errstate(over="ignore"):
            made = array.astype(dtype)
        if kind == "f":
            return np.asarray(np.isinf(made) & np.isfinite(array))
        limits = np.iinfo(array.dtype)
        made = made.astype(np.float64, copy=False)
        inside = (made >= float(limits.min)) & (made < float(limits.max))
        return np.asarray(~inside | (np.where(inside, made, 0).astype(array.dtype) != array))
    limits = np.iinfo(dtype)
    if kind != "f":
        return np.asarray((array < limits.min) | (array > limits.max))
    wide = array.astype(np.float64, copy=False)
    above = float(limits.max) + (1.0 if dtype.itemsize < 8 else 0.0)  # 2.0 ** bits, exactly
    return np.asarray(~((wide == np.floor(wide)) & (wide >= float(limits.min)) & (wide < above)))


def _cure(value: Any, dtype: np.dtype[Any]) -> str:
    if dtype.kind == "f":
        if isinstance(value, np.floating):
            return "Divide such columns by something, or give dtype=np.float64."
        return (
            "Ids stay exact with dtype=None; quantities may be rounded: turn them into floats "
            "first, astype('float64')."
        )
    if isinstance(value, np.floating):
        if not np.isfinite(value):
            return "Drop such rows or fill the gaps."
        return "Whole numbers only: round them first, or keep them as floats."
    return f"Give a wider dtype than {dtype}, or dtype=None for the stored one."


def common_type(dtypes: Iterable[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the type that holds the numbers of all these types, floats rounded.

    Whole numbers and booleans together are int64 (uint64 if that is all there is), anything with a
    float is a float.

    Examples
    --------
    >>> common_type(map(np.dtype, ["u1", "?"])), common_type(map(np.dtype, ["i8", "f4"]))
    (dtype('uint8'), dtype('float64'))
    """
    found = list(dict.fromkeys(dtypes))
    joint = np.result_type(*found)
    if joint.kind == "f" and all(dtype.kind != "f" for dtype in found):
        return np.dtype(np.int64)  # NumPy makes float64 of int64 and uint64
    return joint


def side_by_side(
    columns: Sequence[Array],
    names: Sequence[str],
    place: str,
    dtype: np.dtype[Any] | None = None,
    first: int = 0,
) -> Array:
    """Return columns (rows,) or (rows, n) as one array (rows, all), each number as it was.

    Parameters
    ----------
    columns, names : lists of the same length
    place : str
        How the error calls the table.
    dtype : numpy dtype, optional
        Of the result; by default one that holds all columns.
    first : int
        The number of the first row, for the error.

    Raises
    ------
    DataError : a number cannot be held; names the column and the row.

    Examples
    --------
    >>> side_by_side([np.array([1, 2]), np.array([0.5, 1.5])], ["a", "b"], "x")
    array([[1. , 0.5],
           [2. , 1.5]])
    """
    wide = [column.reshape(len(column), -1) for column in columns]
    dtype = dtype or common_type(column.dtype for column in wide)
    rows = np.arange(first, first + len(wide[0]))
    joint = np.empty((len(rows), sum(column.shape[1] for column in wide)), dtype)
    start = 0
    for column, name in zip(wide, names, strict=True):
        stop = start + column.shape[1]
        joint[:, start:stop] = cast(column, dtype, f"{place}: column {name!r}", rows=rows)
        start = stop
    return joint
