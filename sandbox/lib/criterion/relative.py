"""Criterions for numbers of unlike size: relative, logarithmic, weighted one by one."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..core import Value, ops, tree
from ..core.errors import ShapeError
from ..core.validate import positive
from ..nn.registry import register
from .base import Criterion, CriterionCase, ElementwiseCriterion, check_numbers, row_sums
from .regression import Regression, huber


@register("criterion.MeanAbsolutePercentage")
class MeanAbsolutePercentage(ElementwiseCriterion):
    """Compare numbers with numbers: the difference in percent of the target.

    call = sum_n mean_i 100 · |x_ni - t_ni| / max(|t_ni|, 1e-7)

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as BigDL `MeanAbsolutePercentageCriterion` (0.13) and Keras `MeanAbsolutePercentageError`.
    Targets near 0 make it huge. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MeanAbsolutePercentage()(np.float32([[1.0, 3.0]]), np.float32([[2.0, 4.0]]))
    37.5
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MeanAbsolutePercentage(),
            output=(4, 3),
            target=lambda rows, rng: rng.uniform(0.5, 2.0, (rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
    )

    takes = "values"

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the differences, each by its target."""
        size = ops.maximum(ops.abs(goal), 1e-7)
        shares = ops.divide(ops.abs(ops.subtract(output, goal)), size)
        return ops.multiply(shares, 100.0)


@register("criterion.MeanSquaredLogarithmic")
class MeanSquaredLogarithmic(ElementwiseCriterion):
    """Compare numbers with numbers by their ratio: the squared difference of logarithms.

    call = sum_n mean_i (log(1 + max(x_ni, 1e-7)) - log(1 + max(t_ni, 1e-7)))²

    Shapes
    ------
    output : (batch, ...) float32, not negative
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as BigDL `MeanSquaredLogarithmicCriterion` (0.13) and Keras `MeanSquaredLogarithmicError`.
    An output below 0 counts as 0 and learns nothing. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(MeanSquaredLogarithmic()(np.float32([[1.0]]), np.float32([[3.0]])), 4)  # log(2)²
    0.4805
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MeanSquaredLogarithmic(),
            output=(4, 3),
            target=lambda rows, rng: rng.uniform(0.5, 2.0, (rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
    )

    takes = "values"

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the squares."""
        logs = [ops.log(ops.add(ops.maximum(x, 1e-7), 1.0)) for x in (output, goal)]
        return ops.square(ops.subtract(*logs))


@register("criterion.LogCosh")
class LogCosh(Regression):
    """Compare numbers with numbers: half squares near 0, straight lines far away, all smooth.

    call = sum_n mean_i log(cosh(x_ni - t_ni))

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as Keras `LogCosh`. Reference: `engine.ops.activation`.

    Examples
    --------
    >>> round(LogCosh()(np.float32([[1.0]]), np.float32([[0.0]])), 4)
    0.4338
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: LogCosh(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
        ),
    )

    def errors(self, difference: Any) -> Any:
        """Compute d + log(1 + e^-2d) - log(2), which never overflows."""
        behind = ops.softplus(ops.multiply(difference, -2.0))
        return ops.subtract(ops.add(difference, behind), math.log(2.0))


@register("criterion.SmoothL1WithWeights")
class SmoothL1WithWeights(Criterion):
    """Compare numbers with numbers, each with weights of its own: the boxes of a detector.

    call = sum_n sum_i o_ni · s(w_ni · (x_ni - t_ni)), s as in `SmoothL1`; weight = number of rows

    Parameters
    ----------
    beta : float > 0
        Where the square ends.

    Shapes
    ------
    output : (batch, ...) float32
    target : three of the output's shape: targets t, weights w inside and o outside

    Raises
    ------
    ArgumentError : `beta` is not positive.
    ShapeError : the target is not three arrays of the output's shape.

    Notes
    -----
    Like BigDL `SmoothL1CriterionWithWeights`: its sigma is 1/sqrt(beta), and it divides by `num`.
    Source: Girshick 2015. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> one = np.ones((1, 2), "f4")
    >>> SmoothL1WithWeights()(np.float32([[0.5, 3.0]]), (0 * one, one, np.float32([[1.0, 0.0]])))
    0.125
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: SmoothL1WithWeights(0.5),
            output=(4, 3),
            target=lambda rows, rng: tuple(
                rng.uniform(-1 if k == 0 else 0, 1, (rows, 3)).astype(np.float32) for k in range(3)
            ),
            wrong=(
                ([1.0, 2.0, 3.0], ShapeError),
                ((np.ones((3, 3)), np.ones((3, 3)), np.ones((3, 2))), ShapeError),
            ),
            kinks=True,
        ),
    )

    takes = "values"

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = positive("beta", beta)

    def check(self, output_shape: Any, target: Any) -> None:
        """Refuse what is not three arrays of the output's shape."""
        if not all(isinstance(size, int) for size in output_shape):
            raise ShapeError(f"output must be one array; got shapes {output_shape}.")
        if not isinstance(target, tuple | list) or len(target) != 3:
            raise ShapeError(
                "target must be three arrays (targets, weights inside, weights outside); got "
                f"{tree.kind(target)}."
            )
        for part in target:
            if not isinstance(part, np.ndarray | Value):
                raise ShapeError(f"target must hold three arrays; got {tree.kind(part)}.")
            check_numbers(output_shape, part)

    def rows(self, output: Any, target: Any) -> Any:
        """Compute the loss of each row."""
        if not isinstance(output, Value):
            raise ShapeError(f"output must be one array; got {tree.kind(output)}.")
        self.check(output.shape, target)
        parts = [part if isinstance(part, Value) else Value(part) for part in target]
        goal, inside, outside = (ops.cast(part, output.dtype) for part in parts)
        difference = ops.multiply(inside, ops.subtract(output, goal))
        errors = ops.divide(huber(difference, self.beta), self.beta)
        return row_sums(ops.multiply(outside, errors))
