"""The events a training loop emits: dicts of plain values, made on rank 0.

Two fields are not JSON: the arrays of a "snapshot", and `data` of a "checkpoint", the packed bytes,
which the process that owns the files takes out (`Trainer` stores them and passes the event on with
`path` instead).
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from numpy.typing import NDArray

from .checkpoint import PackedState

__all__ = [
    "CheckpointEvent",
    "Event",
    "IterationEvent",
    "LogEvent",
    "MeanTiming",
    "RankTiming",
    "RanksEvent",
    "SnapshotEvent",
    "StageEvent",
    "StateEvent",
    "ValidationEvent",
    "stage",
]

Event = dict[str, Any]


class MeanTiming(TypedDict):
    """Where seconds of an iteration went: compute + wait + exchange = wall time."""

    compute: float
    wait: float
    exchange: float
    bytes: int
    rows: int


class RankTiming(MeanTiming):
    """The same of one rank."""

    rank: int


class IterationEvent(TypedDict):
    """One step of the optimiser. Steps and epochs count from 1.

    `loss` is the mean over the global batch, NaN where no row of it counts (class weights of 0);
    `metrics` run over the epoch, so they begin anew with each; in `recent` older batches count less
    and less across epochs, which makes a curve.

    `ranks` is how many there are; `mean` their mean times, `slowest` those of the rank that
    computed longest. Each rank's own come in a "ranks" event: this one is always of one size.
    """

    type: Literal["iteration"]
    epoch: int
    step: int
    loss: float
    learning_rate: float
    rows: int
    seconds: float
    rate: float
    metrics: dict[str, float]
    recent: dict[str, float]
    ranks: int
    mean: MeanTiming
    slowest: RankTiming


class RanksEvent(TypedDict):
    """The times of every rank, where there are several: means over `steps` iterations up to `step`.

    Up to eight ranks are told with every iteration, more about once a second and at the end of the
    run. It comes before the "iteration" event of `step`.
    """

    type: Literal["ranks"]
    step: int
    steps: int
    timings: list[RankTiming]


class ValidationEvent(TypedDict):
    """The metrics over the validation data after `step` iterations, within pass `epoch`."""

    type: Literal["validation"]
    step: int
    epoch: int
    seconds: float
    metrics: dict[str, Any]


class SnapshotEvent(TypedDict):
    """Copies of the watched parameters."""

    type: Literal["snapshot"]
    step: int
    values: dict[str, NDArray[Any]]


class LogEvent(TypedDict):
    """One line for the person who watches."""

    type: Literal["log"]
    level: Literal["info", "warning", "error"]
    text: str


class StateEvent(TypedDict):
    """The run began, paused, went on or ended.

    "done", "failed" and "stopped" are sent by the Trainer only; `text` tells what failed.
    """

    type: Literal["state"]
    state: Literal["running", "paused", "retrying", "done", "failed", "stopped"]
    text: NotRequired[str]


class StageEvent(TypedDict):
    """What a run does before its first iteration: starts Spark, sends data, chooses kernels.

    `share`, 0 to 1, is about how much of the way to the first iteration is done. `held` tells that
    the run waits for another one to end, which `Trainer.stop_other` stops.
    """

    type: Literal["stage"]
    text: str
    share: float
    held: NotRequired[bool]


def stage(text: str, share: float, *, held: bool = False) -> Event:
    """Make a stage event."""
    return {"type": "stage", "text": text, "share": share, "held": held}


class CheckpointEvent(TypedDict, total=False):
    """A packed state: `data` from the loop, `path` of the stored file from the Trainer.

    `best` tells that the metric of the run's early stop is the best so far, `good` that the run has
    gone back to this state because its loss ran away. `seconds` is how long it held the run.
    """

    type: Literal["checkpoint"]
    step: int
    epoch: int
    best: bool
    good: bool
    seconds: float
    data: PackedState
    path: str
