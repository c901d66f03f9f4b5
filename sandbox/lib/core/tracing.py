"""A module traced: run on symbols, its forward pass, or forward and backward, as one `OpList`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..engine.oplist import OpList, Spec
from ..engine.random import RandomKey
from . import tree
from .context import using
from .errors import ArgumentError, ShapeError, TraceError
from .function import as_value
from .trace import ModuleLike, Trace, check_module
from .value import Input, Value


class CriterionLike(Protocol):
    """What core needs of a criterion."""

    def call(self, output: Any, target: Any) -> Any:
        """Return the loss, summed over the samples."""

    def weight(self, target: Any) -> float:
        """Return what the sum is to be divided by for the mean."""

    def check_output(self, output: Any) -> None:
        """Raise if this output cannot be, such as a probability of 2."""


def check_criterion(criterion: Any) -> None:
    """Refuse what is no criterion, such as its class."""
    if isinstance(criterion, type) or not hasattr(criterion, "call"):
        raise ArgumentError(f"`criterion` must be a criterion such as MSE(); got {criterion!r}.")


def check_specs(name: str, specs: tree.Tree) -> tree.Tree:
    """Return a tree of `Spec`, refusing any other."""
    for spec in tree.leaves(specs):
        if not isinstance(spec, Spec):
            raise ArgumentError(
                f"`{name}` must hold a Spec for each array; got {type(spec).__name__}. "
                "For an array x it is Spec.of(x)."
            )
    return specs


@dataclass(frozen=True)
class Traced:
    """A list of operations, and how its outputs are put together again.

    Parameters
    ----------
    oplist : OpList
    output : Structure
        Of the module's output, whose leaves are the last of the list's outputs.
    """

    oplist: OpList
    output: tree.Structure


def trace_inference(module: ModuleLike, input_specs: tree.Tree) -> OpList:
    """Return the list of a module's forward pass in inference mode.

    Parameters
    ----------
    module : ModuleLike
    input_specs : tree of Spec
        A tuple's parts are given by place, a dict's by name, anything else as the one argument.
    """
    check_module(module)
    check_specs("input_specs", input_specs)
    return inference(module, input_specs).oplist


def inference(module: ModuleLike, input_specs: tree.Tree) -> Traced:
    """Return what `trace_inference` does, with the structure of the output."""

    def once() -> Traced:
        with using(training=False, random=_KEY), Trace(module) as trace:
            trace.entries = None
            output = tree.call(module, _inputs(trace, input_specs))
            named, structure = _named_outputs(output)
            return Traced(trace.finish(named), structure)

    return twice(once)


def trace_training(
    module: ModuleLike, criterion: CriterionLike, input_specs: tree.Tree, target_spec: tree.Tree
) -> OpList:
    """Return the list of forward pass, loss, backward pass and updates of buffers.

    Outputs are "loss" (the sum over the batch) and "output", or "output.<place>" for each of
    several; gradients are those of the trainable parameters that the loss depends on.

    Parameters
    ----------
    module : ModuleLike
    criterion : CriterionLike
    input_specs : tree of Spec
        As for `trace_inference`.
    target_spec : tree of Spec
        What the criterion gets.

    Raises
    ------
    ShapeError : the loss is no scalar.
    ArgumentError : a parameter is used that is not among the module's.
    TraceError : the module cannot be traced; says why.
    """
    check_module(module)
    check_criterion(criterion)
    check_specs("input_specs", input_specs)
    check_specs("target_spec", target_spec)
    return training(module, criterion, input_specs, target_spec).oplist


def training(
    module: ModuleLike, criterion: CriterionLike, input_specs: tree.Tree, target_spec: tree.Tree
) -> Traced:
    """Return what `trace_training` does, with the structure of the output."""

    def once() -> Traced:
        with using(training=True, random=_KEY), Trace(module) as trace:
            inputs = _inputs(trace, input_specs)
            specs, goal = tree.flatten(target_spec)
            targets = [
                trace.input(f"target.{path}" if path else "target", spec)
                for path, spec in zip(goal.paths, specs, strict=True)
            ]
            output = tree.call(module, inputs)
            loss = scalar(criterion.call(output, goal.unflatten(targets)))
            named = [(name, p) for name, p in module.named_parameters() if p.trainable]
            found = trace.backward(loss, [p for _, p in named])
            gradients: list[tuple[str, Input]] = [
                (name, value)
                for (name, _), value in zip(named, found, strict=True)
                if value is not None
            ]
            results, structure = _named_outputs(output)
            return Traced(trace.finish([("loss", loss), *results], gradients), structure)

    return twice(once)


def scalar(loss: Any) -> Value:
    """Return a loss as a value, or refuse what is no single number."""
    value = as_value(loss)
    if value.shape != ():
        raise ShapeError(
            f"the criterion must give a scalar, the sum over the batch; got shape {value.shape}. "
            "End its call() with core.ops.sum."
        )
    return value


_KEY = RandomKey(0, 0, 0)


def _inputs(trace: Trace, input_specs: tree.Tree) -> tree.Tree:
    specs, structure = tree.flatten(input_specs)
    names = [path or "x" for path in structure.paths]
    return structure.unflatten([trace.input(n, s) for n, s in zip(names, specs, strict=True)])


def _named_outputs(output: tree.Tree) -> tuple[list[tuple[str, Input]], tree.Structure]:
    found, structure = tree.flatten(output)
    names = [f"output.{path}" if path else "output" for path in structure.paths]
    return list(zip(names, found, strict=True)), structure


def twice(once: Callable[[], Traced]) -> Traced:
    """Trace twice: what differs is made by Python outside of the operations and would be frozen."""
    first, second = once(), once()
    a, b = first.oplist, second.oplist
    same = (
        first.output == second.output
        and a.to_dict() == b.to_dict()
        and all(
            np.array_equal(x, y, equal_nan=True)
            for (x, _), (y, _) in zip(a.constants, b.constants, strict=True)
        )
    )
    if not same:
        raise TraceError(
            "two traces of the module differ: its call() makes numbers of its own (random numbers, "
            "a counter) that a program would freeze. Use core.ops.dropout or an input for them."
        )
    return first
