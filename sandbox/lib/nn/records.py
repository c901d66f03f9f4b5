"""`forward`, `backward` and `gradients`: what a call leaves for the way back, per thread."""

from __future__ import annotations

import threading
import weakref
from functools import reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core import Tape, ops
from ..core.errors import ArgumentError, ShapeError
from . import calls

if TYPE_CHECKING:
    from .module import Module

Array: TypeAlias = NDArray[Any]


class _Record:
    """What `forward` leaves for `backward`, per module and thread."""

    def __init__(self, tape: Tape, inputs: tuple[Any, ...], output: Any) -> None:
        self.tape: Tape | None = tape
        self.inputs = inputs
        self.output = output
        self.gradients: dict[str, Array] | None = None


class _Records(threading.local):
    def __init__(self) -> None:
        self.of: weakref.WeakKeyDictionary[Module, _Record] = weakref.WeakKeyDictionary()


_records = _Records()


def forward(module: Module, inputs: tuple[Any, ...]) -> Any:
    """Do what `Module.forward` does."""
    with Tape() as tape:
        values = calls.values(module, inputs)
        output = calls.run(module, values)
    _records.of[module] = _Record(tape, values, output)
    return calls.arrays(output)


def backward(module: Module, grads: tuple[Any, ...]) -> Any:
    """Do what `Module.backward` does."""
    record = _records.of.get(module)
    if record is None or record.tape is None:
        raise ArgumentError(
            f"{calls.label(module)}: backward() must follow a forward() of the same module in "
            "the same thread; got none since the last backward(). Call forward(x) first."
        )
    outputs = record.output if isinstance(record.output, tuple) else (record.output,)
    seeds = _seeds(module, grads, outputs)
    parameters = dict(module.named_parameters())
    wrt = [*record.inputs, *parameters.values()]
    if len(outputs) == 1:
        result = record.tape.gradients(outputs[0], wrt, seed=seeds[0])
    else:
        with record.tape:
            parts = [ops.sum(ops.multiply(out, g)) for out, g in zip(outputs, seeds, strict=True)]
            total = reduce(ops.add, parts)
        result = record.tape.gradients(total, wrt)
    count = len(record.inputs)
    record.gradients = dict(zip(parameters, result[count:], strict=True))
    record.tape, record.inputs, record.output = None, (), ()
    return result[0] if count == 1 else tuple(result[:count])


def gradients(module: Module) -> dict[str, Array]:
    """Do what `Module.gradients` does."""
    record = _records.of.get(module)
    if record is None or record.gradients is None:
        raise ArgumentError(
            f"{calls.label(module)}: gradients() must follow forward() and backward() in the "
            "same thread; got neither."
        )
    return record.gradients


def _seeds(module: Module, grads: tuple[Any, ...], outputs: tuple[Any, ...]) -> list[Array]:
    """Return the outputs' gradients as arrays, checked."""
    if len(grads) != len(outputs):
        raise ArgumentError(
            f"{calls.label(module)}: backward() must be given one gradient per output "
            f"({len(outputs)}); got {len(grads)}."
        )
    seeds = [np.asarray(g, dtype=out.dtype) for g, out in zip(grads, outputs, strict=True)]
    for seed, output in zip(seeds, outputs, strict=True):
        if seed.shape != output.shape:
            raise ShapeError(
                f"{calls.label(module)}: the gradient must have the output's shape "
                f"{output.shape}; got {seed.shape}."
            )
    return seeds
