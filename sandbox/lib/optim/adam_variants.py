"""Relatives of Adam: Adamax, NAdam and RAdam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .adam import Adam
from .config import checked_number
from .means import blend, blend_square
from .optimizer import Vector
from .schedules import Schedule


class Adamax(Adam):
    """Adam that divides by the largest recent gradient instead of a root mean square.

    d = g + weight_decay · p
    m = beta1 · m + (1 - beta1) · d
    u = max(beta2 · u, |d| + epsilon)
    p = p - learning_rate / (1 - beta1^t) · m / u, t = step + 1

    Parameters
    ----------
    learning_rate, betas, epsilon, weight_decay, schedule
        As of `Adam`.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as BigDL `Adamax` (0.13) and PyTorch `Adamax`; like Keras `Adamax`: epsilon stands at the
    division there. Source: Kingma and Ba 2015, section 7.1.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), Adamax(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.9, 1.1], dtype=float32)
    """

    slots = ("mean", "largest")

    def __init__(
        self,
        learning_rate: float = 2e-3,
        *,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            betas=betas,
            epsilon=epsilon,
            weight_decay=weight_decay,
            schedule=schedule,
        )

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
        m, u = state["mean"], state["largest"]
        blend(m, d, self.betas[0], two)
        np.abs(d, out=two)
        np.add(two, self.epsilon, out=two)
        np.multiply(u, self.betas[1], out=u)
        np.maximum(u, two, out=u)
        np.divide(m, u, out=two)
        np.multiply(two, learning_rate / (1 - self.betas[0] ** (step + 1)), out=two)
        np.subtract(p, two, out=p)


class NAdam(Adam):
    """Adam that looks ahead along its velocity, as Nesterov does.

    d = g + weight_decay · p, m and v as of `Adam`
    mu(t) = beta1 · (1 - 0.96^(t · momentum_decay) / 2), M(t) = mu(1) · ... · mu(t), t = step + 1
    u = (1 - mu(t)) / (1 - M(t)) · d + mu(t + 1) / (1 - M(t + 1)) · m
    p = p - learning_rate · u / (sqrt(v / (1 - beta2^t)) + epsilon)

    Parameters
    ----------
    learning_rate, betas, epsilon, weight_decay, schedule
        As of `Adam`.
    momentum_decay : float >= 0
        How fast mu rises from beta1 / 2 to beta1.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as Keras `Nadam` and PyTorch `NAdam`. Source: Dozat 2016.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), NAdam(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.8944, 1.1056], dtype=float32)
    """

    scratch = 3

    def __init__(
        self,
        learning_rate: float = 2e-3,
        *,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        momentum_decay: float = 4e-3,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            betas=betas,
            epsilon=epsilon,
            weight_decay=weight_decay,
            schedule=schedule,
        )
        self.momentum_decay = checked_number(self, "momentum_decay", momentum_decay, 0)

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
        beta1, beta2 = self.betas
        d = self.decayed(p, g, one, decay)
        blend(state["mean"], d, beta1, two)
        blend_square(state["square"], d, beta2, two)
        t = step + 1
        now, after = (_momentum(beta1, self.momentum_decay, k) for k in (t, t + 1))
        done = _momentum_product(beta1, self.momentum_decay, t)
        np.multiply(d, (1 - now) / (1 - done), out=two)
        np.multiply(state["mean"], after / (1 - done * after), out=three)
        np.add(two, three, out=two)
        np.multiply(state["square"], 1 / (1 - beta2**t), out=three)
        np.sqrt(three, out=three)
        np.add(three, self.epsilon, out=three)
        np.divide(two, three, out=two)
        np.multiply(two, learning_rate, out=two)
        np.subtract(p, two, out=p)


def _momentum(beta1: float, decay: float, t: int) -> float:
    return float(beta1 * (1 - 0.5 * 0.96 ** (t * decay)))


@lru_cache(maxsize=16)  # asked once for each chunk
def _momentum_product(beta1: float, decay: float, t: int) -> float:
    product = 1.0
    for k in range(1, t + 1):
        product *= _momentum(beta1, decay, k)
        if product < 1e-20:  # 1 - product is 1
            return 0.0
    return product


class RAdam(Adam):
    """Adam that does without the running square until enough gradients were seen to trust it.

    d = g + weight_decay · p, m and v as of `Adam`, t = step + 1
    R = 2 / (1 - beta2) - 1, r = R - 2 · t · beta2^t / (1 - beta2^t)
    u = m / (1 - beta1^t), and where r > 5
    u = u · sqrt((r - 4)(r - 2)R / ((R - 4)(R - 2)r)) · sqrt(1 - beta2^t) / (sqrt(v) + epsilon)
    p = p - learning_rate · u

    Parameters
    ----------
    learning_rate, betas, epsilon, weight_decay, schedule
        As of `Adam`; a `Warmup` is not needed.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as PyTorch `RAdam`. Source: Liu et al. 2020, algorithm 2.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), RAdam(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.5  , 1.001], dtype=float32)
    """

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
        beta1, beta2 = self.betas
        d = self.decayed(p, g, one, decay)
        blend(state["mean"], d, beta1, two)
        blend_square(state["square"], d, beta2, two)
        t = step + 1
        rate = learning_rate / (1 - beta1**t)
        trust = _trust(beta2, t)
        if trust:
            np.sqrt(state["square"], out=two)
            np.add(two, self.epsilon, out=two)
            np.divide(state["mean"], two, out=two)
            np.multiply(two, rate * trust * math.sqrt(1 - beta2**t), out=two)
        else:
            np.multiply(state["mean"], rate, out=two)
        np.subtract(p, two, out=p)


def _trust(beta2: float, t: int) -> float:
    """Return how far the running square may be trusted, 0 where not at all."""
    last = 2 / (1 - beta2) - 1
    now = last - 2 * t * beta2**t / (1 - beta2**t)
    if now <= 5:
        return 0.0
    return math.sqrt((now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now))
