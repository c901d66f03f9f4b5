"""The criterion itself as a metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import ArgumentError
from .metric import Metric, Sums, ratio


class Loss(Metric):
    """Mean of a criterion over all rows, weighted as the criterion weights them.

    Parameters
    ----------
    criterion : Criterion
        `criterion(output, target)` gives the mean of a batch, and `criterion.weight(target)` what
        the sum was divided by.

    Raises
    ------
    ArgumentError : `criterion` is something else.

    Notes
    -----
    Same as BigDL `Loss` (0.13), but that it takes the mean of the batches' means.

    Examples
    --------
    >>> class Squared:
    ...     def __call__(self, output, target):
    ...         return float(((output - target) ** 2).mean())
    ...     def weight(self, target):
    ...         return len(target)
    >>> Loss(Squared())(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    2.0
    """

    higher_is_better = False

    def __init__(self, criterion: Any, *, name: str | None = None) -> None:
        if isinstance(criterion, type) or not callable(getattr(criterion, "weight", None)):
            raise ArgumentError(
                f"Loss: `criterion` must be a criterion such as CrossEntropy(); got {criterion!r}."
            )
        self.criterion = criterion
        super().__init__(name=name)

    def update(self, output: Any, target: Any) -> Sums:
        """Return (sum of losses, sum of weights)."""
        leaves = tree.leaves(output)
        if leaves and leaves[0].shape[:1] == (0,):
            return self.zero()
        mean = float(np.asarray(getattr(value := self.criterion(output, target), "data", value)))
        weight = float(self.criterion.weight(target))  # of a target the criterion has taken
        return np.array([mean * weight if weight else 0.0, weight], np.float64)

    def result(self, state: Sums) -> float:
        """Return the weighted mean."""
        return ratio(state[0], state[1])

    def __repr__(self) -> str:
        return f"Loss({self.criterion!r})"
