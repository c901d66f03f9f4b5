"""Criterions of overlap: maps of probabilities against maps of yes and no."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import non_negative, positive
from ..nn.registry import register
from .base import Array, CriterionCase
from .binary import Shares
from .labels import check_probabilities


class Overlap(Shares):
    """What criterions of overlap share; subclasses write `lacking(both, found, truth)` of rows."""

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse what are no probabilities."""
        check_probabilities(output, "Put nn.Sigmoid or nn.Softmax behind the model.")

    def size(self, shape: tuple[int, ...]) -> float:
        """Give 1: the loss is the whole row's."""
        return 1.0

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each row."""
        axes = tuple(range(1, len(output.shape)))
        both = ops.sum(ops.multiply(output, goal), axes=axes)
        return self.lacking(both, ops.sum(output, axes=axes), ops.sum(goal, axes=axes))

    @abstractmethod
    def lacking(self, both: Any, found: Any, truth: Any) -> Any:
        """Compute the loss of each row from sums over it: products, outputs, targets."""


@register("criterion.Dice")
class Dice(Overlap):
    """Compare maps of probabilities with maps of yes and no: what they lack of covering each other.

    call = sum_n (1 - (2 · sum_i x_ni t_ni + eps) / (sum_i x_ni + sum_i t_ni + eps))

    Parameters
    ----------
    eps : float > 0
        What an empty map is right by, and how smooth it is.

    Shapes
    ------
    output : (batch, ...) float32 in 0..1
    target : the same, 0 or 1 or between

    Raises
    ------
    ArgumentError : `eps` is not positive.
    ShapeError : the target has not the output's shape.
    DataError : a target or an output is outside of 0..1.

    Notes
    -----
    Same as BigDL `DiceCoefficientCriterion` (0.13). Like Keras `Dice`: that takes all rows as one
    map, so that parts of a batch do not add up. Source: Milletari et al. 2016.
    Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> Dice()(np.float32([[1.0, 0.0]]), np.array([[1, 1]]))  # 1 - 3 / 4
    0.25
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Dice(0.5),
            output=(4, 1, 2, 3),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 1, 2, 3)),
            wrong=(([0, 1, 1], ShapeError), (np.full((3, 1, 2, 3), 2), DataError)),
            probabilities=True,
        ),
    )

    def __init__(self, eps: float = 1.0) -> None:
        self.eps = positive("eps", eps)

    def lacking(self, both: Any, found: Any, truth: Any) -> Any:
        """Compute what each row lacks."""
        above = ops.add(ops.multiply(both, 2.0), self.eps)
        return ops.subtract(1.0, ops.divide(above, ops.add(ops.add(found, truth), self.eps)))


@register("criterion.Tversky")
class Tversky(Overlap):
    """Compare maps of probabilities with maps of yes and no; false and missed ones count unlike.

    call = sum_n (1 - (b + eps) / (b + alpha · (f - b) + beta · (t - b) + eps)),
    b = sum_i x_ni t_ni, f = sum_i x_ni, t = sum_i t_ni

    Parameters
    ----------
    alpha, beta : float >= 0
        What a false and what a missed element counts.
    eps : float > 0
        What an empty map is right by.

    Shapes
    ------
    output : (batch, ...) float32 in 0..1
    target : the same, 0 or 1 or between

    Raises
    ------
    ArgumentError : a weight is negative, or `eps` not positive.
    ShapeError : the target has not the output's shape.
    DataError : a target or an output is outside of 0..1.

    Notes
    -----
    Like Keras `Tversky`: that takes all rows as one map. Source: Salehi et al. 2017.
    Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> round(Tversky(0.0, 1.0)(np.float32([[1.0, 0.0]]), np.array([[1, 1]])), 4)  # 1 - 2 / 3
    0.3333
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Tversky(0.3, 0.7),
            output=(4, 6),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 6)),
            wrong=(([0, 1, 1], ShapeError), (np.full((3, 6), 2), DataError)),
            probabilities=True,
        ),
    )

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, *, eps: float = 1.0) -> None:
        self.alpha = non_negative("alpha", alpha)
        self.beta = non_negative("beta", beta)
        self.eps = positive("eps", eps)

    def lacking(self, both: Any, found: Any, truth: Any) -> Any:
        """Compute what each row lacks."""
        above = ops.add(both, self.eps)
        wrong = ops.multiply(ops.subtract(found, both), self.alpha)
        missed = ops.multiply(ops.subtract(truth, both), self.beta)
        return ops.subtract(1.0, ops.divide(above, ops.add(above, ops.add(wrong, missed))))
