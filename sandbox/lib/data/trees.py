"""What data sets do with trees: make arrays of what is handed in, and say things of single leaves.

A data set's x and y are arrays, or trees of arrays with one row axis (see `core.tree`). A list of
plain numbers is an array, as in NumPy; a list or tuple with arrays in it is a tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import DataError
from ..engine.oplist import Spec
from . import arrow
from .casting import common_type, native, side_by_side

__all__ = [
    "Unsaid",
    "arrays",
    "different",
    "is_tree",
    "named",
    "numbers",
    "row_count",
    "shown",
    "spread",
]

Array = NDArray[Any]
_NUMBERS = (int, float, np.number, np.bool_)
_LOOK = 16  # items of a list that are looked at; rows of numbers are alike


class Unsaid:
    """Stands where `spread` found nothing said of a leaf."""


def is_tree(values: Any) -> bool:
    """Tell a tree of arrays from what NumPy makes one array of.

    Examples
    --------
    >>> is_tree([[1, 2], [3, 4]]), is_tree(np.ones(2)), is_tree([np.float32(1), 2])
    (False, False, False)
    >>> is_tree((np.ones(2), [1, 2])), is_tree({"a": [1, 2]})
    (True, True)
    """
    if isinstance(values, dict):
        return True
    if not isinstance(values, tuple | list):
        return False
    return any(
        item is None
        or is_tree(item)
        or (hasattr(item, "__array__") and not isinstance(item, np.generic) and np.ndim(item) > 0)
        for item in values[:_LOOK]
    )


def arrays(values: Any, place: str, dtype: np.dtype[Any] | None = None) -> Any:
    """Return a tree of arrays of numbers, or raise `DataError` with the path of the bad leaf.

    `dtype` is that of tables which hold floats; see `numbers`.

    Examples
    --------
    >>> arrays({"image": np.zeros((2, 3)), "size": [1, 2]}, "x")["size"]
    array([1, 2])
    """
    if values is None or not is_tree(values):
        return None if values is None else numbers(values, place, dtype)
    if isinstance(values, dict):
        return {key: arrays(item, named(place, str(key)), dtype) for key, item in values.items()}
    items = [arrays(item, named(place, str(i)), dtype) for i, item in enumerate(values)]
    return items if isinstance(values, list) else tuple(items)


def named(place: str, path: str) -> str:
    """Return how messages call a leaf of `place`."""
    return f"{place}.{path}" if path else place


def numbers(values: Any, place: str, dtype: np.dtype[Any] | None = None) -> Array:
    """Return an array of integers, booleans or floats, each as it was, or raise `DataError`.

    Parameters
    ----------
    values : array, list, pandas Series or DataFrame, Arrow column
        A DataFrame's columns become one array, side by side.
    place : str
        How the error calls them.
    dtype : numpy dtype, optional
        Of a DataFrame that holds floats: integers beside them go there at once, exactly.

    Examples
    --------
    >>> numbers([1, None], "y")
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: y must be numbers; got None in row 1. Fill such rows or \
drop them.
    """
    if hasattr(values, "iloc"):
        values = _of_pandas(values, place, dtype)
    elif hasattr(values, "null_count"):
        return arrow.array_of(values, "", place)
    elif isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        mask = np.ma.getmaskarray(values).reshape(len(values), -1)
        empty = np.asarray(mask.any(axis=1))
        _refuse_empty(empty, place)
    try:
        array = native(np.asarray(values))
    except ValueError as error:
        raise DataError(
            f"{place} must be an array of numbers; got rows of different lengths ({error}). "
            "Pad them to one length."
        ) from None
    if array.dtype.kind in "iubf":
        return array
    cure = {
        "O": "Convert its columns to numbers first.",
        "U": "Map text to class numbers, e.g. np.unique(y, return_inverse=True)[1].",
        "S": "Map text to class numbers, e.g. np.unique(y, return_inverse=True)[1].",
        "c": "Take its absolute value or its real part.",
        "M": "Turn dates into numbers first.",
    }.get(array.dtype.kind, "")
    if array.dtype.kind == "O" and array.ndim:
        odd = next((k for k, v in enumerate(array.flat) if not isinstance(v, _NUMBERS)), 0)
        value, row = array.flat[odd], odd // max(1, array.size // len(array))
        if value is None:
            raise DataError(
                f"{place} must be numbers; got None in row {row}. Fill such rows or drop them."
            )
        raise DataError(
            f"{place} must be numbers; got {value!r} ({type(value).__name__}) in row {row}. {cure}"
        )
    sample = f", first value {array.flat[0]!r}" if array.size else ""
    raise DataError(f"{place} must be numbers; got dtype {array.dtype}{sample}. {cure}".rstrip())


def _of_pandas(values: Any, place: str, dtype: np.dtype[Any] | None) -> Any:
    """Return the numbers of a Series or DataFrame, also of pandas' own types."""
    if getattr(values, "columns", None) is not None:
        names = [str(name) for name in values.columns]
        different(names, place)
        columns = [
            numbers(values.iloc[:, k], f"{place}: column {name!r}") for k, name in enumerate(names)
        ]
        if not columns:
            return values.to_numpy()
        joint = common_type(column.dtype for column in columns)
        floats = joint.kind == "f" and dtype is not None and dtype.kind == "f"
        return side_by_side(columns, names, place, dtype if floats else joint)
    kind = values.dtype
    if isinstance(kind, np.dtype):
        return values.to_numpy()
    if getattr(kind, "categories", None) is not None:
        some = ", ".join(map(repr, kind.categories[:4])) + " ..." * (len(kind.categories) > 4)
        raise DataError(
            f"{place} must be numbers; got the categories {some}. Take their numbers: "
            "column.cat.codes."
        )
    empty = values.isna().to_numpy()
    _refuse_empty(empty, place)
    return values.to_numpy(dtype=getattr(kind, "numpy_dtype", None))


