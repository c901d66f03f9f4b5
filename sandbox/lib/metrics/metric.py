"""The base of all metrics: partial sums that add up over batches, threads and ranks."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import ArgumentError, DataError, ShapeError

Sums = NDArray[np.float64]


class Metric(ABC):
    """Judge outputs of a model by sums over rows.

    Whatever can be had from sums is a metric: `update` returns the sums of one batch, these are
    added over all batches and ranks, `result` makes the figure of the total. Nothing is kept on the
    metric, so one object serves many threads.

    Parameters
    ----------
    name : str, optional
        Key in histories and summaries; the class name in snake case by default.

    Examples
    --------
    A metric of one's own in ten lines:

    >>> class MeanAbsoluteError(Metric):
    ...     '''Mean distance between output and target.'''
    ...     size = 2
    ...     def update(self, output, target):
    ...         return np.array([np.abs(output - target).sum(), output.size], float)
    ...     def result(self, state):
    ...         return state[0] / state[1]
    >>> MeanAbsoluteError()(np.array([1.0, 2.0]), np.array([1.5, 2.0]))
    0.25
    """

    size: int = 2
    """Length of the vector of sums."""
    higher_is_better: bool = True
    """The direction: what `Plateau`, `EarlyStopping` and the best checkpoint go by."""

    def __init__(self, *, name: str | None = None) -> None:
        own = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        if name is not None and (not isinstance(name, str) or not name):
            raise ArgumentError(f"{type(self).__name__}: `name` must be text; got {name!r}.")
        self.name = name or own

    def zero(self) -> Sums:
        """Return the sums over no rows."""
        return np.zeros(self.size)

    @abstractmethod
    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return the sums of one batch, a float64 vector as long as `zero()`."""

    @abstractmethod
    def result(self, state: Sums) -> Any:
        """Return the figure (a float or an array) from the sums over all rows."""

    def __call__(self, output: ArrayLike, target: ArrayLike) -> Any:
        """Return the figure of one batch alone."""
        result = self.result(self.zero() + self.update(np.asarray(output), np.asarray(target)))
        return float(result) if np.ndim(result) == 0 else result

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, or NaN where there is nothing to divide by."""
    return float(numerator) / float(denominator) if denominator else float("nan")


def checked_classes(
    owner: Metric, output: NDArray[Any], target: NDArray[Any], classes: int | None = None
) -> NDArray[np.int64]:
    """Return the labels, after checking that (N, K) scores and N labels in [0, K) fit together."""
    if output.ndim != 2 or (classes is not None and output.shape[1] != classes):
        wanted = "(rows, classes)" if classes is None else f"(rows, {classes})"
        raise ShapeError(
            f"{owner.name}: output must have shape {wanted}; got {output.shape}. "
            "Flatten other axes into rows first."
        )
    if target.shape != output.shape[:1]:
        raise ShapeError(
            f"{owner.name}: target must have one label for each of {len(output)} rows; got shape "
            f"{target.shape}. One-hot targets? use target.argmax(1)."
        )
    if target.dtype.kind not in "iub":
        raise DataError(
            f"{owner.name}: target must hold integer labels; got dtype {target.dtype}. "
            "Use target.astype('int64')."
        )
    labels = target.astype(np.int64, copy=False)
    wrong = (labels < 0) | (labels >= output.shape[1])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{owner.name}: labels must be in [0, {output.shape[1]}); got {labels[row]} in row "
            f"{row}. Labels count from 0."
        )
    return labels
