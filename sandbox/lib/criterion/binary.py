"""Criterions for yes and no: one output per question, targets 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops
from ..core.errors import DataError, ShapeError
from ..core.validate import in_range, non_negative
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion, check_numbers, weights
from .labels import check_probabilities


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
    """What criterions with targets in 0..1 share; subclasses write `losses(output, goal)`."""

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape, or outside of 0..1."""
        check_shares(output_shape, target)


class Questions(Shares):
    """What criterions share whose outputs are questions of unlike importance.

    Parameters
    ----------
    output_weights : sequence of float, optional
        How much each output counts; 1 by default. The mean of a row is over its outputs all the
        same, that of a batch over the rows.
    """

    def __init__(self, output_weights: Sequence[float] | None = None) -> None:
        wanted = "a list of numbers >= 0, one per output"
        self.output_weights = weights("output_weights", output_weights, wanted, (1,))

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse targets outside of 0..1, and weights of other outputs."""
        super().check(output_shape, target)
        given = self.output_weights
        if given is not None and output_shape[-1:] != given.shape:
            raise ShapeError(
                f"`output_weights` must hold {output_shape[-1]} numbers, one per output; got "
                f"{given.size}."
            )

    def weighted(self, losses: Any) -> Any:
        """Give the loss of each element times its output's weight."""
        if self.output_weights is None:
            return losses
        return ops.multiply(losses, Value(self.output_weights.astype(losses.dtype)))


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
    Same as Keras `BinaryCrossentropy` (from_logits=True) and PyTorch `BCEWithLogitsLoss`. Exact
    also far from 0, where the logarithm of a sigmoid is not. The mean is over rows, also with
    `pos_weight`. Reference: `engine.ops.loss`.

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
        """Compute the sum over all elements, in one kernel."""
        return ops.bce_with_logits(output, goal, self._pulls(output))

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element: (1 - t) · x + (1 + (p - 1) · t) · softplus(-x)."""
        behind = ops.softplus(ops.negative(output))
        pulls = self._pulls(output)
        if pulls is not None:
            factors = ops.add(ops.multiply(goal, ops.subtract(pulls, 1.0)), 1.0)
            behind = ops.multiply(factors, behind)
        return ops.add(ops.multiply(ops.subtract(1.0, goal), output), behind)

    def _pulls(self, output: Any) -> Any:
        """Give how much more a yes counts, None for the same."""
        if self.pos_weight is None:
            return None
        return Value(self.pos_weight.astype(output.dtype, copy=False))


@register("criterion.BCE")
class BCE(Questions):
    """Compare probabilities with yes and no.

    call = sum_n mean_k -w_k · (t · log(x) + (1 - t) · log(1 - x)), weight = number of rows

    Parameters
    ----------
    output_weights : sequence of float, optional
        How much each output counts; 1 by default.

    Shapes
    ------
    output : (batch, ...) float32 in 0..1, from `nn.Sigmoid`
    target : the same, 0 or 1 or between

    Raises
    ------
    ArgumentError : a weight is negative.
    ShapeError : the target has not the output's shape.
    DataError : a target or an output is outside of 0..1.

    Notes
    -----
    Same as BigDL `BCECriterion` (0.13), Keras `BinaryCrossentropy` and PyTorch `BCELoss`. 1e-7 is
    added inside the logarithms, so that a wrong certainty costs about 16 and no more;
    `BCEWithLogits` on the numbers before the sigmoid is exact and faster.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(BCE()(np.float32([[0.5], [0.5]]), np.array([[0], [1]])), 4)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: BCE([1.0, 0.5, 2.0]),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 3)),
            wrong=(([[0], [1], [1]], ShapeError), (np.full((3, 3), 2.0), DataError)),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse numbers that are no probabilities."""
        cure = "Put nn.Sigmoid behind the model, or use BCEWithLogits without it."
        check_probabilities(output, cure)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element."""
        yes = ops.multiply(goal, ops.log(ops.add(output, 1e-7)))
        no = ops.multiply(ops.subtract(1.0, goal), ops.log(ops.subtract(1.0 + 1e-7, output)))
        return ops.negative(self.weighted(ops.add(yes, no)))


