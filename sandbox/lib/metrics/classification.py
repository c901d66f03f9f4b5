"""Metrics of classifiers: accuracy among the first k, and the confusion matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ShapeError
from .decided import Decided
from .metric import Sums, checked_classes, ratio, rows_of_labels


class TopK(Decided):
    """Share of rows whose label is among the k highest scores.

    Of equal scores the lower class counts as higher, as in argmax; NaN counts as the lowest score.
    One score a row, (rows, 1), is that of class 1 of two: the answer is yes above `threshold`.

    Parameters
    ----------
    k : int > 0
        With k classes or fewer every row counts.
    threshold : float, optional
        By default 0 for logits, 0.5 for probabilities, as the `Trainer` knows them.
    ignore_index : int, optional
        A label that marks what does not count.

    Notes
    -----
    Same as Keras `SparseTopKCategoricalAccuracy`. Of outputs (batch, classes, ...) each position is
    a row.

    Examples
    --------
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]])
    >>> TopK(1)(scores, [1, 2]), TopK(2)(scores, [1, 1])
    (0.5, 1.0)
    >>> TopK(1)(np.array([[1.5], [-2.0]]), [1, 1])
    0.5
    """

    def __init__(
        self,
        k: int = 1,
        *,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        self.k = validate.positive_int("k", k)
        self.ignore_index = _ignored(ignore_index)
        super().__init__(threshold=threshold, name=f"top{k}" if name is None else name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return (rows that are right, rows)."""
        output, target = rows_of_labels(output, target, self.ignore_index)
        if self.is_cut(output, target):
            output, target = self.two_classes(output, target)
        labels = checked_classes(self, output, target)
        own = output[np.arange(len(labels)), labels][:, None]
        ahead = output > own
        ahead |= (output == own) & (np.arange(output.shape[1]) < labels[:, None])
        right = (ahead.sum(axis=1) < self.k) & ~np.isnan(own[:, 0])
        return np.array([np.count_nonzero(right), len(labels)], np.float64)

    def result(self, state: Sums) -> float:
        """Return the share."""
        return ratio(state[0], state[1])

    def __repr__(self) -> str:
        return f"TopK({self.k})" if type(self) is TopK else f"{type(self).__name__}()"


class Top1(TopK):
    """Share of rows whose label has the highest score: accuracy.

    Notes
    -----
    Same as BigDL `Top1Accuracy` (0.13, where labels count from 1) and Keras
    `SparseCategoricalAccuracy`, `BinaryAccuracy`.

    Examples
    --------
    >>> Top1()(np.eye(2), [0, 0])
    0.5
    """

    def __init__(
        self,
        *,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(1, threshold=threshold, ignore_index=ignore_index, name=name)


class Top5(TopK):
    """Share of rows whose label is among the five highest scores.

    Notes
    -----
    Same as BigDL `Top5Accuracy` (0.13, where labels count from 1).
    """

    def __init__(self, *, ignore_index: int | None = None, name: str | None = None) -> None:
        super().__init__(5, ignore_index=ignore_index, name=name)


class TreeTop1(Top1):
    """Share of trees whose root has its label as the highest score.

    The first node is the root: outputs are (rows, nodes, classes), targets (rows, nodes).

    Notes
    -----
    Same as BigDL `TreeNNAccuracy` (0.13, where labels count from 1).

    Examples
    --------
    >>> scores = np.array([[[0.1, 0.9], [0.8, 0.2]], [[0.7, 0.3], [0.8, 0.2]]])
    >>> TreeTop1()(scores, [[1, 1], [1, 0]])
    0.5
    """

    def __init__(
        self,
        *,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        name = "tree_top1" if name is None else name
        super().__init__(threshold=threshold, ignore_index=ignore_index, name=name)

    def pick(self, output: Any, target: Any) -> tuple[Any, Any]:
        """Return what `update` takes: of the trees the roots."""
        output, target = super().pick(output, target)
        if np.ndim(output) != 3 or np.shape(target) != np.shape(output)[:2] or not target.shape[1]:
            raise ShapeError(
                f"{self.name}: output must have shape (rows, nodes, classes) and target (rows, "
                f"nodes); got {np.shape(output)} and {np.shape(target)}."
            )
        return output[:, 0], target[:, 0]


class ConfusionMatrix(Decided):
    """Count rows by their label and the class with the highest score.

    Parameters
    ----------
    classes : int > 0
        Number of classes.
    threshold : float, optional
        Of two classes whose outputs are one score a row, see `TopK`.
    ignore_index : int, optional
        A label that marks what does not count.

    Shapes
    ------
    result : (classes, classes) int64, rows are labels, columns predictions

    Examples
    --------
    >>> matrix = ConfusionMatrix(2)
    >>> counts = matrix(np.array([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]]), [0, 1, 1])
    >>> counts
    array([[1, 0],
           [1, 1]])
    >>> per_class(counts)["recall"]
    array([1. , 0.5])
    """

    def __init__(
        self,
        classes: int,
        *,
        threshold: float | None = None,
        ignore_index: int | None = None,
        name: str | None = None,
    ) -> None:
        self.classes = validate.positive_int("classes", classes)
        self.ignore_index = _ignored(ignore_index)
        self.size = classes * classes
        super().__init__(threshold=threshold, name="confusion" if name is None else name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return the counts, flattened."""
        output, target = rows_of_labels(output, target, self.ignore_index)
        if self.classes == 2 and self.is_cut(output, target):
            output, target = self.two_classes(output, target)
        labels = checked_classes(self, output, target, self.classes)
        if not len(labels):
            return self.zero()
        places = labels * self.classes + output.argmax(axis=1)
        return np.bincount(places, minlength=self.size).astype(np.float64)

    def result(self, state: Sums) -> NDArray[np.int64]:
        """Return the matrix."""
        return np.rint(state).astype(np.int64).reshape(self.classes, self.classes)

    def __repr__(self) -> str:
        return f"ConfusionMatrix({self.classes})"


def _ignored(label: int | None) -> int | None:
    return None if label is None else validate.integer("ignore_index", label)


def per_class(matrix: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return rows, precision, recall and F1 of each class from a confusion matrix.

    NaN where a class has no rows (recall), no predictions (precision), or neither (F1).
    """
    counts = validate.numbers("matrix", matrix).astype(np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(
            f"per_class: `matrix` must have shape (classes, classes); got {counts.shape}. "
            "It is what ConfusionMatrix(classes) gives."
        )
    right, rows, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "rows": rows.astype(np.int64),
            "precision": right / predicted,
            "recall": right / rows,
            "f1": 2 * right / (rows + predicted),
        }
