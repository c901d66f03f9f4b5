"""Whether model, criterion and data fit each other: found out before anything starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn
from ..core import tree
from ..core.context import using
from ..core.errors import ShapeError
from ..core.trace import Trace
from ..criterion import Criterion
from ..data import Dataset
from ..engine.oplist import Spec

__all__ = ["check_shapes"]


def check_shapes(
    model: nn.Module, criterion: Criterion, data: Dataset, batch_size: int, what: str
) -> None:
    """Refuse rows that the model cannot take, or outputs that the criterion cannot judge by them.

    Only shapes are looked at, without numbers, kernels or Spark. What cannot be traced, and what
    else is wrong, is left to the run, which tells of it with its place.

    Parameters
    ----------
    batch_size : int > 0
        Rows of a batch. A last, smaller one is what a run tells of.
    what : str
        How the error calls the data.

    Raises
    ------
    ShapeError : they do not fit, neither a batch of them nor one row.

    Examples
    --------
    >>> from sandbox.lib.criterion import MSE
    >>> from sandbox.lib.data import ArrayDataset
    >>> rows = ArrayDataset(np.ones((8, 3), "f4"), np.ones((8, 1), "f4"))
    >>> check_shapes(nn.Linear(3, 1), MSE(), rows, 8, "data")
    >>> check_shapes(nn.Linear(4, 1), MSE(), rows, 8, "data")
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: data does not fit: Linear: input axis 1 must be 4 \
(in_features); got 3 in shape (8, 3).
    """
    found: ShapeError | None = None
    for rows in dict.fromkeys((min(batch_size, sum(data.partition_sizes)), 1)):
        try:
            _compute(model, criterion, data, rows)
        except ShapeError as error:
            found = found or error
        except Exception:
            return
        else:
            return
    raise ShapeError(f"{what} does not fit: {found}") from None


def _compute(model: nn.Module, criterion: Criterion, data: Dataset, rows: int) -> None:
    x, y = data.spec

    def goal(spec: Spec) -> Any:
        return np.zeros((rows, *spec.shape), spec.dtype)

    with using(training=False), Trace(model) as trace:
        inputs = tree.map(lambda s: trace.input("x", Spec((rows, *s.shape), s.dtype)), x)
        criterion(tree.call(model, inputs), tree.map(goal, y))
