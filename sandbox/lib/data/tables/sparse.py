"""Sparse rows as two arrays of one shape, for `nn.SparseLinear` and its like (decision 34)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import DataError


def sparse_rows(
    rows: ArrayLike,
    ids: ArrayLike,
    values: ArrayLike | None = None,
    *,
    count: int | None = None,
    places: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (row, id, value) triples as ids and values, each row's side by side.

    Parameters
    ----------
    rows, ids : 1-D ints >= 0 of one length
        To which row and feature each entry belongs, in any order. Of a compressed matrix (CSR):
        `np.repeat(np.arange(len(starts) - 1), np.diff(starts))` and its columns.
    values : 1-D floats, optional
        1 by default.
    count : int > 0, optional
        Number of rows; by default up to the last that has entries.
    places : int > 0, optional
        Entries for which a row has room; by default those of the fullest row.

    Returns
    -------
    ids : (count, places) int64, -1 behind the entries of a row
    values : (count, places) float32, 0 there

    Raises
    ------
    ArgumentError : something is no array of such numbers.
    DataError : lengths differ, a number is below 0, or a row does not fit; names it.

    Notes
    -----
    Same as BigDL `JTensor.sparse`: rows and ids are the two rows of its indices.

    Examples
    --------
    >>> sparse_rows([0, 0, 2], [7, 3, 5], [1.0, 0.5, 2.0])
    (array([[ 7,  3],
           [-1, -1],
           [ 5, -1]]), array([[1. , 0.5],
           [0. , 0. ],
           [2. , 0. ]], dtype=float32))
    """
    row_of = validate.int_array("rows", rows).reshape(-1)
    features = validate.int_array("ids", ids).reshape(-1)
    amounts: Any = np.ones(len(row_of), "f4")
    if values is not None:
        amounts = validate.numbers("values", values).reshape(-1)
    if not len(row_of) == len(features) == len(amounts):
        raise DataError(
            "sparse_rows: rows, ids and values must be as many; got "
            f"{len(row_of)}, {len(features)} and {len(amounts)}."
        )
    for name, numbers in (("rows", row_of), ("ids", features)):
        if numbers.size and numbers.min() < 0:
            place = int(numbers.argmin())
            raise DataError(
                f"sparse_rows: {name} must be >= 0; got {numbers[place]} in entry {place}."
            )
    least = int(row_of.max(initial=-1)) + 1
    total = least if count is None else validate.positive_int("count", count)
    if least > total:
        raise DataError(f"sparse_rows: rows must be below {total} (count); got {least - 1}.")
    lengths = np.bincount(row_of, minlength=total)
    width = int(lengths.max(initial=0))
    if places is not None:
        room = validate.positive_int("places", places)
        if width > room:
            raise DataError(
                f"sparse_rows: a row must have at most {room} entries (places); got {width} in row "
                f"{int(lengths.argmax())}."
            )
        width = room
    order = np.argsort(row_of, kind="stable")
    at = row_of[order]
    place_of = np.arange(len(at)) - (np.cumsum(lengths) - lengths)[at]
    found = np.full((total, width), -1, np.int64)
    numbers_of = np.zeros((total, width), np.float32)
    found[at, place_of] = features[order]
    numbers_of[at, place_of] = amounts[order]
    return found, numbers_of
