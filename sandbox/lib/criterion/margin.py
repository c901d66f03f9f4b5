"""Criterions that ask for a margin: right answers ahead of wrong ones, and by how much."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import boolean, finite
from ..nn.meaning import Meaning
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion, check_numbers


def check_signs(output_shape: tuple[int, ...], target: Array) -> None:
    """Refuse targets of another shape than the output, or other than -1 and 1.

    Raises
    ------
    ShapeError : another shape, or no numbers.
    DataError : a number is neither -1 nor 1.

    Examples
    --------
    >>> check_signs((2, 1), np.array([[1], [0]]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: target must be -1 or 1; got 0 in row 1 (1 of 2 are \
neither). Of 0 and 1 make 2 * target - 1.
    """
    check_numbers(output_shape, target)
    wrong = ~np.isin(target, (-1, 1))
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise DataError(
            f"target must be -1 or 1; got {target[place]} in row {place[0]} ({int(wrong.sum())} of "
            f"{target.size} are neither). Of 0 and 1 make 2 * target - 1."
        )


def signs(*shape: int) -> Any:
    """Return how a case draws -1 and 1 of this shape for so many rows."""
    return lambda rows, rng: rng.integers(0, 2, (rows, *shape)) * 2 - 1


class Signed(ElementwiseCriterion):
    """What criterions with targets -1 and 1 share; subclasses write `losses(output, goal)`.

    call = sum_n mean_i losses(x, t)_ni
    """

    takes = "values"
    fits: ClassVar[tuple[Meaning, ...]] = ("logits",)

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape, or other than -1 and 1."""
        check_signs(output_shape, target)


@register("criterion.Hinge")
class Hinge(Signed):
    """Compare scores with -1 and 1: right by a margin costs nothing, as in support vectors.

    call = sum_n mean_i max(0, margin - t_ni · x_ni), or the square of this

    Parameters
    ----------
    margin : float
        How far on the right side of 0 a score must be.
    squared : bool
        Whether what is lacking counts squared.

    Shapes
    ------
    output : (batch, ...) float32 scores
    target : the same, -1 or 1

    Raises
    ------
    ArgumentError : `margin` is no number.
    ShapeError : the target has not the output's shape.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `MarginCriterion` (0.13), Keras `Hinge` and `SquaredHinge` (which make -1 of 0).
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Hinge()(np.float32([[2.0], [0.5]]), np.array([[1], [-1]]))
    0.75
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Hinge(),
            output=(4, 3),
            target=signs(3),
            wrong=(([1, 1, -1], ShapeError), (np.zeros((3, 3)), DataError)),
            kinks=True,
        ),
        CriterionCase(lambda: Hinge(0.5, squared=True), output=(5, 1), target=signs(1)),
    )

    def __init__(self, margin: float = 1.0, *, squared: bool = False) -> None:
        self.margin = finite("margin", margin)
        self.squared = boolean("squared", squared)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute what each score lacks."""
        lacking = ops.relu(ops.subtract(self.margin, ops.multiply(output, goal)))
        return ops.square(lacking) if self.squared else lacking


@register("criterion.SoftMargin")
class SoftMargin(Signed):
    """Compare scores with -1 and 1, smoothly: the logistic loss.

    call = sum_n mean_i log(1 + exp(-t_ni · x_ni))

    Shapes
    ------
    output : (batch, ...) float32 scores
    target : the same, -1 or 1

    Raises
    ------
    ShapeError : the target has not the output's shape.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `SoftMarginCriterion` (0.13) and PyTorch `SoftMarginLoss`. The numbers of
    `BCEWithLogits` with targets 0 and 1. Reference: `engine.ops.activation`.

    Examples
    --------
    >>> round(SoftMargin()(np.float32([[0.0]]), np.array([[1]])), 4)  # log(2)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: SoftMargin(),
            output=(4, 3),
            target=signs(3),
            wrong=(([1, 1, -1], ShapeError), (np.zeros((3, 3)), DataError)),
        ),
    )

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each score."""
        return ops.softplus(ops.negative(ops.multiply(output, goal)))


@register("criterion.HingeEmbedding")
class HingeEmbedding(Signed):
    """Make distances small where the target is 1, and larger than a margin where it is -1.

    call = sum_n mean_i (x_ni where t_ni = 1, else max(0, margin - x_ni))

    Parameters
    ----------
    margin : float
        How large the distance of unlike ones must be.

    Shapes
    ------
    output : (batch, ...) float32 distances
    target : the same, -1 or 1

    Raises
    ------
    ArgumentError : `margin` is no number.
    ShapeError : the target has not the output's shape.
    DataError : a target is neither -1 nor 1.

    Notes
    -----
    Same as BigDL `HingeEmbeddingCriterion` (0.13) and PyTorch `HingeEmbeddingLoss`.
    Reference: `engine.ops.comparison`.

    Examples
    --------
    >>> HingeEmbedding()(np.float32([[0.25], [0.25]]), np.array([[1], [-1]]))
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: HingeEmbedding(0.5),
            output=(4, 3),
            target=signs(3),
            wrong=(([1, 1, -1], ShapeError), (np.zeros((3, 3)), DataError)),
            kinks=True,
        ),
    )

    takes = "values"
    fits = ()

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = finite("margin", margin)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each distance."""
        apart = ops.relu(ops.subtract(self.margin, output))
        return ops.where(ops.greater(goal, 0.0), output, apart)
