"""Metrics that need all rows at once: they are gathered, not summed."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError, DataError, ShapeError
from .metric import Metric, Sums, arrays

Rows = NDArray[np.float64]


class Gathered(Metric):
    """A figure of the rows together, such as the area under a curve.

    `rows` makes a few numbers of each row, `figure` the exact figure of all of them. A validation
    gathers the rows of all batches and ranks. Where only sums are added up (`update`, `result`), a
    subclass may give a figure of counts in fixed bins, and says in `bounds` how far off it may be.
    """

    columns: int = 2
    """Numbers of one row."""
    size = 0
    """Length of the vector of sums: 0 where no sums hold the figure."""

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Refuse: no sums hold this figure.

        Raises
        ------
        ArgumentError : always; gather `rows` and give them to `figure`.
        """
        raise ArgumentError(
            f"{self.name}: rows must be gathered, their sums do not hold the figure; got a call of "
            "update. Use figure(rows of all batches), or Trainer.evaluate."
        )

    def result(self, state: Sums) -> Any:
        """Refuse, as `update` does."""
        return self.update(state, state)

    @abstractmethod
    def rows(self, output: NDArray[Any], target: NDArray[Any]) -> Rows:
        """Return the numbers of each row of a batch, shape (rows, columns)."""

    @abstractmethod
    def figure(self, rows: Rows) -> Any:
        """Return the exact figure of all rows; the order of rows does not matter."""

    def __call__(self, output: Any, target: Any) -> Any:
        """Return the exact figure of these rows."""
        result = self.figure(self.rows(*self.pick(arrays(output), arrays(target))))
        return float(result) if np.ndim(result) == 0 else result


