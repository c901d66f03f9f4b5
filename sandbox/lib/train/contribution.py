"""One rank's own share of an iteration: its rows, its gradients, and what went wrong with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import FlatParameters
from ..data.order import Share
from ..engine.random import RandomKey
from .batches import Batch, Batches
from .commands import WORDS, Commands
from .group import Group
from .job import TrainJob
from .programs import Programs
from .raising import describe, raise_together
from .run_state import TrainState
from .running import RunningMetrics

__all__ = ["FIXED", "LOSS", "ROWS", "WEIGHT", "Contribution"]

# Places in the small vector that all ranks sum in each iteration. The words of `Commands` stand
# before them; metrics, times and running statistics follow.
LOSS, WEIGHT, ROWS = range(WORDS, WORDS + 3)
FIXED = WORDS + 3


class Contribution:
    """Runs the program on this rank's rows of a batch.

    What fails here is kept until the ranks have met: they wait for this one, and are told first.

    Parameters
    ----------
    job, group : TrainJob, Group
        What is trained, by whom.
    batches, programs, flat, running : Batches, Programs, FlatParameters, RunningMetrics
        Where rows come from, what runs on them, where gradients and metrics go.
    commands : Commands
        Tells the other ranks of a failure.
    """

    def __init__(
        self,
        job: TrainJob,
        group: Group,
        batches: Batches,
        programs: Programs,
        flat: FlatParameters,
        running: RunningMetrics,
        commands: Commands,
    ) -> None:
        self.job, self.group, self.batches, self.programs = job, group, batches, programs
        self.flat, self.running, self.commands = flat, running, commands
        self.unchecked = batches.order.steps_per_epoch
        self.sums = np.zeros_like(flat.gradients if job.accumulate > 1 else flat.gradients[:0])
        self.failure: Exception | None = None

    def compute(self, state: TrainState, small: NDArray[Any]) -> Batch:
        """Fill the gradients, put the numbers into the small vector, and return the rows."""
        piece = batch = Batch(None, None, 0, Share([]), 0)
        try:
            piece = batch = self.batches.get(state.progress.epoch, state.batch)
            if not batch.rows:
                self.flat.gradients.fill(0.0)
                return batch
            look = self.unchecked > 0  # every row once: NaN may not reach the loss (behind a ReLU)
            if look:
                batch.check()
                self.unchecked -= 1
            small[ROWS] = batch.rows
            pieces = batch.pieces(self.job.accumulate)
            for done, piece in enumerate(pieces, start=1):
                key = RandomKey(self.job.seed, state.progress.step, piece.sample_index)
                found = self.programs.train(piece.inputs, piece.target, key, look=look)
                small[LOSS] += found[0]
                small[WEIGHT] += found[1]
                self.running.put(small, found[2], piece.target)
                if len(pieces) > 1:
                    self._add(first=done == 1, last=done == len(pieces))
        except Exception as error:
            self.failure = error
            self.commands.report(small)
            return piece
        return batch

    def _add(self, *, first: bool, last: bool) -> None:
        """Add up the gradients of the pieces of a batch: sums of losses have sums of gradients."""
        gradients = self.flat.gradients
        if first:
            np.copyto(self.sums, gradients)
        else:
            np.add(self.sums, gradients, out=gradients if last else self.sums)

    def raise_together(self, state: TrainState, batch: Batch) -> None:
        """Raise what failed on this or another rank, with its place in the run. Collective."""
        text = ""
        if self.failure is not None:
            step, epoch = state.progress.step + 1, state.progress.epoch + 1
            rank = f", rank {self.group.rank}" if self.group.size > 1 else ""
            place = f"step {step} (epoch {epoch}, batch {state.batch + 1}{rank})"
            text = describe(self.failure, place, batch, self.job.data)
        raise_together(self.group, self.failure, text)
