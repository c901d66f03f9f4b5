"""Criterions of labels by how sure the model is: hard rows first, or wrong labels borne."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import in_range, non_negative
from ..nn.registry import register
from .base import CriterionCase
from .binary import focus
from .labels import ClassWeights, Labelled, kept


@register("criterion.Focal")
class Focal(Labelled):
    """Compare logits with labels; rows that are easy count little.

    call = sum_n w[t_n] · (1 - p_n)^gamma · -log(p_n), p_n = softmax(x_n)[t_n];
    weight = number of rows, of those that count

    Parameters
    ----------
    gamma : float >= 0
        How much less the easy ones count; 0 gives `CrossEntropy`.
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts.
    ignore_index : int, optional
        A label that marks what does not count.

    Shapes
    ------
    output : (batch, classes, ...) float32 logits (no softmax before it)
    target : (batch, ...) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : `gamma` or a weight is negative, or the model ends in a softmax.
    ShapeError : the target is not one whole number per row (and position).
    DataError : a label is out of range.

    Notes
    -----
    Like Keras `CategoricalFocalCrossentropy`: labels, not one-hot rows, and class weights in place
    of alpha (0.25 there). Source: Lin et al. 2017. Reference: `engine.ops.activation`.

    Examples
    --------
    >>> round(Focal()(np.zeros((2, 2), "f4"), np.array([0, 1])), 4)  # log(2) / 4
    0.1733
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Focal(),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError), ([0.5, 1.0, 1.0], ShapeError)),
        ),
        CriterionCase(
            lambda: Focal(0.5, class_weights=[1.0, 2.0, 0.5], ignore_index=-1),
            output=(4, 3, 2),
            target=lambda rows, rng: np.arange(2 * rows).reshape(rows, 2) % 4 - 1,
        ),
    )

    takes = "logits"
    fits = ("logarithms",)
    weighs_classes = False

    def __init__(
        self,
        gamma: float = 2.0,
        *,
        class_weights: ClassWeights = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)
        self.gamma = non_negative("gamma", gamma)

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position."""
        labels, own, counts = self._own_logs(output, target)
        losses = ops.multiply(own, focus(ops.subtract(1.0, ops.exp(own)), self.gamma))
        return kept(ops.negative(self._by_class(losses, labels)), counts)


@register("criterion.GeneralizedCrossEntropy")
class GeneralizedCrossEntropy(Labelled):
    """Compare logits with labels of which some are wrong: none costs more than 1/q.

    call = sum_n (1 - p_n^q) / q, p_n = softmax(x_n)[t_n]; weight = number of rows that count

    Parameters
    ----------
    q : float in (0, 1]
        Towards 0 it is `CrossEntropy`; 1 gives 1 - p, which hardly minds wrong labels.
    ignore_index : int, optional
        A label that marks what does not count.

    Shapes
    ------
    output : (batch, classes, ...) float32 logits (no softmax before it)
    target : (batch, ...) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : `q` is out of range, or the model ends in a softmax.
    ShapeError : the target is not one whole number per row (and position).
    DataError : a label is out of range.

    Notes
    -----
    Like Keras `CategoricalGeneralizedCrossEntropy`: logits and labels, not probabilities and
    one-hot rows. Source: Zhang & Sabuncu 2018. Reference: `engine.ops.activation`.

    Examples
    --------
    >>> GeneralizedCrossEntropy()(np.zeros((2, 4), "f4"), np.array([0, 3]))  # (1 - sqrt(1/4)) / 0.5
    1.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: GeneralizedCrossEntropy(0.7, ignore_index=-1),
            output=(4, 3),
            target=lambda rows, rng: np.arange(rows) % 4 - 1,
            wrong=(([0, 1, 3], DataError), ([0.5, 1.0, 1.0], ShapeError)),
        ),
    )

    takes = "logits"
    fits = ("logarithms",)
    weighs_classes = False

    def __init__(self, q: float = 0.5, *, ignore_index: int | None = None) -> None:
        super().__init__(ignore_index=ignore_index)
        self.q = in_range("q", q, 0.0, 1.0, closed="right")

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row and position."""
        _, own, counts = self._own_logs(output, target)
        losses = ops.divide(ops.subtract(1.0, ops.exp(ops.multiply(own, self.q))), self.q)
        return kept(losses, counts)
