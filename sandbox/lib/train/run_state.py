"""The state of a run between two iterations: what a checkpoint keeps and a resumed run takes up."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import nn
from ..core import tree
from ..core.errors import ArgumentError, CheckpointError
from ..engine.random import RandomKey
from ..optim.config import current_name
from .checkpoint import Checkpoint
from .settings import settings
from .triggers import EarlyStopping, Progress

if TYPE_CHECKING:
    from ..core import FlatParameters
    from .history import History
    from .job import TrainJob
    from .slots import Slots

__all__ = [
    "TrainState",
    "best_step",
    "check_fits",
    "cut_otherwise",
    "describe",
    "fingerprint",
    "fingerprint_of_rows",
    "restore_state",
]

_NO_CURE = "Give the run its own folder, or resume=None to start anew."


@dataclass
class TrainState:
    """Where a run stands.

    Parameters
    ----------
    progress : Progress
        Iterations and epochs done, last loss, latest validation.
    batch : int
        Batches done of the running epoch.
    validation_due : bool
        A validation should have followed the last iteration; a stop came first.
    best_step : int or None
        Where the early stop's metric was best.
    first : (float, float) or None
        The run's first loss, and how large its parameters were then (root mean square).
    learning_rate : float or None
        The rate set by hand, None for the optimiser's schedule.
    sums : dict of arrays
        Each metric's sums over the running epoch.
    """

    progress: Progress = field(default_factory=Progress)
    batch: int = 0
    validation_due: bool = False
    best_step: int | None = None
    first: tuple[float, float] | None = None
    learning_rate: float | None = None
    sums: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def fingerprint(job: TrainJob) -> dict[str, Any]:
    """Return what must be the same for a checkpoint to fit a job."""
    model = job.model
    shapes = [[name, list(p.shape)] for name, p in model.named_parameters()]
    shapes += [[name, list(b.shape)] for name, b in model.named_buffers()]
    try:
        config: Any = nn.serialize(model)
    except ArgumentError:  # a class that is not registered: its parameters must tell
        config = None
    return {
        "shapes": shapes,
        "model": config,
        "seed": int(job.seed),
        "batch_size": int(job.batch_size),
        "precision": job.precision,
        "data": fingerprint_of_rows(job.data),
        "method": _optimizer_name(job.optimizer),  # the key of earlier versions
    }


def fingerprint_of_rows(data: Any) -> dict[str, Any]:
    """Return what must be the same of a data set."""
    return {
        "partition_sizes": [int(n) for n in data.partition_sizes],
        "content": _content(data),
        **_whole(data),
    }


def _content(data: Any) -> str | None:
    """Return a digest of the row's form and of some rows, where every rank can read them.

    Of rows as they come in batches: a worker may store them in another way.
    """
    digest = hashlib.blake2b(str(data.spec).encode(), digest_size=8)
    if data.shared:
        first, n = next((p, n) for p, n in enumerate(data.partition_sizes) if n)
        some = np.linspace(0, n - 1, min(n, 16)).astype(np.int64)
        for array in tree.leaves(data.rows(first, some, random=RandomKey(0))):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _whole(data: Any) -> dict[str, str | None]:
    """Return digests that do not depend on how the rows are cut into partitions.

    Of the row's form, and of some rows, counted through all partitions, where every rank can read
    them.
    """
    found = None
    if data.shared:
        ends = np.cumsum(data.partition_sizes)
        digest = hashlib.blake2b(digest_size=8)
        for row in np.linspace(0, ends[-1] - 1, min(ends[-1], 16)).astype(np.int64):
            part = int(np.searchsorted(ends, row, side="right"))
            inside = np.array([row - (ends[part - 1] if part else 0)])
            for array in tree.leaves(data.rows(part, inside, random=RandomKey(0))):
                digest.update(np.ascontiguousarray(array).tobytes())
        found = digest.hexdigest()
    form = hashlib.blake2b(str(data.spec).encode(), digest_size=8).hexdigest()
    return {"form": form, "rows": found}


def cut_otherwise(checkpoint: Checkpoint, job: TrainJob) -> bool:
    """Tell whether a checkpoint's rows are this run's, in partitions of other sizes."""
    ours = json.loads(json.dumps(fingerprint(job)["data"]))
    return _cut_otherwise(ours, checkpoint.meta["fingerprint"]["data"])


def _cut_otherwise(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    sizes, others = ours["partition_sizes"], theirs["partition_sizes"]
    rows = [ours["rows"], theirs.get("rows")]
    return (
        sizes != others
        and sum(sizes) == sum(others)
        and ours["form"] == theirs.get("form")  # files of earlier versions do not tell
        and (None in rows or rows[0] == rows[1])
    )


def _optimizer_name(optimizer: Any) -> str:
    return str(getattr(optimizer, "registry_name", "") or type(optimizer).__name__)


def check_fits(checkpoint: Checkpoint, job: TrainJob) -> None:
    """Refuse a checkpoint of another model, seed, data set, batch size or optimiser.

    Raises
    ------
    CheckpointError : names what differs and both values.
    """
    # Through JSON, so that tuples and lists compare alike.
    ours = json.loads(json.dumps(fingerprint(job)))
    theirs = dict(checkpoint.meta["fingerprint"])
    theirs["method"] = current_name(theirs["method"])
    for key in ("seed", "batch_size", "precision", "method"):
        if ours[key] != theirs[key]:
            what = "optimizer" if key == "method" else key.replace("_", " ")
            raise CheckpointError(
                f"checkpoint of step {checkpoint.step}: its {what} must be"
                f" this run's {ours[key]!r}; got {theirs[key]!r}. {_NO_CURE}"
            )
    for mine, its in zip(ours["shapes"], theirs["shapes"], strict=False):
        if mine != its:
            raise CheckpointError(
                f"checkpoint of step {checkpoint.step}: it must be of this model, whose"
                f" {mine[0]} has shape {tuple(mine[1])}; got {its[0]} of shape {tuple(its[1])}."
                f" {_NO_CURE}"
            )
    models = [nn.registry.current(x["model"]) for x in (ours, theirs)]
    known = None not in models
    if len(ours["shapes"]) != len(theirs["shapes"]) or (known and models[0] != models[1]):
        raise CheckpointError(
            f"checkpoint of step {checkpoint.step}: it must be of this model (config"
            f" {_short(models[0])}); got another one (config {_short(models[1])}). {_NO_CURE}"
        )
    if job.data.may_be_cut(theirs["data"]["partition_sizes"]):
        ours["data"]["partition_sizes"] = theirs["data"]["partition_sizes"]
    same = ("partition_sizes", "content")
    if any(ours["data"][key] != theirs["data"][key] for key in same) and not _cut_otherwise(
        ours["data"], theirs["data"]
    ):
        sizes = [x["data"]["partition_sizes"] for x in (ours, theirs)]
        what = (
            f"partitions of {sizes[0]} rows; got {sizes[1]}"
            if sizes[0] != sizes[1]
            else f"rows that read {ours['data']['content']}; got {theirs['data']['content']}"
        )
        raise CheckpointError(
            f"checkpoint of step {checkpoint.step}: it must be of this run's data, {what}."
            f" {_NO_CURE}"
        )


def _short(config: Any) -> str:
    return hashlib.blake2b(json.dumps(config).encode(), digest_size=4).hexdigest()


def describe(
    job: TrainJob,
    state: TrainState,
    slots: Slots,
    plan: str,
    history: History,
    total_steps: int | None,
) -> dict[str, Any]:
    """Return, as JSON data, all of a run that is no tensor."""
    progress = state.progress
    config = getattr(job.optimizer, "config", None)
    return {
        "step": progress.step,
        "epoch": progress.epoch,
        "epoch_end": progress.epoch_end,
        "position": state.batch,
        "loss": progress.loss,
        "metrics": progress.metrics,
        "sums": {name: values.tolist() for name, values in state.sums.items()},
        "validation_due": state.validation_due,
        "best_step": state.best_step,
        "first": state.first,
        "learning_rate": state.learning_rate,
        "early_stop": None if job.early_stop is None else job.early_stop.state(),
        "fingerprint": fingerprint(job),
        # The keys of earlier versions, so that any of them reads the other's files.
        "method": config() if callable(config) else None,
        "method_memory": job.optimizer.memory(),
        "settings": settings(job, total_steps),
        "random": "PCG64 by (seed, epoch, partition); Philox by (seed, module path, step)",
        "ranks": slots.group.size,
        "threads": job.threads,
        "plan": plan,
        "validations": history.validations,
    }


def best_step(checkpoint: Checkpoint, rule: EarlyStopping | None) -> int | None:
    """Return where a checkpoint's run was best by the metric of this early stop, if it is known."""
    kept = checkpoint.meta["early_stop"]
    if rule is None or kept is None or not rule.goes_on_from(kept):
        return None
    step: int | None = checkpoint.meta.get("best_step")  # files of earlier versions do not tell
    return step