class Ranking(Gathered):
    """Base of figures that judge how positive rows are ranked before negative ones.

    Scores are (rows,) or (rows, 1), larger for the positive class, or (rows, 2) logits or log
    probabilities of two classes, of which the difference counts. Targets are 0 or 1.

    In bins: the 65,536 float32 numbers whose last 16 bits are zero part the scores, so neighbours
    within a bin differ by less than 1 % of the score; rows of one bin count as equal.
    """

    takes_trees = False
    bins = 1 << 16
    size = 2 * bins

    def rows(self, output: NDArray[Any], target: NDArray[Any]) -> Rows:
        """Return (score, label) of each row."""
        return np.column_stack(binary_scores(self.name, output, target))

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return the counts of negative and of positive rows by bin."""
        scores, labels = binary_scores(self.name, output, target)
        if not len(scores):
            return self.zero()
        bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # no -0
        key = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)) >> 16  # in the scores' order
        places = key.astype(np.int64) + self.bins * labels.astype(np.int64)
        return np.bincount(places, minlength=self.size).astype(np.float64)

    def result(self, state: Sums) -> float:
        """Return the figure of the bins; `bounds(state)` holds the exact one."""
        return self._of_counts(*self._counts(state))

    def figure(self, rows: Rows) -> float:
        """Return the exact figure."""
        if not len(rows):
            return float("nan")
        order = np.argsort(-rows[:, 0], kind="stable")
        scores, labels = rows[order, 0], rows[order, 1]
        starts = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
        positives = np.add.reduceat(labels, starts)
        return self._of_counts(np.diff(np.append(starts, len(scores))) - positives, positives)

    @abstractmethod
    def _of_counts(self, negatives: Rows, positives: Rows) -> float:
        """Return the figure from the rows of equal scores, the highest score first."""

    @abstractmethod
    def bounds(self, state: Sums) -> tuple[float, float]:
        """Return between which figures the exact one is, from the sums of `update`."""

    def _counts(self, state: Sums) -> tuple[Rows, Rows]:
        negatives, positives = state[: self.bins][::-1], state[self.bins :][::-1]
        used = (negatives + positives) > 0
        return negatives[used], positives[used]


class AUC(Ranking):
    """Area under the ROC curve: the chance that a positive row scores above a negative one.

    area = (pairs with positive above negative + half of the pairs with equal scores) / pairs

    Notes
    -----
    Same as Keras `AUC` and scikit-learn's roc_auc_score; NaN where one class has no row. Exact in
    validations and `evaluate`; from sums it is off by at most half of the pairs within one bin over
    all pairs.

    Examples
    --------
    >>> AUC()(np.array([0.1, 0.4, 0.35, 0.8]), [0, 0, 1, 1])
    0.75
    """

    def _of_counts(self, negatives: Rows, positives: Rows) -> float:
        pairs = negatives.sum() * positives.sum()
        if not pairs:
            return float("nan")
        below = negatives.sum() - np.cumsum(negatives)
        return float((positives * (below + negatives / 2)).sum() / pairs)

    def bounds(self, state: Sums) -> tuple[float, float]:
        """Return the areas with all pairs within bins wrong, and with all of them right."""
        negatives, positives = self._counts(state)
        middle = self._of_counts(negatives, positives)
        pairs = negatives.sum() * positives.sum()
        half = float((negatives * positives).sum() / pairs / 2) if pairs else float("nan")
        return middle - half, middle + half


class PRAUC(Ranking):
    """Area under the precision-recall curve, as average precision: for rare positives.

    area = sum over thresholds of (recall - recall before) · precision

    Notes
    -----
    Same as scikit-learn's average_precision_score. Like BigDL `PrecisionRecallAUC` and Keras `AUC`
    (curve="PR"): steps, not trapezoids, which flatter. NaN without a positive row. A score without
    skill gets the share of positives. Exact in validations and `evaluate`; from sums see `bounds`.

    Examples
    --------
    >>> round(PRAUC()(np.array([0.1, 0.4, 0.35, 0.8]), [0, 0, 1, 1]), 4)
    0.8333
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name="pr_auc" if name is None else name)

    def _of_counts(self, negatives: Rows, positives: Rows) -> float:
        total = positives.sum()
        if not total:
            return float("nan")
        right, shown = np.cumsum(positives), np.cumsum(positives + negatives)
        return float((positives / total * right / shown).sum())

    def bounds(self, state: Sums) -> tuple[float, float]:
        """Return the areas with the positives of each bin behind its negatives, and before."""
        negatives, positives = self._counts(state)
        total = int(positives.sum())
        if not total:
            return float("nan"), float("nan")
        bin_of = np.repeat(np.arange(len(positives)), positives.astype(np.int64))
        right = np.arange(1, total + 1)
        wrong = np.cumsum(negatives)
        low = (right / (right + wrong[bin_of])).mean()
        high = (right / (right + (wrong - negatives)[bin_of])).mean()
        return float(low), float(high)


def binary_scores(
    place: str, output: NDArray[Any], target: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a score and a label 0 or 1 for each row, checked."""
    if output.ndim == 2 and output.shape[1] == 2:
        scores = output[:, 1].astype(np.float64) - output[:, 0]
    elif output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1):
        scores = output.reshape(-1).astype(np.float64)
    else:
        raise ShapeError(
            f"{place}: output must have shape (rows,), (rows, 1) or (rows, 2); got "
            f"{output.shape}. For more classes judge one against the rest: output[:, k]."
        )
    if target.shape not in (scores.shape, (len(scores), 1)):
        raise ShapeError(
            f"{place}: target must have one label for each of {len(scores)} rows; got shape "
            f"{target.shape}."
        )
    labels = target.reshape(-1)
    wrong = ~np.isin(labels, (0, 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{place}: labels must be 0 or 1; got {labels[row]} in row {row}.")
    if np.isnan(scores).any():
        row = int(np.isnan(scores).argmax())
        raise DataError(
            f"{place}: scores must be numbers; got NaN in row {row}. The training has diverged: "
            "lower the learning rate."
        )
    return scores, labels.astype(np.float64)
