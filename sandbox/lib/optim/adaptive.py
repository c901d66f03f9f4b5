"""Optimisers that scale each step by the gradients seen so far: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

from typing import Any

import numpy as np

from .config import checked_boolean, checked_number
from .means import blend, blend_square
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class RMSprop(Optimizer):
    """Divide the gradient by a running root of its squares.

    d = g + weight_decay · p
    v = alpha · v + (1 - alpha) · d²
    centered: a = alpha · a + (1 - alpha) · d, and v - a² in the place of v below
    u = d / (sqrt(v) + epsilon)
    p = p - learning_rate · u, or with momentum b = momentum · b + u, p = p - learning_rate · b

    Parameters
    ----------
    learning_rate : float >= 0
        Step size.
    alpha : float in [0, 1)
        Share of the running mean that is kept.
    epsilon : float > 0
        Keeps the division tame where gradients vanish.
    momentum : float in [0, 1)
        Share of the velocity that is kept.
    centered : bool
        Divide by the running deviation instead of the root of the mean square.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as BigDL `RMSprop` (0.13, where alpha is decayrate) and PyTorch `RMSprop`; like Keras
    `RMSprop`: epsilon stands in the root there. Source: Tieleman and Hinton 2012; centered: Graves
    2013.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), RMSprop(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(2)
    array([0., 2.], dtype=float32)
    """

    scratch = 2

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        alpha: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.alpha = checked_number(self, "alpha", alpha, 0, 1)
        self.epsilon = checked_number(self, "epsilon", epsilon, 0, closed="none")
        self.momentum = checked_number(self, "momentum", momentum, 0, 1)
        self.centered = checked_boolean(self, "centered", centered)
        slots = ["square", *["mean"] * self.centered, *["velocity"] * bool(momentum)]
        self.slots = tuple(slots)  # type: ignore[misc]

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
        v = state["square"]
        blend_square(v, d, self.alpha, two)
        if self.centered:
            a = state["mean"]
            blend(a, d, self.alpha, two)
            np.multiply(a, a, out=two)
            np.subtract(v, two, out=two)
            np.maximum(two, 0.0, out=two)  # rounding may leave -1e-9
            np.sqrt(two, out=two)
        else:
            np.sqrt(v, out=two)
        np.add(two, self.epsilon, out=two)
        np.divide(d, two, out=two)
        if self.momentum:
            b = state["velocity"]
            np.multiply(b, self.momentum, out=b)
            np.add(b, two, out=b)
            np.multiply(b, learning_rate, out=two)
        else:
            np.multiply(two, learning_rate, out=two)
        np.subtract(p, two, out=p)


class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all its squares.

    d = g + weight_decay · p
    s = s + d², starting from `initial`
    p = p - learning_rate / (1 + step · learning_rate_decay) · d / (sqrt(s) + epsilon)

    Parameters
    ----------
    learning_rate : float >= 0
        Step size; larger than of other optimisers, since the sum only grows.
    learning_rate_decay : float >= 0
        Slows the steps down beyond that.
    initial : float >= 0
        Where the sum starts.
    epsilon : float > 0
        Keeps the division tame where gradients vanish.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as BigDL `Adagrad` (0.13), PyTorch `Adagrad` and Torch7 `adagrad`; like Keras `Adagrad`:
    epsilon stands in the root there. Source: Duchi, Hazan and Singer 2011.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), Adagrad(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.9, 1.1], dtype=float32)
    """

    slots = ("square",)
    scratch = 2

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        learning_rate_decay: float = 0.0,
        initial: float = 0.0,
        epsilon: float = 1e-10,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.learning_rate_decay = checked_number(
            self, "learning_rate_decay", learning_rate_decay, 0
        )
        self.initial = checked_number(self, "initial", initial, 0)
        self.epsilon = checked_number(self, "epsilon", epsilon, 0, closed="none")

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the sum of squares, filled with `initial`."""
        return {"square": np.full(n, self.initial, dtype)}

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
        s = state["square"]
        np.multiply(d, d, out=two)
        np.add(s, two, out=s)
        np.sqrt(s, out=two)
        np.add(two, self.epsilon, out=two)
        np.divide(d, two, out=two)
        np.multiply(two, learning_rate / (1 + step * self.learning_rate_decay), out=two)
        np.subtract(p, two, out=p)


class Adadelta(Optimizer):
    """Scale the gradient by the running size of the steps over that of the gradients.

    d = g + weight_decay · p
    v = rho · v + (1 - rho) · d²
    u = sqrt(s + epsilon) / sqrt(v + epsilon) · d
    s = rho · s + (1 - rho) · u²
    p = p - learning_rate · u

    Parameters
    ----------
    learning_rate : float >= 0
        Factor on the steps; 1 in the paper.
    rho : float in [0, 1)
        Share of the running means that is kept.
    epsilon : float > 0
        Gives the first steps a size.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as BigDL `Adadelta` (0.13, where rho is decayrate), Keras `Adadelta` and PyTorch
    `Adadelta`. Source: Zeiler 2012.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), Adadelta()
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -1], "f4"), state, step=0, learning_rate=1.0)
    >>> p.round(4)
    array([0.9968, 1.0032], dtype=float32)
    """

    slots = ("square", "steps")
    scratch = 3

    def __init__(
        self,
        learning_rate: float = 1.0,
        *,
        rho: float = 0.9,
        epsilon: float = 1e-6,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.rho = checked_number(self, "rho", rho, 0, 1)
        self.epsilon = checked_number(self, "epsilon", epsilon, 0, closed="none")

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
        v, s = state["square"], state["steps"]
        blend_square(v, d, self.rho, two)
        np.add(s, self.epsilon, out=two)
        np.sqrt(two, out=two)
        np.add(v, self.epsilon, out=three)
        np.sqrt(three, out=three)
        np.divide(two, three, out=two)
        np.multiply(two, d, out=two)
        blend_square(s, two, self.rho, three)
        np.multiply(two, learning_rate, out=two)
        np.subtract(p, two, out=p)
