"""One trial, trained up to a rung: the same here and in a task of Spark."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ... import engine
from ...core.errors import ArgumentError, DivergedError
from ...train import TextProgress, Trainer
from ...train.checkpoint import in_memory, unpack
from ...train.model_io import fill
from ...train.triggers import MaxEpoch, scalar_metric
from .records import Result
from .space import Config, stream

__all__ = ["Order", "Setting", "TrialError", "build", "failed", "plain", "restored", "run_trial"]

_PACKAGE = Path(__file__).resolve().parents[3]
ModelFunction = Callable[[Config, Any], Trainer]


class TrialError(ArgumentError):
    """What `model_fn` returns is of no use to a search, whatever the trial."""


@dataclass(frozen=True)
class Setting:
    """What all trials of a search share.

    Parameters
    ----------
    model_fn : function of (config, rng) that gives a Trainer
    metric : str
        As the trainers call it.
    epochs : list of int
        Of each rung.
    seed : int
    threads : int or None
        Of a trial; None leaves it to the trainer.
    """

    model_fn: ModelFunction
    metric: str
    epochs: list[int]
    seed: int
    threads: int | None = None


@dataclass(frozen=True)
class Order:
    """A trial to be trained up to a rung; `state` is what it goes on from."""

    trial: int
    rung: int
    config: Config
    state: bytes | None = None
    seconds: float = 0.0


class _Until(MaxEpoch):
    """Pause after so many epochs of a run whose schedule knows of all of them."""

    def __init__(self, epochs: int, total: int) -> None:
        super().__init__(epochs)
        self.total = total

    def total_steps(self, steps_per_epoch: int) -> int | None:
        return self.total * steps_per_epoch


def build(setting: Setting, trial: int, config: Config) -> Trainer:
    """Return the trainer that `model_fn` makes for a trial, told to be quiet.

    Raises
    ------
    TrialError : it makes something else.
    """
    trainer = setting.model_fn(dict(config), stream(setting.seed, trial, 1))
    if not isinstance(trainer, Trainer):
        raise TrialError(
            f"search: `model_fn` must return a Trainer; got {_kind(trainer)}. Write: def"
            " model_fn(config, rng): ... return Trainer(model, criterion, optimizer)."
        )
    trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, TextProgress)]
    if trainer.checkpoint is not None:
        raise TrialError(
            "search: `model_fn` must return a Trainer without `checkpoint`, for all trials would"
            " share it; the search keeps their states. Give it a `folder` instead."
        )
    if trainer.plan is None:
        # Kernels are taken as they come: timing those of each trial would take longer than it
        # gains, and their choice, so the last bits, would differ from one search to the next.
        trainer.plan = engine.KernelPlan(frozen=True).to_json()
    if setting.threads is not None:
        trainer.threads = setting.threads
    return trainer


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {', '.join(type(one).__name__ for one in value)}"
    return repr(value) if value is None else f"a {type(value).__name__}"


def run_trial(
    setting: Setting,
    order: Order,
    data: Any,
    validation: Any,
    listen: Callable[[Trainer], object] | None = None,
) -> tuple[Result, bytes | None]:
    """Train a trial up to its rung; return how it stands, and its state.

    Whatever goes wrong in it is told in the result. `listen` gets the trainer before it starts.
    """
    began = time.perf_counter()
    trainer: Trainer | None = None
    status, error = "done", ""
    try:
        trainer = build(setting, order.trial, order.config)
        if listen is not None:
            listen(trainer)
        _fit(trainer, setting, order, data, validation)
        if _lost(trainer, setting.epochs[order.rung]):
            status, error = "diverged", "the loss ran away, and the run went back before its end"
    except DivergedError as caught:
        status, error = "diverged", _line(caught)
    except Exception as caught:
        status, error = "failed", _told(caught)
    seconds = order.seconds + time.perf_counter() - began
    if trainer is None or status != "done":
        epochs = 0 if trainer is None else len(trainer.history.validations)
        return failed(order, status, error, epochs=epochs, seconds=seconds), None
    return _result(trainer, setting, order, validation, seconds)


def _lost(trainer: Trainer, epochs: int) -> bool:
    """Tell whether a run that came to its end has gone back from there to a good state."""
    run: Any = trainer.result
    return bool(run.reason == "end" and run.epoch < epochs)


def failed(
    order: Order, status: str, error: str, *, epochs: int = 0, seconds: float = 0.0
) -> Result:
    """Return the result of a trial that went wrong."""
    return Result(
        *(order.trial, order.rung, status, epochs, None),
        config=_plain(order.config),
        seconds=seconds,
        through=True,
        error=error,
    )


def _fit(trainer: Trainer, setting: Setting, order: Order, data: Any, validation: Any) -> None:
    end = _Until(setting.epochs[order.rung], setting.epochs[-1])
    if order.state is None:
        trainer.fit(data, end=end, validation=validation)
        return
    with tempfile.TemporaryDirectory(prefix="sandbox-trial-") as folder:
        path = Path(folder) / "state.safetensors"
        path.write_bytes(order.state)
        trainer.fit(data, end=end, validation=validation, resume=path)


def _result(
    trainer: Trainer,
    setting: Setting,
    order: Order,
    validation: Any,
    seconds: float,
) -> tuple[Result, bytes | None]:
    run: Any = trainer.result
    metrics, state = trainer.history.last_validation, run.state
    through = run.reason == "early_stop" or order.rung == len(setting.epochs) - 1
    if through and trainer.held is not state:  # an early stop has gone back to the best state
        metrics, state = trainer.evaluate(validation), trainer.held
    validations = trainer.history.validations
    result = Result(
        trial=order.trial,
        rung=order.rung,
        status="done",
        epochs=run.epoch,
        score=measured(metrics, setting.metric),
        metrics={k: float(v) for k, v in metrics.items() if isinstance(v, int | float)},
        curve=[[one["epoch"], measured(one["metrics"], setting.metric)] for one in validations],
        config=_plain(order.config),
        seconds=seconds,
        through=through,
    )
    return result, in_memory(state)


def measured(metrics: Mapping[str, Any], name: str) -> float:
    """Return a metric as a number."""
    return scalar_metric(metrics, name, "search")


def restored(trainer: Trainer, state: bytes, place: str) -> Trainer:
    """Return the trainer with the weights of a state in its model."""
    fill(trainer.model, unpack(state, "checkpoint").tensors, place)
    return trainer


def plain(value: Any) -> Any:
    """Return a value as JSON knows it, by its text where it does not."""
    return value if isinstance(value, str | int | float | None) else repr(value)


def _plain(config: Config) -> Config:
    return {name: plain(value) for name, value in config.items()}


def _line(error: BaseException) -> str:
    said = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {said}"


def _told(error: Exception) -> str:
    """Return what was raised, and where in the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE not in Path(frame.filename).parents]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return _line(error) + where
