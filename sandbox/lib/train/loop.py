"""The iteration loop: order, rows, program, exchange, optimiser, events. One for all backends.

All ranks run it with the same job. Nothing global is touched, and whatever decides how the run goes
on (commands, triggers, errors) is a number that went through an all-reduce, so that all ranks take
every decision alike.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from .. import engine
from ..core import FlatParameters
from ..core.errors import DataError, DivergedError
from .batches import Batches
from .checkpoint import PackedState
from .commands import Commands
from .contribution import FIXED, LOSS, ROWS, WEIGHT, Contribution
from .events import Event
from .good import LastGood
from .group import Group
from .history import History
from .job import Command, Result, TrainJob
from .judge import Judge
from .kernels import settle_plan
from .packing import Packer
from .programs import Programs
from .reports import Reports, laps
from .running import RunningMetrics
from .slots import Slots
from .start import start_state
from .updates import Updates, check_optimizer, check_parameters
from .validation import validate

__all__ = ["SLICE", "run"]

_CHECK_PARAMETERS = 64  # iterations between two looks for NaN in the parameters
SLICE = 2 << 20  # bytes of a rank's slice of a bucket: so there are few, however many ranks


def run(
    job: TrainJob,
    group: Group,
    emit: Callable[[Event], None],
    poll: Callable[[], Command | None],
) -> Result:
    """Train until the end trigger fires or a stop is heard.

    Parameters
    ----------
    job : TrainJob
        The same on every rank. Its model is trained in place.
    group : Group
        The ranks.
    emit : callable
        Takes the events; called on rank 0 only.
    poll : callable
        Gives the next command or None, at once; called on rank 0 only.

    Raises
    ------
    DivergedError : the loss or a parameter is no number; names the step, and the one of the last
        good state, which the model holds then and a "checkpoint" event has told.
    DataError : a row holds NaN or a label that cannot be (names step and row); the data set is
        empty, or has fewer rows than there are ranks.
    CheckpointError : `job.start` belongs to another run.
    """
    # What is no number is found by checks and told in words, not by NumPy's warnings.
    with engine.threads.limit(job.threads), np.errstate(all="ignore"):
        loop = _Loop(job, group, emit, poll)
        try:
            return loop.run()
        except DivergedError as error:
            loop.go_back(error)
            raise
        finally:
            loop.batches.close()


class _Loop:
    def __init__(
        self,
        job: TrainJob,
        group: Group,
        emit: Callable[[Event], None],
        poll: Callable[[], Command | None],
    ) -> None:
        # A copy: what a schedule remembers of validations belongs to this run.
        job = replace(job, optimizer=copy.deepcopy(job.optimizer))
        job.optimizer.remember({})
        check_optimizer(job, group.size)
        self.job, self.group = job, group
        rows = sum(job.data.partition_sizes)
        if rows < group.size:
            raise DataError(
                f"data: must have at least one row for each of {group.size} ranks; got {rows}."
                " Use fewer ranks."
            )
        self.order = job.data.order(job.batch_size, seed=job.seed)
        spare = group.size == 1 and engine.threads.cpu_count() > job.threads
        self.batches = Batches(job.data, self.order, group, spare=spare, pieces=job.accumulate)
        self.total_steps = job.end.total_steps(self.order.steps_per_epoch)
        job.optimizer.pace(self.order.steps_per_epoch, self.total_steps)
        self.flat = FlatParameters(
            job.model,
            slices=group.size,
            bucket_bytes=SLICE * group.size,
            allocate=group.allocate,
        )
        self.slots = Slots(job.optimizer, self.flat, group)
        self.programs = Programs(
            job.model,
            job.criterion,
            self.flat,
            threads=job.threads,
            precision=job.precision,
            checkpointing=job.checkpointing,
        )
        self.reports = Reports(group, emit, History())
        self.state = start_state(job, self.flat, self.slots, self.reports, self.total_steps)
        self.commands = Commands(group, poll, self.state)
        self.updates = Updates(job, self.flat, self.slots, group)
        self.buffers = self.flat.buffers if group.size > 1 else self.flat.buffers[:0]
        self._lay_out()
        self.contribution = Contribution(
            job, group, self.batches, self.programs, self.flat, self.running, self.commands
        )
        self.judge = Judge(job, self.state, self.reports, self.total_steps)
        self.good = LastGood(
            job,
            self.flat,
            self.slots,
            self.state,
            self.reports,
            group,
            self.order.steps_per_epoch,
        )
        self.mark = 0.0
        self.plan = ""
        self.planned = 0.0
        self.packer = Packer(job, self.flat, self.slots, self.reports, self.commands.meet)
        self.packed: tuple[int, PackedState | None] | None = None

    def _lay_out(self) -> None:
        """Give every number that all ranks sum in each iteration its place in one vector."""
        self.running = RunningMetrics(self.job.metrics, FIXED)
        self.recent = self.running.zeros()
        self.times_at = slice(self.running.stop, self.running.stop + self.reports.length)
        self.buffers_at = slice(self.times_at.stop, self.times_at.stop + self.buffers.size)
        self.record_at = slice(self.buffers_at.stop, self.buffers_at.stop + self.reports.record)
        self.small = np.zeros(self.record_at.stop)

    # The run ---------------------------------------------------------------------------------

    def run(self) -> Result:
        began = time.perf_counter()
        job, state = self.job, self.state
        progress = state.progress
        self.group.broadcast(self.flat.values)
        self.group.broadcast(self.flat.buffers)
        self.flat.touch()
        self._announce()
        self.reports.tell("stage", text="choosing kernels", share=0.0)
        with engine.planning(self._tell_planning):
            self.plan = settle_plan(job, self.batches, self.programs, self.commands)
        if self.programs.eager is not None:
            how = "in parts, Python between them" if self.programs.in_parts else "eagerly"
            self.reports.log(
                "info", f"the model runs {how}, which takes longer: {self.programs.eager}"
            )
        reason: Literal["end", "early_stop", "stopped"] | None = None
        if state.validation_due:
            reason = self._validate_and_judge(ended=False)
            if self.judge.best_now:
                self._checkpoint()
        if progress.step and job.end(progress):
            reason = "end"
        elif job.early_stop is not None and job.early_stop.stale:
            reason = "early_stop"
        if job.checkpoint is not None and job.checkpoint.at_start and reason is None:
            self._checkpoint()
        self._restart_clock()
        while reason is None:
            self._iterate()
            ended = job.end(progress)
            state.validation_due = job.validate is not None and job.validate(progress)
            reason = self._validate_and_judge(ended)
            due = job.checkpoint is not None and (job.checkpoint.every(progress) or reason)
            if self.judge.best_now or (due and not self.good.lost()):
                wanted = getattr(job.checkpoint and job.checkpoint.every, "wanted", True)
                self._checkpoint(kept=wanted or self.judge.best_now or reason is not None)
            if self.commands.waiting and reason is None:
                self._hold()
                reason = "stopped" if self.commands.stopping else None
        if reason != "stopped":
            self.judge.tell_who_waited()
        if self.good.lost() and self.good.there:
            self.reports.log("warning", self.good.go_back())
            self._checkpoint(good=True)
        self.reports.flush(ends=True)
        if self.packed is None or self.packed[0] != progress.step:
            self.packed = (progress.step, self._pack())
        seconds = time.perf_counter() - began
        return Result(reason, progress.step, progress.epoch, self.packed[1], seconds)

    def go_back(self, error: DivergedError) -> None:
        """Put the last good state in the place of numbers that are none. Collective."""
        if self.good.there:
            error.args = (f"{error} {self.good.go_back()}",)
            self._checkpoint(good=True)

    def _tell_planning(self, share: float) -> None:
        """Tell how far the choice of kernels is: that of the program that takes longest."""
        if share > self.planned:
            self.planned = share
            self.reports.tell("stage", text="choosing kernels", share=share)

    def _announce(self) -> None:
        self.reports.tell(
            "state",
            state="running",
            step=self.state.progress.step,
            steps_per_epoch=self.order.steps_per_epoch,
            total_steps=self.total_steps,
            ranks=self.group.size,
            threads=self.job.threads,
            batch_size=self.job.batch_size,
        )
        if self.job.watch:
            self.reports.snapshot(self.job.watch, self.flat, self.state.progress.step)

    def _iterate(self) -> None:
        """One step of the optimiser on one global batch."""
        state, group, small = self.state, self.group, self.small
        progress, lap = state.progress, laps()
        if state.batch == 0:
            state.sums = self.running.zeros()
        small.fill(0.0)
        self.good.before()
        self.commands.listen(small)
        batch = self.contribution.compute(state, small)
        self.reports.put(small[self.times_at], small[self.record_at])
        if self.buffers.size:
            np.multiply(self.buffers, batch.rows, out=small[self.buffers_at], dtype=np.float64)

        compute = lap()
        total = group.all_reduce(small, self.reports.record)
        table = self.reports.gather(total[self.times_at])
        verbs = lap()
        self.reports.take(total[self.times_at], total[self.record_at], table)
        if self.commands.failed(total):
            self.contribution.raise_together(state, batch)
        compute += lap()
        group.reduce_scatter(self.flat.gradients, self.flat.buckets)
        verbs += lap()

        self.commands.obey(total)
        loss_sum, weight, rows = (float(total[i]) for i in (LOSS, WEIGHT, ROWS))
        loss = loss_sum / weight if weight > 0 else math.nan  # all class weights may be 0
        self.good.look(loss)
        rate = self._update(1.0 / weight if weight > 0 else 0.0)
        if self.buffers.size:
            np.divide(total[self.buffers_at], rows, out=self.buffers, casting="same_kind")
        compute += lap() - self.updates.exchanging
        group.all_gather(self.flat.values, self.flat.buckets)
        verbs += lap() + self.updates.exchanging
        self.flat.touch()
        self.running.add(state.sums, total)
        self.running.fade(self.recent, total)
        self._advance(loss)
        if progress.step % _CHECK_PARAMETERS == 0:
            check_parameters(self.flat, progress.step)

        compute, timings = compute + lap(), group.timings
        if group.size == 1:
            compute, verbs = compute + verbs, 0.0
        # What a verb does besides waiting is exchange, its own overhead too.
        exchange = max(verbs - timings.wait, 0.0)
        times = (compute, timings.wait, exchange, timings.bytes, batch.rows)
        timings.reset()
        now = time.perf_counter()
        seconds, self.mark = now - self.mark, now
        self.reports.iteration(self._event(loss, rate, int(rows), seconds), times)
        if self.job.watch and progress.step % self.job.watch_every == 0:
            self.reports.flush()
            self.reports.snapshot(self.job.watch, self.flat, progress.step)

    def _update(self, scale: float) -> float:
        """Apply the optimiser to this rank's slices; return the learning rate."""
        state, step = self.state, self.state.progress.step
        rate = state.learning_rate
        if rate is None:
            rate = self.job.optimizer.learning_rate_at(step, self.total_steps)
        self.updates.step(scale, step=step, learning_rate=rate)
        return float(rate)

    def _advance(self, loss: float) -> None:
        state = self.state
        progress = state.progress
        progress.step += 1
        progress.loss = loss
        state.batch += 1
        progress.epoch_end = state.batch == self.order.steps_per_epoch
        if progress.epoch_end:
            progress.epoch += 1
            state.batch = 0

    def _event(self, loss: float, rate: float, rows: int, seconds: float) -> Event:
        progress = self.state.progress
        return {
            "type": "iteration",
            "epoch": progress.current_epoch,
            "step": progress.step,
            "loss": loss,
            "learning_rate": rate,
            "rows": rows,
            "seconds": seconds,
            "rate": rows / seconds if seconds > 0 else 0.0,
            "metrics": self.running.figures(self.state.sums) if self.reports.root else {},
            "recent": self.running.figures(self.recent) if self.reports.root else {},
        }

    # Between iterations ----------------------------------------------------------------------

    def _hold(self) -> None:
        """Wait for a resume or a stop; all ranks hear every command together.

        They also wait, which is not told, for a listener that is too far behind.
        """
        self.reports.flush()
        told = False
        while self.commands.waiting:
            if told != self.commands.pausing:
                told = not told
                self.reports.tell("state", state="paused" if told else "running")
            self.commands.wait()
        if told and not self.commands.stopping:
            self.reports.tell("state", state="running")
        self._restart_clock()

    def _restart_clock(self) -> None:
        """Leave what happened between two iterations out of the iterations' times."""
        self.group.timings.reset()
        self.mark = time.perf_counter()

    def _validate_and_judge(self, ended: bool) -> Literal["end", "early_stop", "stopped"] | None:
        """Validate if it is time to, and return why the run ends here, if it does."""
        job, state = self.job, self.state
        stale = False
        if (
            job.validation is not None
            and (state.validation_due or ended)
            and not self.commands.stopping
        ):
            stale = self._validate(state.validation_due)
            ended = ended or job.end(state.progress)
        if ended:
            return "end"
        if stale:
            return "early_stop"
        return "stopped" if self.commands.stopping else None

    def _validate(self, due: bool) -> bool:
        """Validate; return whether the early stop says so.

        A validation that is not due but only tells how a run ended leaves no trace in the run's
        state: a longer run, resumed from there, goes on as if it had not been. One that a stop cut
        short stays due.
        """
        self.reports.flush()
        job, progress = self.job, self.state.progress
        start = time.perf_counter()
        with self.updates.averaged(started=progress.step > 0):
            metrics = validate(job, self.group, self.programs, self.commands.hear)
        stale = False
        if metrics is not None:
            self.state.validation_due = False
            if due:
                stale = self.judge.take(metrics)
            event = {
                "step": progress.step,
                "epoch": progress.current_epoch,
                "seconds": time.perf_counter() - start,
                "metrics": metrics,
            }
            self.reports.history.add_validation(event)
            self.reports.tell("validation", **event)
        self._restart_clock()
        return stale

    def _pack(self, *, kept: bool = True, best: bool = False) -> PackedState | None:
        check_parameters(self.flat, self.state.progress.step)
        return self.packer.pack(self.state, self.plan, self.total_steps, kept=kept, best=best)

    def _checkpoint(self, *, kept: bool = True, good: bool = False) -> None:
        self.reports.flush()
        progress, began = self.state.progress, time.perf_counter()
        data = self._pack(kept=kept, best=self.judge.best_now)
        self.packed = (progress.step, data)
        self.reports.tell(
            "checkpoint",
            step=progress.step,
            epoch=progress.current_epoch,
            seconds=time.perf_counter() - began,
            data=data,
            best=self.judge.best_now,
            good=good,
        )
        self._restart_clock()
