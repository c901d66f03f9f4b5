"""Metrics from the confusion matrix: how far labels and answers agree, class by class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from .classification import ConfusionMatrix, per_class
from .metric import Sums

Matrix = NDArray[np.float64]


class OfMatrix(ConfusionMatrix):
    """Base of figures of the confusion matrix; subclasses write `figure(matrix)`.

    Parameters
    ----------
    classes : int > 0
        Number of classes.
    threshold, ignore_index
        As for `ConfusionMatrix`.
    """

    default: str = ""
    """The key in histories and summaries."""

    def __init__(
        self,
        classes: int,
        *,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            classes,
            threshold=threshold,
            ignore_index=ignore_index,
            name=self.default if name is None else name,
        )

    def result(self, state: Sums) -> Any:
        """Return the figure."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.figure(state.reshape(self.classes, self.classes))

    @abstractmethod
    def figure(self, matrix: Matrix) -> Any:
        """Return the figure of a matrix of counts: rows are labels, columns answers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.classes})"


class BalancedAccuracy(OfMatrix):
    """Mean over the classes of the share of their rows that is found.

    Notes
    -----
    Same as scikit-learn's balanced_accuracy_score: classes without rows are left out.

    Examples
    --------
    >>> BalancedAccuracy(2)(np.eye(2)[[0, 0, 1, 1]], [0, 0, 1, 0])  # (2/3 + 1) / 2
    0.8333333333333333
    """

    default = "balanced_accuracy"

    def figure(self, matrix: Matrix) -> float:
        """Return the mean recall."""
        rows = matrix.sum(axis=1)
        found = (np.diag(matrix) / rows)[rows > 0]
        return float(found.mean()) if found.size else float("nan")


class CohenKappa(OfMatrix):
    """Agreement beyond chance: 1 for all rows, 0 for what answers by lot would have.

    kappa = 1 - sum_ij w_ij m_ij / sum_ij w_ij e_ij, e_ij = rows_i · answers_j / all

    Parameters
    ----------
    classes : int > 0
        Number of classes.
    weights : "linear" or "quadratic", optional
        Whether an answer far from the label is worse: w_ij = |i - j| or its square; 1 by default.

    Notes
    -----
    Same as scikit-learn's cohen_kappa_score.

    Examples
    --------
    >>> CohenKappa(2)(np.eye(2)[[0, 1, 1, 1]], [0, 0, 1, 1])
    0.5
    """

    default = "cohen_kappa"

    def __init__(
        self,
        classes: int,
        *,
        weights: str | None = None,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        self.weights = None
        if weights is not None:
            self.weights = validate.one_of("weights", weights, ("linear", "quadratic"))
        super().__init__(classes, threshold=threshold, ignore_index=ignore_index, name=name)

    def figure(self, matrix: Matrix) -> float:
        """Return kappa."""
        expected = np.outer(matrix.sum(axis=1), matrix.sum(axis=0)) / matrix.sum()
        every = np.arange(self.classes)
        far = np.abs(every[:, None] - every).astype(np.float64)
        costs = {None: np.sign(far), "linear": far, "quadratic": far**2}[self.weights]
        return float(1 - (costs * matrix).sum() / (costs * expected).sum())


class MatthewsCorrelation(OfMatrix):
    """Correlation of labels and answers, in -1..1; fair to rare classes.

    Notes
    -----
    Same as scikit-learn's matthews_corrcoef: 0 where all labels or all answers are of one class.

    Examples
    --------
    >>> round(MatthewsCorrelation(2)(np.eye(2)[[0, 1, 1, 1]], [0, 0, 1, 1]), 4)
    0.5774
    """

    default = "matthews"

    def figure(self, matrix: Matrix) -> float:
        """Return the correlation."""
        total = matrix.sum()
        if not total:
            return float("nan")
        rows, answers = matrix.sum(axis=1), matrix.sum(axis=0)
        both = np.trace(matrix) * total - rows @ answers
        spread = (total**2 - answers @ answers) * (total**2 - rows @ rows)
        return float(both / np.sqrt(spread)) if spread else 0.0


class MeanIoU(OfMatrix):
    """Mean over the classes of intersection by union, for maps of labels.

    iou_k = m_kk / (rows_k + answers_k - m_kk)

    Parameters
    ----------
    classes : int > 0
        Number of classes; outputs are (batch, classes, height, width).
    ignore_index : int, optional
        A label that marks what does not count.

    Notes
    -----
    Same as Keras `MeanIoU` and scikit-learn's jaccard_score (macro): classes that are neither among
    the labels nor among the answers are left out.

    Examples
    --------
    >>> MeanIoU(2)(np.eye(2)[[0, 1, 1, 1]], [0, 0, 1, 1])  # (1/2 + 2/3) / 2
    0.5833333333333333
    """

    default = "mean_iou"

    def figure(self, matrix: Matrix) -> float:
        """Return the mean of the classes that occur."""
        both, every = np.diag(matrix), matrix.sum(axis=1) + matrix.sum(axis=0)
        found = (both / (every - both))[every > 0]
        return float(found.mean()) if found.size else float("nan")


class DiceScore(MeanIoU):
    """Mean over the classes of twice the intersection by the sum of both, for maps of labels.

    dice_k = 2 m_kk / (rows_k + answers_k)

    Notes
    -----
    Same as scikit-learn's f1_score (macro), over the classes that occur.

    Examples
    --------
    >>> round(DiceScore(2)(np.eye(2)[[0, 1, 1, 1]], [0, 0, 1, 1]), 4)  # (2/3 + 4/5) / 2
    0.7333
    """

    default = "dice_score"

    def figure(self, matrix: Matrix) -> float:
        """Return the mean of the classes that occur."""
        both, every = np.diag(matrix), matrix.sum(axis=1) + matrix.sum(axis=0)
        found = (2 * both / every)[every > 0]
        return float(found.mean()) if found.size else float("nan")


@dataclass(frozen=True)
class Report:
    """Precision, recall, F1 and rows of each class; printed as a table.

    `numpy.asarray(report)` has shape (classes, 4).
    """

    names: tuple[str, ...]
    precision: Matrix
    recall: Matrix
    f1: Matrix
    rows: NDArray[np.int64]
    accuracy: float

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        columns = (self.precision, self.recall, self.f1, self.rows)
        return np.column_stack(columns).astype(dtype or np.float64)

    def __str__(self) -> str:
        total = int(self.rows.sum())
        wide = max(len("weighted mean"), *map(len, self.names))
        lines = [f"{'':{wide}}  precision  recall     f1     rows"]
        figures = np.asarray(self)[:, :3]
        for name, row, count in zip(self.names, figures, self.rows, strict=True):
            lines.append(_line(name, wide, row, count))
        figures = np.nan_to_num(figures)
        lines.append(_line("mean", wide, figures.mean(axis=0), total))
        if total:
            lines.append(_line("weighted mean", wide, self.rows @ figures / total, total))
        lines.append(f"{'accuracy':{wide}}  {'':9}  {'':6}  {self.accuracy:5.3f}  {total:7,}")
        return "\n".join(lines)

    __repr__ = __str__


def _line(name: str, wide: int, figures: Matrix, rows: int) -> str:
    precision, recall, f1 = figures
    return f"{name:{wide}}  {precision:9.3f}  {recall:6.3f}  {f1:5.3f}  {rows:7,}"


class ClassReport(OfMatrix):
    """Precision, recall, F1 and number of rows of each class.

    Parameters
    ----------
    classes : int > 0
        Number of classes.
    labels : sequence of str, optional
        What the classes are called.

    Raises
    ------
    ArgumentError : there is not one name for each class.

    Notes
    -----
    Same figures as scikit-learn's classification_report; NaN where there is nothing to divide by,
    which counts 0 in the means.

    Examples
    --------
    >>> print(ClassReport(2, labels=["ham", "spam"])(np.eye(2)[[0, 1, 1, 1]], [0, 0, 1, 1]))
                   precision  recall     f1     rows
    ham                1.000   0.500  0.667        2
    spam               0.667   1.000  0.800        2
    mean               0.833   0.750  0.733        4
    weighted mean      0.833   0.750  0.733        4
    accuracy                          0.750        4
    """

    default = "class_report"

    def __init__(
        self,
        classes: int,
        *,
        labels: Sequence[str] | None = None,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(classes, threshold=threshold, ignore_index=ignore_index, name=name)
        given = [str(k) for k in range(self.classes)]
        if labels is not None:
            given = validate.several("labels", labels, "a name for each class")
            if len(given) != self.classes or not all(isinstance(n, str) for n in given):
                raise ArgumentError(
                    f"ClassReport: `labels` must hold {self.classes} names; got {labels!r}."
                )
        self.labels = tuple(given)

    def figure(self, matrix: Matrix) -> Report:
        """Return the report."""
        found = per_class(matrix)
        accuracy = float(np.trace(matrix) / matrix.sum())
        return Report(names=self.labels, accuracy=accuracy, **found)