def restore_state(
    checkpoint: Checkpoint, job: TrainJob, flat: FlatParameters, slots: Slots
) -> TrainState:
    """Put a checkpoint into the model and the slots, and return where the run stands.

    A rank reads its own slices of the slots; the parameters are read by rank 0, which sends them.
    """
    from .model_io import fill

    # What lies in the flat vectors comes from rank 0 when the run begins.
    sent = {f"parameter/{name}" for name in flat.views}
    sent |= {f"buffer/{name}" for name in flat.buffer_views}
    place = f"checkpoint of step {checkpoint.step}"
    fill(job.model, checkpoint.tensors, place, leaving=sent if slots.group.rank else ())
    slots.load(checkpoint.tensors)
    flat.touch()
    meta = checkpoint.meta
    job.optimizer.remember(meta.get("method_memory", {}))
    if job.early_stop is not None and meta["early_stop"] is not None:
        job.early_stop.load(meta["early_stop"])
    progress = Progress(
        meta["step"], meta["epoch"], meta["epoch_end"], meta["loss"], dict(meta["metrics"])
    )
    sums = {name: np.array(values, np.float64) for name, values in meta["sums"].items()}
    return TrainState(
        progress,
        meta["position"],
        meta["validation_due"],
        best_step(checkpoint, job.early_stop),
        None if meta.get("first") is None else tuple(meta["first"]),
        meta["learning_rate"],
        sums,
    )
