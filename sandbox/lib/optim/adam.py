"""Adam and AdamW: steps scaled by running means of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .config import checked_number
from .means import blend, blend_square, corrected_step, two_betas
from .optimizer import Optimizer, Vector
from .schedules import Schedule


class Adam(Optimizer):
    """Scale each parameter's step by the size of its recent gradients.

    d = g + weight_decay · p
    m = beta1 · m + (1 - beta1) · d
    v = beta2 · v + (1 - beta2) · d²
    p = p - learning_rate / (1 - beta1^t) · m / (sqrt(v / (1 - beta2^t)) + epsilon), t = step + 1

    Parameters
    ----------
    learning_rate : float >= 0
        Step size, about the largest change of a parameter in one step.
    betas : (float, float), each in [0, 1)
        Share of the running means that is kept.
    epsilon : float > 0
        Keeps the division tame where gradients vanish.
    weight_decay : float >= 0
        L2 penalty, added to the gradient (for the decoupled decay see `AdamW`).
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as PyTorch `Adam`; like BigDL `Adam`, `ParallelAdam` (0.13) and Keras `Adam`: epsilon
    stands at another place there. What `ParallelAdam` does in threads, ranks do: each updates its
    slices. Source: Kingma and Ba 2015.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), Adam(0.1)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.9, 1.1], dtype=float32)
    """

    slots = ("mean", "square")
    scratch = 2

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.betas = two_betas(self, betas)
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
        one, two = work
        d = self.decayed(p, g, one, decay)
        blend(state["mean"], d, self.betas[0], two)
        blend_square(state["square"], d, self.betas[1], two)
        corrected_step(state, self.betas, self.epsilon, step, learning_rate, out=one)
        np.subtract(p, one, out=p)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves, apart from the gradient.

    p = p · (1 - learning_rate · weight_decay), then as `Adam` without decay

    Parameters
    ----------
    learning_rate, betas, epsilon, schedule
        As of `Adam`.
    weight_decay : float >= 0
        Share of each parameter that a step of learning rate 1 would take away. Biases and norms are
        usually left alone: see the last example.

    Raises
    ------
    ArgumentError : a value is out of its range.

    Notes
    -----
    Same as PyTorch `AdamW`; like Keras `AdamW`: epsilon stands at another place there. Source:
    Loshchilov and Hutter 2019.

    Examples
    --------
    >>> p, optimizer = np.ones(2, "f4"), AdamW(0.1, weight_decay=0.5)
    >>> state = optimizer.init_slice(2)
    >>> optimizer.apply_slice(p, np.array([5, -0.01], "f4"), state, step=0, learning_rate=0.1)
    >>> p.round(4)
    array([0.85, 1.05], dtype=float32)

    No decay for biases and norms; each pattern must hold a parameter of the model:

    >>> from sandbox.lib import nn, optim
    >>> model = nn.Sequential(fc=nn.Linear(4, 8), norm=nn.BatchNorm(8), out=nn.Linear(8, 2))
    >>> spared = optim.ParameterGroup(["*.bias", "norm.*"], weight_decay=0)
    >>> optimizer = optim.ParameterGroups(AdamW(), [spared])
    >>> optimizer.check_names([name for name, _ in model.named_parameters()])
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: Sequence[float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
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
        if self.weight_decay:
            amount = work[0]
            np.multiply(p, learning_rate * self.weight_decay, out=amount)
            if decay is not None:
                np.multiply(amount, decay, out=amount, casting="same_kind")
            np.subtract(p, amount, out=p)
        super().update(p, g, state, work, step=step, learning_rate=learning_rate, decay=decay)

    def decayed(self, p: Vector, g: Vector, out: Vector, decay: Vector | None) -> Vector:
        """Return the gradient itself: the decay has been done."""
        return g
