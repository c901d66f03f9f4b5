"""Learning rate schedules: pure functions of the step, so that a resumed run needs no state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..core import validate
from ..core.errors import ArgumentError
from ..engine import names as _names
from .config import Configured, checked_integer, checked_number


class Schedule(Configured, ABC):
    """Give the factor on the learning rate for each step.

    `schedule(step, total_steps)` takes the number of finished updates (from 0) and the planned
    number of updates (None where nobody knows), and returns a factor >= 0.
    """

    @abstractmethod
    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor on the learning rate of update number `step`, counted from 0."""

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Take in a validation that was due; only `Plateau` goes by them."""

    def memory(self) -> dict[str, Any]:
        """Return what validations left behind, for a checkpoint."""
        return {}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` returned; an empty one forgets all."""

    def monitored(self) -> str | None:
        """Return the name of the validation metric it goes by, if any."""
        return None

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Take in, before training, of which metrics more is better; only `Plateau` asks."""

    def _total(self, own: int | None, total_steps: int | None) -> int:
        total = own if own is not None else total_steps
        if total is None:
            raise ArgumentError(
                f"{type(self).__name__}: the number of steps must be known; got None. Give "
                f"{type(self).__name__}(steps=...), or train for a given number of epochs or steps."
            )
        return max(1, validate.integer("total_steps", total))


class Constant(Schedule):
    """Keep the learning rate: factor(step) = factor.

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

    Examples
    --------
    >>> [round(MultiStep([10, 15])(step), 6) for step in (9, 10, 15)]
    [1.0, 0.1, 0.01]
    """

    def __init__(self, milestones: Sequence[int], *, gamma: float = 0.1) -> None:
        if not isinstance(milestones, Sequence) or isinstance(milestones, str):
            raise ArgumentError(f"MultiStep: milestones must be a list; got {milestones!r}.")
        self.milestones = tuple(checked_integer(self, "milestones", m) for m in milestones)
        if any(b <= a for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ArgumentError(f"MultiStep: milestones must increase; got {list(milestones)}.")
        self.gamma = checked_number(self, "gamma", gamma, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return float(self.gamma ** bisect_right(self.milestones, step))


class Polynomial(Schedule):
    """Fall to `final` along a power: final + (1 - final) · (1 - min(step, total) / total)^power.

    Parameters
    ----------
    power : float > 0
        1 is a straight line.
    final : float >= 0
        Factor at the end and after it.
    steps : int > 0, optional
        Length; without it the length of the training.

    Examples
    --------
    >>> [Polynomial(2)(step, 10) for step in (0, 5, 10, 11)]
    [1.0, 0.25, 0.0, 0.0]
    """

    def __init__(self, power: float = 1.0, *, final: float = 0.0, steps: int | None = None) -> None:
        self.power = checked_number(self, "power", power, 0, closed="none")
        self.final = checked_number(self, "final", final, 0)
        self.steps = None if steps is None else checked_integer(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        left = 1 - min(1.0, step / self._total(self.steps, total_steps))
        return float(self.final + (1 - self.final) * left**self.power)


class OneCycle(Schedule):
    """Rise from `start` to 1 over the first `warm` share of the steps, then fall to `final`.

    With u from 0 to 1 over a phase from factor a to factor b:
    shape "linear" (triangular): a + (b - a) · u;  "cosine": a + (b - a) · (1 - cos(pi · u)) / 2

    Parameters
    ----------
    warm : float in (0, 1)
        Share of the steps that rise.
    start, final : float >= 0
        Factors at the first and after the last step.
    shape : "linear" or "cosine"
        How the phases run.
    steps : int > 0, optional
        Length; without it the length of the training.

    Notes
    -----
    Smith 2018; the optimiser's learning rate is the highest one.

    Examples
    --------
    >>> cycle = OneCycle(warm=0.25, start=0.0, final=0.0)
    >>> [cycle(step, 8) for step in (0, 1, 2, 5, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        *,
        warm: float = 0.25,
        start: float = 0.04,
        final: float = 1e-4,
        shape: str = "linear",
        steps: int | None = None,
    ) -> None:
        self.warm = checked_number(self, "warm", warm, 0, 1, "none")
        self.start = checked_number(self, "start", start, 0)
        self.final = checked_number(self, "final", final, 0)
        if not isinstance(shape, str) or shape not in ("linear", "cosine"):
            raise ArgumentError(f"OneCycle: shape must be 'linear' or 'cosine'; got {shape!r}.")
        self.shape = shape
        self.steps = None if steps is None else checked_integer(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        done = min(1.0, step / self._total(self.steps, total_steps))
        if done < self.warm:
            begin, end, along = self.start, 1.0, done / self.warm
        else:
            begin, end, along = 1.0, self.final, (done - self.warm) / (1 - self.warm)
        if self.shape == "cosine":
            along = (1 - math.cos(math.pi * along)) / 2
        return float(begin + (end - begin) * along)


class Cosine(Schedule):
    """Fall along half a cosine: final + (1 - final) · (1 + cos(pi · u)) / 2, u = step / total.

    Parameters
    ----------
    final : float >= 0
        Factor at the end and after it.
    cycles : int > 0
        Falls in all; each one begins at 1 again ("warm restarts").
    steps : int > 0, optional
        Length; without it the length of the training.

    Notes
    -----
    Loshchilov and Hutter 2017; PyTorch's CosineAnnealingLR, with `cycles` its warm restarts of
    equal length.

    Examples
    --------
    >>> [round(Cosine()(step, 8), 3) for step in (0, 2, 4, 8, 9)]
    [1.0, 0.854, 0.5, 0.0, 0.0]
    >>> [round(Cosine(cycles=2)(step, 8), 3) for step in (0, 2, 4, 6, 8)]
    [1.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, *, final: float = 0.0, cycles: int = 1, steps: int | None = None) -> None:
        self.final = checked_number(self, "final", final, 0)
        self.cycles = checked_integer(self, "cycles", cycles)
        self.steps = None if steps is None else checked_integer(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        total = self._total(self.steps, total_steps)
        if step >= total:
            return float(self.final)
        along = step * self.cycles % total / total
        return float(self.final + (1 - self.final) * (1 + math.cos(math.pi * along)) / 2)


class Exponential(Schedule):
    """Multiply by `gamma` once in every so many steps, smoothly: factor(step) = gamma^(step/every).

    Parameters
    ----------
    gamma : float in [0, 1]
        Factor of `every` steps.
    every : int > 0
        Steps in which the factor falls by gamma; 1 as in PyTorch's ExponentialLR.

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


class Warmup(Schedule):
    """Rise from `start` to 1 in `steps` steps, then follow `inner`, which starts at its step 0.

    factor(step) = start + (1 - start) · step / steps while step < steps, else
    inner(step - steps, total_steps - steps).

    Parameters
    ----------
    inner : Schedule, optional
        What follows; Constant() if None.
    steps : int > 0
        Length of the rise.
    start : float >= 0
        First factor.

    Notes
    -----
    Goyal et al. 2017. BigDL's `Warmup` adds a given amount a step instead.

    Examples
    --------
    >>> warm = Warmup(Polynomial(), steps=4)
    >>> [warm(step, 8) for step in (0, 2, 4, 6, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, inner: Schedule | None = None, *, steps: int, start: float = 0.0) -> None:
        if inner is not None and not isinstance(inner, Schedule):
            raise ArgumentError(f"Warmup: inner must be a Schedule or None; got {inner!r}.")
        self.inner = inner
        self.steps = checked_integer(self, "steps", steps)
        self.start = checked_number(self, "start", start, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        if step < self.steps:
            return float(self.start + (1 - self.start) * step / self.steps)
        if self.inner is None:
            return 1.0
        left = total_steps
        if left is not None:
            left = validate.integer("total_steps", left) - self.steps
        return self.inner(step - self.steps, left)

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Hand a validation on to the inner schedule."""
        if self.inner is not None:
            self.inner.observe(metrics)

    def memory(self) -> dict[str, Any]:
        """Return that of the inner schedule."""
        return {} if self.inner is None else self.inner.memory()

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Hand it to the inner schedule."""
        if self.inner is not None:
            self.inner.remember(memory)

    def monitored(self) -> str | None:
        """Return that of the inner schedule."""
        return None if self.inner is None else self.inner.monitored()

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Hand it on to the inner schedule."""
        if self.inner is not None:
            self.inner.orient(higher_is_better)


_names.suggest(__name__)
