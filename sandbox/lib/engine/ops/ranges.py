"""Checks of integers that must lie in a range: labels, ids, lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Array = NDArray[Any]


def check_labels(labels: Array, classes: int, what: str = "label") -> None:
    """Raise a `DataError` that names the first row whose label is not in [0, classes), and a cure.

    Examples
    --------
    >>> check_labels(np.array([1, 10, 3]), 10)
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: labels must be integers in [0, 10); got 10 in row 1 \
(1 of 3 rows are out of range). Do the labels count from 1? use labels - 1.
    """
    if labels.size == 0:
        return
    if labels.ndim != 1:
        labels = labels.reshape(-1)
    if labels.dtype.kind == "i":
        # As unsigned numbers the negative ones are huge: one pass finds both kinds.
        bad = labels.view(f"u{labels.dtype.itemsize}").max() >= classes
    else:
        bad = labels.max() >= classes
    if bad:
        wrong = (labels < 0) | (labels >= classes)
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{what}s must be integers in [0, {classes}); got {labels[row]} in row {row} "
            f"({int(wrong.sum())} of {labels.size} rows are out of range). "
            f"{_cure(labels, classes, labels[row])}"
        )


def _cure(labels: Array, classes: int, wrong: Any) -> str:
    """Return what probably helps, by the first wrong label and what else there is."""
    least, most = labels.min(), labels.max()
    if least >= 1 and most == classes:
        return "Do the labels count from 1? use labels - 1."
    if wrong < 0:
        return "Are these marks for missing labels? leave such rows out."
    return f"Does the model need {int(most) + 1} outputs?"


def check_ids(ids: Array, limit: int, what: str = "id") -> None:
    """Raise a `DataError` that names the first id which is not in [0, limit)."""
    if ids.size == 0:
        return
    if ids.dtype.kind == "i":
        # As unsigned numbers the negative ones are huge: one pass finds both kinds.
        same = ids if ids.flags.c_contiguous else np.ascontiguousarray(ids)
        bad = same.view(f"u{ids.dtype.itemsize}").max() >= limit
    else:
        bad = ids.max() >= limit
    if bad:
        wrong = (ids < 0) | (ids >= limit)
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f"row {place[0]}" if place else "a scalar"
        where += f", position {', '.join(map(str, place[1:]))}" if len(place) > 1 else ""
        raise DataError(
            f"{what}s must be integers in [0, {limit}); got {ids[place]} in {where} "
            f"({int(wrong.sum())} of {ids.size} are out of range). Ids count from 0; give unknown "
            "tokens an id of their own."
        )


def check_padded_ids(ids: Array, limit: int) -> None:
    """Raise a `DataError` that names the first id which is not in [0, limit) and not -1: absent."""
    if ids.size and (ids.min() < -1 or ids.max() >= limit):
        check_ids(np.where(ids == -1, 0, ids), limit)


def check_lengths(lengths: Array, time: int) -> None:
    """Raise a `DataError` that names the first length which is not in [1, time]."""
    wrong = (lengths < 1) | (lengths > time)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"lengths must be integers in [1, {time}]; got {lengths[row]} in row {row} "
            f"({int(wrong.sum())} of {lengths.size} rows). Leave empty texts out, or give them "
            "one padding id."
        )


def check_indices(indices: Array, length: int) -> None:
    """Raise a `DataError` that names the first index which is not in [-length, length).

    Examples
    --------
    >>> check_indices(np.array([0, -2, 2]), 2)
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: indices must be integers in [-2, 2); got 2 at position 2.
    """
    wrong = indices >= length
    if indices.dtype.kind == "i":
        wrong |= indices < -length
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f" at position {', '.join(map(str, place))}" if place else ""
        raise DataError(
            f"indices must be integers in [{-length}, {length}); got {indices[place]}{where}."
        )