@register("criterion.MultiLabelSoftMargin")
class MultiLabelSoftMargin(Questions):
    """Compare logits with several labels at once: which of the classes a row belongs to.

    call = sum_n mean_k -w_k · (t · log(s(x)) + (1 - t) · log(1 - s(x))), s the sigmoid

    Parameters
    ----------
    output_weights : sequence of float, optional
        How much each output counts; 1 by default.

    Shapes
    ------
    output : (batch, classes) float32 logits
    target : (batch, classes), 1 for each class the row belongs to, else 0

    Raises
    ------
    ArgumentError : a weight is negative.
    ShapeError : the target has not the output's shape; lists of labels must be made to 0 and 1.
    DataError : a target is outside of 0..1.

    Notes
    -----
    Same as BigDL `MultiLabelSoftMarginCriterion` (0.13) and PyTorch `MultiLabelSoftMarginLoss`: the
    numbers of `BCEWithLogits`, under another name for labels.
    Reference: `engine.ops.loss`.

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
        CriterionCase(
            lambda: MultiLabelSoftMargin((1.0, 0.0, 2.5)),
            output=(4, 3),
            target=lambda rows, rng: rng.uniform(0, 1, (rows, 3)).astype(np.float32),
        ),
    )

    takes = "logits"

    def total(self, output: Any, goal: Any) -> Any:
        """Compute the sum over all elements, in one kernel where they count alike."""
        if self.output_weights is None:
            return ops.bce_with_logits(output, goal)
        return super().total(output, goal)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element."""
        return self.weighted(binary_losses(output, goal))


def binary_losses(logits: Any, goal: Any) -> Any:
    """Return -(t · log(s(x)) + (1 - t) · log(1 - s(x))) of each element: softplus(x) - t · x."""
    return ops.subtract(ops.softplus(logits), ops.multiply(goal, logits))


@register("criterion.BinaryFocal")
class BinaryFocal(Shares):
    """Compare logits with yes and no; what is easy counts little.

    call = sum_n mean_k a · (1 - q)^gamma · -log(q),
    q = s(x) and a = alpha for a yes, q = 1 - s(x) and a = 1 - alpha for a no, s the sigmoid

    Parameters
    ----------
    gamma : float >= 0
        How much less the easy ones count; 0 gives `BCEWithLogits`.
    alpha : float in [0, 1], optional
        How much a yes counts, 1 - alpha a no; both 1 by default.

    Shapes
    ------
    output : (batch, ...) float32 logits
    target : the same, 0 or 1 or between

    Raises
    ------
    ArgumentError : `gamma` is negative or `alpha` out of range; or the model ends in a sigmoid.
    ShapeError : the target has not the output's shape.
    DataError : a target is outside of 0..1.

    Notes
    -----
    Same as Keras `BinaryFocalCrossentropy` (from_logits=True) and PyTorch `sigmoid_focal_loss`
    (torchvision, where alpha is 0.25). Source: Lin et al. 2017. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(BinaryFocal()(np.float32([[0.0], [0.0]]), np.array([[0], [1]])), 4)  # log(2) / 4
    0.1733
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: BinaryFocal(1.5, alpha=0.25),
            output=(4, 3),
            target=lambda rows, rng: rng.integers(0, 2, (rows, 3)),
            wrong=(([0, 1, 1], ShapeError), (np.full((3, 3), 2), DataError)),
        ),
    )

    takes = "logits"

    def __init__(self, gamma: float = 2.0, *, alpha: float | None = None) -> None:
        self.gamma = non_negative("gamma", gamma)
        self.alpha = None if alpha is None else in_range("alpha", alpha, 0.0, 1.0)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element."""
        losses = binary_losses(output, goal)
        # 1 - q = s(x) + t - 2 · t · s(x) for t of 0 or 1
        share = ops.sigmoid(output)
        both = ops.multiply(ops.multiply(goal, share), 2.0)
        wrong = ops.subtract(ops.add(share, goal), both)
        losses = ops.multiply(losses, focus(wrong, self.gamma))
        if self.alpha is not None:
            factor = ops.add(ops.multiply(goal, 2.0 * self.alpha - 1.0), 1.0 - self.alpha)
            losses = ops.multiply(losses, factor)
        return losses


def focus(wrong: Any, gamma: float) -> Any:
    """Return wrong^gamma; the slope at 0 of a power below 1 has no end, so 0 is 1e-7."""
    return ops.power(ops.maximum(wrong, 1e-7), gamma) if gamma else 1.0
