"""Run an `OpList` with the NumPy reference kernels: slow, clear, needing no native library."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from .errors import DataError, EngineError, named
from .links import origin
from .operation import apply_post_ops
from .oplist import Op, OpList, Spec
from .ops import find
from .precision import F32, Precision
from .random import RandomKey
from .steps import Array, InputCheck, StepInfo, Storage, bind, stored


def call(
    name: str, inputs: Sequence[Array], attrs: dict[str, Any], random: RandomKey | None
) -> tuple[Array, ...]:
    """Run one operation by its reference kernel and return its outputs."""
    operation = find(name)
    if operation.ranges:
        operation.check(inputs, attrs)
    post = attrs.get("post_ops")
    given: Sequence[Array] = ()
    if post and not operation.keeps:  # else the kernel keeps what its gradient needs of them
        attrs = {key: value for key, value in attrs.items() if key != "post_ops"}
        own = len(inputs) - sum(find(name).constants is None for name, *_ in post)
        inputs, given = inputs[:own], inputs[own:]
    if operation.random:
        result = operation.reference(*inputs, random=random, **attrs)
    else:
        result = operation.reference(*inputs, **attrs)
    outputs = result if isinstance(result, tuple) else (result,)
    if post and not operation.keeps:
        outputs = (apply_post_ops(outputs[0], post, given), *outputs[1:])
    return tuple([np.asarray(output) for output in outputs])


def check_results(
    name: str, results: Sequence[Array], specs: Sequence[Spec], path: str = ""
) -> None:
    """Refuse a kernel whose results are not what the operation's rule for shapes says."""
    found = [Spec.of(result) for result in results]
    if found != list(specs):
        shown = [", ".join(f"{s.dtype} {s.shape}" for s in side) for side in (specs, found)]
        place = f"{path} ({name})" if path else name
        raise EngineError(
            f"{place}: the kernel must give what `infer` says, {shown[0]}; got {shown[1]}. "
            "Mend one of the two."
        )


class ReferenceExecutable:
    """An `OpList` interpreted by NumPy, with the interface of a native executable."""

    def __init__(self, oplist: OpList, storage: Storage, precision: Precision = F32) -> None:
        self._oplist = oplist
        self._check_inputs = InputCheck(oplist)
        self._precision = precision
        self._dtypes = precision.storage(oplist)
        self._held = {value for _, value in (*oplist.parameters, *oplist.buffers)}
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

    run_checked = run  # what it saves is nothing beside these kernels

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> ReferenceExecutable:
        """Return a copy for another thread."""
        return ReferenceExecutable(
            self._oplist, self._storage if storage is None else storage, self._precision
        )

    def refresh_parameters(self) -> None:
        """Do nothing: every run reads the bound weights."""

    def pieces(self) -> Iterable[tuple[object, int]]:
        """Give the constants; nothing else outlives a run."""
        return [(self._oplist, sum(array.nbytes for array, _ in self._oplist.constants))]

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
        self._check_inputs(inputs)
        values = dict(self._fixed)
        for array, (_, value) in zip(inputs, oplist.inputs, strict=True):
            values[value] = array
        for position, op in enumerate(oplist.ops):
            start = time.perf_counter()
            try:
                given = self._given(op, values)
                results = call(op.name, given, op.attrs, random)
                check_results(op.name, results, [oplist.values[value] for value in op.outputs])
                if not self._held.isdisjoint(op.inputs):
                    # As eagerly: a view has other strides than a copy, and sums of it other bits.
                    results = tuple([_own(result, given) for result in results])
            except DataError as error:
                checked = [op.inputs[rule.position] for rule in find(op.name).ranges]
                raise named(error, origin(oplist, checked[0]) if checked else "") from None
            except Exception as error:
                if op.path:
                    error.add_note(f"in {op.path} ({op.name})")
                raise
            for value, result in zip(op.outputs, results, strict=True):
                values[value] = self._precision.rounded(result, self._dtypes[value])
            if best is not None:
                best[position] = min(best[position], time.perf_counter() - start)
        outputs = [self._apart(values[value]) for _, value in oplist.outputs]
        for target, new in [
            (target, self._apart(values[value])) for target, value in self._targets
        ]:
            target[...] = new
        return outputs

    def _apart(self, array: Array) -> Array:
        """Return a result that no update of a buffer changes."""
        shares = any(np.may_share_memory(array, target) for target, _ in self._targets)
        return array.copy() if shares else array

    def _given(self, op: Op, values: dict[int, Array]) -> list[Array]:
        """Return what an operation reads; what it multiplies is rounded as for native kernels."""
        given = [values[value] for value in op.inputs]
        for position in range(find(op.name).products):
            given[position] = self._precision.rounded(given[position], self._precision.products[0])
        return given


def _own(array: Array, inputs: Sequence[Array]) -> Array:
    """Return an array that is no view of an input."""
    is_view = type(array.base) is np.ndarray
    return (
        np.array(array) if is_view and any(np.may_share_memory(array, x) for x in inputs) else array
    )
