"""Criterions of labels, which count from 1 here."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .... import criterion as core
from ....core import ops
from ....core.validate import one_of
from .base import Criterion, check_labels, labels_of


class OfLabels(Criterion):
    """What criterions of labels share: labels count from 1, one of them may mark padding."""

    axes: ClassVar[int] = 2

    def __init__(self, inner: Any, skip: int | None, size_average: bool, bigdl_type: str) -> None:
        self.inner: Any = inner
        self.skip = skip
        self.size_average = size_average
        self.bigdl_type = bigdl_type

    @property
    def takes_classes(self) -> bool:
        """Whether a target of one number per row is a class: it is."""
        return True

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse labels outside of 1..classes."""
        check_labels(target, output_shape[1], self.skip)

    def goal(self, output: Any, target: Any) -> Any:
        """Give labels that count from 0."""
        shape = (output.shape[0], *output.shape[2:])
        return labels_of(target, shape, output.shape[1], self.skip)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows and positions."""
        return ops.sum(self.inner.losses(self.seen(output), self.goal(output, target)))

    def weight(self, target: Any) -> float:
        """Give the weights of the labels that count, or 1 for a sum."""
        if not self.size_average:
            return 1.0
        return float(self.inner.weight(np.asarray(target).reshape(-1).astype(np.int64) - 1))


class ClassNLLCriterion(OfLabels):
    """Negative logarithm of the right class: loss = sum_n -w[t_n] · x_n[t_n] / sum_n w[t_n].

    Parameters
    ----------
    weights : (classes,) array, optional
        How much a row of each class counts.
    size_average : bool
        Whether the sum is divided by the weights.
    logProbAsInput : bool
        Whether the input holds logarithms, from `LogSoftMax`, or probabilities.
    paddingValue : int
        A label that marks rows which do not count.

    Raises
    ------
    DataError : a label is not in 1..classes.

    Examples
    --------
    >>> ClassNLLCriterion().forward(np.log([[0.25, 0.75]]), np.array([2.0])) < 0.2877
    True
    """

    def __init__(
        self,
        weights: Any = None,
        size_average: bool = True,
        logProbAsInput: bool = True,
        bigdl_type: str = "float",
        paddingValue: int = -1,
    ) -> None:
        inner = core.NLL(_plain(weights), ignore_index=paddingValue - 1)
        super().__init__(inner, paddingValue, size_average, bigdl_type)
        self.log_given = logProbAsInput

    def seen(self, output: Any) -> Any:
        """Give logarithms."""
        return output if self.log_given else ops.log(ops.clip(output, 1e-8, 1.0 - 1e-8))


class CrossEntropyCriterion(OfLabels):
    """`LogSoftMax` and `ClassNLLCriterion` in one. Core: `criterion.CrossEntropy`."""

    def __init__(
        self, weights: Any = None, size_average: bool = True, bigdl_type: str = "float"
    ) -> None:
        inner = core.CrossEntropy(_plain(weights), ignore_index=-2)
        super().__init__(inner, -1, size_average, bigdl_type)


class SoftmaxWithCriterion(OfLabels):
    """Softmax and cross entropy along axis 2, at each position, as in Caffe.

    Parameters
    ----------
    ignore_label : int, optional
        A label that marks positions which do not count.
    normalize_mode : "FULL", "VALID", "BATCH_SIZE" or "NONE"
        What the sum is divided by: all positions, those that count, the rows, or nothing.
    """

    def __init__(
        self,
        ignore_label: int | None = None,
        normalize_mode: str = "VALID",
        bigdl_type: str = "float",
    ) -> None:
        ignored = None if ignore_label is None else ignore_label - 1
        inner = core.CrossEntropy(ignore_index=ignored)
        super().__init__(inner, ignore_label, True, bigdl_type)
        modes = ("FULL", "VALID", "BATCH_SIZE", "NONE")
        self.mode = one_of("normalize_mode", normalize_mode, modes)

    def weight(self, target: Any) -> float:
        """Give what the mode divides by, at least 1."""
        labels = np.asarray(target)
        counted = labels.size if self.skip is None else int((labels != self.skip).sum())
        sizes = {"FULL": labels.size, "VALID": counted, "BATCH_SIZE": len(labels), "NONE": 1}
        return float(max(1, sizes[self.mode]))


class MultiMarginCriterion(OfLabels):
    """The right class ahead of each other one by a margin. Core: `criterion.MultiMargin`."""

    def __init__(
        self,
        p: int = 1,
        weights: Any = None,
        margin: float = 1.0,
        size_average: bool = True,
        bigdl_type: str = "float",
    ) -> None:
        inner = core.MultiMargin(p, margin=margin, class_weights=_plain(weights))
        super().__init__(inner, None, size_average, bigdl_type)


class ClassSimplexCriterion(OfLabels):
    """Squared distance from the corner of a simplex for each class. Core: `ClassSimplex`."""

    def __init__(self, n_classes: int, bigdl_type: str = "float") -> None:
        super().__init__(core.ClassSimplex(n_classes), None, True, bigdl_type)


def _plain(weights: Any) -> Any:
    return None if weights is None else np.asarray(weights, np.float32).tolist()
