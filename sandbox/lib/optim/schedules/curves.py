"""Schedules that run along a curve, once or again and again."""

from __future__ import annotations

import math

from ...core import validate
from ...core.errors import ArgumentError
from ..config import checked_integer, checked_number
from .base import Schedule


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

    Notes
    -----
    Same as BigDL `Poly` (0.13), Keras `PolynomialDecay` and PyTorch `PolynomialLR`.

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
    Like PyTorch `OneCycleLR`: factors of the highest learning rate, which is the optimiser's,
    instead of divisors; the last factor is reached one step later, and momentum stays. Source:
    Smith 2018.

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
    Same as Keras `CosineDecay` and PyTorch `CosineAnnealingLR`; for cycles of growing length see
    `CosineRestarts`. Source: Loshchilov and Hutter 2017.

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


class CosineRestarts(Schedule):
    """Fall along half a cosine again and again, each time more slowly.

    Cycle k = 0, 1, ... has n_k = round(steps · growth^k) steps; after j of them
    factor = final + (shrink^k - final) · (1 + cos(pi · j / n_k)) / 2

    Parameters
    ----------
    steps : int > 0
        Length of the first cycle.
    growth : float >= 1
        By what each cycle is longer than the one before.
    shrink : float in (0, 1]
        By what each cycle starts lower.
    final : float >= 0
        Factor at the end of a cycle.

    Notes
    -----
    Same as PyTorch `CosineAnnealingWarmRestarts`, and Keras `CosineDecayRestarts` with final 0.
    Source: Loshchilov and Hutter 2017.

    Examples
    --------
    >>> [round(CosineRestarts(2, growth=2)(step), 3) for step in (0, 1, 2, 4, 6)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    def __init__(
        self, steps: int, *, growth: float = 1.0, shrink: float = 1.0, final: float = 0.0
    ) -> None:
        self.steps = checked_integer(self, "steps", steps)
        self.growth = checked_number(self, "growth", growth, 1)
        self.shrink = checked_number(self, "shrink", shrink, 0, 1, "right")
        self.final = checked_number(self, "final", final, 0)

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        cycle, length, done = 0, self.steps, step
        if self.growth == 1:
            cycle, done = divmod(step, self.steps)
        while done >= length:
            done -= length
            cycle += 1
            length = round(self.steps * self.growth**cycle)
        peak = self.shrink**cycle
        return float(self.final + (peak - self.final) * (1 + math.cos(math.pi * done / length)) / 2)


class Cyclic(Schedule):
    """Rise from `lowest` to 1 and fall back, again and again in straight lines.

    Parameters
    ----------
    rise : int > 0
        Steps upwards.
    fall : int > 0, optional
        Steps downwards; as many as upwards if None.
    lowest : float in [0, 1]
        Factor between two cycles.
    shrink : float in (0, 1]
        By what the height of each cycle over `lowest` is smaller than the one before.
    gamma : float in (0, 1]
        By what the height is smaller after each step.

    Notes
    -----
    Same as PyTorch `CyclicLR`: its "triangular"; with shrink=0.5 its "triangular2", with gamma its
    "exp_range". Source: Smith 2017.

    Examples
    --------
    >>> [Cyclic(2, lowest=0.0, shrink=0.5)(step) for step in (0, 1, 2, 3, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """

    def __init__(
        self,
        rise: int,
        fall: int | None = None,
        *,
        lowest: float = 0.1,
        shrink: float = 1.0,
        gamma: float = 1.0,
    ) -> None:
        self.rise = checked_integer(self, "rise", rise)
        self.fall = None if fall is None else checked_integer(self, "fall", fall)
        self.lowest = checked_number(self, "lowest", lowest, 0, 1, "both")
        self.shrink = checked_number(self, "shrink", shrink, 0, 1, "right")
        self.gamma = checked_number(self, "gamma", gamma, 0, 1, "right")

    def __call__(self, step: int, total_steps: int | None = None) -> float:
        """Return the factor of update number `step`, counted from 0."""
        validate.non_negative_int("step", step)
        fall = self.rise if self.fall is None else self.fall
        cycle, done = divmod(step, self.rise + fall)
        height = done / self.rise if done <= self.rise else (self.rise + fall - done) / fall
        height *= self.shrink**cycle * self.gamma**step
        return float(self.lowest + (1 - self.lowest) * height)
