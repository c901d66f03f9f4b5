"""What metrics share that give each row a class: by the highest score, or by a cut of one score."""

from __future__ import annotations

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, ShapeError
from .metric import Metric, arrays, part_at

_CUTS = {"logits": 0.0, "unknown": 0.0, "probabilities": 0.5, "logarithms": math.log(0.5)}


class Decided(Metric):
    """Base of metrics that compare the class of a row with its label.

    Parameters
    ----------
    threshold : float, optional
        Above which score a row of one score is a yes. By default it follows the outputs, as a
        `Trainer` knows them: 0 for logits, 0.5 for probabilities.
    """

    takes_trees = False
    meaning: str = "unknown"
    """What the outputs are; set by `reading`."""

    def __init__(self, *, threshold: float | None = None, name: str | None = None) -> None:
        if threshold is not None:
            threshold = validate.in_range("threshold", threshold, -np.inf, np.inf)
        self.threshold = threshold
        super().__init__(name=name)

    def reading(self, meanings: Any) -> Self:
        """Return this metric for outputs that are what `meanings` says.

        Examples
        --------
        >>> from sandbox.lib.metrics import Top1
        >>> Top1().reading("probabilities")(np.array([[0.4], [0.6]]), [0, 1])
        1.0
        """
        try:
            found = part_at(meanings, "" if self.at is None else self.at[0], "output")
        except ShapeError:  # whoever calls `pick` hears of it
            return self
        other = copy.copy(self)
        other.meaning = found if isinstance(found, str) else "unknown"
        return other

    def cut(self) -> float:
        """Return above which score a row is a yes.

        Raises
        ------
        ArgumentError : the outputs are values of a regression, which have no such number.
        """
        if self.threshold is not None:
            return self.threshold
        if self.meaning not in _CUTS:
            raise ArgumentError(
                f"{self.name}: `threshold` must be given for outputs that are neither logits nor "
                f"probabilities; got None for {self.meaning}. For targets 0 and 1: "
                f"{type(self).__name__}(threshold=0.5)."
            )
        return _CUTS[self.meaning]

    def is_cut(self, output: NDArray[Any], target: NDArray[Any]) -> bool:
        """Tell whether the threshold decides: of one score a row."""
        return output.ndim == 2 and output.shape[1] == 1

    def two_classes(self, output: NDArray[Any], target: NDArray[Any]) -> tuple[Any, Any]:
        """Return scores of no and yes, and labels, for one score a row; NaN is neither."""
        score, labels = output.reshape(-1), target
        if labels.shape == (len(score), 1):
            labels = labels.reshape(-1)
        if labels.dtype.kind == "f" and np.isin(labels, (0, 1)).all():
            labels = labels.astype(np.int64)
        above = score > self.cut()
        columns = np.column_stack((~above, above)).astype(np.float64)
        columns[np.isnan(score)] = np.nan
        return columns, labels

    def __call__(self, output: Any, target: Any) -> Any:
        """Return the figure of one batch alone.

        Raises
        ------
        ArgumentError : all scores are in 0..1, so that they may be logits or probabilities, and
            nobody says which.
        """
        if self.threshold is None and self.meaning == "unknown":
            scores, goal = self.pick(arrays(output), arrays(target))
            if self.is_cut(scores, goal):
                self._check_known(scores)
        return super().__call__(output, target)

    def _check_known(self, scores: NDArray[Any]) -> None:
        """Refuse scores of which the usual cuts would make different classes."""
        low = (scores > 0) & (scores <= 0.5)
        if low.any() and ((scores >= 0) & (scores <= 1)).all():
            kind = type(self).__name__
            raise ArgumentError(
                f"{self.name}: `threshold` must be given for scores that may be logits or "
                f"probabilities; got {scores.size} of 0..1, such as {scores[low][0]:.3g}. "
                f"{kind}(threshold=0.5) for probabilities, {kind}(threshold=0) for logits."
            )
