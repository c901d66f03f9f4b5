"""L-BFGS: steps that know the curvature, for small models and full batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.errors import ArgumentError
from .config import checked_integer
from .optimizer import Optimizer, UpdateArguments, Vector
from .schedules import Schedule


class LBFGS(Optimizer):
    """Step along the gradient times an inverse Hessian, estimated from the last few steps.

    s_k = p_k - p_{k-1}, y_k = d_k - d_{k-1}, d = g + weight_decay · p; kept where y·s > 1e-10
    direction = -H · d by the two-loop recursion over the kept pairs, H_0 = (s·y) / (y·y) · I
    p = p + learning_rate · direction; the first step is d scaled by min(1, 1 / sum|d|)

    Parameters
    ----------
    learning_rate : float >= 0
        1 is the natural step; less where the loss jumps about.
    history : int > 0
        Pairs that are kept: 2 · history vectors as long as the parameters.
    weight_decay : float >= 0
        L2 penalty, added to the gradient.
    schedule : Schedule, optional
        Factor on the learning rate.

    Raises
    ------
    ArgumentError : a value is out of its range; in a run of several ranks.

    Notes
    -----
    Like BigDL `LBFGS` (0.13) and PyTorch `LBFGS`: one iteration a step (max_iter=1), and no line
    search. Source: Nocedal 1980.
    Its limits: differences of gradients must come from the parameters, not from another choice of
    rows, so every batch must be the whole data set (`batch_size=len(data)`) and dropout is out of
    place. There is no line search: the loss of a step is not looked at before the next one.
    The recursion needs products over the whole vector, so it works in one process only; a run on
    several ranks raises.

    Examples
    --------
    >>> p, optimizer = np.array([3, -2], "f8"), LBFGS()
    >>> state = optimizer.init_slice(2, "f8")
    >>> for step in range(8):
    ...     optimizer.apply_slice(p, np.array([1, 10]) * p, state, step=step, learning_rate=1)
    >>> bool(abs(p).max() < 1e-6)
    True
    """

    needs_whole_vector = True

    def __init__(
        self,
        learning_rate: float = 1.0,
        *,
        history: int = 10,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, schedule=schedule)
        self.history = checked_integer(self, "history", history)
        pairs = [f"{kind}{k}" for k in range(self.history) for kind in ("step", "change")]
        self.slots = ("gradient", "move", *pairs)  # type: ignore[misc]

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        d = np.array(self.decayed(p, g, np.empty_like(g), now.decay_mask))
        rate, step = now.learning_rate, now.step
        if step:
            self._keep(state, d, (step - 1) % self.history)
            direction = self._direction(state, d, step)
        else:
            direction = -d
            total = float(np.abs(d).sum(dtype=np.float64))
            rate = rate * min(1.0, 1.0 / total) if total else 0.0
        np.multiply(direction, rate, out=direction)
        np.add(p, direction, out=p)
        state["gradient"][:] = d
        state["move"][:] = direction

    def _keep(self, state: Mapping[str, Vector], d: Vector, place: int) -> None:
        """Put the last step's pair in the place of the oldest one; zeros if it is of no use."""
        y = d - state["gradient"]
        s = state["move"]
        useful = _dot(y, s) > 1e-10
        state[f"step{place}"][:] = s if useful else 0
        state[f"change{place}"][:] = y if useful else 0

    def _direction(self, state: Mapping[str, Vector], d: Vector, step: int) -> Vector:
        pairs: list[tuple[Vector, Vector, float]] = []
        for k in range(max(0, step - self.history), step):
            s, y = (state[f"{kind}{k % self.history}"] for kind in ("step", "change"))
            product = _dot(y, s)
            if product > 0:
                pairs.append((s, y, product))
        q = -d
        shares = []
        for s, y, product in reversed(pairs):
            share = _dot(s, q) / product
            shares.append(share)
            q -= y * share
        if pairs:
            _, y, product = pairs[-1]
            q *= product / _dot(y, y)
        for (s, y, product), share in zip(pairs, reversed(shares), strict=True):
            q += s * (share - _dot(y, q) / product)
        return q

    def update(self, *vectors: Any, **numbers: Any) -> None:
        """Not used: the whole vector is updated at once."""
        raise ArgumentError("LBFGS: the slice must be the whole vector; use apply_slice.")


def _dot(a: Vector, b: Vector) -> float:
    return float(np.dot(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False)))
