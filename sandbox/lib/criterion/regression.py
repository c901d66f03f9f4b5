"""Criterions for numbers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import positive
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion
from .labels import check_logs


class Regression(ElementwiseCriterion):
    """What criterions with numbers as target share; subclasses write `errors(difference)`.

    call = sum_n mean_i errors(x_n - t_n)_i
    """

    takes = "values"

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the error of each element."""
        return self.errors(ops.subtract(output, goal))

    @abstractmethod
    def errors(self, difference: Any) -> Any:
        """Compute the error of each element with `core.ops`."""


@register("criterion.MSE")
class MSE(Regression):
    """Compare numbers with numbers: the mean of the squared differences.

    call = sum_n mean_i (x_ni - t_ni)², weight = number of rows

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape ((n,) and (n, 1) are different).

    Notes
    -----
    Same as BigDL `MSECriterion` (0.13), Keras `MeanSquaredError` and PyTorch `MSELoss`.
    Reference: `engine.ops.activation`.

    Examples
    --------
    >>> MSE()(np.float32([[1.0, 2.0]]), np.float32([[1.0, 4.0]]))
    2.0
    >>> MSE()(np.float32([[1.0], [2.0]]), np.float32([1.0, 2.0]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.ShapeError: MSE: target must have the output's shape (2, 1); got (2,). \
Use target.reshape(2, 1).
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MSE(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError), ([[1.0], [2.0], [3.0]], ShapeError)),
        ),
        CriterionCase(
            lambda: MSE(),
            output=(3, 2, 2, 2),
            target=lambda rows, rng: rng.normal(size=(rows, 2, 2, 2)).astype(np.float32),
        ),
        CriterionCase(
            lambda: MSE(),
            output=(4, 1),
            target=lambda rows, rng: rng.integers(-3, 9, (rows, 1)),
        ),
    )

    def errors(self, difference: Any) -> Any:
        """Square."""
        return ops.square(difference)


@register("criterion.MAE")
class MAE(Regression):
    """Compare numbers with numbers: the mean of the differences without sign.

    call = sum_n mean_i |x_ni - t_ni|, weight = number of rows

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape ((n,) and (n, 1) are different).

    Notes
    -----
    Same as BigDL `AbsCriterion` (0.13), Keras `MeanAbsoluteError` and PyTorch `L1Loss`.
    Its best answer is the median, so that single far values count little.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MAE()(np.float32([[1.0, 2.0]]), np.float32([[1.0, 4.0]]))
    1.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: MAE(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
    )

    def errors(self, difference: Any) -> Any:
        """Take the sign away."""
        return ops.abs(difference)


@register("criterion.SmoothL1")
class SmoothL1(Regression):
    """Compare numbers with numbers: squares near 0, straight lines beyond.

    call = sum_n mean_i (d²/(2·beta) where |d| < beta, else |d| - beta/2), d = x_ni - t_ni

    Parameters
    ----------
    beta : float > 0
        Where the square ends.

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ArgumentError : `beta` is not positive.
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as BigDL `SmoothL1Criterion` (0.13) and PyTorch `SmoothL1Loss`. Source: Girshick 2015.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> SmoothL1()(np.float32([[0.5, 3.0]]), np.float32([[0.0, 0.0]]))
    1.3125
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: SmoothL1(),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
        CriterionCase(
            lambda: SmoothL1(0.3),
            output=(4, 2, 2),
            target=lambda rows, rng: rng.normal(size=(rows, 2, 2)).astype(np.float32),
            kinks=True,
        ),
    )

    def __init__(self, beta: float = 1.0) -> None:
        self.beta = positive("beta", beta)

    def errors(self, difference: Any) -> Any:
        """Square what is small."""
        return ops.divide(huber(difference, self.beta), self.beta)


@register("criterion.Huber")
class Huber(Regression):
    """Compare numbers with numbers: half squares near 0, straight lines of slope delta beyond.

    call = sum_n mean_i (d²/2 where |d| < delta, else delta · (|d| - delta/2)), d = x_ni - t_ni

    Parameters
    ----------
    delta : float > 0
        Where the square ends, and the slope beyond.

    Shapes
    ------
    output : (batch, ...) float32
    target : the same

    Raises
    ------
    ArgumentError : `delta` is not positive.
    ShapeError : the target has not the output's shape.

    Notes
    -----
    Same as Keras `Huber` and PyTorch `HuberLoss`: delta times `SmoothL1(delta)`.
    Source: Huber 1964. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Huber(2.0)(np.float32([[1.0, 3.0]]), np.float32([[0.0, 0.0]]))
    2.25
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: Huber(0.5),
            output=(4, 3),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
            kinks=True,
        ),
    )

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = positive("delta", delta)

    def errors(self, difference: Any) -> Any:
        """Square what is small."""
        return huber(difference, self.delta)


def huber(difference: Any, delta: float) -> Any:
    """Return d²/2 where |d| < delta, else delta · (|d| - delta/2), elementwise."""
    size = ops.abs(difference)
    near = ops.minimum(size, delta)
    return ops.multiply(near, ops.subtract(size, ops.multiply(near, 0.5)))


@register("criterion.KLDivergence")
class KLDivergence(ElementwiseCriterion):
    """Compare logarithms of probabilities with probabilities: how far one spreads from the other.

    call = sum_n sum_k t_nk · (log(t_nk) - x_nk), weight = number of rows

    Shapes
    ------
    output : (batch, classes) float32, from `nn.LogSoftmax`
    target : the same, probabilities: at least 0, each row adds up to 1

    Raises
    ------
    ShapeError : the target has not the output's shape.
    DataError : a target is negative, a row does not add up to 1, or the output holds no logarithms
        of probabilities.

    Notes
    -----
    Same as BigDL `DistKLDivCriterion` (0.13) and PyTorch `KLDivLoss`. Where t is 0 it adds nothing.
    Of probabilities: `KullbackLeibler`.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> even = np.log(np.float32([[0.5, 0.5]]))
    >>> round(KLDivergence()(even, np.float32([[1.0, 0.0]])), 4)  # log(2)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: KLDivergence(),
            output=(4, 3),
            target=lambda rows, rng: rng.dirichlet((1.0, 1.0, 1.0), rows).astype(np.float32),
            wrong=(
                ([1.0, 0.0, 0.0], ShapeError),
                (np.full((3, 3), 0.5), DataError),
                ([[2.0, -1.0, 0.0]] * 3, DataError),
            ),
            logarithms=True,
        ),
    )

    takes = "logarithms"

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse what are no probabilities."""
        super().check(output_shape, target)
        sums = target.sum(axis=tuple(range(1, target.ndim)), dtype=np.float64)
        if target.size and target.min() < 0:
            row = int(np.argwhere(target < 0)[0][0])
            raise DataError(f"target must hold numbers >= 0; got {target[row].min()} in row {row}.")
        wrong = ~(np.abs(sums - 1) < 1e-3)
        if target.size and wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise DataError(f"target rows must add up to 1; got {sums[row]:.6g} in row {row}.")

    def check_output(self, output: Array) -> None:
        """Refuse what are no logarithms of probabilities."""
        check_logs(output, "Put nn.LogSoftmax behind the model.")

    def size(self, shape: tuple[int, ...]) -> float:
        """Give 1: of a row the sum, not the mean."""
        return 1.0

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each class."""
        logs = ops.log(ops.maximum(goal, 1e-30))
        return ops.multiply(goal, ops.subtract(logs, output))
