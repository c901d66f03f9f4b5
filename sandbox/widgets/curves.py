"""Live curves of a training run, with its brakes and its accelerator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import traitlets

from ..lib.core import validate
from .assets import bundle
from .figures import curves_picture
from .live import LiveWidget
from .picture import Picture
from .state import (
    CurveState,
    advance,
    clock,
    from_history,
    left,
    score_label,
    speed,
    summary,
    table,
    validation_table,
)

__all__ = ["TrainingCurves"]

_WANTED = ("iteration", "ranks", "validation", "state", "stage", "log")


class TrainingCurves(LiveWidget):
    """Show loss, accuracy, learning rate and images/s of each rank while a trainer works.

    The buttons pause, stop and change the learning rate; the text line and the data table tell
    the same without the pictures. The saved notebook keeps a picture of the end of the run.

    Parameters
    ----------
    trainer : Trainer
        Anything with `subscribe`, `history` and the four commands; or None for `show` by hand.
    unit : str, default="images"
        What the rows are called, in the plural: texts, payments.

    Raises
    ------
    ArgumentError : `trainer` is something else, such as the model.

    Notes
    -----
    Display it in the cell that starts `trainer.fit(..., background=True)`, or after: a cell that
    trains in the foreground may hide every widget until it ends.

    Examples
    --------
    >>> curves = TrainingCurves(None)
    >>> curves.show([{"type": "iteration", "step": 1, "epoch": 1, "loss": 2.5, "rate": 100.0,
    ...               "learning_rate": 0.1, "rows": 10, "seconds": 0.1, "ranks": 1}])
    >>> curves.summary
    'Epoch 1, step 1: loss 2.5000, 100 images/s on 1 rank.'
    """

    _esm = bundle("curves.js")
    columns = traitlets.List(traitlets.Unicode()).tag(sync=True)
    points = traitlets.Bytes(b"", help="float32, one row a point").tag(sync=True)
    validations = traitlets.Bytes(b"", help="float32: step, epoch, score, loss").tag(sync=True)
    run = traitlets.Unicode("idle").tag(sync=True)
    total = traitlets.Int(0, help="iterations planned, 0 if unknown").tag(sync=True)
    epochs = traitlets.Int(0, help="passes planned, 0 if unknown").tag(sync=True)
    left = traitlets.Unicode("", help="time left, empty if unknown").tag(sync=True)
    failure = traitlets.Unicode("", help="what ended a run that failed").tag(sync=True)
    speed = traitlets.Float(0.0, help="rows a second").tag(sync=True)
    stage = traitlets.Unicode("", help="what goes on before the first step").tag(sync=True)
    share = traitlets.Float(0.0, help="of the way to the first step").tag(sync=True)
    held = traitlets.Bool(False, help="it waits for another training to end").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    score_name = traitlets.Unicode("accuracy").tag(sync=True)
    unit = traitlets.Unicode("images").tag(sync=True)

    def __init__(self, trainer: Any = None, *, unit: str = "images", interval: float = 0.1) -> None:
        if trainer is not None and not hasattr(trainer, "subscribe"):
            cure = "Give it what trains the model: trainer = Trainer(model, ...)."
            raise validate.refuse("trainer", "a Trainer or None", trainer, cure)
        super().__init__(interval=interval)
        self._trainer, self.unit = trainer, unit
        self.curve_state = CurveState(unit=unit)
        if trainer is not None:
            self.follow(trainer, lambda e: e if e.get("type") in _WANTED else None)
            known = from_history(trainer.history) if trainer.history is not None else CurveState()
            if known.points:
                with self._state_lock:
                    run = str(getattr(trainer, "state", "idle"))
                    known = replace(known, unit=unit)
                    self.curve_state = advance(known, [{"type": "state", "state": run}])
        with self._state_lock:
            self.publish()

    def show(self, events: list[Mapping[str, Any]]) -> None:
        """Take in events directly, without a trainer."""
        self._handle(events)

    def take(self, events: list[Mapping[str, Any]]) -> None:
        """Reduce events into `curve_state`."""
        self.curve_state = advance(self.curve_state, events)

    def publish(self) -> None:
        """Write `curve_state` into the traits."""
        state = self.curve_state
        names, points = table(state)
        self.columns = list(names)
        self.points = points.tobytes()
        self.validations = validation_table(state).tobytes()
        self.run, self.note, self.summary = state.run, state.note, summary(state)
        self.stage, self.share, self.held = state.stage, state.share, state.held
        self.score_name, self.total = score_label(state), state.total
        rest = left(state)
        self.left = "" if math.isnan(rest) else clock(rest)
        self.epochs, self.failure = state.epochs, state.failure
        self.speed = speed(state) if state.points else 0.0

    def command(self, message: dict[str, Any]) -> str:
        """Pause, resume, stop this training or the one it waits for, or set the learning rate."""
        kind, trainer = message.get("type"), self._trainer
        if trainer is None:
            raise ValueError("no trainer listens to this widget")
        if kind == "pause":
            trainer.pause()
            return "Pausing after this iteration."
        if kind == "resume":
            trainer.resume_training()
            return "Going on."
        if kind == "stop":
            trainer.stop()
            return "Stopping after this iteration."
        if kind == "stop_other":
            found = trainer.stop_other()
            return "Stopping the other training." if found else "No other training is in the way."
        if kind == "learning_rate":
            if message.get("value", "") is None:
                trainer.set_learning_rate(None)
                return "Learning rate as planned from the next iteration on."
            value = float(message.get("value", "nan"))
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"The learning rate must be a number of at least 0; got {value}.")
            trainer.set_learning_rate(value)
            return f"Learning rate {value:g} from the next iteration on."
        return super().command(message)

    def _ipython_display_(self) -> None:
        # Between `fit` and the first event (Spark is starting) the trainer already runs.
        if self.curve_state.run == "idle" and getattr(self._trainer, "state", "") == "running":
            stage = getattr(self._trainer, "stage", None)
            self._handle([{"type": "state", "state": "running"}, *filter(None, [stage])])
        super()._ipython_display_()

    def picture(self) -> Picture:
        """Draw the curves as they are now."""
        return curves_picture(self.curve_state)
