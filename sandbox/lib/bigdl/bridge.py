"""From objects of the fronts to those of the core that stages of Spark ML take.

A layer, criterion, optimisation method, trigger or metric of `bigdl` or in Keras style holds its
core object in the attribute `core`; core objects are taken as they are.
"""

from __future__ import annotations

from typing import Any

from ..core import validate
from ..criterion import Criterion
from ..nn import Module
from ..optim import Optimizer
from ..train import Trigger


def _core(name: str, given: Any, kind: type, wanted: str) -> Any:
    found = given
    while not isinstance(found, kind) and hasattr(found, "core"):
        found = found.core
    if not isinstance(found, kind):
        raise validate.refuse(name, wanted, given)
    return found


def core_module(layer: Any) -> Module:
    """Return the module of a layer."""
    found: Module = _core("model", layer, Module, "a layer")
    return found


def core_criterion(criterion: Any) -> Criterion:
    """Return the criterion, whose classes count from 0."""
    found: Criterion = _core("criterion", criterion, Criterion, "a criterion")
    return found


def core_optimizer(method: Any) -> Optimizer:
    """Return the optimiser of an optimisation method."""
    found: Optimizer = _core("optimMethod", method, Optimizer, "an optimisation method")
    return found


def core_trigger(trigger: Any) -> Trigger:
    """Return the trigger."""
    found: Trigger = _core("trigger", trigger, Trigger, "a trigger")
    return found
