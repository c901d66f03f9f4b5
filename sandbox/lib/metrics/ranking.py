"""Metrics of lists: whether what is wanted stands at the top."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import DataError, ShapeError
from .gathered import Gathered, Rows
from .metric import Metric, Sums, checked_classes, ratio

INTERPOLATIONS = ("steps", "area", "11 points", "101 points")


class Ranked(Metric):
    """Base of metrics that judge a list of candidates for each row; subclasses write `judge`.

    Outputs are (rows, candidates) scores. Targets are (rows,), the place of the one that is wanted,
    or (rows, candidates), how much each is wanted. Of equal scores the first one counts as higher.

    Parameters
    ----------
    k : int > 0
        How many of the top count.
    negatives : int > 0, optional
        Outputs hold one score a row, and so many rows behind a wanted one are its list: (rows,) or
        (rows, 1), and targets likewise. Batches must hold whole lists (`data.RankingLists`); it is
        measured in validation only, since rows to learn from are no lists.
    """

    takes_trees = False

    def __init__(
        self, k: int = 10, *, negatives: int | None = None, name: str | None = None
    ) -> None:
        self.k = validate.positive_int("k", k)
        self.negatives = (
            None if negatives is None else validate.positive_int("negatives", negatives)
        )
        self.while_training = self.negatives is None
        own = type(self).__name__
        word = own.lower() if own.isupper() else "hit_ratio"
        super().__init__(name=f"{word}{k}" if name is None else name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return (sum of the lists' figures, lists)."""
        scores, wanted = self._lists(output, target)
        if not len(scores):
            return self.zero()
        order = np.argsort(-scores, axis=1, kind="stable")
        figures = self.judge(np.take_along_axis(wanted, order, axis=1), wanted)
        return np.array([figures.sum(), len(figures)], np.float64)

    def result(self, state: Sums) -> float:
        """Return the mean over the lists."""
        return ratio(state[0], state[1])

    @abstractmethod
    def judge(self, found: Rows, wanted: Rows) -> Rows:
        """Return a figure for each list: how much is wanted in the order found, and as given."""

    def _lists(self, output: NDArray[Any], target: NDArray[Any]) -> tuple[Rows, Rows]:
        if self.negatives is not None:
            length = self.negatives + 1
            if output.size != len(output) or target.size != len(output) or len(output) % length:
                raise ShapeError(
                    f"{self.name}: output must hold one score a row, and a multiple of {length} "
                    f"rows (negatives + 1); got {output.shape} and targets {target.shape}."
                )
            output, target = output.reshape(-1, length), target.reshape(-1, length)
        if target.ndim == 1:
            labels = checked_classes(self, output, target)
            target = labels[:, None] == np.arange(output.shape[1])
        if output.ndim != 2 or target.shape != output.shape:
            raise ShapeError(
                f"{self.name}: output must have shape (rows, candidates) and target the same, or "
                f"(rows,); got {output.shape} and {target.shape}."
            )
        scores, wanted = output.astype(np.float64), target.astype(np.float64)
        if wanted.size and not wanted.min() >= 0:
            raise DataError(f"{self.name}: target must hold numbers >= 0; got {wanted.min():g}.")
        return np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf), wanted

    def __repr__(self) -> str:
        given = "" if self.negatives is None else f", negatives={self.negatives}"
        return f"{type(self).__name__}({self.k}{given})"


class HitRatio(Ranked):
    """Share of lists with something wanted among the first k.

    Notes
    -----
    Same as BigDL `HitRatio` (0.13, k and neg_num). Source: He et al. 2017.

    Examples
    --------
    >>> HitRatio(2)(np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), [1, 2])
    0.5
    """

    def judge(self, found: Rows, wanted: Rows) -> Rows:
        """Return 1 for each list with a hit."""
        hits: Rows = np.any(found[:, : self.k] > 0, axis=1).astype(np.float64)
        return hits


class NDCG(Ranked):
    """Gain of the first k by the gain of the best order, later places counting less.

    sum_{i <= k} g_i / log2(i + 1), g how much the one at place i is wanted; by this of the best

    Notes
    -----
    Same as BigDL `NDCG` (0.13, k and neg_num) and scikit-learn's ndcg_score; a list without
    anything wanted counts 0. Source: Järvelin & Kekäläinen 2002.

    Examples
    --------
    >>> round(NDCG(2)(np.array([[0.1, 0.7, 0.2]]), [2]), 4)  # 1 / log2(3)
    0.6309
    """

    def judge(self, found: Rows, wanted: Rows) -> Rows:
        """Return the gain of each list."""
        first = found[:, : self.k]
        best = -np.sort(-wanted, axis=1)[:, : self.k]
        discount = 1 / np.log2(np.arange(2, first.shape[1] + 2))
        most: Rows = np.asarray(best @ discount)
        gains = np.zeros(len(most))
        np.divide(first @ discount, most, out=gains, where=most > 0)
        return gains


