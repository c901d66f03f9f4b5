"""Optimisers that go by the sign of gradients: Lion and Rprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import ArgumentError
from .config import checked_number
from .means import blend, two_betas
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class Lion(Optimizer):
    """Step by the sign of a mean of the gradients: every parameter by the same amount.

    u = sign(beta1 · m + (1 - beta1) · g)
    m = beta2 · m + (1 - beta2) · g
    p = p - learning_rate · (u + weight_decay · p)

    Parameters
    ----------
    learning_rate : float >= 0
        Change of a parameter in one step; a third to a tenth of Adam's.
    betas : (float, float), each in [0, 1)
        Share of the mean in the step, and share of it that is kept.
    weight_decay : float >= 0
        Decoupled decay; three to ten times AdamW's.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as Keras `Lion`. Source: Chen et al. 2023, program 1. Half the memory of Adam.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), Lion(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.9, 1.1], dtype=float32)
    """

    slots = ("mean",)
    scratch = 2

    def __init__(
        self,
        learning_rate: float = 1e-4,
        *,
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.betas = two_betas(self, betas)

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
        m, (beta1, beta2) = state["mean"], self.betas
        np.multiply(m, beta1, out=one)
        np.multiply(g, 1 - beta1, out=two)
        np.add(one, two, out=one)
        np.sign(one, out=one)
        blend(m, g, beta2, two)
        u = self.decayed(p, one, two, decay)
        np.multiply(u, learning_rate, out=one)
        np.subtract(p, one, out=p)


class Rprop(Optimizer):
    """Give each parameter a step size of its own, by whether its gradient keeps its sign.

    d = g + weight_decay · p, and e the gradient d of the step before
    s = clip(s · factors[1], sizes) where d · e > 0; clip(s · factors[0], sizes) and d = 0 where
    d · e < 0; s starts at the optimiser's learning rate
    p = p - learning_rate / (the optimiser's learning rate) · s · sign(d)

    Parameters
    ----------
    learning_rate : float > 0
        The first step size; later ones are the parameters' own, times the schedule's factor.
    factors : (float, float), 0 < factors[0] < 1 < factors[1]
        What a step size is multiplied with when the sign turned, and when it did not.
    sizes : (float, float)
        Smallest and largest step size.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on all steps.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as PyTorch `Rprop`. Source: Riedmiller and Braun 1993. For full batches
    (`batch_size=len(data)`): between two mini-batches signs turn by chance.

    Examples
    --------
    >>> p, optimizer = np.ones(1, "f4"), Rprop(0.1)
    >>> state = optimizer.init_slice(1)
    >>> for step in range(2):
    ...     optimizer.apply_slice(p, np.ones(1, "f4"), state, step=step, learning_rate=0.1)
    >>> p.round(4)  # 1 - 0.1 - 0.12
    array([0.78], dtype=float32)
    """

    slots = ("gradient", "size")
    scratch = 3

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        factors: Sequence[float] = (0.5, 1.2),
        sizes: Sequence[float] = (1e-6, 50.0),
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        checked_number(self, "learning_rate", learning_rate, 0, closed="none")
        self.factors = self._two("factors", factors)
        checked_number(self, "factors[0]", self.factors[0], 0, 1, "none")
        checked_number(self, "factors[1]", self.factors[1], 1, closed="none")
        self.sizes = self._two("sizes", sizes)
        checked_number(self, "sizes[0]", self.sizes[0], 0)
        checked_number(self, "sizes[1]", self.sizes[1], self.sizes[0])

    def _two(self, name: str, numbers: Any) -> tuple[float, float]:
        if not isinstance(numbers, tuple | list) or len(numbers) != 2:
            raise ArgumentError(f"Rprop: `{name}` must be two numbers; got {numbers!r}.")
        first, second = (
            checked_number(self, f"{name}[{k}]", number, 0) for k, number in enumerate(numbers)
        )
        return first, second

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return no gradient, and step sizes of the learning rate."""
        state = super().init_slice(n, dtype)
        state["size"].fill(self.learning_rate)
        return state

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
        one, two, three = work
        d = self.decayed(p, g, one, decay)
        e, s = state["gradient"], state["size"]
        np.sign(d, out=two)  # of each: a product of gradients may underflow
        np.sign(e, out=three)
        np.multiply(two, three, out=two)
        np.multiply(s, self.factors[1], out=s, where=two > 0)
        turned = two < 0
        np.multiply(s, self.factors[0], out=s, where=turned)
        np.clip(s, *self.sizes, out=s)
        np.copyto(e, d)
        np.copyto(e, 0.0, where=turned)
        np.sign(e, out=two)
        np.multiply(two, s, out=two)
        np.multiply(two, learning_rate / self.learning_rate, out=two)
        np.subtract(p, two, out=p)
