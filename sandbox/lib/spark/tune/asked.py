"""What a search is asked for: checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core import validate
from ...core.errors import ArgumentError, TrainingError
from ...data import Dataset, Preparation, as_dataset
from ...data.arrays import as_pair
from ...engine.names import meant
from ...train import Trainer
from ...train.backend import Backend, LocalBackend
from .rungs import Rungs
from .space import Config, Space
from .trial import Setting, TrialError, build

__all__ = [
    "TRIES",
    "Judge",
    "first_trainer",
    "judge_of",
    "rows_of",
    "session_of",
    "trial_configs",
    "trial_rungs",
]

TRIES = 3  # trials that must all fail until the search does
_COLUMNS = ("trial", "status", "epochs", "seconds", "error")


def trial_configs(space: Space, method: Any, trials: int | None) -> list[Config]:
    """Return what each trial tries."""
    validate.one_of("method", method, ("random", "grid", "asha"))
    if trials is not None:
        validate.positive_int("trials", trials)
    if method != "grid":
        return [space.draw(trial) for trial in range(32 if trials is None else trials)]
    found = space.grid()
    if trials not in (None, len(found)):
        raise validate.refuse(
            "trials", f"left out for a grid, or its {len(found)} combinations", trials
        )
    return found


def trial_rungs(method: str, trials: int, epochs: int, first: Any, reduction: Any) -> Rungs:
    """Return the epochs at which trials are compared; one rung if they are not."""
    first = validate.positive_int("min_epochs", first)
    if validate.positive_int("reduction", reduction) < 2:
        raise validate.refuse("reduction", "an int > 1", reduction)
    if method != "asha":
        return Rungs(trials, [epochs], 2)
    if first > epochs:
        raise validate.refuse("min_epochs", f"at most `epochs` = {epochs}", first)
    return Rungs.halving(trials, epochs, first, reduction)


def first_trainer(setting: Setting, configs: list[Config]) -> Trainer:
    """Return the trainer of the first trial that has one, to learn from it what is measured.

    Raises
    ------
    TrainingError : `model_fn` fails for the first three.
    """
    failed: list[Exception] = []
    for trial, config in enumerate(configs[:TRIES]):
        try:
            return build(setting, trial, config)
        except TrialError:
            raise
        except Exception as error:
            failed.append(error)
    raise TrainingError(
        f"search: `model_fn` must make a trainer; trial 0 with {configs[0]!r} raised"
        f" {type(failed[0]).__name__}: {failed[0]}"
    ) from failed[0]


@dataclass(frozen=True)
class Judge:
    """The metric that decides, whether more of it is better, and all that are measured."""

    name: str
    maximise: bool
    measured: list[str]


def judge_of(trainer: Trainer, metric: Any, mode: Any, names: list[str]) -> Judge:
    """Return the metric that decides, by the name that trainers give it."""
    validate.text("metric", metric)
    validate.one_of("mode", mode, (None, "min", "max"))
    known = {one.name: one for one in trainer.metrics}
    name = next((one for one in known if one.lower() == metric.lower()), None)
    if name is None:
        near = meant(metric, known)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ArgumentError(
            f"search: `metric` must be one of the trainer's metrics, {', '.join(known)}; got"
            f" {metric!r}.{hint} Trainer(metrics=...) measures others."
        )
    for one in names:
        if one in (*known, *_COLUMNS):
            raise ArgumentError(
                f"search: names of `space` must differ from the table's columns"
                f" {', '.join((*_COLUMNS, *known))}; got {one!r}. Give it another name."
            )
    more = known[name].higher_is_better if mode is None else mode == "max"
    return Judge(name, more, list(known))


def session_of(spark: Any, first: Trainer) -> tuple[Any, Backend]:
    """Return the session for tasks, None for trials in this process; and what reads the data."""
    if spark is None:
        return None, first.backend
    if not isinstance(first.backend, LocalBackend):
        raise TrialError(
            "search: `model_fn` must return a Trainer without `backend` where `spark` runs the"
            f" trials, each on one core; got {type(first.backend).__name__}. For distributed trials"
            " leave `spark` out: they run one after the other."
        )
    from ..backend import SparkBackend

    backend = SparkBackend(spark)
    return backend.session(), backend


def rows_of(data: Any, validation: Any, backend: Backend) -> tuple[Dataset, Dataset]:
    """Return both as data sets, made once for all trials."""
    if validation is None:
        raise ArgumentError(
            "search: `validation` must be given, for trials are judged by it; got None."
        )

    def read(rows: Any, like: Preparation | None) -> Dataset:
        if isinstance(rows, Dataset):
            return rows
        if like is not None and isinstance(rows, tuple | list):
            return like.dataset(*as_pair(rows))
        adapt = getattr(backend, "adapt", None)
        found: Dataset = as_dataset(rows) if adapt is None else adapt(rows, like and like.columns)
        return found

    train = read(data, None)
    return train, read(validation, Preparation(train))
