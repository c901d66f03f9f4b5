"""Criterions of distributions: likelihoods, and how far one spreads from another."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import DataError, ShapeError
from ..core.validate import boolean, positive
from ..nn.registry import register
from .base import Array, CriterionCase, ElementwiseCriterion, check_numbers
from .binary import Shares
from .labels import check_probabilities
from .pairs import Compared


@register("criterion.KullbackLeibler")
class KullbackLeibler(Shares):
    """Compare probabilities with probabilities: how far one spreads from the other.

    call = sum_n sum_k t_nk · log(t_nk / x_nk), both at least 1e-7; weight = number of rows

    Shapes
    ------
    output : (batch, classes) float32 in 0..1, from `nn.Softmax`
    target : the same

    Raises
    ------
    ShapeError : the target has not the output's shape.
    DataError : a target or an output is no probability.

    Notes
    -----
    Same as BigDL `KullbackLeiblerDivergenceCriterion` (0.13) and Keras `KLDivergence`. Of
    logarithms: `KLDivergence`. Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> round(KullbackLeibler()(np.float32([[0.5, 0.5]]), np.float32([[1.0, 0.0]])), 4)  # log(2)
    0.6931
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: KullbackLeibler(),
            output=(4, 3),
            target=lambda rows, rng: rng.dirichlet((1.0, 1.0, 1.0), rows).astype(np.float32),
            wrong=(([1.0, 0.0, 0.0], ShapeError), (np.full((3, 3), -1.0), DataError)),
            probabilities=True,
        ),
    )

    takes = "probabilities"

    def check_output(self, output: Array) -> None:
        """Refuse what are no probabilities."""
        check_probabilities(output, "Put nn.Softmax behind the model.")

    def size(self, shape: tuple[int, ...]) -> float:
        """Give 1: of a row the sum, not the mean."""
        return 1.0

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each class."""
        truth, found = ops.clip(goal, 1e-7, 1.0), ops.clip(output, 1e-7, 1.0)
        return ops.multiply(truth, ops.subtract(ops.log(truth), ops.log(found)))


@register("criterion.PoissonNLL")
class PoissonNLL(ElementwiseCriterion):
    """Compare expected counts with counts: the likelihood of a Poisson distribution.

    call = sum_n mean_i (exp(x_ni) - t_ni · x_ni), of logarithms;
    call = sum_n mean_i (x_ni - t_ni · log(x_ni + eps)), of the expected counts themselves

    Parameters
    ----------
    log_input : bool
        Whether the outputs are logarithms of what is expected.
    full : bool
        Whether log(t!) is added, by Stirling's formula, where t > 1; it changes no gradient.
    eps : float > 0
        Keeps the logarithm from 0.

    Shapes
    ------
    output : (batch, ...) float32
    target : the same, counts >= 0

    Raises
    ------
    ArgumentError : `eps` is not positive.
    ShapeError : the target has not the output's shape.
    DataError : a target is negative, or an expected count.

    Notes
    -----
    Same as PyTorch `PoissonNLLLoss`; with log_input=False BigDL `PoissonCriterion` (0.13) and Keras
    `Poisson` (eps=1e-7). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> PoissonNLL()(np.float32([[0.0]]), np.array([[3]]))
    1.0
    >>> PoissonNLL(log_input=False)(np.float32([[1.0]]), np.array([[3]]))
    1.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: PoissonNLL(full=True),
            output=(4, 3),
            target=lambda rows, rng: rng.poisson(2.0, (rows, 3)),
            wrong=(([1, 2, 3], ShapeError), (np.full((3, 3), -1), DataError)),
        ),
        CriterionCase(
            lambda: PoissonNLL(log_input=False, eps=1e-7),
            output=(4, 3),
            target=lambda rows, rng: rng.poisson(2.0, (rows, 3)),
            probabilities=True,
        ),
    )

    takes = "values"

    def __init__(self, *, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> None:
        self.log_input = boolean("log_input", log_input)
        self.full = boolean("full", full)
        self.eps = positive("eps", eps)

    def check(self, output_shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape, and negative counts."""
        super().check(output_shape, target)
        check_non_negative("target", target)

    def check_output(self, output: Array) -> None:
        """Refuse negative expectations."""
        if not self.log_input:
            check_non_negative("output", output)

    def losses(self, output: Any, goal: Any) -> Any:
        """Compute the loss of each element."""
        if self.log_input:
            losses = ops.subtract(ops.exp(output), ops.multiply(goal, output))
        else:
            logs = ops.log(ops.add(output, self.eps))
            losses = ops.subtract(output, ops.multiply(goal, logs))
        if self.full:
            some = ops.maximum(goal, 1.0)
            logs = ops.log(some)
            stirling = ops.add(
                ops.subtract(ops.multiply(some, logs), some),
                ops.multiply(ops.add(logs, math.log(2 * math.pi)), 0.5),
            )
            losses = ops.add(losses, ops.where(ops.greater(goal, 1.0), stirling, 0.0))
        return losses


def check_non_negative(name: str, numbers: Array) -> None:
    """Refuse numbers below 0, naming the first one.

    Raises
    ------
    DataError : there is one.

    Examples
    --------
    >>> check_non_negative("target", np.array([[1], [-2]]))
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: target must hold numbers >= 0; got -2 in row 1 \
(1 of 2 are negative).
    """
    wrong = numbers < 0
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise DataError(
            f"{name} must hold numbers >= 0; got {numbers[place]:g} in row {place[0]} "
            f"({int(wrong.sum())} of {wrong.size} are negative)."
        )


@register("criterion.GaussianNLL")
class GaussianNLL(Compared):
    """Compare normal distributions with numbers: the likelihood of a mean and a variance.

    call = sum_n sum_i (log(v_ni) + (t_ni - m_ni)² / v_ni + log(2 pi)) / 2, weight = number of rows

    Parameters
    ----------
    log_variance : bool
        Whether the second output is log(v), which any number may be, or v itself.
    full : bool
        Whether log(2 pi) is added; it changes no gradient.
    eps : float > 0
        The least variance, where the output is the variance itself.

    Shapes
    ------
    output : a pair of (batch, ...) float32: mean m, and log(v) or v
    target : (batch, ...)

    Raises
    ------
    ArgumentError : `eps` is not positive.
    ShapeError : the outputs are no pair of one shape, or the target has another.

    Notes
    -----
    Same as BigDL `GaussianCriterion` (0.13, which adds up the rows) and, with log_variance=False
    and full=False, PyTorch `GaussianNLLLoss` (reduction="sum"). Source: Kingma & Welling 2014.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> pair = (np.float32([[1.0]]), np.float32([[0.0]]))  # mean 1, variance 1
    >>> round(GaussianNLL()(pair, np.float32([[2.0]])), 4)  # (1 + log(2 pi)) / 2
    1.4189
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: GaussianNLL(),
            output=((4, 3), (4, 3)),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            wrong=(([1.0, 2.0, 3.0], ShapeError),),
        ),
        CriterionCase(
            lambda: GaussianNLL(log_variance=False, full=False),
            output=((4, 3), (4, 3)),
            target=lambda rows, rng: rng.normal(size=(rows, 3)).astype(np.float32),
            probabilities=True,
        ),
    )

    names = ("mean", "variance")

    def __init__(self, *, log_variance: bool = True, full: bool = True, eps: float = 1e-6) -> None:
        self.log_variance = boolean("log_variance", log_variance)
        self.full = boolean("full", full)
        self.eps = positive("eps", eps)

    def check_rows(self, shape: tuple[int, ...], target: Array) -> None:
        """Refuse a target of another shape than the outputs."""
        check_numbers(shape, target)

    def compare(self, *outputs_and_goal: Any) -> Any:
        """Compute the loss of each element."""
        mean, spread, goal = outputs_and_goal
        check_numbers(mean.shape, goal)
        squares = ops.square(ops.subtract(ops.cast(goal, mean.dtype), mean))
        if self.log_variance:
            losses = ops.add(spread, ops.multiply(squares, ops.exp(ops.negative(spread))))
        else:
            variance = ops.maximum(spread, self.eps)
            losses = ops.add(ops.log(variance), ops.divide(squares, variance))
        if self.full:
            losses = ops.add(losses, math.log(2 * math.pi))
        return ops.multiply(losses, 0.5)