def _refuse_empty(empty: Array, place: str) -> None:
    if empty.any():
        row, count = int(empty.argmax()), int(empty.sum())
        raise DataError(
            f"{place} must be numbers; got none in row {row} ({count} of {len(empty)} rows). "
            "Fill such rows or drop them."
        )


def different(names: list[str], place: str) -> None:
    """Refuse columns of one name: which of them would be meant."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{place}: columns must have different names; got {', '.join(map(repr, twice))} "
            "several times. Rename or drop them."
        )


def row_count(values: Any) -> int:
    """Return the rows of a tree of arrays, which all have the same number of them."""
    return len(values) if isinstance(values, np.ndarray) else len(tree.leaves(values)[0])


def spread(given: Any, like: Any, what: str) -> list[tuple[Any, bool]]:
    """Return what `given` says of each leaf of the tree `like`, and whether of it alone.

    What is said of a part of the tree holds for all leaves in it. Keys may be left out.

    Raises
    ------
    DataError : `given` has parts that `like` does not have.

    Examples
    --------
    >>> spread({"a": 1}, {"a": 0, "b": (0, 0)}, "size")[0]
    (1, True)
    >>> spread(7, {"a": 0, "b": (0, 0)}, "size")
    [(7, False), (7, False), (7, False)]
    """
    return list(_spread(given, like, what, True))


def _spread(given: Any, like: Any, what: str, alone: bool) -> Iterator[tuple[Any, bool]]:
    parts, its = _parts(like), _parts(given)
    if its is not None:
        unknown = [key for key in its if key not in (parts or {})]
        if unknown or parts is None or type(given) is not type(like):
            known = f"{type(like).__name__} of {', '.join(map(repr, parts))}" if parts else "array"
            raise DataError(
                f"{what} must go with the data, one {known}; got {given!r}. "
                "Name single arrays by their keys, or give one for all."
            )
    if parts is None:
        if like is not None:
            yield given, alone
        return
    for key, part in sorted(parts.items()) if isinstance(like, dict) else parts.items():
        if its is None:
            yield from _spread(given, part, what, False)
        else:
            yield from _spread(its.get(key, Unsaid), part, named(what, key), key in its)


def _parts(value: Any) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return value
    if isinstance(value, tuple | list):
        return {str(i): item for i, item in enumerate(value)}
    return None


def shown(spec: Any) -> str:
    """Return a tree of specs as text.

    Examples
    --------
    >>> shown({"image": Spec((28, 28), "uint8"), "more": (Spec((), "int64"), None)})
    '{image: (28, 28) uint8, more: (() int64, None)}'
    """
    if isinstance(spec, Spec):
        return f"({', '.join(map(str, spec.shape))}) {spec.dtype}"
    if isinstance(spec, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in spec.items()) + "}"
    if isinstance(spec, tuple | list):
        inner = ", ".join(shown(item) for item in spec)
        return f"({inner})" if isinstance(spec, tuple) else f"[{inner}]"
    return str(spec)
