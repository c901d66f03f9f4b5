"""Checks of what a Trainer is given, and what it takes where nothing is given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from .. import engine, nn
from ..core import tree
from ..core import validate as check
from ..core.errors import ArgumentError, DataError, add_path
from ..criterion import ClassSimplex, Criterion, Labelled, Parallel
from ..data import Dataset, Preparation, as_dataset
from ..data.arrays import as_pair
from ..metrics import Loss, Metric, Top1
from ..optim import Optimizer, by_name
from ..optim.clipping import Clip
from .backend import Backend, LocalBackend
from .callbacks import Callback, Summary
from .progress import choose
from .store import Checkpoints
from .triggers import EarlyStopping, EveryEpoch, Trigger

__all__ = [
    "ask_backend",
    "check_clip",
    "check_early_stop",
    "check_parts",
    "check_plan",
    "check_triggers",
    "check_watch",
    "choose_backend",
    "choose_checkpoints",
    "choose_data",
    "choose_metrics",
    "choose_threads",
    "choose_validate",
    "read_metrics",
    "sort_callbacks",
]


def check_parts(model: Any, criterion: Any, optimizer: Any) -> Optimizer:
    """Refuse a model, criterion or optimiser of another kind, such as two in the wrong order.

    Return the optimiser, made of a dict of them if it is one.
    """
    if isinstance(optimizer, Mapping):
        optimizer = by_name(optimizer)
    for name, value, kind in (
        ("model", model, nn.Module),
        ("criterion", criterion, Criterion),
        ("optimizer", optimizer, Optimizer),
    ):
        if not isinstance(value, kind):
            article = "an" if kind is Optimizer else "a"
            raise ArgumentError(
                f"Trainer: `{name}` must be {article} {kind.__name__}; got {value!r}."
                " The order is Trainer(model, criterion, optimizer)."
            )
    return cast(Optimizer, optimizer)


def choose_backend(backend: Any) -> Backend:
    """Return the backend, this process if there is none, refusing what cannot run a job."""
    if backend is None:
        return LocalBackend()
    if not isinstance(backend, Backend):
        raise ArgumentError(
            f"Trainer: `backend` must be a Backend; got {backend!r}. For Spark:"
            " SparkBackend('local[3]')."
        )
    return backend


def choose_data(
    data: Any, backend: Backend, criterion: Criterion, like: Preparation | None = None
) -> Dataset:
    """Return a data set of at least one row, made by the backend where it knows more kinds.

    A pair of arrays gets the transform of the training data, `like`. Labels that are stored as
    floats, as Spark's StringIndexer gives them, become class numbers where the criterion takes
    classes.
    """
    if like is not None and isinstance(data, tuple | list):
        data = like.dataset(*as_pair(data))
    elif not isinstance(data, Dataset):
        adapt = getattr(backend, "adapt", None)
        data = as_dataset(data) if adapt is None else adapt(data, like and like.columns)
    if not sum(data.partition_sizes):
        raise DataError(f"{data!r}: must have at least one row; got 0.")
    dataset: Dataset = data
    if getattr(dataset, "label", "") is None:
        raise DataError(f"{data!r}: must have labels; got label=None, which is for predict only.")
    if criterion.takes_classes is False:
        return dataset
    return dataset.of_classes(criterion.takes_classes)


def ask_backend(*given: Any) -> bool:
    """Tell whether some data are the backend's own: a DataFrame, an RDD, a data set of these."""
    return any(
        hasattr(getattr(data, "source", data), name)
        for data in given
        for name in ("mapInArrow", "mapPartitionsWithIndex")
    )


def choose_rows(x: Any, backend: Backend, like: Preparation | None) -> Dataset | None:
    """Return rows to predict for as a data set; None for arrays, which need none."""
    if isinstance(x, Dataset):
        return x
    if not hasattr(x, "mapInArrow") and not hasattr(x, "mapPartitionsWithIndex"):
        return None
    adapt = getattr(backend, "adapt", None)
    if adapt is None:
        raise ArgumentError(
            f"predict: `x` must be arrays or a Dataset; got a Spark {type(x).__name__}. Give the "
            "Trainer backend=SparkBackend(...), or the data as SparkDataset(...)."
        )
    found: Dataset = adapt(x, like and like.columns, labelled=False)
    return found


def choose_validate(when: Trigger | str) -> Trigger:
    """Return when to validate."""
    if isinstance(when, str) and when == "epoch":
        return EveryEpoch()
    if not isinstance(when, Trigger):
        raise ArgumentError(f"fit: `validate` must be 'epoch' or a Trigger; got {when!r}.")
    return when


def choose_threads(threads: int | None, backend: Backend) -> int:
    """Return the threads of one rank: as given, else the backend's number, else all cores."""
    if threads is not None:
        return check.positive_int("threads", threads)
    own = getattr(backend, "threads", None)
    return int(own()) if callable(own) else engine.threads.cpu_count()


def check_plan(plan: Any) -> str | None:
    """Return a kernel plan as JSON text, None for the machine's own."""
    if plan is None:
        return None
    if isinstance(plan, str):
        return engine.KernelPlan.from_json(plan).to_json()
    if not isinstance(plan, engine.KernelPlan):
        raise ArgumentError(f"Trainer: `plan` must be a KernelPlan or its JSON; got {plan!r}.")
    return plan.to_json()


def choose_checkpoints(
    checkpoint: str | os.PathLike[str] | Checkpoints | None,
) -> Checkpoints | None:
    """Return where checkpoints go; a folder alone means one after each epoch."""
    if checkpoint is None or isinstance(checkpoint, Checkpoints):
        return checkpoint
    return Checkpoints(_path("checkpoint", checkpoint, "Checkpoints"))


