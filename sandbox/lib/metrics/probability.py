"""Metrics of probabilities: whether what is said to be likely is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from .decided import Decided
from .metric import Sums, arrays, checked_classes, ratio, rows_of_labels

Rows = NDArray[np.float64]
Judged = tuple[Rows, NDArray[np.int64]]


class OfProbabilities(Decided):
    """Base of metrics that take the probability of each class.

    Outputs are (rows, classes), or one score a row, (rows, 1), of class 1 of two. What they are,
    the `Trainer` knows; else `reading` says it, or several columns tell it: rows that are not
    negative and add up to 1 are probabilities, others logits. Of outputs (batch, classes, ...)
    each position is a row.

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks what does not count.
    """

    def __init__(self, *, ignore_index: int | None = None, name: str | None = None) -> None:
        self.ignore_index = (
            None if ignore_index is None else validate.integer("ignore_index", ignore_index)
        )
        super().__init__(name=name)

    def judged(self, output: NDArray[Any], target: NDArray[Any]) -> Judged:
        """Return the logarithms of the probabilities (rows, classes), and the labels (rows,)."""
        output, target = rows_of_labels(output, target, self.ignore_index)
        scores = output.astype(np.float64)
        if self.is_cut(output, target):
            logs = self._of_one(scores.reshape(-1))
            labels = self.two_classes(output, target)[1]
        else:
            logs, labels = self._of_several(scores), target
        return logs, checked_classes(self, logs, labels)

    def cut(self) -> float:
        """Return any cut: here it decides nothing."""
        return 0.0

    def _of_several(self, scores: Rows) -> Rows:
        if scores.ndim != 2:
            return scores  # `checked_classes` refuses it
        meaning = self.meaning
        if meaning == "unknown":
            whole = np.abs(scores.sum(axis=1) - 1) < 1e-3
            shares = bool((scores >= 0).all() and whole.all()) and scores.size > 0
            meaning = "probabilities" if shares else "logits"
        if meaning == "logarithms":
            return scores
        if meaning == "probabilities":
            return _log(scores / scores.sum(axis=1, keepdims=True))
        top = scores.max(axis=1, keepdims=True, initial=-np.inf)
        logs: Rows = scores - top - _log(np.exp(scores - top).sum(axis=1, keepdims=True))
        return logs

    def _of_one(self, scores: Rows) -> Rows:
        if self.meaning == "probabilities":
            return _log(np.column_stack((1 - scores, scores)))
        if self.meaning == "logarithms":
            return np.column_stack((np.log1p(-np.exp(scores)), scores))
        return -np.logaddexp(0, np.column_stack((scores, -scores)))

    def __call__(self, output: Any, target: Any) -> Any:
        """Return the figure of one batch alone.

        Raises
        ------
        ArgumentError : there is one score a row, all in 0..1, and nobody says what they are.
        """
        if self.meaning == "unknown":
            scores, goal = self.pick(arrays(output), arrays(target))
            inside = scores.size > 0 and bool(((scores >= 0) & (scores <= 1)).all())
            if self.is_cut(scores, goal) and inside:
                raise ArgumentError(
                    f"{self.name}: outputs must be known to be logits or probabilities; got one "
                    f"number a row, all in 0..1. Say {type(self).__name__}(...)."
                    "reading('probabilities') or reading('logits')."
                )
        return super().__call__(output, target)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _log(numbers: Rows) -> Rows:
    """Return the logarithm; of 0 that of the least probability, as in scikit-learn."""
    found: Rows = np.log(np.maximum(numbers, np.finfo(np.float64).eps))
    return found


class LogLoss(OfProbabilities):
    """Mean of -log of the probability of the right class: cross entropy.

    Notes
    -----
    Same as Keras `SparseCategoricalCrossentropy` (the metric) and scikit-learn's log_loss.

    Examples
    --------
    >>> round(LogLoss()(np.array([[0.5, 0.5], [0.75, 0.25]]), [0, 0]), 4)
    0.4904
    """

    higher_is_better = False

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return (sum of the losses, rows)."""
        logs, labels = self.judged(output, target)
        losses = -logs[np.arange(len(labels)), labels]
        return np.array([losses.sum(), len(labels)], np.float64)

    def result(self, state: Sums) -> float:
        """Return the mean."""
        return ratio(state[0], state[1])


