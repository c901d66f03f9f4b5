"""Params that hold objects: checked when they are set, written by registry names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ... import nn, optim
from ...core import validate
from ...core.errors import ArgumentError
from ...criterion import Criterion
from ...metrics import Metric
from ...optim import Optimizer
from ...train import triggers
from ...train.triggers import EarlyStopping, Trigger

__all__ = ["OBJECTS", "criterion", "early_stopping", "model", "optimizer", "trigger"]

_TRIGGERS = {
    kind.__name__: kind
    for kind in vars(triggers).values()
    if isinstance(kind, type) and issubclass(kind, Trigger) and not kind.__name__.startswith("_")
}


def model(name: str, value: Any) -> nn.Module:
    """Return a model."""
    return validate.instance(name, value, nn.Module)


def criterion(name: str, value: Any) -> Criterion:
    """Return a criterion."""
    return validate.instance(name, value, Criterion)


def optimizer(name: str, value: Any) -> Optimizer:
    """Return an optimiser; a dict of them as `optim.by_name` takes it."""
    made = optim.by_name(value) if isinstance(value, Mapping) else value
    return validate.instance(name, made, Optimizer)


def trigger(name: str, value: Any) -> Trigger:
    """Return a trigger."""
    return validate.instance(name, value, Trigger)


def early_stopping(name: str, value: Any) -> EarlyStopping:
    """Return an early stop."""
    return validate.instance(name, value, EarlyStopping)


def metrics(name: str, value: Any) -> Any:
    """Return metrics: a list of them, or a dict of lists by output."""
    groups = value.values() if isinstance(value, Mapping) else [value]
    found = [
        one for group in groups for one in (group if isinstance(group, list | tuple) else [group])
    ]
    if isinstance(value, Metric) or not found or not all(isinstance(one, Metric) for one in found):
        raise validate.refuse(name, "a list of metrics, [Top1(), AUC()]", value)
    return value


def _write_trigger(value: Trigger) -> dict[str, Any]:
    kind = type(value).__name__
    if _TRIGGERS.get(kind) is not type(value):
        raise ArgumentError(
            f"a trigger must be one of {', '.join(sorted(_TRIGGERS))} to be written to a file; got "
            f"{value!r}."
        )
    inside = {
        key: [_write_trigger(one) for one in item] if key == "triggers" else item
        for key, item in vars(value).items()
    }
    return {"trigger": kind, **inside}


def _read_trigger(written: Mapping[str, Any]) -> Trigger:
    arguments = {key: item for key, item in written.items() if key != "trigger"}
    several = [_read_trigger(one) for one in arguments.pop("triggers", [])]
    found: Trigger = _TRIGGERS[written["trigger"]](*several, **arguments)
    return found


def _write_rule(value: EarlyStopping) -> dict[str, Any]:
    return {**value.config(), "restore_best": value.restore_best}


def _read_rule(written: Mapping[str, Any]) -> EarlyStopping:
    arguments = dict(written)
    return EarlyStopping(arguments.pop("monitor"), **arguments)


OBJECTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "criterion": (nn.serialize, nn.deserialize),
    "optimizer": (lambda value: value.config(), optim.from_config),
    "validationTrigger": (_write_trigger, _read_trigger),
    "endTrigger": (_write_trigger, _read_trigger),
    "checkpointTrigger": (_write_trigger, _read_trigger),
    "earlyStopping": (_write_rule, _read_rule),
}
"""By Param: how its object becomes JSON-able data, and back."""
