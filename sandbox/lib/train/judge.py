"""What follows from a validation: the early stop, the schedule, and what the run says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from .job import TrainJob
from .reports import Reports
from .run_state import TrainState
from .triggers import scalar_metric

__all__ = ["Judge"]


class Judge:
    """Takes in the validations that were due, the same on every rank.

    Parameters
    ----------
    job, state, reports : TrainJob, TrainState, Reports
        Whose early stop and schedule, where the run stands, who is told.
    total_steps : int or None
        Of the run, for the schedule.
    """

    def __init__(
        self, job: TrainJob, state: TrainState, reports: Reports, total_steps: int | None
    ) -> None:
        self.job, self.state, self.reports = job, state, reports
        self.total_steps = total_steps

    def take(self, metrics: dict[str, Any]) -> bool:
        """Return whether the early stop says so."""
        job, state = self.job, self.state
        state.progress.metrics = metrics
        self._tell_what_is_no_number(metrics)
        before = self._rate()
        job.optimizer.observe(metrics)
        after = self._rate()
        if after != before:
            what = job.optimizer.monitored()
            self._say("info", f"{what!r} stands still: learning rate {before:g} -> {after:g}")
        if job.early_stop is None:
            return False
        stale = job.early_stop.update(metrics)
        if job.early_stop.improved:
            state.best_step = state.progress.step
        return stale

    def tell_who_waited(self) -> None:
        """Say, at the end of a run, who waited in vain for a validation."""
        waiting = [repr(self.job.end)] if self.job.end.monitored() else []
        if self.job.optimizer.monitored() is not None:
            waiting.append(repr(self.job.optimizer.schedule))
        if waiting and not self.state.progress.metrics:
            text = f"no validation was due in this run; {' and '.join(waiting)} waited for one"
            self.reports.log("warning", text)

    @property
    def best_now(self) -> bool:
        """Whether the latest validation, after this very iteration, is the best so far."""
        return self.job.early_stop is not None and self.state.best_step == self.state.progress.step

    def _rate(self) -> float:
        optimizer, step = self.job.optimizer, self.state.progress.step
        if optimizer.monitored() is None:
            return 0.0
        return float(optimizer.learning_rate_at(step, self.total_steps))

    def _tell_what_is_no_number(self, metrics: Mapping[str, Any]) -> None:
        for name, effect in self._followers():
            value = scalar_metric(metrics, name, effect)
            if math.isnan(value):
                self._say("warning", f"{name!r} is {value}: {effect}")

    def _followers(self) -> Iterator[tuple[str, str]]:
        """Give the metrics somebody goes by, and what NaN means to them."""
        if self.job.early_stop is not None:
            yield self.job.early_stop.monitor, "no improvement for EarlyStopping"
        watched = self.job.optimizer.monitored()
        if watched is not None:
            yield watched, f"left out by {type(self.job.optimizer.schedule).__name__}"
        for name in self.job.end.monitored():
            yield name, f"{self.job.end!r} cannot fire on it"

    def _say(self, level: str, text: str) -> None:
        self.reports.log(level, f"validation after step {self.state.progress.step}: {text}")