def _path(name: str, value: Any, other: str) -> str | os.PathLike[str]:
    if not isinstance(value, str | os.PathLike):
        raise ArgumentError(f"Trainer: `{name}` must be a folder's path or {other}; got {value!r}.")
    return value


def check_watch(watch: Iterable[str], model: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters to watch, each of which the model has."""
    if isinstance(watch, str):
        raise ArgumentError(
            f"Trainer: `watch` must be several names; got one, {watch!r}. Write ({watch!r},)."
        )
    names = tuple(check.several("watch", watch, "names of parameters"))
    known = [name for name, _ in model.named_parameters()]
    for name in names:
        check.one_of("watch", name, known)
    return names


def check_early_stop(
    rule: EarlyStopping, validation: Any, when: Trigger, metrics: Sequence[Metric]
) -> None:
    """Refuse an early stop that nothing feeds, and let it take its direction from its metric."""
    _check_validated("an early stop", validation, when)
    found = {metric.name.lower(): metric for metric in metrics}
    name = rule.monitor.lower()
    check.one_of("EarlyStopping.monitor", name, list(found), "Add it to Trainer(metrics=...).")
    rule.follow(found[name])


def check_triggers(
    triggers: Iterable[Trigger], validation: Any, when: Trigger, metrics: Sequence[Metric]
) -> None:
    """Refuse triggers that go by a score which is not measured: they would never fire."""
    known = [metric.name.lower() for metric in metrics]
    for trigger in triggers if validation is None else [*triggers, when]:
        for name in trigger.monitored():
            _check_validated(repr(trigger), validation, when)
            cure = "Add it to Trainer(metrics=...)."
            check.one_of(f"the metric of {trigger!r}", name.lower(), known, cure)


def _check_validated(whom: str, validation: Any, when: Trigger) -> None:
    """Refuse a run that measures nothing for somebody who waits for it."""
    if validation is None:
        raise ArgumentError(f"fit: `validation` must be given for {whom}; got None.")
    if not when.can_fire(validated=False):
        raise ArgumentError(
            f"fit: `validate` must fire for {whom}; got {when!r}, which cannot before there is a"
            " validation. Use 'epoch' or EverySteps(100)."
        )


def check_clip(clip: Any) -> Clip | None:
    """Return the clipping rule, refusing anything else."""
    if clip is not None and not isinstance(clip, Clip):
        raise ArgumentError(
            f"Trainer: `clip` must be a Clip; got {clip!r}. For example: ClipNorm(1.0)."
        )
    return clip


def sort_callbacks(
    given: Iterable[Any], summary: str | os.PathLike[str] | Summary | None, progress: Any
) -> tuple[list[Callback], EarlyStopping | None]:
    """Return everything that is called with events, and the early stop if there is one."""
    callbacks: list[Callback] = []
    early_stop: EarlyStopping | None = None
    for item in check.several("callbacks", given, "a list of Callback objects"):
        if isinstance(item, EarlyStopping):
            early_stop = item
        elif isinstance(item, Callback):
            callbacks.append(item)
        else:
            raise ArgumentError(
                f"Trainer: `callbacks` must be Callback objects; got {item!r}."
                " Wrap a function: LambdaCallback(iteration=function)."
            )
    if isinstance(summary, Summary):
        callbacks.append(summary)
    elif summary is not None:
        callbacks.append(Summary(_path("summary", summary, "a Summary")))
    shown = choose(progress)
    if shown is not None:
        callbacks.append(shown)
    return callbacks, early_stop


def choose_metrics(
    metrics: Iterable[Metric] | Mapping[str, Any] | None, criterion: Criterion
) -> tuple[Metric, ...]:
    """Return the metrics, each under a name of its own; without any, those that fit the loss."""
    if metrics is None:
        if isinstance(criterion, Parallel):
            parts, form = tree.flatten(criterion.criterions)
            by_output = dict(zip(form.paths, map(_fitting, parts), strict=True))
            return (*_by_output(by_output), Loss(criterion))
        return _fitting(criterion)
    if isinstance(metrics, Mapping):
        found = (*_by_output(metrics), Loss(criterion))
    else:
        found = tuple(
            _metric(metric) for metric in check.several("metrics", metrics, "a list of metrics")
        )
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(
                f"Trainer: `metrics` must have different names; got {name!r} twice."
                " Give one of them another: Top1(name='...')."
            )
    return found


def read_metrics(
    metrics: Sequence[Metric], model: nn.Module, criterion: Criterion, data: Dataset
) -> tuple[Metric, ...]:
    """Return the metrics, told what the model's outputs are: logits, probabilities or values.

    Raises
    ------
    ArgumentError : the criterion takes something else than the model gives.
    """
    try:
        meanings = criterion.meanings(nn.output_meanings(model, data.spec.x))
    except ArgumentError as error:
        add_path(error, type(criterion).__name__)
        raise
    return tuple(metric.reading(meanings) for metric in metrics)


def _fitting(criterion: Criterion) -> tuple[Metric, ...]:
    loss = Loss(criterion)
    if isinstance(criterion, Labelled) and not isinstance(criterion, ClassSimplex):
        return Top1(ignore_index=criterion.ignore_index), loss
    return (loss,)


def _by_output(metrics: Mapping[str, Any]) -> list[Metric]:
    found: list[Metric] = []
    for path, given in metrics.items():
        several = given if isinstance(given, tuple | list) else (given,)
        found += [_metric(metric).on(path) for metric in several]
    return found


def _metric(metric: Any) -> Metric:
    if not isinstance(metric, Metric):
        raise ArgumentError(
            f"Trainer: `metrics` must be Metric objects; got {metric!r}. For example: (Top1(),), or"
            " by output: {'digit': Top1()}."
        )
    return metric
