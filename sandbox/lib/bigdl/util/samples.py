"""Samples, one by one, as arrays of all rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import DataError


def arrays_of(data: Any) -> Any:
    """Return (x, y) of a pair of arrays, or of the samples of a list or an RDD.

    Raises
    ------
    DataError : no samples, or samples of unlike shapes; names the first that differs.
    """
    if isinstance(data, tuple) and len(data) == 2:
        return tuple(_joined(part) for part in data)
    samples = data.collect() if hasattr(data, "collect") else list(data)
    if not samples:
        raise DataError("the training data must hold samples; got none.")
    x = _stacked([_tensors(s, "feature") for s in samples], "feature")
    y = _stacked([_tensors(s, "label") for s in samples], "label")
    return x, y


def _joined(part: Any) -> Any:
    if isinstance(part, list | tuple) and part and isinstance(part[0], np.ndarray):
        return tuple(np.asarray(item, np.float32) for item in part)
    return np.asarray(part, np.float32)


def _tensors(sample: Any, which: str) -> list[Any]:
    found = getattr(sample, f"{which}s", None)
    items = [getattr(sample, which)] if found is None else found
    items = items if isinstance(items, list | tuple) else [items]
    return [np.asarray(t.to_ndarray() if hasattr(t, "to_ndarray") else t) for t in items]


def _stacked(rows: list[list[Any]], which: str) -> Any:
    first = [t.shape for t in rows[0]]
    for k, row in enumerate(rows):
        if [t.shape for t in row] != first:
            raise DataError(
                f"{which} of sample {k} must have shape {first} as the first one; got "
                f"{[t.shape for t in row]}. Pad the samples to one length."
            )
    columns = tuple(np.stack([row[k] for row in rows]) for k in range(len(first)))
    return columns if len(columns) > 1 else columns[0]
