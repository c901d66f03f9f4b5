"""When something happens: questions that every rank answers alike after each iteration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..core import validate
from ..core.errors import ArgumentError

if TYPE_CHECKING:
    from ..metrics import Metric

__all__ = [
    "And",
    "EarlyStopping",
    "EveryEpoch",
    "EverySteps",
    "MaxEpoch",
    "MaxScore",
    "MaxSteps",
    "MinLoss",
    "Never",
    "Or",
    "Progress",
    "Trigger",
]


@dataclass
class Progress:
    """Where a run stands after an iteration: the same numbers on every rank.

    Parameters
    ----------
    step : int
        Iterations done.
    epoch : int
        Whole passes over the data done.
    epoch_end : bool
        Whether this iteration ended a pass.
    loss : float
        Mean loss of this iteration's global batch.
    metrics : dict
        The latest validation, empty before the first.
    """

    step: int = 0
    epoch: int = 0
    epoch_end: bool = False
    loss: float = math.inf
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def current_epoch(self) -> int:
        """The pass that the last iteration belongs to, from 1: what events and people count."""
        return self.epoch if self.epoch_end else self.epoch + 1


class Trigger:
    """A question about a run's progress; combine with `&` and `|`.

    A trigger holds no state and looks at nothing but the progress, so that all ranks agree and a
    resumed run decides as the undisturbed one.

    Examples
    --------
    >>> end = MaxEpoch(10) | MinLoss(0.01)
    >>> end(Progress(step=7, loss=0.005))
    True
    """

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(progress)")

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return the number of iterations after which an end trigger fires, if it is known."""
        return None

    def monitored(self) -> tuple[str, ...]:
        """Return the names of the validation metrics that it goes by."""
        return ()

    def can_fire(self, *, validated: bool) -> bool:
        """Tell whether it can fire at all in a run with validations, or in one without."""
        return True

    def __or__(self, other: Trigger) -> Trigger:
        return Or(self, other)

    def __and__(self, other: Trigger) -> Trigger:
        return And(self, other)

    def __repr__(self) -> str:
        inner = ", ".join(f"{value!r}" for value in vars(self).values())
        return f"{type(self).__name__}({inner})"


class Never(Trigger):
    """Does not fire."""

    def __call__(self, progress: Progress) -> bool:
        """Answer no."""
        return False

    def can_fire(self, *, validated: bool) -> bool:
        """Answer no."""
        return False


class EveryEpoch(Trigger):
    """Fires at the end of every `epochs`-th pass over the data.

    Notes
    -----
    Same as BigDL `EveryEpoch` (0.13).
    """

    def __init__(self, epochs: int = 1) -> None:
        self.epochs = validate.positive_int("epochs", epochs)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return progress.epoch_end and progress.epoch % self.epochs == 0


class EverySteps(Trigger):
    """Fires after every `steps`-th iteration.

    Notes
    -----
    Same as BigDL `SeveralIteration` (0.13).
    """

    def __init__(self, steps: int) -> None:
        self.steps = validate.positive_int("steps", steps)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return progress.step % self.steps == 0


class MaxEpoch(Trigger):
    """Fires once `epochs` passes are done.

    Notes
    -----
    Same as BigDL `MaxEpoch` (0.13).
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = validate.positive_int("epochs", epochs)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return progress.epoch >= self.epochs

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return epochs times steps per epoch."""
        return self.epochs * steps_per_epoch


class MaxSteps(Trigger):
    """Fires once `steps` iterations are done.

    Notes
    -----
    Same as BigDL `MaxIteration` (0.13).
    """

    def __init__(self, steps: int) -> None:
        self.steps = validate.positive_int("steps", steps)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return progress.step >= self.steps

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return the steps."""
        return self.steps


class MinLoss(Trigger):
    """Fires when the loss of an iteration is below `loss`.

    Notes
    -----
    Same as BigDL `MinLoss` (0.13).
    """

    def __init__(self, loss: float) -> None:
        self.loss = validate.finite("loss", loss)

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return progress.loss < self.loss


class MaxScore(Trigger):
    """Fires when the latest validation's metric `name` is above `score`; never without one.

    Notes
    -----
    Same as BigDL `MaxScore` (0.13), which knows one metric only.
    """

    def __init__(self, score: float, name: str = "top1") -> None:
        self.score = validate.finite("score", score)
        self.name = name

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        if not progress.metrics:
            return False
        return scalar_metric(progress.metrics, self.name, "MaxScore") > self.score

    def monitored(self) -> tuple[str, ...]:
        """Return the metric's name."""
        return (self.name,)

    def can_fire(self, *, validated: bool) -> bool:
        """Tell whether there are validations."""
        return validated


class _Combined(Trigger):
    def __init__(self, *triggers: Trigger) -> None:
        if not triggers:
            raise ArgumentError(f"{type(self).__name__}: at least one trigger is needed; got none.")
        self.triggers = triggers

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.triggers))})"

    def monitored(self) -> tuple[str, ...]:
        """Return the names that its triggers go by."""
        return tuple(name for trigger in self.triggers for name in trigger.monitored())

    def _totals(self, steps_per_epoch: int) -> list[int | None]:
        return [trigger.total_steps(steps_per_epoch) for trigger in self.triggers]


