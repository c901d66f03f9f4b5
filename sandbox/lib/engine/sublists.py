"""Lists of operations inside an operation (`scan`, `cond`, `while_loop`): interpreted, compiled.

Such a list takes all it reads as inputs: it has no parameters, buffers, constants or updates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .blueprint import Blueprint, Step, Tensor
from .errors import EngineError
from .memory import Workspace, aligned
from .oplist import Op, OpList, Spec
from .steps import Array

if TYPE_CHECKING:
    from .bindings import RunState
    from .builder import Builder
    from .executable import NativeExecutable

FIXED = ("bound", "constant")  # memory of the caller and of the list, which never moves


def check(what: str, oplist: OpList, specs: Sequence[Spec]) -> None:
    """Refuse inputs that are not those a list was traced for."""
    expected = [oplist.values[value] for _, value in oplist.inputs]
    if list(specs) != expected:
        raise EngineError(
            f"{what}: its list must get {_shown(expected)}, as it was traced; got {_shown(specs)}."
        )


def _shown(specs: Sequence[Spec]) -> str:
    return ", ".join(f"{spec.dtype} {spec.shape}" for spec in specs)


def outputs_of(oplist: OpList) -> list[Spec]:
    """Return the specs of a list's outputs."""
    return [oplist.values[value] for _, value in oplist.outputs]


def evaluate(oplist: OpList, inputs: Sequence[Array]) -> list[Array]:
    """Run a list by the NumPy kernels."""
    from .interpreter import call, check_results

    values: dict[int, Array] = {}
    for (_, value), array in zip(oplist.inputs, inputs, strict=True):
        values[value] = array
    for op in oplist.ops:
        results = call(op.name, [values[value] for value in op.inputs], op.attrs, None)
        check_results(op.name, results, [oplist.values[v] for v in op.outputs], op.path)
        values.update(zip(op.outputs, results, strict=True))
    return [values[value] for _, value in oplist.outputs]


class SubProgram:
    """A list compiled inside of another program.

    What the list reads unchanged during a run is bound to it, so that weights are packed once and
    what depends on nothing else is computed once.

    Parameters
    ----------
    builder : Builder
        Of the program around it.
    oplist : OpList
    first : int
        From which input on nothing changes during a run.
    tensors : sequence of Tensor
        Where these inputs lie in the program around it.
    wanted : sequence of int, optional
        The outputs that are asked for; all by default.
    """

    def __init__(
        self,
        builder: Builder,
        oplist: OpList,
        first: int,
        tensors: Sequence[Tensor],
        wanted: Sequence[int] | None = None,
    ) -> None:
        self.stays = [tensor.allocation.kind in FIXED for tensor in tensors]
        places = range(len(oplist.outputs)) if wanted is None else wanted
        self._list = replace(
            oplist,
            inputs=oplist.inputs[:first],
            parameters=[(f"{k}", value) for k, (_, value) in enumerate(oplist.inputs[first:])],
            outputs=[oplist.outputs[place] for place in places],
        )
        self.blueprint = self._build(builder)

    def _build(self, builder: Builder) -> Blueprint:
        from . import passes

        # Products stay float32 in a bf16 program, as in the NumPy kernels of such a list.
        better = passes.optimise(self._list, fused=not builder.keep_nan)
        inner = type(builder)(
            better,
            builder.threads,
            builder.plan,
            keep_nan=builder.keep_nan,
            timer=builder.timer,
        )
        blueprint = inner.build()
        if blueprint.loses_nan:
            blueprint.keeping = _outside
        return blueprint

    def bind(self, arrays: Sequence[Array]) -> Bound:
        """Return something that runs, with memory of its own."""
        return Bound(self, arrays)


def _outside() -> Blueprint:
    raise EngineError("engine: NaN in a list must make the program around it run anew.")


class Bound:
    """A compiled list with memory, inside of one executable of the program around it."""

    def __init__(self, program: SubProgram, arrays: Sequence[Array]) -> None:
        from .executable import NativeExecutable

        self._copied: list[tuple[int, Array]] = []
        storage: dict[str, Array] = {}
        for k, (array, stays) in enumerate(zip(arrays, program.stays, strict=True)):
            if not stays:
                own = aligned(array.nbytes).view(array.dtype).reshape(array.shape)
                self._copied.append((k, own))
                array = own
            storage[f"parameter:{k}"] = array
        blueprint = program.blueprint
        self.run: NativeExecutable = NativeExecutable(
            blueprint, storage, Workspace(blueprint.run_bytes)
        )

    def refresh(self, arrays: Sequence[Array]) -> None:
        """Take over what does not change from now to the end of the run."""
        for k, own in self._copied:
            np.copyto(own, arrays[k])
        self.run.refresh_parameters()


def emit(
    builder: Builder,
    op: Op,
    programs: Sequence[SubProgram],
    fixed: Sequence[Tensor],
    reads: Sequence[Tensor],
    writes: Sequence[Tensor],
    function: Any,
) -> None:
    """Add the step that calls `function` with (bound lists, reads, writes).

    What does not change during a run is packed before; where that changes with the weights only,
    once for all runs until they are refreshed.
    """
    key = object()
    constant = all(tensor.allocation.constant for tensor in fixed)
    first = len(reads)

    def run(state: RunState, arrays: Sequence[Array], targets: Sequence[Array]) -> None:
        found = state.own.get(key)
        if found is None:
            lists = [program.bind(arrays[first:]) for program in programs]
            found = state.own[key] = [lists, None]
        if not constant or found[1] != state.refreshed:
            for item in found[0]:
                item.refresh(arrays[first:])
            found[1] = state.refreshed
        function(found[0], arrays, targets)

    step = Step(op.name, op.path, [*reads, *fixed], list(writes), function=run, label="list")
    # NaN noticed inside is noticed outside, where the run is done anew.
    step.loses_nan = any(program.blueprint.loses_nan for program in programs)
    builder.add(step)


def is_empty(oplist: OpList) -> bool:
    """Return whether a value of the list holds nothing: such lists are the interpreter's."""
    return any(spec.size == 0 for spec in oplist.values)
