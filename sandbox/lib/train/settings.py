"""What a resumed run may have otherwise than its checkpoint: allowed, but told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..core.errors import ArgumentError
from ..optim.config import current_config

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .job import TrainJob

__all__ = ["describe_changes", "settings"]

_TOTAL = "steps in all"
_FEW = 3  # names that a line holds


def settings(job: TrainJob, total_steps: int | None) -> dict[str, Any]:
    """Return, for a checkpoint, how a run is set up beside its optimiser, as JSON data."""
    rule = job.early_stop
    return {
        "criterion": repr(job.criterion),
        "clip": None if job.clip is None else job.clip.config(),
        "early stop": None if rule is None else rule.config(),
        "frozen": [name for name, p in job.model.named_parameters() if not p.trainable],
        "accumulate": job.accumulate,
        _TOTAL: total_steps,
    }


def describe_changes(checkpoint: Checkpoint, job: TrainJob, total_steps: int | None) -> str:
    """Return what is otherwise than when a checkpoint was written, "" if nothing is.

    Files of earlier versions tell of the optimiser only.
    """
    before = dict(checkpoint.meta.get("settings", {}))
    now = json.loads(json.dumps(settings(job, total_steps)))
    if _TOTAL in before and not _goes_by_total(job, checkpoint.step, before[_TOTAL], total_steps):
        del before[_TOTAL]
    if checkpoint.meta["method"] is not None:
        before["optimizer"] = current_config(checkpoint.meta["method"])
        now["optimizer"] = json.loads(json.dumps(job.optimizer.config()))
    shared = {name: now[name] for name in before if name in now}
    found = _differences("", {name: before[name] for name in shared}, shared)
    return "; ".join(f"{name} {_short(old)} -> {_short(new)}" for name, old, new in found)


def _goes_by_total(job: TrainJob, step: int, before: int | None, now: int | None) -> bool:
    """Tell whether the schedule gives other learning rates for another length of the run."""
    rate = job.optimizer.learning_rate_at
    with suppress(ArgumentError):  # the schedule must know the length, and the run has none
        return any(rate(at, before) != rate(at, now) for at in (step, ((now or step) + step) // 2))
    return False


def _differences(name: str, before: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    """Go through what differs, into the parts of what is of one kind."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        if before.get("name") == now.get("name"):
            for key in [key for key in before if key in now]:
                plain = name in ("", "optimizer") or name.endswith(".optimizer")
                inner = key if plain else f"{name}.{key}"
                yield from _differences(inner, before[key], now[key])
            return
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for k, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(f"{name}[{k}]", old, new)
        return
    if before != now:
        yield name, before, now


def _short(value: Any) -> str:
    """Write a setting as code would."""
    if isinstance(value, Mapping):
        inner = [f"{k}={_short(v)}" for k, v in value.items() if k != "name"]
        return f"{str(value.get('name', '')).rpartition('.')[2]}({', '.join(inner)})"
    if isinstance(value, list):
        more = ["..."] if len(value) > _FEW else []
        return f"[{', '.join([*map(_short, value[:_FEW]), *more])}]"
    return str(value)