class Or(_Combined):
    """Fires when any of its triggers does.

    Notes
    -----
    Same as BigDL `TriggerOr` (0.13).
    """

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return any(trigger(progress) for trigger in self.triggers)

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return the first end that is known."""
        return min((n for n in self._totals(steps_per_epoch) if n is not None), default=None)

    def can_fire(self, *, validated: bool) -> bool:
        """Tell whether one of them can."""
        return any(trigger.can_fire(validated=validated) for trigger in self.triggers)


class And(_Combined):
    """Fires when all of its triggers do at once.

    Notes
    -----
    Same as BigDL `TriggerAnd` (0.13).
    """

    def __call__(self, progress: Progress) -> bool:
        """Answer."""
        return all([trigger(progress) for trigger in self.triggers])

    def total_steps(self, steps_per_epoch: int) -> int | None:
        """Return the last end if all are known."""
        totals = self._totals(steps_per_epoch)
        known = [n for n in totals if n is not None]
        return max(known) if len(known) == len(totals) else None

    def can_fire(self, *, validated: bool) -> bool:
        """Tell whether all of them can."""
        return all(trigger.can_fire(validated=validated) for trigger in self.triggers)


class EarlyStopping:
    """Ends a run when the validation has not got better for `patience` validations.

    The model then holds the weights of the best validation, also where the run reaches its end
    before; their checkpoint stays in its folder however many follow. NaN is no improvement.

    Parameters
    ----------
    monitor : str
        Name of the validation metric.
    patience : int > 0, default=3
        Validations without an improvement that are borne.
    min_delta : float, default=0
        Smaller improvements do not count.
    mode : "min", "max" or None
        Whether less or more is better. None: as the metric says (`Metric.higher_is_better`), which
        a Trainer passes on.
    restore_best : bool, default=True
        Whether the model holds the weights of the best validation in the end; else the last ones.

    Notes
    -----
    Same as Keras `EarlyStopping`, but for `restore_best`, which is False there.

    Examples
    --------
    >>> rule = EarlyStopping("top1", patience=2, mode="max")
    >>> [rule.update({"top1": score}) for score in (0.5, 0.6, 0.6, 0.55)]
    [False, False, False, True]
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        patience: int = 3,
        min_delta: float = 0.0,
        mode: str | None = None,
        restore_best: bool = True,
    ) -> None:
        self.monitor = monitor
        self.patience = validate.positive_int("patience", patience)
        self.min_delta = validate.non_negative("min_delta", min_delta)
        self.mode = validate.one_of("mode", mode, (None, "min", "max"))
        self.higher_is_better = mode == "max" if mode else None
        self.restore_best = validate.one_of("restore_best", restore_best, (True, False))
        self.reset()

    def follow(self, metric: Metric) -> None:
        """Take from the monitored metric what `mode` leaves open: which way is better."""
        if self.mode is None:
            self.higher_is_better = metric.higher_is_better
            self.reset()

    def reset(self) -> None:
        """Forget the validations of an earlier run."""
        self.best = -math.inf if self.higher_is_better else math.inf
        self.waited = 0
        self.improved = False

    def gains(self, value: float, best: float) -> bool:
        """Tell whether a value is better than another by enough to count."""
        return (value - best if self.higher_is_better else best - value) > self.min_delta

    def update(self, metrics: Mapping[str, Any]) -> bool:
        """Take in one validation and tell whether to end."""
        if self.higher_is_better is None:
            raise ArgumentError(
                "EarlyStopping: `mode` must be 'min' or 'max' where no Trainer gives the metric;"
                " got None."
            )
        value = scalar_metric(metrics, self.monitor, "EarlyStopping")
        self.improved = self.gains(value, self.best)
        if self.improved:
            self.best = value
        self.waited = 0 if self.improved else self.waited + 1
        return self.stale

    @property
    def stale(self) -> bool:
        """Whether the validations so far are reason to end."""
        return self.waited >= self.patience

    def __repr__(self) -> str:
        given = {"patience": 3, "min_delta": 0.0, "mode": None, "restore_best": True}
        more = (f", {k}={v!r}" for k, d in given.items() if (v := getattr(self, k)) != d)
        return f"EarlyStopping({self.monitor!r}{''.join(more)})"

    def config(self) -> dict[str, Any]:
        """Return the arguments that decide when it ends a run, for a checkpoint."""
        names = ("monitor", "patience", "min_delta", "mode")
        return {name: getattr(self, name) for name in names}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"best": self.best, "waited": self.waited, "monitor": self.monitor}

    def goes_on_from(self, state: Mapping[str, Any]) -> bool:
        """Tell whether a checkpoint's early stop went by the same metric."""
        monitor: str = state.get("monitor", self.monitor)  # files of earlier versions do not tell
        return monitor.lower() == self.monitor.lower()

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, unless that went by another metric."""
        if self.goes_on_from(state):
            self.best = float(state["best"])
            self.waited = int(state["waited"])


def end_trigger(epochs: int | None, steps: int | None, end: Trigger | None) -> Trigger:
    """Return the end of a run from the one of three arguments that is given."""
    if sum(x is not None for x in (epochs, steps, end)) != 1:
        raise ArgumentError(
            "fit: exactly one of `epochs`, `steps` and `end` must be given; got"
            f" epochs={epochs!r}, steps={steps!r}, end={end!r}. For example: epochs=3."
        )
    if epochs is not None:
        return MaxEpoch(epochs)
    if steps is not None:
        return MaxSteps(steps)
    if not isinstance(end, Trigger):
        raise ArgumentError(f"fit: `end` must be a Trigger; got {end!r}. Derive it from Trigger.")
    return end


def scalar_metric(metrics: Mapping[str, Any], name: str, owner: str) -> float:
    """Return the metric of that name (upper and lower case are the same) as a number."""
    for key, value in metrics.items():
        if key.lower() == name.lower():
            if isinstance(value, int | float):
                return float(value)
            raise ArgumentError(f"{owner}: metric {name!r} must be a number; got {type(value)}.")
    raise ArgumentError(
        f"{owner}: `{name}` must be one of the run's metrics; got {', '.join(metrics) or 'none'}."
        " Add it to Trainer(metrics=...)."
    )
