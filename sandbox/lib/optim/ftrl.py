"""FTRL-Proximal: sparse weights for linear models of very many features."""

from __future__ import annotations

from typing import Any

import numpy as np

from .config import checked_number
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class Ftrl(Optimizer):
    """Follow the regularised leader: weights of which an L1 penalty leaves most at exactly 0.

    n' = n + g², s = (n'^power - n^power) / learning_rate, n starting from `initial`
    z = z + g - s · p
    p = 0 where |z| <= l1, else (sign(z) · l1 - z) / ((beta + n'^power) / learning_rate + l2)

    Parameters
    ----------
    learning_rate : float > 0
        alpha in the paper. A step of learning rate 0 does nothing.
    power : float > 0
        Of the sum of squares in the step size; 0.5 in the paper.
    initial : float >= 0
        Where the sums of squares start.
    beta : float >= 0
        Makes the first steps smaller.
    l1, l2 : float >= 0
        Strength of the penalties l1 · sum|p| and l2 / 2 · sum p².
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Like BigDL `Ftrl` and Keras `Ftrl`: their l2 is half of ours, their learning rate power is
    -power, and they shrink weights by `l2_shrinkage` as well, for which there is `L2`. Source:
    McMahan et al. 2013, algorithm 1. The closed form forgets where the weights started.

    Examples
    --------
    >>> p, optimizer = np.zeros(2, "f4"), Ftrl(0.1, l1=0.5)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([2, -0.1], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([-0.0741,  0.    ], dtype=float32)
    """

    slots = ("square", "linear")
    scratch = 3

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        power: float = 0.5,
        initial: float = 0.1,
        beta: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, schedule=schedule)
        checked_number(self, "learning_rate", learning_rate, 0, closed="none")
        self.power = checked_number(self, "power", power, 0, closed="none")
        self.initial = checked_number(self, "initial", initial, 0)
        self.beta = checked_number(self, "beta", beta, 0)
        self.l1 = checked_number(self, "l1", l1, 0)
        self.l2 = checked_number(self, "l2", l2, 0)

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return sums of squares of `initial`, and no gradients."""
        state = super().init_slice(n, dtype)
        state["square"].fill(self.initial)
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
        if not learning_rate:
            return
        one, two, three = work
        n, z = state["square"], state["linear"]
        self._raised(n, one)
        np.multiply(g, g, out=two)
        np.add(n, two, out=n)
        self._raised(n, two)
        np.subtract(two, one, out=one)
        np.multiply(one, 1 / learning_rate, out=one)
        np.multiply(one, p, out=one)
        np.subtract(g, one, out=one)
        np.add(z, one, out=z)
        np.add(two, self.beta, out=two)
        np.multiply(two, 1 / learning_rate, out=two)
        np.add(two, self.l2, out=two)
        np.clip(z, -self.l1, self.l1, out=one)  # sign(z) · l1, or z itself where p is 0
        np.subtract(one, z, out=one)
        three.fill(0.0)
        np.divide(one, two, out=three, where=two > 0)  # no gradient has come yet
        np.copyto(p, three)

    def _raised(self, x: Vector, out: Vector) -> None:
        if self.power == 0.5:
            np.sqrt(x, out=out)  # many times as fast
        else:
            np.power(x, self.power, out=out)
