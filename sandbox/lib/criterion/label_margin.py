"""Criterions that put the scores of right classes ahead of the others by a margin."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.validate import finite, positive
from ..nn.registry import register
from .base import Array, CriterionCase
from .binary import Shares
from .labels import ClassWeights, Labelled, one_hot


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

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        labels, hot, ahead = self._ahead(output, target)
        lacking = ops.relu(ops.add(ahead, self.margin))
        lacking = ops.multiply(lacking, ops.subtract(1.0, hot))
        if self.p == 2:
            lacking = ops.square(lacking)
        if self.class_weights is not None:
            column = self.class_weights.astype(output.dtype)[:, None]
            lacking = ops.multiply(lacking, one_hot(labels, column))
        return ops.multiply(ops.sum(lacking, axes=1), 1.0 / output.shape[1])


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

    def losses(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        _, hot, ahead = self._ahead(output, target)
        others = ops.where(ops.greater(hot, 0.5), -1e30, ahead)
        best = ops.max(others, axes=1)
        return ops.relu(ops.add(best, self.margin))


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

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each pair of a class of the row and one that is not."""
        rows, classes = output.shape
        inside, outside = (rows, classes, 1), (rows, 1, classes)
        ahead = ops.subtract(ops.reshape(output, outside), ops.reshape(output, inside))
        lacking = ops.relu(ops.add(ahead, self.margin))
        own = ops.reshape(goal, inside)
        other = ops.reshape(ops.subtract(1.0, goal), outside)
        return ops.multiply(ops.multiply(lacking, own), other)
