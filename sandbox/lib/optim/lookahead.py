"""Weights that follow a faster optimiser from time to time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.subnormal import FlushToZero
from .config import checked_integer, checked_number
from .optimizer import Optimizer, UpdateArguments, Vector
from .wrapper import Wrapper


class Lookahead(Wrapper):
    """Let any optimiser run ahead, and go a part of its way every so many steps.

    p = as `optimizer` says; after every `every` steps
    slow = slow + share · (p - slow), p = slow
    starting from the weights before the first step.

    Parameters
    ----------
    optimizer : Optimizer
        What runs ahead.
    every : int > 0
        Its steps between two of the slow weights.
    share : float in (0, 1]
        Which part of the way the slow weights go.

    Raises
    ------
    ArgumentError : a value is out of its range, or `optimizer` averages.

    Notes
    -----
    BigDL, Keras and PyTorch have none. Source: Zhang et al. 2019, algorithm 1. The optimiser's
    state is kept from one round to the next. Put `EMA` or `SWA` around, not inside.

    Examples
    --------
    >>> from sandbox.lib.optim import SGD
    >>> p, optimizer = np.zeros(1, "f4"), Lookahead(SGD(1.0), every=2)
    >>> state = optimizer.init_slice(1)
    >>> for step in range(3):
    ...     optimizer.apply_slice(p, -np.ones(1, "f4"), state, step=step, learning_rate=1)
    >>> p, state["slow"]
    (array([2.], dtype=float32), array([1.], dtype=float32))
    """

    def __init__(self, optimizer: Optimizer, *, every: int = 5, share: float = 0.5) -> None:
        super().__init__(optimizer)
        self.refuse_averaged()
        self.every = checked_integer(self, "every", every)
        self.share = checked_number(self, "share", share, 0, 1, "right")
        self.slots = (*optimizer.slots, "slow")  # type: ignore[misc]

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the inner optimiser's state and the slow weights."""
        return {**self.optimizer.init_slice(n, dtype), "slow": np.zeros(n, dtype)}

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Take over where the slow weights start; frozen parameters do not move."""
        if step == 0:
            np.copyto(state["slow"], parameters)

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        slow = state["slow"]
        if now.step == 0:
            np.copyto(slow, p)
        self.optimizer._apply(p, g, state, now)
        if (now.step + 1) % self.every == 0:
            with FlushToZero():
                self.approach(slow, p, self.share)
            np.copyto(p, slow)
