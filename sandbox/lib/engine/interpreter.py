"""Run an `OpList` with the NumPy reference kernels: slow, clear, needing no native library."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from .errors import EngineError
from .oplist import Op, OpList
from .precision import PRODUCTS, narrow_values, to_bf16
from .random import RandomKey, dropout_mask
from .steps import Array, StepInfo, Storage, bind, check_inputs, stored


def kernel(name: str) -> Callable[..., Any]:
    """Return the reference kernel of an operation."""
    from .reference import KERNELS  # late: that room is large and imports nothing of this one

    function = KERNELS.get(name)
    if function is None:
        raise EngineError(f"engine: operation must be one of {sorted(KERNELS)}; got {name!r}.")
    result: Callable[..., Any] = function
    return result


def call(
    name: str, inputs: Sequence[Array], attrs: dict[str, Any], random: RandomKey | None
) -> tuple[Array, ...]:
    """Run one operation by its reference kernel and return its outputs."""
    if name == "dropout":
        return dropout(inputs[0], random, **attrs)
    result = kernel(name)(*inputs, **attrs)
    outputs = result if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(output) for output in outputs)


def dropout(x: Array, random: RandomKey | None, *, p: float, path: str) -> tuple[Array, Array]:
    """Return x times its mask, and the mask, after the random-number contract."""
    if random is None:
        raise EngineError(
            f"{path} (dropout): random must be a RandomKey; got None. "
            "Pass random=RandomKey(seed, step, sample_index) while training."
        )
    mask = dropout_mask(x.shape, p, path, random, x.dtype)
    return x * mask, mask


class ReferenceExecutable:
    """An `OpList` interpreted by NumPy, with the interface of a native executable."""

    def __init__(self, oplist: OpList, storage: Storage, precision: str = "f32") -> None:
        self._oplist = oplist
        self._precision = precision
        self._narrow = narrow_values(oplist) if precision == "bf16" else set()
        self._storage = dict(storage)
        self._fixed = bind(oplist, storage)
        self._targets: list[tuple[Array, int]] = []
        for kind, pairs in (("gradient", oplist.gradients), ("buffer", oplist.updates)):
            for name, value in pairs:
                spec = oplist.values[value]
                self._targets.append((stored(storage, kind, name, spec), value))
        self.steps = [StepInfo(op.name, op.path, "numpy", "plain") for op in oplist.ops]

    def run(self, inputs: Sequence[Array], *, random: RandomKey | None = None) -> list[Array]:
        """Run once and return the outputs in the list's order."""
        return self._run(inputs, random, None)

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> ReferenceExecutable:
        """Return a copy for another thread."""
        return ReferenceExecutable(
            self._oplist, self._storage if storage is None else storage, self._precision
        )

    def refresh_parameters(self) -> None:
        """Do nothing: every run reads the bound weights."""

    def profile(self, inputs: Sequence[Array], repeats: int = 3) -> list[StepInfo]:
        """Run a few times and return the steps with their best times."""
        best = [float("inf")] * len(self.steps)
        for _ in range(repeats):
            self._run(inputs, RandomKey(0), best)
        return [
            StepInfo(step.name, step.path, step.implementation, step.layouts, seconds)
            for step, seconds in zip(self.steps, best, strict=True)
        ]

    def _run(
        self, inputs: Sequence[Array], random: RandomKey | None, best: list[float] | None
    ) -> list[Array]:
        oplist = self._oplist
        check_inputs(oplist, inputs)
        values = dict(self._fixed)
        for array, (_, value) in zip(inputs, oplist.inputs, strict=True):
            values[value] = array
        for position, op in enumerate(oplist.ops):
            start = time.perf_counter()
            try:
                given = self._given(op, values)
                results = call(op.name, given, op.attrs, random)
            except Exception as error:
                if op.path:
                    error.add_note(f"in {op.path} ({op.name})")
                raise
            for value, result in zip(op.outputs, results, strict=True):
                rounds = value in self._narrow and result.dtype == np.float32
                values[value] = to_bf16(result) if rounds else result
            if best is not None:
                best[position] = min(best[position], time.perf_counter() - start)
        for target, value in self._targets:
            target[...] = values[value]
        return [values[value] for _, value in oplist.outputs]

    def _given(self, op: Op, values: dict[int, Array]) -> list[Array]:
        """Return what an operation reads; rounded, where its native kernel multiplies bf16."""
        given = [values[value] for value in op.inputs]
        if self._precision == "bf16":
            for position in range(PRODUCTS.get(op.name, 0)):
                if given[position].dtype == np.float32:
                    given[position] = to_bf16(given[position])
        return given
