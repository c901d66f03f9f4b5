"""Schedules that go by the step alone, however long the training is."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from ...core import validate
from ...core.errors import ArgumentError
from ..config import checked_integer, checked_number
from .base import Schedule


class Constant(Schedule):
    """Keep the learning rate: factor(step) = factor.

    Notes
    -----
    Like PyTorch `ConstantLR`: for ever here; see `Piecewise`.

    Examples
    --------
    >>> Constant()(7, 100)
    1.0
    """

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = checked_number(self, "factor", factor, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return float(self.factor)


class StepDecay(Schedule):
    """Multiply by `gamma` every so many steps: factor(step) = gamma^floor(step / every).

    Parameters
    ----------
    every : int > 0
        Steps between two changes.
    gamma : float >= 0
        Factor of one change.

    Notes
    -----
    Same as BigDL `Step` (0.13) and PyTorch `StepLR`; BigDL `Exponential` and Keras
    `ExponentialDecay` with their staircase. Like BigDL `NaturalExp`: gamma is exp(-gamma) there.
    For BigDL `EpochStep` see `Epochs`.

    Examples
    --------
    >>> [StepDecay(10, gamma=0.5)(step) for step in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, every: int, *, gamma: float = 0.1) -> None:
        self.every = checked_integer(self, "every", every)
        self.gamma = checked_number(self, "gamma", gamma, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return float(self.gamma ** (step // self.every))


class MultiStep(Schedule):
    """Multiply by `gamma` at each milestone: factor(step) = gamma^|{m : m <= step}|.

    Notes
    -----
    Same as BigDL `MultiStep` (0.13) and PyTorch `MultiStepLR`.

    Examples
    --------
    >>> [round(MultiStep([10, 15])(step), 6) for step in (9, 10, 15)]
    [1.0, 0.1, 0.01]
    """

    def __init__(self, milestones: Sequence[int], *, gamma: float = 0.1) -> None:
        self.milestones = checked_milestones(self, milestones)
        self.gamma = checked_number(self, "gamma", gamma, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return float(self.gamma ** bisect_right(self.milestones, step))


class Piecewise(Schedule):
    """Go from one constant to the next: factor(step) = factors[|{m : m <= step}|].

    Parameters
    ----------
    milestones : list of int > 0
        Steps at which the next factor begins.
    factors : list of float >= 0
        One more than milestones.

    Raises
    ------
    ArgumentError : milestones do not increase; there are not as many factors as they need.

    Notes
    -----
    Same as Keras `PiecewiseConstantDecay`; PyTorch `ConstantLR` with one milestone. Within `Epochs`
    like BigDL `EpochSchedule` and `Regime` (0.13): other settings than the learning rate stay.

    Examples
    --------
    >>> [Piecewise([10, 15], [1, 0.5, 0.1])(step) for step in (9, 10, 15)]
    [1.0, 0.5, 0.1]
    """

    def __init__(self, milestones: Sequence[int], factors: Sequence[float]) -> None:
        self.milestones = checked_milestones(self, milestones)
        if not isinstance(factors, Sequence) or len(factors) != len(self.milestones) + 1:
            raise ArgumentError(
                f"Piecewise: `factors` must be {len(self.milestones) + 1} numbers, one more than "
                f"milestones; got {factors!r}."
            )
        self.factors = tuple(
            checked_number(self, f"factors[{k}]", f, 0) for k, f in enumerate(factors)
        )

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return float(self.factors[bisect_right(self.milestones, step)])


class Exponential(Schedule):
    """Multiply by `gamma` once in every so many steps, smoothly: factor(step) = gamma^(step/every).

    Parameters
    ----------
    gamma : float in [0, 1]
        Factor of `every` steps.
    every : int > 0
        Steps in which the factor falls by gamma.

    Notes
    -----
    Same as BigDL `Exponential` (0.13) and Keras `ExponentialDecay`, both without staircase, and
    PyTorch `ExponentialLR`.

    Examples
    --------
    >>> [Exponential(0.25, every=10)(step) for step in (0, 5, 10)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, gamma: float, *, every: int = 1) -> None:
        self.gamma = checked_number(self, "gamma", gamma, 0, 1, "both")
        self.every = checked_integer(self, "every", every)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return math.pow(self.gamma, step / self.every)


class InverseTime(Schedule):
    """Fall as 1 / (1 + decay · step).

    Parameters
    ----------
    decay : float >= 0
        How fast.

    Notes
    -----
    Same as BigDL `Default` (0.13, with learningrate_decay) and Keras `InverseTimeDecay`.

    Examples
    --------
    >>> [InverseTime(0.1)(step) for step in (0, 10, 30)]
    [1.0, 0.5, 0.25]
    """

    def __init__(self, decay: float) -> None:
        self.decay = checked_number(self, "decay", decay, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return 1 / (1 + self.decay * step)


class InverseSquareRoot(Schedule):
    """Rise in a straight line, then fall as a root: min(t / warm, sqrt(warm / t)), t = step + 1.

    Parameters
    ----------
    warm : int > 0
        Steps of the rise; the factor is 1 at their end.

    Notes
    -----
    Known as Noam. Source: Vaswani et al. 2017, equation 3, where the peak is 1 / sqrt(warm ·
    width).

    Examples
    --------
    >>> [InverseSquareRoot(4)(step) for step in (0, 1, 3, 15)]
    [0.25, 0.5, 1.0, 0.5]
    """

    def __init__(self, warm: int) -> None:
        self.warm = checked_integer(self, "warm", warm)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return min((step + 1) / self.warm, math.sqrt(self.warm / (step + 1)))


def checked_milestones(owner: object, milestones: Sequence[int]) -> tuple[int, ...]:
    """Return steps > 0 that increase; errors name the owner's class."""
    name = type(owner).__name__
    if not isinstance(milestones, Sequence) or isinstance(milestones, str):
        raise ArgumentError(f"{name}: milestones must be a list; got {milestones!r}.")
    found = tuple(checked_integer(owner, "milestones", m) for m in milestones)
    if any(b <= a for a, b in pairwise(found)):
        raise ArgumentError(f"{name}: milestones must increase; got {list(milestones)}.")
    return found
