"""Passes over rows that come bit by bit, with an optimiser that goes on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..core import FlatParameters
from ..core.errors import DivergedError
from ..criterion import Criterion
from ..data import Dataset
from ..engine.random import RandomKey
from ..optim import Optimizer
from ..train import MaxEpoch, SingleGroup, TrainJob
from ..train.programs import Programs
from ..train.slots import Slots
from ..train.updates import Updates
from .rows import cores

Memory = tuple[int, dict[str, NDArray[np.float32]]]
"""Updates done, and the optimiser's vectors by name."""


class Steps:
    """Trains a network a pass at a time: what the optimiser knows stays from pass to pass.

    A `Trainer` begins each run anew, with programs and a kernel plan of its own; for a few rows at
    a time that would be most of the work.

    Parameters
    ----------
    module, criterion, optimizer : Module, Criterion, Optimizer
        What is trained, by what measure, how.
    threads : int > 0
        Cores.
    plan : KernelPlan or None
        Choices of kernels to go by; None for the machine's own.
    memory : Memory, optional
        Where another one was.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: Criterion,
        optimizer: Optimizer,
        *,
        threads: int,
        plan: Any = None,
        memory: Memory | None = None,
    ) -> None:
        group = SingleGroup()
        self.threads = threads
        self.optimizer = copy.deepcopy(optimizer)
        self.flat = FlatParameters(module)
        self.slots = Slots(self.optimizer, self.flat, group)
        self.step = 0
        if memory is not None:
            self.step = memory[0]
            for name, vector in self.slots.state.items():
                vector[:] = memory[1][name]
        self.programs = Programs(module, criterion, self.flat, threads=threads, plan=plan)
        job = TrainJob(module, criterion, self.optimizer, data=None, end=MaxEpoch(1))
        self.updates = Updates(job, self.flat, self.slots, group)

    def memory(self) -> Memory:
        """Return where it is, for another one to go on."""
        return self.step, {name: vector.copy() for name, vector in self.slots.state.items()}

    def run(self, data: Dataset, *, batch_size: int, seed: int) -> float:
        """Go once over a data set; return the mean loss.

        Raises
        ------
        DivergedError : the loss is no number.
        """
        order = data.order(batch_size, seed=seed)
        self.optimizer.pace(order.steps_per_epoch, None)
        sums = np.zeros(2)
        with cores(self.threads), np.errstate(all="ignore"):
            for k in range(order.steps_per_epoch):
                inputs, target = data.batch(order.batch(0, k))
                key = RandomKey(seed, self.step, 0)
                loss, weight, _ = self.programs.train(inputs, target, key, look=self.step == 0)
                if not np.isfinite(loss):
                    raise DivergedError(
                        f"partial_fit: the loss must be a number; got {loss} in step {self.step}."
                        " Scale the columns, or use a smaller learning rate."
                    )
                rate = self.optimizer.learning_rate_at(self.step, None)
                scale = 1.0 / weight if weight else 0.0
                self.updates.step(scale, step=self.step, learning_rate=rate)
                self.flat.touch()
                self.step += 1
                sums += loss, weight
        return float(sums[0] / sums[1]) if sums[1] else float("nan")
