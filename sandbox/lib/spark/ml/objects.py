"""Params that hold objects: checked when they are set, written by registry names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ... import nn, optim
from ...core import validate
from ...core.errors import ArgumentError
from ...criterion import Criterion
from ...data.transforms import Transform
from ...metrics import Metric
from ...optim import Optimizer
from ...train import triggers
from ...train.triggers import EarlyStopping, Trigger

__all__ = [
    "OBJECTS",
    "criterion",
    "decode",
    "describe",
    "early_stopping",
    "metrics",
    "model",
    "optimizer",
    "rebuild",
    "transform",
    "trigger",
]

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


def transform(name: str, value: Any) -> Any:
    """Return a transform of the features; of several inputs a list of transforms and None."""
    several = value if isinstance(value, list | tuple) else [value]
    if not several or not all(one is None or isinstance(one, Transform) for one in several):
        raise validate.refuse(
            name,
            "a transform, or for several inputs a list of transforms and None",
            value,
            "Wrap a function in data.transforms.Apply(function).",
        )
    return list(value) if isinstance(value, list | tuple) else value


def decode(name: str, value: Any) -> Any:
    """Return what makes an array of a picture's bytes."""
    return validate.function(name, value, "For files: data.vision.Pipeline(Decode(), ...).")


def _write_rule(value: EarlyStopping) -> dict[str, Any]:
    return {**value.config(), "restore_best": value.restore_best}


def _read_rule(written: Mapping[str, Any]) -> EarlyStopping:
    arguments = dict(written)
    return EarlyStopping(arguments.pop("monitor"), **arguments)


def describe(value: Any) -> Any:
    """Return an object of the data or metrics room as JSON-able data: its name and arguments.

    Raises
    ------
    ArgumentError : it cannot be made from what is written.

    Examples
    --------
    >>> from sandbox.lib.data.transforms import AddChannel, Compose, Normalize
    >>> describe(Compose(AddChannel(), Normalize(0.5)))["object"]
    'transforms.Compose'
    >>> rebuild(describe(Compose(AddChannel(), Normalize(0.5))))
    Compose(AddChannel(), Normalize(0.5, mean=0.0, std=1.0))
    """
    written = _described(value)
    if repr(rebuild(written)) != repr(value):
        raise _unwritable(value)
    return written


def _described(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_described(one) for one in value]
    if isinstance(value, Criterion):
        return {"criterion": nn.serialize(value)}
    kind = type(value)
    names = [
        f"{room}.{kind.__name__}"
        for room, module in _ROOMS.items()
        if kind.__module__.startswith(module)
        and getattr(import_module(module), kind.__name__, None) is kind
    ]
    if not names:
        raise _unwritable(value)
    given, named = value.arguments if isinstance(value, Transform) else ((), _attributes(value))
    written: dict[str, Any] = {
        "object": names[0],
        "given": _described(given),
        "named": {key: _described(item) for key, item in named.items()},
    }
    if getattr(value, "at", None) is not None:
        written["on"] = list(value.at)
    return written


def _attributes(value: Any) -> dict[str, Any]:
    """Return the arguments of an object that keeps each under its own name."""
    names = inspect.signature(type(value).__init__).parameters
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def rebuild(written: Any) -> Any:
    """Return what `describe` wrote."""
    if isinstance(written, list):
        return [rebuild(one) for one in written]
    if not isinstance(written, Mapping):
        return written
    if "criterion" in written:
        return nn.deserialize(written["criterion"])
    room, _, kind = written["object"].partition(".")
    named = {key: rebuild(item) for key, item in written["named"].items()}
    made = getattr(import_module(_ROOMS[room]), kind)(*rebuild(written["given"]), **named)
    return made.on(*written["on"], name=made.name) if "on" in written else made


def _unwritable(value: Any) -> ArgumentError:
    return ArgumentError(
        f"{value!r} must be of a class of data.transforms, data.vision or metrics, with arguments "
        "of numbers and texts, to be written to a file. Do what it does in a column of the "
        "DataFrame, or set it anew after loading."
    )


_LIBRARY = __package__.rpartition(".spark")[0]
_ROOMS = {
    "transforms": f"{_LIBRARY}.data.transforms",
    "vision": f"{_LIBRARY}.data.vision",  # imported only where it is named: OpenCV is large
    "metrics": f"{_LIBRARY}.metrics",
}

OBJECTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "criterion": (nn.serialize, nn.deserialize),
    "optimizer": (lambda value: value.config(), optim.from_config),
    "validationTrigger": (_write_trigger, _read_trigger),
    "endTrigger": (_write_trigger, _read_trigger),
    "checkpointTrigger": (_write_trigger, _read_trigger),
    "earlyStopping": (_write_rule, _read_rule),
    "metrics": (describe, rebuild),
    "preprocessing": (describe, rebuild),
    "decode": (describe, rebuild),
}
"""By Param: how its object becomes JSON-able data, and back."""
