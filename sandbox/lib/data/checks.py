"""What is looked for in the rows of a data set: numbers that cannot be learned from, or kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from .casting import cast, check_fit
from .conversion import target_type
from .trees import Unsaid, named, spread

if TYPE_CHECKING:
    from .dataset import Dataset

__all__ = ["check_rows", "check_types", "held_target"]

Array = NDArray[Any]
_CHUNK = 4096  # rows looked at in one go


def check_rows(data: Dataset, classes: Any) -> None:
    """Refuse NaN, infinity and labels that are no classes; see `Dataset.check`."""
    for partition, size in enumerate(data.partition_sizes):
        if not size:
            continue
        place = _partition(data, partition)
        x, y = data.load(partition)
        for name, part in (("x", x), ("y", y)):
            arrays, form = tree.flatten(part)
            for path, array in zip(form.paths, arrays, strict=True):
                _check_finite(data, named(name, path), array, place)
        arrays, form = tree.flatten(y)
        wanted = spread(classes, y, "classes")
        for path, array, (count, _) in zip(form.paths, arrays, wanted, strict=True):
            if count is not None and count is not Unsaid:
                _check_labels(data, array, count, place, path)


def check_types(data: Dataset, partition: int) -> None:
    """Refuse numbers that the batches' dtypes cannot hold; see `Dataset.check_types`."""
    x, y = data.load(partition)
    place = f"{data}: {_partition(data, partition)}"
    stored = data.stored().x
    arrays, form = tree.flatten(x)
    if isinstance(stored, Spec):
        plans = [(data.transform, data.dtype)]
    else:
        plans = [(rule.transform, rule.dtype) for rule in data.rules(stored)]
    for path, array, (transform, dtype) in zip(form.paths, arrays, plans, strict=True):
        if transform is None and dtype is not None:
            check_fit(array, dtype, place + data.called("x", path), names=data.column_names())
    for array, dtype, name in _targets(data, partition, y):
        check_fit(array, dtype, name)


def held_target(data: Dataset, partition: int) -> Any:
    """Return y of a partition as it comes in the batches; see `Dataset.held_target`."""
    y = data.held(partition)
    if y is None:
        return None
    made = [cast(array, dtype, name) for array, dtype, name in _targets(data, partition, y)]
    return tree.flatten(y)[1].unflatten(made)


def _targets(data: Dataset, partition: int, y: Any) -> Iterator[tuple[Array, np.dtype[Any], str]]:
    """Give each array of y, its dtype in the batches, and how errors call it."""
    arrays, form = tree.flatten(y)
    for path, array, is_class in zip(form.paths, arrays, data.are_classes(), strict=True):
        what = "labels of " if is_class else ""
        name = f"{data}: {_partition(data, partition)}{what}{data.called('y', path)}"
        yield array, target_type(array.dtype, is_class), name


def _partition(data: Dataset, partition: int) -> str:
    return f"partition {partition}, " if len(data.partition_sizes) > 1 else ""


def _check_finite(data: Dataset, name: str, array: Array, place: str) -> None:
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), _CHUNK):
        part = array[start : start + _CHUNK]
        if np.isfinite(part).all():
            continue
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(part))[0])
        column = f", column {data.column_name(where[1:])}" if len(where) > 1 else ""
        raise DataError(
            f"{data}: {name} must hold finite numbers; got {part[where]} in {place}row "
            f"{start + where[0]}{column}. Remove such rows or fill the gaps."
        )


def _check_labels(data: Dataset, y: Array, classes: int, place: str, path: str = "") -> None:
    labels = f"labels of {named('y', path)}" if path else "labels"
    if y.dtype.kind == "f" and not np.array_equal(y, np.floor(y)):
        row = int(np.flatnonzero(y.ravel() != np.floor(y.ravel()))[0])
        raise DataError(
            f"{data}: {labels} must be integers; got {y.ravel()[row]} in {place}row {row}. "
            "For a regression leave out `classes` and use MSE."
        )
    wrong = (y < 0) | (y >= validate.positive_int("classes", classes))
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise DataError(
            f"{data}: {labels} must be in [0, {classes}); got {y[wrong][0]} in {place}row "
            f"{row}. Labels count from 0."
        )
