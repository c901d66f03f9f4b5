"""Criterions for yes and no: one output per question, targets 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops
from ..core.errors import DataError, ShapeError
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion, check_numbers, weights


def check_shares(output_shape: tuple[int, ...], target: Array) -> None:
    """Refuse targets of another shape than the output, or outside of 0..1.

    Parameters
    ----------
    output_shape : shape
        Of the model's output.
    target : array
        0, 1, or shares between.

    Raises
    ------
    ShapeError : another shape, or no numbers.
    DataError : a number is not in 0..1.

    Examples
    --------
    >>> check_shares((2, 1), np.array([[0], [2]]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: target must be in 0..1; got 2 in row 1 (1 of 2 are outside).
    """
    check_numbers(output_shape, target)
    outside = ~((target >= 0) & (target <= 1))
    if outside.any():
        place = tuple(int(k) for k in np.argwhere(outside)[0])
        raise DataError(
            f"target must be in 0..1; got {target[place]} in row {place[0]} "
            f"({int(outside.sum())} of {target.size} are outside)."
        )


class Shares(ElementwiseCriterion):
    """What criterions with targets in 0..1 share; subclasses write `total(output, goal)`."""

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape, or outside of 0..1."""
        check_shares(output_shape, target)


@register("criterion.BCEWithLogits")
class BCEWithLogits(Shares):
    """Compare logits with yes and no, each output by itself.

    call = sum_n mean_k -(p_k · t · log(s(x)) + (1 - t) · log(1 - s(x))), s the sigmoid

    Parameters
    ----------
    pos_weight : float or sequence of float, optional
        How much more a yes counts than a no, for all outputs or one for each. Rare yes (fraud)?
        number of no / number of yes balances them.

    Shapes
    ------
    output : (batch, ...) float32 logits (no sigmoid before it)
    target : the same, 0 or 1 or between

    Raises
    ------
    ArgumentError : a weight is negative, or the model ends in a sigmoid.
    ShapeError : the target has not the output's shape ((n,) and (n, 1) are different).
    DataError : a target is outside of 0..1.

    Notes
    -----
    Exact also far from 0, where the logarithm of a sigmoid is not. The mean is over rows, also
    with `pos_weight`. Same as BigDL `BCECriterion` behind a `Sigmoid` (0.13).
    Reference: `engine.ops.loss`.

    Examples
    --------
    >>> round(BCEWithLogits()(np.float32([[0.0], [0.0]]), np.array([[0], [1]])), 4)  # log(2)
    0.6931
    >>> BCEWithLogits(pos_weight=3.0)(np.float32([[-1000.0]]), np.array([[1]]))
    3000.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: BCEWithLogits(),
            output=(5, 1),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 1)),
            wrong=(
                ([0, 1, 1], ShapeError),
                ([[0], [1], [2]], DataError),
                ([[0.0], [-0.1], [1.0]], DataError),
                ([[0.0], [float("nan")], [1.0]], DataError),
            ),
        ),
        CriterionCase(
            lambda: BCEWithLogits(pos_weight=(2.0, 1.0, 0.5)),
            output=(4, 3),
            target=lambda rows, rng: rng.uniform(0, 1, (rows, 3)).astype(np.float32),
        ),
        CriterionCase(
            lambda: BCEWithLogits(pos_weight=9.0),
            output=(4, 2),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 2)).astype(np.uint8),
        ),
    )

    takes = "logits"

    def __init__(self, pos_weight: float | Sequence[float] | None = None) -> None:
        wanted = "a number >= 0, or one per output"
        self.pos_weight = weights("pos_weight", pos_weight, wanted, (0, 1))

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse targets outside of 0..1, and weights of other outputs."""
        super().check(output_shape, target)
        weight = self.pos_weight
        if weight is not None and weight.ndim and output_shape[-1:] != weight.shape:
            raise ShapeError(
                f"`pos_weight` must hold {output_shape[-1]} numbers, one per output; got "
                f"{weight.size}."
            )

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all elements."""
        if self.pos_weight is None:
            return ops.bce_with_logits(output, goal)
        weight = Value(self.pos_weight.astype(output.dtype, copy=False))
        return ops.bce_with_logits(output, goal, weight)


@register("criterion.BCE")
class BCE(Shares):
    """Compare probabilities with yes and no.

    call = sum_n mean_k -(t · log(x) + (1 - t) · log(1 - x))

    Shapes
    ------
    output : (batch, ...) float32 in 0..1, from `nn.Sigmoid`
    target : the same, 0 or 1 or between

    Raises
    ------
    ShapeError : the target has not the output's shape.
    DataError : a target or an output is outside of 0..1.

    Notes
    -----
    1e-7 is added inside the logarithms, so that a wrong certainty costs about 16 and no more;
    `BCEWithLogits` on the numbers before the sigmoid is exact and faster.
    Same as BigDL `BCECriterion` (0.13). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(BCE()(np.float32([[0.5], [0.5]]), np.array([[0], [1]])), 4)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: BCE(),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 3)),
            wrong=(([[0], [1], [1]], ShapeError), (np.full((3, 3), 2.0), DataError)),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse numbers that are no probabilities."""
        outside = (output < -1e-7) | (output > 1 + 1e-7)
        if outside.any():
            place = tuple(int(k) for k in np.argwhere(outside)[0])
            raise DataError(
                f"output must be probabilities, in 0..1; got {output[place]:.6g} in row {place[0]} "
                f"({int(outside.sum())} of {output.size} are outside). Put nn.Sigmoid behind the "
                "model, or use BCEWithLogits without it."
            )

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all elements."""
        yes = ops.multiply(goal, ops.log(ops.add(output, 1e-7)))
        no = ops.multiply(ops.subtract(1.0, goal), ops.log(ops.subtract(1.0 + 1e-7, output)))
        return ops.negative(ops.sum(ops.add(yes, no)))


@register("criterion.MultiLabelSoftMargin")
class MultiLabelSoftMargin(Shares):
    """Compare logits with several labels at once: which of the classes a row belongs to.

    call = sum_n mean_k -(t · log(s(x)) + (1 - t) · log(1 - s(x))), s the sigmoid

    Shapes
    ------
    output : (batch, classes) float32 logits
    target : (batch, classes), 1 for each class the row belongs to, else 0

    Raises
    ------
    ShapeError : the target has not the output's shape; lists of labels must be made to 0 and 1.
    DataError : a target is outside of 0..1.

    Notes
    -----
    The numbers of `BCEWithLogits`, under the name that Torch and BigDL give them for labels.
    Same as BigDL `MultiLabelSoftMarginCriterion` (0.13). Reference: `engine.ops.loss`.

    Examples
    --------
    >>> round(MultiLabelSoftMargin()(np.zeros((1, 2), "f4"), np.array([[1, 0]])), 4)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MultiLabelSoftMargin(),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 3)),
            wrong=(([0, 1, 2], ShapeError), (np.full((3, 3), -1), DataError)),
        ),
    )

    takes = "logits"

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all elements."""
        return ops.bce_with_logits(output, goal)
