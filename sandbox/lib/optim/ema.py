"""Averaged weights: a second set of parameters that follows the first one slowly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.subnormal import FlushToZero
from .config import checked_boolean, checked_number
from .optimizer import Optimizer, UpdateArguments, Vector
from .wrapper import Wrapper


class EMA(Wrapper):
    """Keep an exponential moving average of the weights beside any optimiser.

    p = as `optimizer` says
    average = average + (1 - k) · (p - average), k = min(decay, (1 + step) / (10 + step))
    starting from the weights before the first step.

    Parameters
    ----------
    optimizer : Optimizer
        What trains the weights.
    decay : float in [0, 1)
        Share of the average that is kept; 0.999 looks back about 1,000 steps.
    warm : bool
        Let the average follow faster in the first steps, as in the formula; False: k = decay.

    Raises
    ------
    ArgumentError : a value is out of its range, or `optimizer` averages already.

    Notes
    -----
    Like Keras `SwapEMAWeights` and PyTorch `AveragedModel`: a slot instead of a second model.
    Source: Polyak and Juditsky 1992; the warm start is TensorFlow's `ExponentialMovingAverage`. A
    slot lives on slices, is kept in checkpoints, and costs nothing to exchange. A Trainer validates
    with it, and lends it to the model: `with trainer.averaged(): save_model(...)`. Running
    statistics of batch norms are those of the weights that are trained.

    Examples
    --------
    >>> from sandbox.lib.optim import SGD
    >>> p, optimizer = np.zeros(1, "f4"), EMA(SGD(1.0), decay=0.5, warm=False)
    >>> state = optimizer.init_slice(1)
    >>> for step in range(2):
    ...     optimizer.apply_slice(p, -np.ones(1, "f4"), state, step=step, learning_rate=1)
    >>> p, state["average"]
    (array([2.], dtype=float32), array([1.25], dtype=float32))
    """

    def __init__(self, optimizer: Optimizer, *, decay: float = 0.999, warm: bool = True) -> None:
        super().__init__(optimizer)
        self.refuse_averaged()
        self.decay = checked_number(self, "decay", decay, 0, 1)
        self.warm = checked_boolean(self, "warm", warm)
        self.slots = (*optimizer.slots, "average")  # type: ignore[misc]
        self.average_slot = "average"

    def init_slice(self, n: int, dtype: Any = np.float32) -> dict[str, Vector]:
        """Return the inner optimiser's state and the average."""
        return {**self.optimizer.init_slice(n, dtype), "average": np.zeros(n, dtype)}

    def pass_frozen(self, parameters: Vector, state: Mapping[str, Vector], *, step: int) -> None:
        """Let the averages go on towards parameters that are frozen."""
        with FlushToZero():
            if step == 0:
                np.copyto(state["average"], parameters)
            self._follow(parameters, state["average"], step)

    def _apply(
        self, p: Vector, g: Vector, state: Mapping[str, Vector], now: UpdateArguments
    ) -> None:
        if now.step == 0:
            np.copyto(state["average"], p)
        self.optimizer._apply(p, g, state, now)
        self._follow(p, state["average"], now.step)

    def _follow(self, p: Vector, average: Vector, step: int) -> None:
        keep = min(self.decay, (1 + step) / (10 + step)) if self.warm else self.decay
        self.approach(average, p, 1 - keep)
