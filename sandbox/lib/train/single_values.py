"""Batch normalisation in a run whose batches never give it a variance."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np

from .. import nn
from ..core import tree, using
from ..core.errors import ShapeError
from .batches import Batches
from .job import TrainJob

__all__ = ["refuse_single_values"]


def refuse_single_values(job: TrainJob, batches: Batches) -> ShapeError | None:
    """Return what is wrong with a run in which `nn.BatchNorm` sees one value a channel. Collective.

    It would go by the running statistics throughout and never move them. A batch of one row now and
    then, such as an epoch's last, is legal, and so is a single row of many pixels.
    """
    shapes = batches.shapes()
    several = float(any(rows > 1 for _, rows in shapes))
    if batches.group.all_reduce(np.array([several]))[0] or not shapes:
        return None
    if not any(isinstance(module, nn.BatchNorm) for _, module in job.model.named_modules()):
        return None
    found: list[str] = []

    def look(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.BatchNorm) and not module.frozen:
            shape = np.shape(tree.leaves(inputs)[0])
            if math.prod(shape) == module.num_features:
                found.append(f"{_place(job.model, path)}: {_what(shape, job, batches.group.size)}")

    row = tree.map(lambda s: np.zeros((1, *s.shape), s.dtype), shapes[0][0].x)
    # What else is wrong with the model shows when its programs are made, in better words.
    with suppress(Exception), using(training=False), nn.observe(look):
        tree.call(job.model, row)
    return ShapeError(found[0]) if found else None


def _place(model: nn.Module, path: str) -> str:
    return "/".join([type(model).__name__, *filter(None, path.split("."))]) + " (BatchNorm)"


def _what(shape: tuple[int, ...], job: TrainJob, ranks: int) -> str:
    each = f", one row for each of {ranks} ranks" if ranks > 1 else ""
    each += f", accumulate={job.accumulate}" if job.accumulate > 1 else ""
    return (
        f"training must give each channel more than one value; got 1, in shape {shape}"
        f" (batch_size={job.batch_size}{each}). Use batch_size={2 * ranks * job.accumulate} or"
        " more, nn.LayerNorm, or freeze() it."
    )
