"""Where a run begins: at step 0, or where a checkpoint left it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checkpoint import unpack
from .history import History
from .model_io import fill
from .run_state import TrainState, check_fits, cut_otherwise, restore_state
from .settings import describe_changes
from .slots import Slots

if TYPE_CHECKING:
    from ..core import FlatParameters
    from .job import TrainJob
    from .reports import Reports

__all__ = ["start_state"]


def start_state(
    job: TrainJob, flat: FlatParameters, slots: Slots, reports: Reports, total_steps: int | None
) -> TrainState:
    """Return where the run begins, after putting a checkpoint into the model and the slots.

    What is otherwise than in the run that wrote the checkpoint is told.

    Raises
    ------
    CheckpointError : it belongs to another model, seed, data set, batch size or optimiser.
    """
    if job.early_stop is not None:
        job.early_stop.reset()
    if job.start is None:
        if job.weights is not None and reports.group.rank == 0:
            fill(job.model, unpack(job.weights, "checkpoint").tensors, "the model's weights")
            flat.touch()
        return TrainState()
    checkpoint = unpack(job.start, "checkpoint")
    check_fits(checkpoint, job)
    state = restore_state(checkpoint, job, flat, slots)
    meta, step = checkpoint.meta, checkpoint.step
    reports.history = History.from_arrays(checkpoint.group("history"), meta["validations"])
    told = []
    changed = describe_changes(checkpoint, job, total_steps)
    if changed:
        told.append(f"the checkpoint of step {step} goes on with other settings: {changed}")
    if state.learning_rate is not None:
        told.append(
            f"the learning rate set by hand, {state.learning_rate:g}, goes on;"
            " set_learning_rate(None) gives it back to the optimiser"
        )
    if meta["ranks"] != reports.group.size:
        told.append(
            f"the checkpoint was written by {meta['ranks']} ranks and goes on with"
            f" {reports.group.size}: the same weights up to rounding, not bit for bit"
        )
    if not job.data.may_be_cut(meta["fingerprint"]["data"]["partition_sizes"]) and cut_otherwise(
        checkpoint, job
    ):
        told.append(
            f"the rows lay in other partitions when the checkpoint of step {step} was written: they"
            " come in another order from here on, and not bit for bit as they would have"
        )
    if step and job.end(state.progress):
        told.append(
            f"step {step} is the end of the run already, by {job.end!r}: nothing is trained."
            " Give more epochs or steps than those of before."
        )
    elif job.early_stop is not None and job.early_stop.stale:
        told.append(
            f"the early stop ended the run at step {step} already: nothing is trained."
            f" Give it a patience of more than {job.early_stop.waited}."
        )
    for text in told:
        reports.log("warning", text)
    return state
