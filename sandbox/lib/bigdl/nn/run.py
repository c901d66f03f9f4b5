"""Running a module for a layer: arrays and tables in and out, compiled programs, random masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import nn
from ...core import ProgramCache, RandomKey, using
from ...core.errors import ArgumentError
from ...nn.noise.dropout import Random
from ..util.common import JTensor

Array = NDArray[Any]
PROGRAMS = ProgramCache()
_MODAL = (nn.BatchNorm, Random, nn.GaussianNoise, nn.RReLU)


def tensors(given: Any, dtype: Any) -> Any:
    """Turn what a layer is given into arrays: a list or tuple is a table.

    Raises
    ------
    ArgumentError : a list is empty, or something is no array.
    """
    if isinstance(given, np.ndarray):
        return given if given.dtype == dtype else given.astype(dtype)
    if isinstance(given, JTensor):
        return given.to_ndarray().astype(dtype, copy=False)
    if isinstance(given, (list, tuple)):
        if not given:
            raise ArgumentError("the input must be an array or a list of arrays; got an empty list")
        return tuple([tensors(item, dtype) for item in given])
    if isinstance(given, (int, float, np.number)):
        return np.asarray(given, dtype).reshape(1)
    raise ArgumentError(
        f"the input must be an array, a JTensor or a list of these; got {type(given).__name__}. "
        "Turn it with np.array(x)."
    )


def arguments(given: Any) -> tuple[Any, ...]:
    """Give a table as arguments by place, an array as one."""
    return given if isinstance(given, tuple) else (given,)


def results(output: Any) -> Any:
    """Give arrays of the caller's own; a table becomes a list."""
    if isinstance(output, (tuple, list)):
        return [results(item) for item in output]
    return np.array(output)


def like(given: Any, output: Any) -> Any:
    """Give gradients in the form of what they belong to."""
    if isinstance(given, tuple):
        parts = output if isinstance(output, (tuple, list)) else (output,)
        return [like(a, b) for a, b in zip(given, parts, strict=True)]
    while isinstance(output, (tuple, list)):
        (output,) = output
    return np.array(output)


def is_modal(module: nn.Module) -> bool:
    """Tell whether training calls of a module differ from others, now."""
    return any(isinstance(m, _MODAL) and m.training for _, m in module.named_modules())


def infer(module: nn.Module, given: Any) -> Any:
    """Compute by a compiled program, kept for these shapes."""
    inputs = given if isinstance(given, tuple) else (given,)
    return results(PROGRAMS.predict(module, inputs).run(inputs))


def train_call(module: nn.Module, given: Any, key: RandomKey) -> Any:
    """Compute as in training: masks of this key, statistics of the batch are kept."""
    with using(random=key):
        return results(module(*arguments(given)))


def gradients(module: nn.Module, given: Any, grad: Any, key: RandomKey) -> Any:
    """Compute the gradients of inputs and parameters; buffers stay as they are."""
    with using(random=key, collect=True):
        module.forward(*arguments(given))
        found = module.backward(grad)
    return like(given, found), module.gradients()
