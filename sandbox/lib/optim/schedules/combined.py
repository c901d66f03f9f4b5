"""Schedules made of others."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ...core import validate
from ...core.errors import ArgumentError
from ..config import checked_integer, checked_number
from .base import Schedule
from .steps import checked_milestones


class Combined(Schedule):
    """Base: hands on to the schedules in it what validations measure."""

    def parts(self) -> Sequence[Schedule]:
        """Return the schedules in it."""
        raise NotImplementedError(f"{type(self).__name__} must define parts()")

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Hand a validation on."""
        for part in self.parts():
            part.observe(metrics)

    def memory(self) -> dict[str, Any]:
        """Return what the one that has a memory keeps, or a list of all memories."""
        found = [part.memory() for part in self.parts()]
        if len(found) == 1:
            return found[0]
        return {"parts": found} if any(found) else {}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Hand on what `memory` returned."""
        parts = self.parts()
        found_all = [memory] if len(parts) == 1 else memory.get("parts", [{}] * len(parts))
        for part, found in zip(parts, found_all, strict=True):
            part.remember(found)

    def monitored(self) -> str | None:
        """Return the metric that one of them goes by."""
        return next((m for m in (part.monitored() for part in self.parts()) if m), None)

    def orient(self, higher_is_better: Mapping[str, bool]) -> None:
        """Hand it on."""
        for part in self.parts():
            part.orient(higher_is_better)

    def pace(self, steps_per_epoch: int) -> None:
        """Hand it on."""
        for part in self.parts():
            part.pace(steps_per_epoch)

    def _checked(self, name: str, schedule: Any) -> Schedule:
        if not isinstance(schedule, Schedule):
            raise ArgumentError(
                f"{type(self).__name__}: `{name}` must be a Schedule; got {schedule!r}."
            )
        return schedule

    def _several(self, schedules: Any) -> tuple[Schedule, ...]:
        if not isinstance(schedules, tuple | list) or not schedules:
            raise ArgumentError(
                f"{type(self).__name__}: `schedules` must be a list of schedules; got "
                f"{schedules!r}."
            )
        found = tuple(self._checked(f"schedules[{k}]", s) for k, s in enumerate(schedules))
        if sum(part.monitored() is not None for part in found) > 1:
            raise ArgumentError(
                f"{type(self).__name__}: only one of `schedules` may go by a metric; got "
                f"{schedules!r}."
            )
        return found


class Warmup(Combined):
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
    Like BigDL `Warmup` (0.13), which adds a given amount a step instead, and PyTorch `LinearLR`,
    which has no inner schedule; BigDL `EpochDecayWithWarmUp` is one around `Epochs`. Keras has it
    in `CosineDecay`. Source: Goyal et al. 2017.

    Examples
    --------
    >>> from sandbox.lib.optim import Polynomial
    >>> warm = Warmup(Polynomial(), steps=4)
    >>> [warm(step, 8) for step in (0, 2, 4, 6, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(self, inner: Schedule | None = None, *, steps: int, start: float = 0.0) -> None:
        self.inner = None if inner is None else self._checked("inner", inner)
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

    def parts(self) -> Sequence[Schedule]:
        """Return the inner schedule."""
        return () if self.inner is None else (self.inner,)


class Epochs(Combined):
    """Count passes over the data instead of steps: factor = inner(pass, passes in all).

    pass = floor(step / steps), passes in all = ceil(total_steps / steps)

    Parameters
    ----------
    inner : Schedule
        Its steps are passes, from 0.
    steps : int > 0, optional
        Steps of a pass; without it a Trainer tells (rows / batch size, rounded up).

    Raises
    ------
    ArgumentError : in a call, the steps of a pass are not known.

    Notes
    -----
    Like BigDL `EpochStep`, `EpochDecay`, `EpochSchedule` (0.13), which are `Epochs` around
    `StepDecay`, a schedule of one's own and `Piecewise`; like Keras `LearningRateScheduler`. In
    PyTorch it is calling a scheduler's step() after each pass.

    Examples
    --------
    >>> from sandbox.lib.optim import StepDecay
    >>> [Epochs(StepDecay(2, gamma=0.5), steps=10)(step) for step in (0, 19, 20, 40)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, inner: Schedule, *, steps: int | None = None) -> None:
        self.inner = self._checked("inner", inner)
        self.steps = None if steps is None else checked_integer(self, "steps", steps)
        self._told: int | None = None

    def parts(self) -> Sequence[Schedule]:
        """Return the inner schedule."""
        return (self.inner,)

    def pace(self, steps_per_epoch: int) -> None:
        """Take in how many steps a pass over the data has."""
        self._told = steps_per_epoch

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        steps = self._told if self.steps is None else self.steps
        if steps is None:
            raise ArgumentError(
                "Epochs: the steps of a pass must be known; got None. Give Epochs(steps=...) where "
                "no Trainer tells."
            )
        passes = None
        if total_steps is not None:
            passes = math.ceil(validate.integer("total_steps", total_steps) / steps)
        return self.inner(step // steps, passes)


class SequentialSchedule(Combined):
    """Follow one schedule after the other, each from its own step 0 on.

    Parameters
    ----------
    schedules : list of Schedule
        What is followed; at most one goes by a metric.
    milestones : list of int > 0
        Steps at which the next one begins: one less than schedules.

    Raises
    ------
    ArgumentError : milestones do not increase, or are not as many as schedules need.

    Notes
    -----
    Same as PyTorch `SequentialLR`; like BigDL `SequentialSchedule` (0.13), whose `add` takes the
    length of each instead.

    Examples
    --------
    >>> from sandbox.lib.optim import Constant, Polynomial, Warmup
    >>> schedule = SequentialSchedule([Warmup(steps=2), Constant(), Polynomial()], [2, 6])
    >>> [schedule(step, 10) for step in (0, 1, 2, 5, 8, 10)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """

    def __init__(self, schedules: Sequence[Schedule], milestones: Sequence[int]) -> None:
        self.schedules = self._several(schedules)
        self.milestones = checked_milestones(self, milestones)
        if len(self.milestones) != len(self.schedules) - 1:
            raise ArgumentError(
                f"SequentialSchedule: `milestones` must be {len(self.schedules) - 1} steps, one "
                f"less than schedules; got {list(milestones)}."
            )

    def parts(self) -> Sequence[Schedule]:
        """Return the schedules."""
        return self.schedules

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        k = bisect_right(self.milestones, step)
        start = (0, *self.milestones)[k]
        end = (*self.milestones, total_steps)[k]
        length = None if end is None else max(1, validate.integer("total_steps", end) - start)
        return self.schedules[k](step - start, length)


class Product(Combined):
    """Multiply the factors of several schedules.

    Parameters
    ----------
    schedules : list of Schedule
        What is multiplied; at most one goes by a metric.

    Notes
    -----
    Same as PyTorch `ChainedScheduler`.

    Examples
    --------
    >>> from sandbox.lib.optim import StepDecay
    >>> [Product([Warmup(steps=2), StepDecay(4, gamma=0.5)])(step) for step in (1, 3, 5)]
    [0.5, 1.0, 0.5]
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self.schedules = self._several(schedules)

    def parts(self) -> Sequence[Schedule]:
        """Return the schedules."""
        return self.schedules

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        return math.prod(schedule(step, total_steps) for schedule in self.schedules)