class MRR(Ranked):
    """Mean of 1 / place of the first one that is wanted, 0 where it is not among the first k.

    Examples
    --------
    >>> MRR()(np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), [2, 0])  # (1/2 + 1) / 2
    0.75
    """

    def judge(self, found: Rows, wanted: Rows) -> Rows:
        """Return 1 / place of each list."""
        hit = found[:, : self.k] > 0
        figures: Rows = np.where(hit.any(axis=1), 1 / (hit.argmax(axis=1) + 1.0), 0.0)
        return figures


def average_precision(scores: Rows, hits: Rows, total: float, interpolation: str) -> float:
    """Return the area under the curve of precision over recall; NaN where nothing is to be found.

    Parameters
    ----------
    scores : (n,) array
        Of what is found; equal ones count together.
    hits : (n,) array
        1 for what is right, 0 for what is wrong.
    total : float
        How many there are to be found.
    interpolation : "steps", "area", "11 points" or "101 points"
        Precision as it is, as in scikit-learn; or for each recall the best precision at this recall
        or a higher one: over all recalls (VOC since 2010), at 0, 0.1 ... 1 (VOC 2007), at 0, 0.01
        ... 1 (COCO).

    Raises
    ------
    ArgumentError : there is no such interpolation.
    ShapeError : scores and hits are not alike.

    Examples
    --------
    >>> scores, hits = np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0])
    >>> [round(average_precision(scores, hits, 2, kind), 4) for kind in ("steps", "11 points")]
    [0.8333, 0.8485]
    """
    validate.one_of("interpolation", interpolation, INTERPOLATIONS)
    scores = validate.numbers("scores", scores).astype(np.float64)
    hits = validate.numbers("hits", hits).astype(np.float64)
    total = validate.non_negative("total", total)
    if scores.ndim != 1 or hits.shape != scores.shape:
        raise ShapeError(
            f"average_precision: scores and hits must have one shape (n,); got {scores.shape} and "
            f"{hits.shape}."
        )
    if not total:
        return float("nan")
    if not len(scores):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    right = np.cumsum(hits[order])[ends]
    recall, precision = right / total, right / (ends + 1)
    if interpolation != "steps":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolation in ("steps", "area"):
        return float((np.diff(recall, prepend=0.0) * precision).sum())
    wanted = np.linspace(0, 1, int(interpolation.split()[0]))
    places = np.searchsorted(recall, wanted - 1e-12)  # 3/10 is found at 0.3
    return float(np.append(precision, 0.0)[places].mean())


class MeanAveragePrecision(Gathered):
    """Mean over the classes of the area under precision over recall of each against the rest.

    Parameters
    ----------
    classes : int > 0
        Number of classes.
    k : int > 0, optional
        How many of the highest scores of a class count; all by default.
    interpolation : "steps", "area", "11 points" or "101 points"
        See `average_precision`.

    Shapes
    ------
    output : (rows, classes) scores
    target : (rows,) labels, or (rows, classes) of 0 and 1

    Notes
    -----
    Same as BigDL `MeanAveragePrecision` (0.13; interpolation "area" there) and, with "steps",
    scikit-learn's average_precision_score (macro), but that classes without rows are left out.
    Exact: the rows of all batches and ranks are gathered.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.95, 0.05]])
    >>> round(MeanAveragePrecision(2)(scores, [0, 1, 1]), 4)  # (1/2 + (1 + 2/3) / 2) / 2
    0.6667
    """

    takes_trees = False

    def __init__(
        self,
        classes: int,
        *,
        k: int | None = None,
        interpolation: str = "steps",
        name: str | None = None,
    ) -> None:
        self.classes = validate.positive_int("classes", classes)
        self.k = None if k is None else validate.positive_int("k", k)
        self.interpolation = validate.one_of("interpolation", interpolation, INTERPOLATIONS)
        self.columns = 2 * self.classes
        super().__init__(name=name)

    def rows(self, output: NDArray[Any], target: NDArray[Any]) -> Rows:
        """Return the scores of each row, and 1 for the classes it is of."""
        if target.ndim == 1:
            labels = checked_classes(self, output, target, self.classes)
            target = labels[:, None] == np.arange(self.classes)
        if target.shape != output.shape or output.shape[1:] != (self.classes,):
            raise ShapeError(
                f"{self.name}: output must have shape (rows, {self.classes}) and target the same, "
                f"or (rows,); got {output.shape} and {target.shape}."
            )
        if not np.isin(target, (0, 1)).all():
            raise DataError(f"{self.name}: targets of several labels must be 0 or 1.")
        if np.isnan(output).any():
            row = int(np.isnan(output).any(axis=1).argmax())
            raise DataError(f"{self.name}: scores must be numbers; got NaN in row {row}.")
        return np.column_stack((output, target)).astype(np.float64)

    def figure(self, rows: Rows) -> float:
        """Return the mean over the classes that have rows."""
        found = []
        for scores, hits in zip(*np.split(rows.T, 2), strict=True):
            kept = np.argsort(-scores, kind="stable")[: self.k]
            if hits.any():
                area = average_precision(scores[kept], hits[kept], hits.sum(), self.interpolation)
                found.append(area)
        return float(np.mean(found)) if found else float("nan")

    def __repr__(self) -> str:
        return f"MeanAveragePrecision({self.classes}, interpolation={self.interpolation!r})"
