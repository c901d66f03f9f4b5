"""One kernel plan for a whole run, the same on all ranks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .. import engine
from .batches import Batches
from .checkpoint import unpack
from .job import TrainJob
from .programs import Programs
from .single_values import refuse_single_values
from .validation import validation_batches

if TYPE_CHECKING:
    from .commands import Commands

__all__ = ["settle_plan"]


def settle_plan(job: TrainJob, batches: Batches, programs: Programs, commands: Commands) -> str:
    """Fix the kernel plan and make the first programs. Collective.

    What a checkpoint or the job brings is taken as it is. Else rank 0 makes its programs with the
    machine's own plan, which times what is not known yet, and all go by the outcome: nothing is
    timed once the run is under way, since other kernels give other last bits.

    Returns
    -------
    str
        The plan as JSON text, for checkpoints.

    Raises
    ------
    ShapeError, ... : on all ranks, when the model cannot be made into a program on one of them.
    """
    commands.meet(refuse_single_values(job, batches))
    text = job.plan
    if job.start is not None:
        text = unpack(job.start, "checkpoint").meta["plan"]
    if text is None:
        text = _timed_plan(job, batches, programs, commands)
    programs.plan = _frozen(text)
    commands.meet(_attempt(job, batches, programs))
    return text


@lru_cache(maxsize=1)
def _frozen(text: str) -> engine.KernelPlan:
    """Return the plan of a text; runs that follow each other mostly share it, and never write."""
    return engine.KernelPlan.from_json(text)


def _timed_plan(job: TrainJob, batches: Batches, programs: Programs, commands: Commands) -> str:
    """Return the plan of rank 0 after it has made its programs."""
    group = batches.group
    payload = np.zeros(0, np.uint8)
    error: Exception | None = None
    if group.rank == 0:
        programs.plan = engine.default_plan()
        error = _attempt(job, batches, programs)
        payload = np.frombuffer(programs.plan.to_json().encode(), np.uint8).copy()
    commands.meet(error)
    length = int(group.all_reduce(np.array([float(payload.size)]))[0])
    if group.rank:
        payload = np.zeros(length, np.uint8)
    group.broadcast(payload)
    return payload.tobytes().decode()


def _attempt(job: TrainJob, batches: Batches, programs: Programs) -> Exception | None:
    try:
        for spec, rows in batches.shapes():
            programs.prepare(spec, rows, training=True)
        if job.validation is not None:
            for spec, rows in validation_batches(job, batches.group).shapes():
                programs.prepare(spec, rows, training=False)
    except Exception as error:  # the other ranks wait for this one: tell them first
        return error
    return None
