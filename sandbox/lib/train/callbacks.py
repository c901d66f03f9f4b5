"""What a run calls while it goes: a base to derive from, plain functions, TensorBoard."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core import validate
from ..core.errors import ArgumentError
from ..engine.files import Place, locate
from .events import Event

if TYPE_CHECKING:
    from .trainer import Trainer

__all__ = ["Callback", "LambdaCallback", "Summary"]

_KINDS = ("iteration", "ranks", "validation", "snapshot", "checkpoint", "state", "log", "stage")


class Callback:
    """Override what you need; each method gets the trainer and the event (a dict).

    Methods run in the thread that trains (with Spark: that reads the events), between two
    iterations: be quick, and use `trainer.stop()`, `pause()` and `set_learning_rate()` to act.
    An error raised here ends the run.

    Examples
    --------
    >>> class StopBelow(Callback):
    ...     '''End the run once the loss is small.'''
    ...     def on_iteration(self, trainer, event):
    ...         if event["loss"] < 0.01:
    ...             trainer.stop()
    """

    def on_start(self, trainer: Trainer) -> None:
        """Before the first iteration."""

    def on_iteration(self, trainer: Trainer, event: Event) -> None:
        """After each iteration."""

    def on_ranks(self, trainer: Trainer, event: Event) -> None:
        """With several ranks: the times of each of them, in `event["timings"]`."""

    def on_validation(self, trainer: Trainer, event: Event) -> None:
        """After each validation."""

    def on_snapshot(self, trainer: Trainer, event: Event) -> None:
        """When the watched parameters were copied."""

    def on_checkpoint(self, trainer: Trainer, event: Event) -> None:
        """After a checkpoint was written; `event["path"]` is its file."""

    def on_state(self, trainer: Trainer, event: Event) -> None:
        """When the run starts, pauses, goes on or ends."""

    def on_stage(self, trainer: Trainer, event: Event) -> None:
        """While rows are read and the run starts, also before `on_start`: what it is doing."""

    def on_log(self, trainer: Trainer, event: Event) -> None:
        """When the run has something to say."""

    def on_end(self, trainer: Trainer) -> None:
        """After the run, also one that failed."""

    def on_event(self, trainer: Trainer, event: Event) -> None:
        """Hand an event to the method for its type."""
        method = getattr(self, f"on_{event['type']}", None)
        if method is not None:
            method(trainer, event)


class LambdaCallback(Callback):
    """Calls plain functions with the event.

    Parameters
    ----------
    iteration, ranks, validation, snapshot, checkpoint, state, log, stage : callable(event)
        One for each type of event.

    Examples
    --------
    >>> losses = []
    >>> callback = LambdaCallback(iteration=lambda event: losses.append(event["loss"]))
    """

    def __init__(self, **functions: Callable[[Event], object]) -> None:
        for name, function in functions.items():
            validate.one_of("LambdaCallback's event", name, _KINDS)
            if not callable(function):
                raise ArgumentError(f"LambdaCallback: `{name}` must be callable; got {function!r}.")
        self.functions = functions

    def on_event(self, trainer: Trainer, event: Event) -> None:
        """Hand an event to the function for its type."""
        function = self.functions.get(event["type"])
        if function is not None:
            function(event)


class Summary(Callback):
    """Writes the curves to TensorBoard event files.

    The first run goes into the folder itself, those that start anew after it into `run0001`,
    `run0002` ... inside, for TensorBoard to show curves of their own. A resumed run goes on with
    the newest.

    Tags: `train/loss`, `train/learning_rate`, `train/images_per_second`, `train/<metric>`,
    `validation/<metric>`, and a histogram `parameter/<name>` of each watched parameter.

    Parameters
    ----------
    folder : path or URL
        Give it to `tensorboard --logdir`.
    every : int > 0, default=1
        Iterations between two points of the training curves.

    Notes
    -----
    Like BigDL `TrainSummary`, `ValidationSummary` (0.13), both in one; `every` takes the place of
    BigDL `TrainSummary.set_summary_trigger`, and `Trainer(watch=)` chooses histograms.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every: int = 1) -> None:
        self.folder = locate(validate.path_like("folder", folder))
        self.every = validate.positive_int("every", every)
        self._writer: Any = None

    def on_start(self, trainer: Trainer) -> None:
        """Open a new event file."""
        from ..summary import EventWriter

        steps = trainer.history["step"]  # those of the checkpoint that a resumed run starts from
        runs = self._runs()
        if not len(steps):
            folder = self._folder_of(runs[-1] + 1 if runs else 0)
            self._writer = EventWriter(folder)
        else:
            folder = self._folder_of(runs[-1] if runs else 0)
            self._writer = EventWriter(folder, purge_step=int(steps[-1]) + 1)

    def _runs(self) -> list[int]:
        """Return the numbers of the runs that are there, in order."""
        names = []
        with suppress(FileNotFoundError, NotADirectoryError):
            names = [path.name for path in self.folder.iterdir()]
        found = [0] if any(name.startswith("events.out.tfevents.") for name in names) else []
        numbers = [re.fullmatch(r"run(\d{4,})", name) for name in names]
        return sorted(found + [int(number[1]) for number in numbers if number])

    def _folder_of(self, run: int) -> Place:
        return self.folder / f"run{run:04d}" if run else self.folder

    def on_iteration(self, trainer: Trainer, event: Event) -> None:
        """Write a point of each training curve."""
        step = event["step"]
        if step % self.every:
            return
        self._writer.scalar("train/loss", event["loss"], step)
        self._writer.scalar("train/learning_rate", event["learning_rate"], step)
        self._writer.scalar("train/images_per_second", event["rate"], step)
        for name, value in event["metrics"].items():
            self._writer.scalar(f"train/{name}", value, step)

    def on_validation(self, trainer: Trainer, event: Event) -> None:
        """Write a point of each validation curve."""
        for name, value in event["metrics"].items():
            if isinstance(value, int | float):
                self._writer.scalar(f"validation/{name}", value, event["step"])

    def on_snapshot(self, trainer: Trainer, event: Event) -> None:
        """Write a histogram of each watched parameter."""
        for name, values in event["values"].items():
            self._writer.histogram(f"parameter/{name}", values, event["step"])

    def on_end(self, trainer: Trainer) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
