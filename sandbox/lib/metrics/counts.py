"""Precision, recall and F1 from counts of right and wrong predictions of each class."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError, ShapeError
from .decided import Decided
from .metric import Sums, checked_classes

_AVERAGES = ("macro", "micro", "positive", "none")


class Counted(Decided):
    """Base: right (tp), wrongly predicted (fp) and missed (fn) rows of each class.

    Outputs and targets may be
    - (rows, classes) scores with integer labels: the highest score is the prediction;
    - (rows,) or (rows, 1) scores with labels 0 or 1: positive where score > threshold;
    - (rows, classes) scores with (rows, classes) targets of 0 and 1 (several labels a row): each
      class is positive where its score > threshold.

    Parameters
    ----------
    classes : int > 1, default=2
        Number of classes.
    average : "positive", "macro", "micro" or "none"
        Class 1 alone (two classes only, and their default); the mean over classes (the default of
        more); of the counts over all classes; or an array, one figure for each class.
    threshold : float, optional
        On scores of two classes in one column, and of several labels. By default 0 for logits, 0.5
        for probabilities, as the `Trainer` knows them.
    """

    def __init__(
        self,
        classes: int = 2,
        *,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
    ) -> None:
        self.classes = validate.positive_int("classes", classes)
        if average is None:
            average = "positive" if classes == 2 else "macro"
        self.average = validate.one_of("average", average, _AVERAGES)
        if self.average == "positive" and classes != 2:
            raise ArgumentError(
                f"{type(self).__name__}: average='positive' must come with 2 classes; got "
                f"{classes}. Use 'macro' or 'micro'."
            )
        self.size = 3 * self.classes
        word = type(self).__name__.lower()
        mark = "" if self.average == "positive" else f"_{self.average}"
        if name is None:
            name = f"{word}{mark}".replace("_none", "_by_class")
        super().__init__(threshold=threshold, name=name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return tp, fp and fn of each class."""
        if self._has_several(output, target):
            truth = self._truth(target)
            found = output > self.cut()
        else:
            if self.is_cut(output, target):
                if self.classes != 2:
                    raise ShapeError(
                        f"{self.name}: output must have shape (rows, {self.classes}); got "
                        f"{output.shape}."
                    )
                output, target = self.two_classes(output, target)
            labels = checked_classes(self, output, target, self.classes)
            if not len(labels):
                return self.zero()
            every = np.arange(self.classes)
            truth = labels[:, None] == every
            found = output.argmax(axis=1)[:, None] == every
        counts = [(found & truth).sum(0), (found & ~truth).sum(0), (~found & truth).sum(0)]
        return np.concatenate(counts).astype(np.float64)

    def is_cut(self, output: NDArray[Any], target: NDArray[Any]) -> bool:
        """Tell whether the threshold decides: of one score a row, and of several labels."""
        column = output.ndim == 1 or super().is_cut(output, target)
        return column or self._has_several(output, target)

    def _has_several(self, output: NDArray[Any], target: NDArray[Any]) -> bool:
        """Tell whether a row may have several labels."""
        wide = output.ndim == 2 and output.shape[1] == self.classes
        return wide and target.shape == output.shape

    def _truth(self, target: NDArray[Any]) -> NDArray[np.bool_]:
        wrong = ~np.isin(target, (0, 1))
        if wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0])
            raise DataError(
                f"{self.name}: targets of several labels must be 0 or 1; got "
                f"{target[row, column]} in row {row}, class {column}."
            )
        return target.astype(bool)

    def result(self, state: Sums) -> Any:
        """Return the figure; 0 where there is nothing to divide by, as in scikit-learn."""
        tp, fp, fn = state.reshape(3, self.classes)
        if self.average == "micro":
            tp, fp, fn = (x.sum(keepdims=True) for x in (tp, fp, fn))
        elif self.average == "positive":
            tp, fp, fn = tp[1:], fp[1:], fn[1:]
        above, below = self.share(tp, fp, fn)
        figures = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        return figures if self.average == "none" else float(figures.mean())

    @abstractmethod
    def share(self, tp: Sums, fp: Sums, fn: Sums) -> tuple[Sums, Sums]:
        """Return numerators and denominators."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.classes}, average={self.average!r})"


class Precision(Counted):
    """Share of the rows predicted to be of a class that are: tp / (tp + fp).

    Notes
    -----
    Same as Keras `Precision` and scikit-learn's precision_score.

    Examples
    --------
    >>> Precision()(np.array([2.0, 1.0, -1.0, -3.0]), [1, 0, 1, 1])
    0.5
    """

    def share(self, tp: Sums, fp: Sums, fn: Sums) -> tuple[Sums, Sums]:
        """Return tp and tp + fp."""
        return tp, tp + fp


class Recall(Counted):
    """Share of the rows of a class that are found: tp / (tp + fn).

    Notes
    -----
    Same as Keras `Recall` and scikit-learn's recall_score.

    Examples
    --------
    >>> Recall(3, average="macro")(np.eye(3), [0, 1, 1])
    0.5
    """

    def share(self, tp: Sums, fp: Sums, fn: Sums) -> tuple[Sums, Sums]:
        """Return tp and tp + fn."""
        return tp, tp + fn


class F1(Counted):
    """Harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn).

    Notes
    -----
    Same as Keras `F1Score` and scikit-learn's f1_score.

    Examples
    --------
    >>> F1(3, average="none")(np.eye(3), [0, 1, 1])
    array([1.        , 0.66666667, 0.        ])
    """

    def share(self, tp: Sums, fp: Sums, fn: Sums) -> tuple[Sums, Sums]:
        """Return 2 tp and 2 tp + fp + fn."""
        return 2 * tp, 2 * tp + fp + fn
