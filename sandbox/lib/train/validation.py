"""Metrics over a whole data set, each rank taking its share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import SandboxError
from ..metrics import Gathered
from .batches import Batches, rows_at_once
from .group import Group
from .job import TrainJob
from .programs import Programs
from .raising import describe

__all__ = ["plain", "validate", "validation_batches"]


def validate(
    job: TrainJob, group: Group, programs: Programs, hear: Callable[[Exception | None], bool]
) -> dict[str, Any] | None:
    """Run the model over the validation data and sum the metrics over the ranks. Collective.

    Parameters
    ----------
    hear : callable
        Listens for a command on all ranks together, and raises on all what one of them gives to
        it; True ends the validation.

    Returns
    -------
    dict or None
        None if it was ended.
    """
    batches = validation_batches(job, group)
    sums = [_Collected(metric) for metric in job.metrics]
    for k in range(batches.order.steps_per_epoch):
        batch = batches.read(0, k)
        error: Exception | None = None
        try:
            if batch.rows:
                batch.check()  # NaN may well not reach the metrics: a ReLU drops it
                output = programs.predict(batch.inputs)
                for collected in sums:
                    collected.add(output, batch.target)
        except SandboxError as wrong:
            text = describe(wrong, f"validation batch {k + 1}", batch, job.validation)
            error = type(wrong)(text)
        except Exception as wrong:
            error = wrong
        if hear(error):
            return None
    return {collected.metric.name: plain(collected.result(group)) for collected in sums}


def validation_batches(job: TrainJob, group: Group) -> Batches:
    """Return this rank's batches of the validation data, in their own order."""
    data = job.validation
    numbers = sum(spec.size for spec in tree.leaves(data.spec.x))
    size = rows_at_once(numbers, least=job.batch_size)
    return Batches(data, data.order(size, seed=0, shuffle=False), group)


class _Collected:
    """What a metric has seen of the validation on this rank: sums, or the rows themselves."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        self.gathers = isinstance(metric, Gathered)
        self.total = np.zeros(0) if self.gathers else metric.zero()
        self.rows: list[NDArray[np.float64]] = []

    def add(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        output, target = self.metric.pick(output, target)
        if self.gathers:
            self.rows.append(self.metric.rows(output, target))
        else:
            self.total += self.metric.update(output, target)

    def result(self, group: Group) -> Any:
        """Return the figure of all ranks. Collective."""
        if not self.gathers:
            return self.metric.result(group.all_reduce(self.total))
        rows = np.concatenate([np.zeros((0, self.metric.columns)), *self.rows])
        counts = np.zeros(group.size)
        counts[group.rank] = len(rows)
        counts = group.all_reduce(counts)
        every = np.zeros((int(counts.sum()), self.metric.columns))
        start = int(counts[: group.rank].sum())
        every[start : start + len(rows)] = rows  # each rank its own rows, so that the sum has all
        return self.metric.figure(group.all_reduce(every.ravel()).reshape(every.shape))


def plain(value: Any) -> Any:
    """Turn a metric's result into what JSON takes."""
    array = np.asarray(value)
    return float(array) if array.ndim == 0 else array.tolist()
