"""Checks of what a Trainer is given, and what it takes where nothing is given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from .. import nn
from ..core.errors import ArgumentError
from ..criterion import NLL, Criterion, CrossEntropy
from ..metrics import Loss, Metric, Top1
from ..optim import Method
from ..optim.clipping import Clip
from .callbacks import Callback, Summary
from .progress import choose
from .triggers import EarlyStopping

__all__ = ["check_clip", "check_metrics", "check_parts", "default_metrics", "sort_callbacks"]


def check_parts(model: Any, criterion: Any, method: Any) -> None:
    """Refuse a model, criterion or method of another kind, such as two in the wrong order."""
    for name, value, kind in (
        ("model", model, nn.Module),
        ("criterion", criterion, Criterion),
        ("method", method, Method),
    ):
        if not isinstance(value, kind):
            raise ArgumentError(
                f"Trainer: `{name}` must be a {kind.__name__}; got {value!r}."
                " The order is Trainer(model, criterion, method)."
            )


def check_clip(clip: Any) -> None:
    """Refuse what is no clipping rule."""
    if clip is not None and not isinstance(clip, Clip):
        raise ArgumentError(
            f"Trainer: `clip` must be a Clip; got {clip!r}. For example: ClipNorm(1.0)."
        )


def sort_callbacks(
    given: Iterable[Any], summary: str | os.PathLike[str] | Summary | None, progress: Any
) -> tuple[list[Callback], EarlyStopping | None]:
    """Return everything that is called with events, and the early stop if there is one."""
    callbacks: list[Callback] = []
    early_stop: EarlyStopping | None = None
    for item in given:
        if isinstance(item, EarlyStopping):
            early_stop = item
        elif isinstance(item, Callback):
            callbacks.append(item)
        else:
            raise ArgumentError(
                f"Trainer: `callbacks` must be Callback objects; got {item!r}."
                " Wrap a function: LambdaCallback(iteration=function)."
            )
    if summary is not None:
        callbacks.append(summary if isinstance(summary, Summary) else Summary(summary))
    shown = choose(progress)
    if shown is not None:
        callbacks.append(shown)
    return callbacks, early_stop


def default_metrics(criterion: Criterion) -> tuple[Metric, ...]:
    """Return what is measured where the user says nothing."""
    loss = Loss(criterion)
    return (Top1(), loss) if isinstance(criterion, CrossEntropy | NLL) else (loss,)


def check_metrics(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the metrics, each under a name of its own."""
    found = tuple(metrics)
    for metric in found:
        if not isinstance(metric, Metric):
            raise ArgumentError(
                f"Trainer: `metrics` must be Metric objects; got {metric!r}."
                " For example: (Top1(),)."
            )
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(
                f"Trainer: `metrics` must have different names; got {name!r} twice."
                " Give one of them another: Top1(name='...')."
            )
    return found
