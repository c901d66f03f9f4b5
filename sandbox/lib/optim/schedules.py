"""Learning rate schedules: pure functions of the step, so that a resumed run needs no state."""

from __future__ import annotations

import math
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import ArgumentError
from .config import Configured, number, whole


class Schedule(Configured):
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

    def _total(self, own: int | None, total_steps: int | None) -> int:
        total = own if own is not None else total_steps
        if total is None:
            raise ArgumentError(
                f"{type(self).__name__}: the number of steps must be known; got None. Give "
                f"{type(self).__name__}(steps=...), or train for a given number of epochs or steps."
            )
        return max(1, total)


class Constant(Schedule):
    """Keep the learning rate: factor(step) = factor.

    Examples
    --------
    >>> Constant()(7, 100)
    1.0
    """

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = number(self, "factor", factor, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        return float(self.factor)


class Step(Schedule):
    """Multiply by `gamma` every so many steps: factor(step) = gamma^floor(step / every).

    Parameters
    ----------
    every : int > 0
        Steps between two changes.
    gamma : float >= 0
        Factor of one change.

    Examples
    --------
    >>> [Step(10, gamma=0.5)(step) for step in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, every: int, *, gamma: float = 0.1) -> None:
        self.every = whole(self, "every", every)
        self.gamma = number(self, "gamma", gamma, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        return float(self.gamma ** (step // self.every))


class MultiStep(Schedule):
    """Multiply by `gamma` at each milestone: factor(step) = gamma^|{m : m <= step}|.

    Examples
    --------
    >>> [round(MultiStep([10, 15])(step), 6) for step in (9, 10, 15)]
    [1.0, 0.1, 0.01]
    """

    def __init__(self, milestones: Sequence[int], *, gamma: float = 0.1) -> None:
        self.milestones = tuple(whole(self, "milestones", m) for m in milestones)
        if any(b <= a for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ArgumentError(f"MultiStep: milestones must increase; got {list(milestones)}.")
        self.gamma = number(self, "gamma", gamma, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
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
        self.power = number(self, "power", power, 0, closed="none")
        self.final = number(self, "final", final, 0)
        self.steps = None if steps is None else whole(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
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
    Smith 2018; the method's learning rate is the highest one.

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
        self.warm = number(self, "warm", warm, 0, 1, "none")
        self.start = number(self, "start", start, 0)
        self.final = number(self, "final", final, 0)
        if shape not in ("linear", "cosine"):
            raise ArgumentError(f"OneCycle: shape must be 'linear' or 'cosine'; got {shape!r}.")
        self.shape = shape
        self.steps = None if steps is None else whole(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
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
        self.final = number(self, "final", final, 0)
        self.cycles = whole(self, "cycles", cycles)
        self.steps = None if steps is None else whole(self, "steps", steps)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
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
        self.gamma = number(self, "gamma", gamma, 0, 1, "both")
        self.every = whole(self, "every", every)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        return math.pow(self.gamma, step / self.every)


class Plateau(Schedule):
    """Multiply by `factor` when the validation has not got better for `patience` validations.

    The only schedule that goes by what was measured: the training loop hands it the metrics of each
    validation that was due, the same on all ranks, and checkpoints keep what it remembers.

    Parameters
    ----------
    monitor : str
        Name of the validation metric.
    factor : float in [0, 1)
        Factor of one change.
    patience : int > 0
        Validations without an improvement that are borne.
    min_delta : float >= 0
        Smaller improvements do not count.
    lowest : float >= 0
        The factors' product does not fall below it.
    mode : "min", "max" or None
        Whether less is better. None: less for names that hold "loss", "error" or "mae".

    Raises
    ------
    ArgumentError : a value is out of its range; the metric is not among those of the run.

    Examples
    --------
    >>> schedule = Plateau("top1", factor=0.5, patience=2)
    >>> for score in (0.5, 0.6, 0.6, 0.55):
    ...     schedule.observe({"top1": score})
    >>> schedule(123)
    0.5
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        factor: float = 0.1,
        patience: int = 3,
        min_delta: float = 0.0,
        lowest: float = 0.0,
        mode: str | None = None,
    ) -> None:
        if not isinstance(monitor, str) or not monitor:
            raise ArgumentError(f"Plateau: `monitor` must be a metric's name; got {monitor!r}.")
        if mode not in (None, "min", "max"):
            raise ArgumentError(f"Plateau: `mode` must be 'min', 'max' or None; got {mode!r}.")
        self.monitor = monitor
        self.factor = number(self, "factor", factor, 0, 1)
        self.patience = whole(self, "patience", patience)
        self.min_delta = number(self, "min_delta", min_delta, 0)
        self.lowest = number(self, "lowest", lowest, 0)
        less = any(word in monitor.lower() for word in ("loss", "error", "mae"))
        self.mode = mode or ("min" if less else "max")
        self._best: float | None = None
        self._waited = 0
        self._now = 1.0

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor after the validations so far; the step does not matter."""
        return self._now

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Take in one validation."""
        found = {name.lower(): value for name, value in metrics.items()}
        value = found.get(self.monitor.lower())
        if not isinstance(value, int | float):
            raise ArgumentError(
                f"Plateau: `monitor` must be one of the run's metrics that are a number; got "
                f"{self.monitor!r} among {', '.join(metrics) or 'none'}. "
                "Add it to Trainer(metrics=...)."
            )
        sign = -1.0 if self.mode == "min" else 1.0
        gain = math.inf if self._best is None else sign * (value - self._best)
        if gain > self.min_delta:
            self._best, self._waited = float(value), 0
        else:
            self._waited += 1
        if self._waited >= self.patience:
            self._now, self._waited = max(self.lowest, self._now * self.factor), 0

    def memory(self) -> dict[str, Any]:
        """Return best value, validations waited and present factor."""
        return {"best": self._best, "waited": self._waited, "now": self._now}

    def remember(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` returned."""
        self._best = memory.get("best")
        self._waited = int(memory.get("waited", 0))
        self._now = float(memory.get("now", 1.0))

    def monitored(self) -> str | None:
        """Return the metric's name."""
        return self.monitor


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
        self.steps = whole(self, "steps", steps)
        self.start = number(self, "start", start, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        if step < self.steps:
            return float(self.start + (1 - self.start) * step / self.steps)
        if self.inner is None:
            return 1.0
        left = None if total_steps is None else total_steps - self.steps
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