class Perplexity(LogLoss):
    """Between how many words a language model wavers: e to the mean of -log p(word).

    Parameters
    ----------
    ignore_index : int, optional
        A label that marks what does not count, such as padding.

    Notes
    -----
    Outputs (batch, time, classes) have labels (batch, time).

    Examples
    --------
    >>> round(Perplexity()(np.zeros((2, 3, 8)), np.zeros((2, 3), int)), 6)
    8.0
    """

    def judged(self, output: NDArray[Any], target: NDArray[Any]) -> Judged:
        """Return logarithms and labels; here the classes are the last axis."""
        if output.ndim > 2 and target.shape == output.shape[:-1]:
            output, target = output.reshape(-1, output.shape[-1]), target.reshape(-1)
        return super().judged(output, target)

    def result(self, state: Sums) -> float:
        """Return e to the mean."""
        with np.errstate(over="ignore"):
            return float(np.exp(super().result(state)))


class Brier(OfProbabilities):
    """Mean squared distance of the probabilities from what happened.

    mean_n sum_k (p_nk - [k = t_n])², half of it for two classes

    Notes
    -----
    Same as scikit-learn's brier_score_loss.

    Examples
    --------
    >>> Brier()(np.array([[0.5, 0.5], [1.0, 0.0]]), [0, 0])
    0.125
    """

    higher_is_better = False

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return (sum of the squares, rows)."""
        logs, labels = self.judged(output, target)
        wrong = np.exp(logs)
        wrong[np.arange(len(labels)), labels] -= 1
        scale = 0.5 if logs.shape[1] == 2 else 1.0
        return np.array([scale * np.square(wrong).sum(), len(labels)], np.float64)

    def result(self, state: Sums) -> float:
        """Return the mean."""
        return ratio(state[0], state[1])


class CalibrationError(OfProbabilities):
    """How far off a model is in how sure it says it is: the expected calibration error.

    sum_b rows_b / rows · |right_b / rows_b - mean of the highest probability_b|, b bins of it

    Parameters
    ----------
    bins : int > 0
        Parts of 0..1 of equal width, each with its upper end.

    Notes
    -----
    Source: Guo et al. 2017.

    Examples
    --------
    >>> says = np.array([[0.75, 0.25], [0.75, 0.25]])  # 75 %; it is right in 50 %
    >>> CalibrationError()(says, [0, 1])
    0.25
    """

    higher_is_better = False

    def __init__(
        self, bins: int = 15, *, ignore_index: int | None = None, name: str | None = None
    ) -> None:
        self.bins = validate.positive_int("bins", bins)
        self.size = 3 * self.bins
        super().__init__(ignore_index=ignore_index, name=name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return rows, right ones and the sum of the highest probabilities of each bin."""
        logs, labels = self.judged(output, target)
        if not len(labels):
            return self.zero()
        sure, right = np.exp(logs.max(axis=1)), logs.argmax(axis=1) == labels
        places = np.clip(np.ceil(sure * self.bins).astype(np.int64) - 1, 0, self.bins - 1)
        sums = (np.bincount(places, w, self.bins) for w in (None, right, sure))
        return np.concatenate([*sums]).astype(np.float64)

    def result(self, state: Sums) -> float:
        """Return the mean distance."""
        rows, right, sure = state.reshape(3, self.bins)
        return ratio(np.abs(right - sure).sum(), rows.sum())

    def __repr__(self) -> str:
        return f"CalibrationError({self.bins})"
