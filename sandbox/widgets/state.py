"""What a run looks like to a reader: events in, plain values out, and nothing else.

Every function here is pure: it takes a state and events and returns a new state. Widgets, static
pictures and text summaries are drawn from these states, so whatever comes later (a timeline, a
cockpit) reads the same events through the same door.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ENDED",
    "CurveState",
    "Point",
    "ValidationPoint",
    "advance",
    "from_history",
    "summary",
    "table",
    "validation_table",
]

Event = Mapping[str, Any]
NAN = float("nan")
ENDED = ("done", "stopped", "failed")
MAX_POINTS = 1000
MAX_VALIDATIONS = 1000
SHOWN = 8
"""Ranks that are shown one by one: so many are told with every iteration."""
MANY = ("mean", "slowest")


class Point(NamedTuple):
    """One point of the curves: the mean over `weight` neighbouring iterations."""

    weight: int
    step: int
    epoch: int
    loss: float
    learning_rate: float
    rate: float
    score: float
    """Over the epoch so far: it begins anew with each."""
    recent: float
    """Over the last steps: a curve that passes over the borders of epochs."""
    ranks: tuple[RankPoint, ...]
    """Each rank's part; of more than `SHOWN` ranks the mean and the slowest."""


class RankPoint(NamedTuple):
    """One rank's part of a point: images/s, and the seconds of an iteration by use."""

    rate: float
    compute: float
    wait: float
    exchange: float


class ValidationPoint(NamedTuple):
    """One validation."""

    step: int
    epoch: int
    score: float
    loss: float


@dataclass(frozen=True)
class CurveState:
    """Everything the curves show.

    Parameters
    ----------
    points : tuple of Point
        At most `limit`; each stands for `stride` iterations, the last one perhaps for fewer.
    validations : tuple of ValidationPoint
        Oldest first.
    run : str
        "idle", then the trainer's word: running, paused, retrying, done, failed, stopped.
    score_name : str
        The metric drawn beside the loss, "" before one is known.
    note : str
        The last line the trainer wrote for its reader.
    stage, share : str, float
        What a run does before its first iteration, and how much of the way there is done.
    held : bool
        Whether it waits for another training to end.
    images : int
        Rows seen so far.
    seconds : float
        Sum of the iterations' wall times.
    total : int
        Iterations planned, 0 where nobody knows.
    epochs : int
        Passes planned, 0 where nobody knows.
    failure : str
        What ended a run that failed.
    unit : str
        What the rows are called, in the plural: images, texts, payments.
    size : int
        Number of ranks.
    told : (int, tuple of RankTiming)
        Step and times of the ranks event that came last: the iteration it belongs to follows.
    """

    points: tuple[Point, ...] = ()
    validations: tuple[ValidationPoint, ...] = ()
    run: str = "idle"
    score_name: str = ""
    note: str = ""
    stage: str = ""
    share: float = 0.0
    held: bool = False
    images: int = 0
    seconds: float = 0.0
    total: int = 0
    epochs: int = 0
    failure: str = ""
    unit: str = "images"
    size: int = 0
    told: tuple[int, tuple[Mapping[str, Any], ...]] = field(default=(0, ()), compare=False)
    stride: int = 1
    limit: int = MAX_POINTS

    @property
    def last(self) -> Point | None:
        """The newest point."""
        return self.points[-1] if self.points else None

    @property
    def ranks(self) -> tuple[str, ...]:
        """Names of the ranks, or of what is shown in the place of many, that reported last."""
        shown = len(self.points[-1].ranks) if self.points else 0
        return MANY[:shown] if self.size > SHOWN else tuple(map(str, range(shown)))


def advance(state: CurveState, events: Iterable[Event]) -> CurveState:
    """Return the state after these events; unknown kinds of events change nothing.

    Examples
    --------
    >>> step = {"type": "iteration", "step": 1, "epoch": 1, "loss": 2.3, "learning_rate": 0.1,
    ...         "rows": 128, "seconds": 0.01, "rate": 12800.0, "ranks": 1}
    >>> advance(CurveState(), [step, {"type": "state", "state": "paused"}]).run
    'paused'
    """
    draft = _Draft(state)
    for event in events:
        handler = _HANDLERS.get(str(event.get("type")))
        if handler is not None:
            handler(draft, event)
    return draft.finish()


