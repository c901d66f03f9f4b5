"""Whether model, criterion and data fit each other: found out before anything starts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from .. import nn
from ..core import tree
from ..core.context import using
from ..core.errors import DataError, SandboxError, ShapeError
from ..core.trace import Trace
from ..criterion import Criterion
from ..data import Dataset
from ..engine.oplist import Spec

__all__ = ["refuse_misfits"]


def refuse_misfits(
    model: nn.Module, criterion: Criterion, data: Dataset, batch_size: int, what: str
) -> None:
    """Refuse rows that the model cannot take, and targets that the criterion cannot judge it by.

    Shapes are traced, without numbers, kernels or Spark; then the criterion looks at the targets
    that are at hand in this process (`Dataset.held_target`): labels that are no classes of the
    output, for one. What cannot be traced or is not at hand, and what else is wrong, is left to
    the run, which tells of it with its place.

    Parameters
    ----------
    batch_size : int > 0
        Rows of a batch. A last, smaller one is what a run tells of.
    what : str
        How the error calls the data.

    Raises
    ------
    ShapeError : they do not fit, neither a batch of them nor one row.
    DataError : the criterion refuses a target; names the row of the data set.

    Examples
    --------
    >>> from sandbox.lib.criterion import MSE
    >>> from sandbox.lib.data import ArrayDataset
    >>> rows = ArrayDataset(np.ones((8, 3), "f4"), np.ones((8, 1), "f4"))
    >>> refuse_misfits(nn.Linear(3, 1), MSE(), rows, 8, "data")
    >>> refuse_misfits(nn.Linear(4, 1), MSE(), rows, 8, "data")
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: data does not fit: Linear: input axis 1 must be 4 \
(in_features); got 3 in shape (8, 3).
    """
    found: ShapeError | None = None
    for rows in dict.fromkeys((min(batch_size, sum(data.partition_sizes)), 1)):
        try:
            output = _trace(model, criterion, data, rows)
        except ShapeError as error:
            found = found or error
        except Exception:
            return
        else:
            _check_targets(criterion, data, output, rows, what)
            return
    raise ShapeError(f"{what} does not fit: {found}") from None


def _trace(model: nn.Module, criterion: Criterion, data: Dataset, rows: int) -> Any:
    """Return what the model gives for a batch of this many rows: values with shapes only."""
    x, y = data.spec

    def goal(spec: Spec) -> Any:
        return np.zeros((rows, *spec.shape), spec.dtype)

    with using(training=False), Trace(model) as trace:
        inputs = tree.map(lambda s: trace.input("x", Spec((rows, *s.shape), s.dtype)), x)
        output = tree.call(model, inputs)
        with suppress(DataError):  # zeros are no target of some criterions, such as KLDivergence
            criterion(output, tree.map(goal, y))
    return output


def _check_targets(criterion: Criterion, data: Dataset, output: Any, rows: int, what: str) -> None:
    """Let the criterion look at the targets at hand, a partition at a time."""
    if any(tuple(value.shape[:1]) != (rows,) for value in tree.leaves(output)):
        return  # not one output for each row: what a partition's would be is not known
    for partition, size in enumerate(data.partition_sizes):
        target = data.held_target(partition) if size else None
        if target is None:
            continue
        try:
            criterion.check(tree.map(lambda value, n=size: (n, *value.shape[1:]), output), target)
        except SandboxError as error:
            place = f"partition {partition}: " if len(data.partition_sizes) > 1 else ""
            raise type(error)(f"{what} does not fit: {place}{error}") from None
