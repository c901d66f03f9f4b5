"""SGD whose steps become smaller, with the average of the weights it has passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from .config import checked_number
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class ASGD(Optimizer):
    """Averaged SGD: the weights go on by ever smaller steps, and their mean is the result.

    d = g + weight_decay · p
    r = learning_rate / (1 + decay · learning_rate · step)^power
    p = p - r · (d + decay · p)
    average = p up to the step `start` + 1, then average + (p - average) / (step - start)

    Parameters
    ----------
    learning_rate : float >= 0
        The first step size.
    decay : float >= 0
        How fast steps and weights become smaller.
    power : float >= 0
        How steps become smaller.
    start : float >= 0
        Step from which on weights are averaged.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as PyTorch `ASGD` (lambd, alpha, t0). Source: Polyak and Juditsky 1992. A Trainer
    validates with the average, as with `EMA`'s.

    Examples
    --------
    >>> p, optimizer = np.zeros(1, "f4"), ASGD(1.0, decay=0, start=0)
    >>> state = optimizer.init_slice(1)
    >>> for step in range(3):
    ...     optimizer.apply_slice(p, -np.ones(1, "f4"), state, step=step, learning_rate=1)
    >>> p, state["average"]
    (array([3.], dtype=float32), array([2.5], dtype=float32))
    """

    slots = ("average",)
    scratch = 2
    average_slot: ClassVar[str | None] = "average"  # type: ignore[misc]

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        decay: float = 1e-4,
        power: float = 0.75,
        start: float = 1e6,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.decay = checked_number(self, "decay", decay, 0)
        self.power = checked_number(self, "power", power, 0)
        self.start = checked_number(self, "start", start, 0)

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Let the averages go on towards parameters that are frozen."""
        self._follow(parameters, state["average"], step, np.empty_like(parameters))

    def update(
        self,
        p: Vector,
        g: Vector,
        state: dict[str, Vector],
        work: Vector,
        *,
        step: int,
        learning_rate: float,
        decay: Vector | None,
    ) -> None:
        """Update one chunk; see the class for the formula."""
        one, two = work
        d = self.decayed(p, g, one, decay)
        rate = learning_rate / (1 + self.decay * learning_rate * step) ** self.power
        np.multiply(p, self.decay * rate, out=two)
        np.subtract(p, two, out=p)
        np.multiply(d, rate, out=two)
        np.subtract(p, two, out=p)
        self._follow(p, state["average"], step, two)

    def _follow(self, p: Vector, average: Vector, step: int, work: Vector) -> None:
        if step - self.start <= 1:
            np.copyto(average, p)
            return
        np.subtract(p, average, out=work)
        np.multiply(work, 1 / (step - self.start), out=work)
        np.add(average, work, out=average)
