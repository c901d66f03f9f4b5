"""Criterions that ask for a margin: right answers ahead of wrong ones, and by how much."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.validate import boolean, finite, positive
from ..nn.meaning import Meaning
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion, check_numbers
from .binary import Shares
from .labels import ClassWeights, Labelled, one_hot


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

    def total(self, output: Any, goal: Any) -> Any:
        """Add up the losses of all elements."""
        return ops.sum(self.losses(output, goal))

    @abstractmethod
    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element with `core.ops`."""


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


class LabelMargin(Labelled):
    """What criterions share that put the score of the label ahead of the others.

    The mean is over the rows, also with class weights.
    """

    takes = "values"
    fits = ("logits",)
    weighs_classes = False

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse outputs of further axes, and labels that are no classes."""
        if len(output_shape) != 2:
            raise ShapeError(
                f"output must have 2 axes (batch, classes); got {len(output_shape)} in shape "
                f"{output_shape}."
            )
        super().check(output_shape, target)

    def _ahead(self, output: Any, target: Any) -> tuple[Any, Any, Any]:
        """Give labels, one-hot rows, and how far each class is ahead of the label's."""
        labels = self._checked(output, target)
        hot = one_hot(labels, np.eye(output.shape[1], dtype=output.dtype))
        own = ops.sum(ops.multiply(output, hot), axes=1, keepdims=True)
        return labels, hot, ops.subtract(output, own)


@register("criterion.MultiMargin")
class MultiMargin(LabelMargin):
    """Put the score of the right class ahead of each other one by a margin.

    call = sum_n w[t_n] · mean_k max(0, margin + x_nk - x_n[t_n])^p over k, 0 where k = t_n;
    weight = number of rows

    Parameters
    ----------
    p : 1 or 2
        The power of what is lacking.
    margin : float
        How far ahead it must be.
    class_weights : sequence of float, or dict of class -> float, optional
        How much a row of each class counts.

    Shapes
    ------
    output : (batch, classes) float32 scores
    target : (batch,) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : `p` is neither 1 nor 2, `margin` no number, or a weight is negative.
    ShapeError : the target is not one whole number per row.
    DataError : a label is out of range.

    Notes
    -----
    Same as BigDL `MultiMarginCriterion` (0.13, where labels count from 1) and PyTorch
    `MultiMarginLoss`. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MultiMargin()(np.float32([[2.0, 1.5, -1.0, 0.0]]), np.array([0]))  # 0.5 / 4
    0.125
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MultiMargin(),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError), ([[0], [1], [2]], ShapeError)),
            kinks=True,
        ),
        CriterionCase(
            lambda: MultiMargin(2, margin=0.5, class_weights=[1.0, 2.0, 0.5]),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows).astype(np.uint8),
        ),
    )

    def __init__(
        self, p: int = 1, *, margin: float = 1.0, class_weights: ClassWeights = None
    ) -> None:
        super().__init__(class_weights=class_weights)
        if isinstance(p, bool) or not isinstance(p, int | np.integer) or p not in (1, 2):
            raise ArgumentError(f"`p` must be 1 or 2; got {p!r}.")
        self.p = int(p)
        self.margin = finite("margin", margin)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        labels, hot, ahead = self._ahead(output, target)
        lacking = ops.relu(ops.add(ahead, self.margin))
        lacking = ops.multiply(lacking, ops.subtract(1.0, hot))
        if self.p == 2:
            lacking = ops.square(lacking)
        if self.class_weights is not None:
            column = self.class_weights.astype(output.dtype)[:, None]
            lacking = ops.multiply(lacking, one_hot(labels, column))
        return ops.multiply(ops.sum(lacking), 1.0 / output.shape[1])


@register("criterion.CategoricalHinge")
class CategoricalHinge(LabelMargin):
    """Put the score of the right class ahead of the best other one by a margin.

    call = sum_n max(0, margin + max_k≠t x_nk - x_n[t_n]), weight = number of rows

    Parameters
    ----------
    margin : float
        How far ahead it must be.

    Shapes
    ------
    output : (batch, classes) float32 scores
    target : (batch,) whole numbers in 0..classes-1

    Raises
    ------
    ArgumentError : `margin` is no number.
    ShapeError : the target is not one whole number per row.
    DataError : a label is out of range.

    Notes
    -----
    Like Keras `CategoricalHinge`: it takes labels, not one-hot rows. Source: Crammer & Singer 2001.
    Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> CategoricalHinge()(np.float32([[2.0, 1.5, -1.0]]), np.array([0]))
    0.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: CategoricalHinge(),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 3, rows),
            wrong=(([0, 1, 3], DataError), ([[0], [1], [2]], ShapeError)),
            kinks=True,
        ),
    )

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = finite("margin", margin)

    def call(self, output: Any, target: Any) -> Any:
        """Compute the sum over the rows."""
        _, hot, ahead = self._ahead(output, target)
        others = ops.where(ops.greater(hot, 0.5), -1e30, ahead)
        best = ops.max(others, axes=1)
        return ops.sum(ops.relu(ops.add(best, self.margin)))


@register("criterion.MultiLabelMargin")
class MultiLabelMargin(Shares):
    """Put the scores of all classes a row belongs to ahead of all others by a margin.

    call = sum_n sum_{j in T_n, k not in T_n} max(0, margin + x_nk - x_nj) / K, K classes

    Parameters
    ----------
    margin : float > 0
        How far ahead they must be.

    Shapes
    ------
    output : (batch, classes) float32 scores
    target : (batch, classes), 1 for each class the row belongs to (T_n), else 0

    Raises
    ------
    ArgumentError : `margin` is not positive.
    ShapeError : the target has not the output's shape; lists of labels must be made to 0 and 1.
    DataError : a target is neither 0 nor 1.

    Notes
    -----
    Like BigDL `MultiLabelMarginCriterion` and PyTorch `MultiLabelMarginLoss`: it takes 0 and 1, not
    lists of labels filled up. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MultiLabelMargin()(np.float32([[0.5, 0.0]]), np.array([[1, 0]]))  # (1 - 0.5) / 2
    0.25
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MultiLabelMargin(),
            output=(4, 3),
            target=lambda rows, rng: np.eye(3)[rng.integers(0, 3, rows)],
            wrong=(([0, 1, 2], ShapeError), (np.full((3, 3), 0.5), DataError)),
            kinks=True,
        ),
    )

    takes = "values"
    fits = ("logits",)

    def __init__(self, margin: float = 1.0) -> None:
        self.margin = positive("margin", margin)

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape than (batch, classes), or other than 0 and 1."""
        if len(output_shape) != 2:
            raise ShapeError(
                f"output must have 2 axes (batch, classes); got {len(output_shape)} in shape "
                f"{output_shape}."
            )
        super().check(output_shape, target)
        wrong = (target != 0) & (target != 1)
        if wrong.any():
            row, column = (int(k) for k in np.argwhere(wrong)[0])
            raise DataError(
                f"target must be 0 or 1; got {target[row, column]} in row {row} "
                f"({int(wrong.sum())} of {target.size} are neither)."
            )

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all pairs of a class of the row and one that is not."""
        rows, classes = output.shape
        inside, outside = (rows, classes, 1), (rows, 1, classes)
        ahead = ops.subtract(ops.reshape(output, outside), ops.reshape(output, inside))
        lacking = ops.relu(ops.add(ahead, self.margin))
        own = ops.reshape(goal, inside)
        other = ops.reshape(ops.subtract(1.0, goal), outside)
        return ops.sum(ops.multiply(ops.multiply(lacking, own), other))
