"""`forward`, `backward` and `gradients`: what a call leaves for the way back, per thread."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core import Tape, tree
from ..core.errors import ArgumentError, ShapeError
from . import calls

if TYPE_CHECKING:
    from .module import Module

Array: TypeAlias = NDArray[Any]


class _Record:
    """What `forward` leaves for `backward`, per module and thread."""

    def __init__(self, tape: Tape, inputs: Any, output: Any) -> None:
        self.tape: Tape | None = tape
        self.inputs = inputs
        self.output = output
        self.gradients: dict[str, Array] | None = None


class _Records(threading.local):
    def __init__(self) -> None:
        self.of: weakref.WeakKeyDictionary[Module, _Record] = weakref.WeakKeyDictionary()


_records = _Records()


def forward(module: Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Do what `Module.forward` does."""
    with Tape() as tape:
        given = calls.Given(module, inputs, named)
        output = calls.run(module, given.inputs, named=given.named)
    taken: Any = given.inputs
    if named:
        taken = (*taken, given.named) if taken else given.named
    elif len(taken) == 1:
        taken = taken[0]
    _records.of[module] = _Record(tape, taken, output)
    return calls.arrays(output)


def backward(module: Module, grads: tuple[Any, ...]) -> Any:
    """Do what `Module.backward` does."""
    record = _records.of.get(module)
    if record is None or record.tape is None:
        raise ArgumentError(
            f"{calls.label(module)}: backward() must follow a forward() of the same module in "
            "the same thread; got none since the last backward(). Call forward(x) first."
        )
    seeds = _seeds(module, grads, record.output)
    parameters = dict(module.named_parameters())
    inputs, structure = tree.flatten(record.inputs)
    result = record.tape.gradients(record.output, [*inputs, *parameters.values()], seeds)
    found = calls.arrays(result)
    count = len(inputs)
    record.gradients = dict(zip(parameters, found[count:], strict=True))
    record.tape, record.inputs, record.output = None, (), ()
    return structure.unflatten(found[:count])


def gradients(module: Module) -> dict[str, Array]:
    """Do what `Module.gradients` does."""
    record = _records.of.get(module)
    if record is None or record.gradients is None:
        raise ArgumentError(
            f"{calls.label(module)}: gradients() must follow forward() and backward() in the "
            "same thread; got neither."
        )
    return record.gradients


def _seeds(module: Module, grads: tuple[Any, ...], output: Any) -> Any:
    """Return the outputs' gradients as a tree of arrays like the output, checked."""
    count = len(output) if isinstance(output, tuple) else 1
    given: Any = grads
    if len(grads) == 1 and (not isinstance(output, tuple) or isinstance(grads[0], tuple)):
        given = grads[0]
    elif len(grads) != count:
        raise ArgumentError(
            f"{calls.label(module)}: backward() must be given one gradient per output "
            f"({count}); got {len(grads)}."
        )
    outputs, structure = tree.flatten(output)
    try:
        items = structure.match(given, "gradient")
    except ShapeError as error:
        raise ShapeError(f"{calls.label(module)}: {error}") from None
    seeds = [np.asarray(g, dtype=out.dtype) for g, out in zip(items, outputs, strict=True)]
    for seed, out in zip(seeds, outputs, strict=True):
        if seed.shape != out.shape:
            raise ShapeError(
                f"{calls.label(module)}: the gradient must have the output's shape "
                f"{out.shape}; got {seed.shape}."
            )
    return structure.unflatten(seeds)
