"""The best state of a run with an early stop: what the model holds in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checkpoint import unpack
from .model_io import fill
from .triggers import scalar_metric

if TYPE_CHECKING:
    from .job import Result, TrainJob
    from .recorder import Recorder

__all__ = ["restore_best"]


def restore_best(job: TrainJob, result: Result, recorder: Recorder) -> None:
    """Put the best state into the model if the run has an early stop that asks for it, and say so.

    A run that was stopped by hand is not through and keeps its last weights. A validation at the
    end of a run that was not due counts here too, though not for the early stop.
    """
    rule, best = job.early_stop, recorder.best
    if rule is None or not rule.restore_best or result.reason == "stopped":
        return
    if best is not None and unpack(best, "checkpoint").step > result.step:
        return  # the run has gone back since: its loss ran away
    if best is None:
        text = f"no state with a best {rule.monitor!r} is there; the model keeps its last weights"
        recorder.receive({"type": "log", "level": "warning", "text": f"EarlyStopping: {text}"})
        return
    kept = unpack(best, "checkpoint")
    score = float(kept.meta["early_stop"]["best"])
    if kept.step == result.step:
        return
    last = recorder.history.validations[-1]
    if last["step"] == result.step:
        value = scalar_metric(last["metrics"], rule.monitor, "EarlyStopping")
        if rule.gains(value, score):
            return
    fill(job.model, kept.tensors, f"the best state, of step {kept.step}")
    recorder.held = best
    text = (
        f"the model holds the weights of step {kept.step}, where {rule.monitor!r} was best"
        f" ({score:.6g}); resume goes on from step {result.step}"
    )
    recorder.receive({"type": "log", "level": "info", "text": text})