@register("criterion.GaussianKL")
class GaussianKL(Compared):
    """Keep normal distributions near the standard one: what spreads the codes of a variational net.

    call = sum_n sum_i (m_ni² + exp(s_ni) - s_ni - 1) / 2, weight = number of rows

    Shapes
    ------
    output : a pair of (batch, ...) float32: mean m and logarithm of the variance s
    target : anything with as many rows; it is not looked at

    Raises
    ------
    ShapeError : the outputs are no pair of one shape, or the target has other rows.

    Notes
    -----
    Same as BigDL `KLDCriterion` (0.13). Source: Kingma & Welling 2014, appendix B.
    Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> GaussianKL()((np.float32([[2.0]]), np.float32([[0.0]])), np.zeros(1))
    2.0
    """

    cases: ClassVar[tuple[CriterionCase, ...]] = (
        CriterionCase(
            lambda: GaussianKL(),
            output=((4, 3), (4, 3)),
            target=lambda rows, rng: np.zeros(rows),
            wrong=(([1.0], ShapeError),),
        ),
    )

    names = ("mean", "log-variance")

    def compare(self, *outputs_and_goal: Any) -> Any:
        """Compute the loss of each element."""
        mean, logs, _ = outputs_and_goal
        spread = ops.subtract(ops.subtract(ops.exp(logs), logs), 1.0)
        return ops.multiply(ops.add(ops.square(mean), spread), 0.5)
