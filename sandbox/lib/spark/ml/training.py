"""How the Params of an estimator become a Trainer."""

from __future__ import annotations

import copy
import threading
from typing import Any

from ... import optim
from ...core.errors import ArgumentError
from ...criterion import Criterion, RowWeighted
from ...metrics import Loss
from ...optim import ParameterGroups
from ...train import Checkpoints, EveryEpoch, MaxEpoch, MaxSteps, Summary, Trainer, Trigger
from ...train.arguments import choose_metrics
from ...train.backend import Backend
from .settings import Training

__all__ = ["EPOCHS", "Trains", "in_front"]

EPOCHS = 10  # where nothing says when training ends
_RATE = 1e-3


def in_front() -> bool:
    """Tell whether somebody may be looking: at no thread, as those of a CrossValidator are."""
    return threading.current_thread() is threading.main_thread()


class Trains(Training):
    """A stage that trains: what its Params say of that."""

    def _trainer(self, criterion: Criterion, backend: Backend | None, place: str) -> Trainer:
        """Return a trainer that leaves this stage as it is; `place` names its folders."""
        given = self._given
        checkpoint, summary = (
            path and f"{path.rstrip('/')}/{place}"
            for path in (given("checkpointPath"), given("summaryPath"))
        )
        if checkpoint is not None:
            checkpoint = Checkpoints(checkpoint, every=given("checkpointTrigger") or EveryEpoch())
        rule = given("earlyStopping")
        return Trainer(
            copy.deepcopy(given("model")),  # the next fit starts from the same weights
            criterion,
            self._optimizer(),
            batch_size=given("batchSize"),
            metrics=self._metrics(criterion),
            seed=given("seed"),
            threads=given("threads"),
            backend=backend,
            clip=self._clip(),
            callbacks=[] if rule is None else [copy.deepcopy(rule)],
            checkpoint=checkpoint,
            summary=summary if summary is None else Summary(summary),
            progress="auto" if given("progress") and in_front() else None,
            precision=given("precision"),
        )

    def _metrics(self, criterion: Criterion) -> Any:
        """Return what is measured; beside weights of rows the target is one of two."""
        given = self._given("metrics")
        if not isinstance(criterion, RowWeighted):
            return given
        found = choose_metrics(given, criterion.criterion)
        return [
            Loss(criterion, name=one.name) if isinstance(one, Loss) else self._inside(one)
            for one in found
        ]

    def _inside(self, metric: Any) -> Any:
        """Return a metric that looks for its target beside weights."""
        output, target = metric.at or ("", None)
        path = target or (output if self._given("labelCols") else "")
        return metric.on(output, f"target.{path}" if path else "target", name=metric.name)

    def _optimizer(self) -> optim.Optimizer:
        """Return an optimiser of this fit's own, with the learning rate that is set."""
        found: optim.Optimizer = copy.deepcopy(self._given("optimizer") or optim.Adam(_RATE))
        rate = self._given("learningRate")
        if rate is not None:
            if isinstance(found, ParameterGroups):
                raise ArgumentError(
                    f"{type(self).__name__}: `learningRate` must not be set beside an optimizer "
                    f"with a rate for each group of parameters; got {rate:g} and {found!r}."
                )
            found.learning_rate = rate
        return found

    def _clip(self) -> optim.Clip | None:
        norm, value = self._given("clipNorm"), self._given("clipValue")
        if norm is not None and value is not None:
            raise ArgumentError(
                f"{type(self).__name__}: only one of `clipNorm` and `clipValue` can be set; got "
                f"{norm:g} and {value:g}."
            )
        if norm is not None:
            return optim.ClipNorm(norm)
        return None if value is None else optim.ClipValue(value)

    def _end(self) -> Trigger:
        """Return what ends training: the first of what is set."""
        steps, epochs = self._given("maxIter"), self._given("maxEpoch")
        given = (
            self._given("endTrigger"),
            None if steps is None else MaxSteps(steps),
            None if epochs is None else MaxEpoch(epochs),
        )
        first, *others = [end for end in given if end is not None] or [MaxEpoch(EPOCHS)]
        for end in others:
            first = first | end
        return first
