"""Eager stand-ins for programs: the module's Python code runs, with the same `run`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from ..engine.random import RandomKey
from .checks import bad_loss, float32, moved
from .context import using
from .flat import FlatParameters
from .tape import Tape
from .trace import CriterionLike, ModuleLike
from .value import Value, wrap


class EagerTrainProgram:
    """Stands in for a `TrainProgram`: the module's Python code runs, with a tape."""

    def __init__(
        self,
        module: ModuleLike,
        criterion: CriterionLike,
        flat: FlatParameters,
        reason: str,
    ) -> None:
        self.reason = reason
        self.flat = flat
        self._module = module
        self._criterion = criterion

    def run(
        self, inputs: Any, target: Any, random: RandomKey | None = None
    ) -> tuple[float, float, Any]:
        """Do what `TrainProgram.run` does."""
        flat = self.flat
        if flat.retired:
            raise moved()
        arrays = [float32(x) for x in (inputs if isinstance(inputs, tuple | list) else [inputs])]
        labels = float32(target)
        buffers, trained = flat.named_buffers(), flat.trainable()
        with using(training=True, random=random, collect=True) as context, Tape() as tape:
            if flat.is_replica and context.updates is not None:
                for name, buffer in buffers.items():
                    context.updates[buffer] = wrap(flat.buffer(name).copy())
            output = self._module(*[wrap(array) for array in arrays])
            loss_value = self._criterion.call(output, wrap(labels))
        loss = float(loss_value)
        if not math.isfinite(loss):
            look = partial(self._criterion.check_output, _arrays(output))
            raise bad_loss(loss, arrays, labels, flat, look)
        found = tape.gradients(loss_value, list(trained.values()))
        flat.gradients.fill(0)
        for name, gradient in zip(trained, found, strict=True):
            np.copyto(flat.gradient(name), gradient)
        if context.updates:
            for name, buffer in buffers.items():
                if buffer in context.updates:
                    np.copyto(flat.buffer(name), context.updates[buffer].data)
        return loss, self._criterion.weight(labels), _arrays(output)

    def clone(self, flat: FlatParameters) -> EagerTrainProgram:
        """Return a program for another thread, bound to `flat`."""
        return EagerTrainProgram(self._module, self._criterion, flat, self.reason)


class EagerPredictProgram:
    """Stands in for a `PredictProgram`."""

    def __init__(self, module: ModuleLike, reason: str) -> None:
        self.reason = reason
        self._module = module

    def run(self, inputs: Any) -> Any:
        """Return the module's output."""
        given = inputs if isinstance(inputs, tuple | list) else (inputs,)
        with using(training=False):
            return _arrays(self._module(*[wrap(float32(x)) for x in given]))


def _arrays(output: Any) -> Any:
    if isinstance(output, tuple | list):
        return tuple(item.data if isinstance(item, Value) else item for item in output)
    return output.data if isinstance(output, Value) else output