class _Draft:
    """A state being changed, so that a batch of events costs one copy."""

    def __init__(self, state: CurveState) -> None:
        self.state = state
        self.points = list(state.points)
        self.validations = list(state.validations)
        self.changes: dict[str, Any] = {}
        self.stride = state.stride
        self.images = state.images
        self.seconds = state.seconds
        self.score_name = state.score_name
        self.size, self.told = state.size, state.told

    def finish(self) -> CurveState:
        return replace(
            self.state,
            points=tuple(self.points),
            validations=tuple(self.validations[-MAX_VALIDATIONS:]),
            stride=self.stride,
            images=self.images,
            seconds=self.seconds,
            score_name=self.score_name,
            size=self.size,
            told=self.told,
            **self.changes,
        )

    def iteration(self, event: Event) -> None:
        step = int(event["step"])
        self.changes |= {"stage": "", "held": False}
        if self.points and step <= self.points[-1].step:
            self.go_back(step)
        rows, seconds = int(event.get("rows", 0)), float(event.get("seconds", 0.0))
        self.images += rows
        self.seconds += seconds
        score = self.score(event.get("metrics") or {})
        point = Point(
            weight=1,
            step=step,
            epoch=int(event.get("epoch", 1)),
            loss=float(event["loss"]),
            learning_rate=float(event.get("learning_rate", NAN)),
            rate=float(event.get("rate", NAN)),
            score=score,
            recent=_number((event.get("recent") or {}).get(self.score_name, score)),
            ranks=tuple(_rank(timing, seconds) for timing in self.timings(event)),
        )
        if self.points and self.points[-1].weight < self.stride:
            self.points[-1] = _merge(self.points[-1], point)
            return
        self.points.append(point)
        if len(self.points) > self.state.limit:
            self.stride *= 2
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            odd = self.points[-1:] if len(self.points) % 2 else []
            self.points = [_merge(a, b) for a, b in pairs] + odd

    def ranks(self, event: Event) -> None:
        self.told = (int(event["step"]), tuple(event["timings"]))

    def timings(self, event: Event) -> Iterable[Mapping[str, Any]]:
        """Return the times of the ranks that are shown one by one, or of what stands for many."""
        self.size = int(event.get("ranks") or self.size)
        if self.size > SHOWN:
            return [event["mean"], event["slowest"]]
        step, timings = self.told
        if step == event["step"]:
            return timings
        return [event["slowest"]] if self.size == 1 and "slowest" in event else ()

    def go_back(self, step: int) -> None:
        """Forget what a run that went back to a checkpoint will send again."""
        self.points = [p for p in self.points if p.step < step]
        self.validations = [v for v in self.validations if v.step < step]
        if not self.points:
            self.stride, self.images, self.seconds = 1, 0, 0.0

    def validation(self, event: Event) -> None:
        metrics = event.get("metrics") or {}
        point = ValidationPoint(
            step=int(event["step"]),
            epoch=int(event.get("epoch", 1)),
            score=self.score(metrics),
            loss=_number(metrics.get(_find(metrics, "loss"))),
        )
        self.validations = [v for v in self.validations if v.step < point.step] + [point]

    def score(self, metrics: Mapping[str, Any]) -> float:
        if not self.score_name:
            self.score_name = _choose_score(metrics)
        return _number(metrics.get(self.score_name))

    def run(self, event: Event) -> None:
        self.changes["run"] = str(event["state"])
        self.changes["failure"] = str(event.get("text", "")) if event["state"] == "failed" else ""
        if "total_steps" in event:
            total, each = int(event["total_steps"] or 0), int(event.get("steps_per_epoch") or 0)
            self.changes |= {"total": total, "epochs": -(-total // each) if each else 0}
        if event["state"] in ENDED:
            self.changes |= {"stage": "", "held": False}

    def begin(self, event: Event) -> None:
        self.changes |= {"stage": str(event["text"]), "share": float(event["share"])}
        self.changes["held"] = bool(event.get("held"))

    def log(self, event: Event) -> None:
        self.changes["note"] = str(event.get("text", ""))


_HANDLERS: dict[str, Callable[[_Draft, Event], None]] = {
    "iteration": _Draft.iteration,
    "ranks": _Draft.ranks,
    "validation": _Draft.validation,
    "state": _Draft.run,
    "stage": _Draft.begin,
    "log": _Draft.log,
}


def _rank(timing: Mapping[str, Any], seconds: float) -> RankPoint:
    compute, wait, exchange = (float(timing.get(k, 0)) for k in ("compute", "wait", "exchange"))
    wall = seconds or compute + wait + exchange
    rate = timing.get("rows", 0) / wall if wall > 0 else NAN
    return RankPoint(float(rate), compute, wait, exchange)


def _merge(a: Point, b: Point) -> Point:
    """Mean of two neighbours; position and learning rate are those of the later one."""

    def mean(x: float, y: float) -> float:
        if math.isnan(x) or math.isnan(y):
            return y if math.isnan(x) else x
        return (a.weight * x + b.weight * y) / (a.weight + b.weight)

    ranks = b.ranks
    if len(a.ranks) == len(b.ranks):
        ranks = tuple(
            RankPoint(*(mean(x, y) for x, y in zip(r, s, strict=True)))
            for r, s in zip(a.ranks, b.ranks, strict=True)
        )
    return b._replace(
        weight=a.weight + b.weight,
        loss=mean(a.loss, b.loss),
        rate=mean(a.rate, b.rate),
        score=b.score if not math.isnan(b.score) else a.score,
        recent=b.recent if not math.isnan(b.recent) else a.recent,
        ranks=ranks,
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.number) else NAN


def _find(metrics: Mapping[str, Any], part: str) -> str:
    return next((name for name in metrics if part in name.lower()), "")


def _choose_score(metrics: Mapping[str, Any]) -> str:
    """Top-1 or an accuracy if there is one, else the first number that is not a loss."""
    for part in ("top1", "accuracy"):
        if name := _find(metrics, part):
            return name
    numbers = (k for k, v in metrics.items() if isinstance(v, int | float | np.number))
    return next((k for k in numbers if "loss" not in k.lower()), "")


# Reading -----------------------------------------------------------------------------------------

COLUMNS = ("step", "epoch", "loss", "learning_rate", "rate", "score", "recent")
RANK_COLUMNS = ("rate", "compute", "wait", "exchange")


def table(state: CurveState) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return the points as (column names, one row a point); ranks follow as "rate:0", ...

    Many ranks follow as "rate:mean" and "rate:slowest". A rank that did not report in a point has
    NaN there.
    """
    ranks = state.ranks
    names = COLUMNS + tuple(f"{c}:{r}" for r in ranks for c in RANK_COLUMNS)
    missing = RankPoint(NAN, NAN, NAN, NAN)
    rows = []
    for p in state.points:
        row = [p.step, p.epoch, p.loss, p.learning_rate, p.rate, p.score, p.recent]
        for rank in range(len(ranks)):
            row += p.ranks[rank] if rank < len(p.ranks) else missing
        rows.append(row)
    return names, np.array(rows, np.float32).reshape(len(rows), len(names))


def validation_table(state: CurveState) -> NDArray[np.float32]:
    """Return the validations, one row each: step, epoch, score, loss."""
    return np.array(state.validations, np.float32).reshape(len(state.validations), 4)


def score_label(state: CurveState) -> str:
    """Return the word for the score in sentences and on axes.

    Examples
    --------
    >>> score_label(CurveState(score_name="pr_auc")), score_label(CurveState(score_name="top1"))
    ('PR-AUC', 'accuracy')
    """
    name = state.score_name
    return "accuracy" if not name or _is_share(name) else _WORDS.get(name, name)


_WORDS = {"auc": "AUC", "pr_auc": "PR-AUC", "f1": "F1", "r2": "R2"}


def _is_share(name: str) -> bool:
    return any(part in name.lower() for part in ("top1", "top5", "accuracy"))


def format_score(state: CurveState, value: float) -> str:
    """Return the score as its reader expects it: shares as per cent."""
    return f"{value:.2%}".replace("%", " %") if _is_share(state.score_name) else f"{value:.4g}"


def speed(state: CurveState) -> float:
    """Return rows a second: the present ones while it runs, at the end those of the whole run.

    Examples
    --------
    >>> speed(CurveState())
    nan
    """
    if state.run in ENDED and state.seconds:
        return state.images / state.seconds
    return state.last.rate if state.last else math.nan


def left(state: CurveState) -> float:
    """Return about how many seconds the run still takes; NaN where nobody knows.

    Examples
    --------
    >>> left(CurveState())
    nan
    """
    point = state.last
    if point is None or state.run != "running" or not state.total or not state.seconds:
        return math.nan
    done = sum(p.weight for p in state.points)
    return max(state.total - point.step, 0) * state.seconds / done


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds.

    Examples
    --------
    >>> clock(64.4)
    '1:04'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def summary(state: CurveState) -> str:
    """Return the run in one sentence: the text alternative of the curves.

    Examples
    --------
    >>> summary(CurveState())
    'Training has not started.'
    """
    point = state.last
    if point is None:
        if state.stage:
            if state.held:
                return f"Training waits: {state.stage}"
            return f"Training is starting ({state.share:.0%}): {state.stage}.".replace("%", " %")
        words = {"running": "Training is starting.", "failed": "Training failed."}
        told = state.failure or state.note
        return " ".join(filter(None, (words.get(state.run, "Training has not started."), told)))
    head = {"idle": "", "done": "Finished", "stopped": "Stopped", "failed": "Failed"}
    parts = [f"loss {point.loss:.4f}"]
    if not math.isnan(point.recent):
        parts.append(f"training {score_label(state)} {format_score(state, point.recent)}")
    if state.validations and not math.isnan(state.validations[-1].score):
        best = state.validations[-1]
        parts.append(f"validation {score_label(state)} {format_score(state, best.score)}")
    ranks = max(state.size, 1)
    parts.append(f"{speed(state):,.0f} {state.unit}/s on {ranks} rank{'s' if ranks > 1 else ''}")
    word = head.get(state.run, state.run.capitalize())
    of = f" of {state.total}" if state.total else ""
    passes = f" of {state.epochs}" if state.epochs else ""
    where = f"epoch {point.epoch}{passes}, step {point.step}{of}"
    text = f"{word} at {where}: " if word else f"{where.capitalize()}: "
    if not math.isnan(rest := left(state)):
        parts.append(f"{clock(rest)} left")
    told = state.failure or state.note
    note = f" {told}" if state.run in ("failed", "retrying") and told else ""
    return text + ", ".join(parts) + "." + note


def from_history(history: Any) -> CurveState:
    """Return the state of a run that is already under way or over, from its `History`."""
    if not len(history):
        return CurveState()
    columns = {name: history[name].tolist() for name in history.columns}
    known = ("step", "epoch", "rows", "loss", "learning_rate", "seconds", "rate")
    recent = {name: values.tolist() for name, values in history.recent().items()}
    size = history.ranks
    timings = {name: values.tolist() for name, values in history.timings().items()}
    each = [history.rank(r) for r in range(size)] if size <= SHOWN else []
    metrics = [name for name in columns if name not in known]
    events: list[Event] = []
    # The writer may be rows ahead of the columns read first.
    whole = [*columns.values(), *timings.values(), *(c for rank in each for c in rank.values())]
    for i in range(min(map(len, whole))):
        if each:
            told = [{name: float(column[i]) for name, column in rank.items()} for rank in each]
            events.append({"type": "ranks", "step": columns["step"][i], "timings": told})
        events.append(
            {
                "type": "iteration",
                **{name: columns[name][i] for name in known},
                "metrics": {name: columns[name][i] for name in metrics},
                "recent": {
                    name: values[i]
                    for name, values in recent.items()
                    if i < len(values) and not math.isnan(values[i])
                },
                "ranks": size,
                **_mean_and_slowest(timings, columns["rows"][i] / max(size, 1), i),
            }
        )
    events += [{"type": "validation", **validation} for validation in history.validations]
    return advance(CurveState(), events)


def _mean_and_slowest(timings: Mapping[str, Any], rows: float, i: int) -> dict[str, Any]:
    """Return an iteration's times as its event tells them, from the columns of a history."""
    if not timings:
        return {}
    names = ("compute", "wait", "exchange")
    return {
        "mean": {"rows": rows, **{name: timings[name][i] for name in names}},
        "slowest": {"rows": rows, **{name: timings[f"slowest_{name}"][i] for name in names}},
    }
