"""The plain mean of the weights that a run passes in its last part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.subnormal import FlushToZero
from .config import checked_integer, checked_non_negative_integer
from .optimizer import Optimizer, UpdateArguments, Vector
from .wrapper import Wrapper


class SWA(Wrapper):
    """Average the weights of every so many steps, all with the same share.

    p = as `optimizer` says
    average = p up to step `start`, then after every `every` steps the mean of the weights there,
    those of `start` included.

    Parameters
    ----------
    optimizer : Optimizer
        What trains the weights; its learning rate should stay large in the end, or go in cycles.
    start : int >= 0
        Steps before the first weights that count; about three quarters of a run.
    every : int > 0
        Steps from one weights that count to the next; those of a pass over the data.

    Raises
    ------
    ArgumentError : a value is out of its range, or `optimizer` averages already.

    Notes
    -----
    Like PyTorch `AveragedModel`: a slot instead of a second model, that lives on slices and is kept
    in checkpoints. Source: Izmailov et al. 2018. A Trainer validates with it, and lends it to the
    model: `with trainer.averaged() as model`. Running statistics of batch norms are those of the
    weights that are trained: `train.recalibrate` measures them anew, within `trainer.averaged()`.

    Examples
    --------
    >>> from sandbox.lib.optim import SGD
    >>> p, optimizer = np.zeros(1, "f4"), SWA(SGD(1.0), start=2, every=2)
    >>> state = optimizer.init_slice(1)
    >>> for step in range(6):
    ...     optimizer.apply_slice(p, -np.ones(1, "f4"), state, step=step, learning_rate=1)
    >>> p, state["average"]  # of 2, 4 and 6
    (array([6.], dtype=float32), array([4.], dtype=float32))
    """

    def __init__(self, optimizer: Optimizer, *, start: int, every: int = 1) -> None:
        super().__init__(optimizer)
        self.refuse_averaged()
        self.start = checked_non_negative_integer(self, "start", start)
        self.every = checked_integer(self, "every", every)
        self.slots = (*optimizer.slots, "average")  # type: ignore[misc]
        self.average_slot = "average"

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the inner optimiser's state and the average."""
        return {**self.optimizer.init_slice(n, dtype), "average": np.zeros(n, dtype)}

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Let the averages go on towards parameters that are frozen."""
        self._follow(parameters, state["average"], step)

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        if now.step == 0 and self.start == 0:
            np.copyto(state["average"], p)
        self.optimizer._apply(p, g, state, now)
        self._follow(p, state["average"], now.step)

    def _follow(self, p: Vector, average: Vector, step: int) -> None:
        done = step + 1 - self.start
        if done <= 0:
            np.copyto(average, p)
        elif done % self.every == 0:
            with FlushToZero():
                self.approach(average, p, 1 / (1 + done // self.every))
