"""TensorBoard curves of a training that can be read back."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .... import train
from ....core.errors import ArgumentError
from ....summary import EventWriter
from ....train.triggers import Progress


class _Curves(train.Callback):
    """Writes event files into a folder and keeps the points for `read_scalar`."""

    kind = ""

    def __init__(
        self, log_dir: str | os.PathLike[str], app_name: str, bigdl_type: str = "float"
    ) -> None:
        self.folder = Path(log_dir) / app_name / self.kind
        self._points: dict[str, list[tuple[int, float, float]]] = {}
        self._writer: EventWriter | None = None

    def on_start(self, trainer: train.Trainer) -> None:
        """Open an event file."""
        self._writer = EventWriter(self.folder)

    def on_end(self, trainer: train.Trainer) -> None:
        """Close it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def read_scalar(self, tag: str) -> list[tuple[int, float, float]]:
        """Return the points of a curve: (iteration, value, seconds since 1970)."""
        return list(self._points.get(tag, []))

    def _add(self, tag: str, value: float, step: int) -> None:
        self._points.setdefault(tag, []).append((step, float(value), time.time()))
        if self._writer is not None:
            self._writer.scalar(tag, float(value), step)


class TrainSummary(_Curves):
    """Curves of the training, in log_dir/app_name/train.

    Loss and Throughput of each iteration; `set_summary_trigger` adds LearningRate, or makes any
    rarer.
    """

    kind = "train"
    tags = ("Loss", "Throughput", "LearningRate", "Parameters")

    def __init__(
        self, log_dir: str | os.PathLike[str], app_name: str, bigdl_type: str = "float"
    ) -> None:
        super().__init__(log_dir, app_name, bigdl_type)
        every = train.EverySteps(1)
        self._triggers: dict[str, train.Trigger] = {"Loss": every, "Throughput": every}
        self._passes = 0

    def set_summary_trigger(self, name: str, trigger: train.Trigger) -> TrainSummary:
        """Say when a curve gets a point.

        Raises
        ------
        ArgumentError : no such curve.
        """
        if name not in self.tags:
            raise ArgumentError(
                f"set_summary_trigger: `name` must be one of {', '.join(self.tags)}; got {name!r}."
            )
        self._triggers[name] = trigger
        return self

    def on_iteration(self, trainer: train.Trainer, event: Any) -> None:
        """Add a point where a trigger fires."""
        step = int(event["step"])
        rows = {
            "Loss": event["loss"],
            "Throughput": event["rate"],
            "LearningRate": event["learning_rate"],
        }
        now = Progress(step=step, epoch=int(event["epoch"]), loss=float(event["loss"]))
        now.epoch_end = now.epoch != self._passes
        self._passes = now.epoch
        for tag, trigger in self._triggers.items():
            if not trigger(now):
                continue
            if tag in rows:
                self._add(tag, rows[tag], step)
            elif self._writer is not None:
                for name, parameter in trainer.model.named_parameters():
                    self._writer.histogram(name, parameter.data, step)


class ValidationSummary(_Curves):
    """Curves of the validation methods, in log_dir/app_name/validation."""

    kind = "validation"

    def on_validation(self, trainer: train.Trainer, event: Any) -> None:
        """Add a point of each."""
        for name, value in event["metrics"].items():
            if isinstance(value, int | float):
                self._add(name, value, int(event["step"]))
