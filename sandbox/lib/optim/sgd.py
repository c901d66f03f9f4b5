"""Stochastic gradient descent with momentum, dampening, Nesterov's variant and weight decay."""

from __future__ import annotations

import numpy as np

from ..core.errors import ArgumentError
from .config import checked_boolean, checked_number
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class SGD(Optimizer):
    """Step against the gradient, with a running velocity if `momentum` is given.

    d = g + weight_decay · p
    v = d in the first step (step 0), later v = momentum · v + (1 - dampening) · d
    p = p - learning_rate · v, or with nesterov p = p - learning_rate · (d + momentum · v)
    Without momentum: p = p - learning_rate · d.

    Parameters
    ----------
    learning_rate : float >= 0
        Step size.
    momentum : float in [0, 1)
        Share of the velocity that is kept.
    dampening : float in [0, 1]
        Share of the gradient that does not enter the velocity.
    nesterov : bool
        Look ahead along the velocity; needs momentum > 0 and dampening = 0.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range, or `nesterov` without its conditions.

    Notes
    -----
    Same as PyTorch `SGD` and Torch7 `sgd`; like BigDL `SGD` (0.13): dampening is the momentum there
    unless given, its learning rate decay is the schedule `InverseTime`, and its learningrates and
    weightdecays are `ParameterGroups`; like Keras `SGD`: the learning rate is folded into the
    velocity there. Source: Sutskever et al. 2013 (the form of Nesterov's method, but for the
    learning rate).

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), SGD(0.1, momentum=0.9)
    >>> state = optimizer.init_slice(2)
    >>> for step in range(2):
    ...     optimizer.apply_slice(p, np.ones(2, "f4"), state, step=step, learning_rate=0.1)
    >>> p.round(2)
    array([0.71, 0.71], dtype=float32)
    """

    scratch = 2

    def __init__(
        self,
        learning_rate: float,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.momentum = checked_number(self, "momentum", momentum, 0, 1)
        self.dampening = checked_number(self, "dampening", dampening, 0, 1, "both")
        self.nesterov = checked_boolean(self, "nesterov", nesterov)
        if nesterov and (not momentum or dampening):
            raise ArgumentError(
                "SGD: nesterov must come with momentum > 0 and dampening = 0; "
                f"got momentum={momentum!r}, dampening={dampening!r}."
            )
        if self.momentum:
            self.slots = ("velocity",)  # type: ignore[misc]

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
        if not self.momentum:
            np.multiply(d, learning_rate, out=one)
            np.subtract(p, one, out=p)
            return
        v = state["velocity"]
        if step == 0:
            np.copyto(v, d)
        else:
            np.multiply(v, self.momentum, out=v)
            if self.dampening:
                np.multiply(d, 1 - self.dampening, out=two)
                np.add(v, two, out=v)
            else:
                np.add(v, d, out=v)
        if self.nesterov:
            np.multiply(v, self.momentum, out=two)
            np.add(two, d, out=two)
            np.multiply(two, learning_rate, out=two)
        else:
            np.multiply(v, learning_rate, out=two)
        np.subtract(p, two, out=p)
