"""A compiled program with memory: a flat list of calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from . import dnnl, threads
from .blueprint import Blueprint, Buffer, Step, Tensor
from .errors import EngineError
from .memory import aligned
from .random import RandomKey
from .steps import Array, StepInfo, Storage, bind, check_inputs, stored
from .subnormal import FlushToZero

_streams: list[Any] = []
_streams_lock = threading.Lock()
_workspaces: WeakValueDictionary[Hashable, Array] = WeakValueDictionary()
_workspaces_lock = threading.Lock()


def _take_stream() -> Any:
    with _streams_lock:
        return _streams.pop() if _streams else dnnl.new_stream()


def _workspace(blueprint: Blueprint, storage: Storage, needed: int, owner: Hashable) -> Array:
    """Return memory for what lives within a run; programs of the same owner or gradients share it.

    They never run at the same time, and six programs for six lengths of texts, each with memory of
    its own, would drive one another out of the processor's caches: 1.2 times the time.
    """
    if blueprint.oplist.gradients:
        name, _ = blueprint.oplist.gradients[0]
        owner = storage[f"gradient:{name}"].ctypes.data
    if owner is None:
        return aligned(needed)
    with _workspaces_lock:
        found = _workspaces.get(owner)
        if found is None or found.nbytes < needed:
            # Twice: longer texts may follow. Pages that are never touched cost nothing.
            found = _workspaces[owner] = aligned(2 * needed)
    return found


class NativeExecutable:
    """A program that runs: primitives are shared with its clones, memory is its own.

    One thread may run it at a time. Outputs are valid until the next run.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        storage: Storage,
        arena: Array | None = None,
        owner: Hashable = None,
    ) -> None:
        self.random: RandomKey | None = None
        self.steps: list[StepInfo] = [step.info() for step in blueprint.steps]
        self._blueprint = blueprint
        self._storage = dict(storage)
        self._stream = _take_stream()
        scratch_start = blueprint.arena_bytes
        needed = scratch_start + blueprint.scratch_bytes
        self._arena = _workspace(blueprint, storage, needed, owner) if arena is None else arena
        self._scratch = self._arena.ctypes.data + scratch_start
        self._memories: dict[tuple[int, Any], Any] = {}
        self._arrays: dict[int, Array] = {}
        self._inputs: list[_Slot] = [_Slot() for _ in blueprint.oplist.inputs]
        self._outputs: list[_Slot] = [_Slot() for _ in blueprint.oplist.outputs]
        self._keep: list[Any] = []
        self._fixed = self._bind(storage)
        self._prologue = [self._call(step) for step in blueprint.prologue]
        self._calls = [self._call(step) for step in blueprint.steps]
        self._results = [self._array(tensor) for tensor in blueprint.outputs]
        self.refresh_parameters()

    def __del__(self) -> None:
        with _streams_lock:
            _streams.append(self._stream)

    # -- memory ------------------------------------------------------------------------------

    def _bind(self, storage: Storage) -> dict[str, Array]:
        oplist = self._blueprint.oplist
        found: dict[str, Array] = {}
        by_value = bind(oplist, storage)
        for kind, pairs in (("parameter", oplist.parameters), ("buffer", oplist.buffers)):
            found |= {f"{kind}:{name}": by_value[value] for name, value in pairs}
        for index, (_, value) in enumerate(oplist.constants):
            found[f"constant:{index}"] = by_value[value]
        for kind, pairs in (("gradient", oplist.gradients), ("buffer", oplist.updates)):
            for name, value in pairs:
                found[f"{kind}:{name}"] = stored(storage, kind, name, oplist.values[value])
        return found

    def _block(self, buffer: Buffer) -> Array:
        """Return the bytes of a buffer that has an address before the first run."""
        block = self._arrays.get(id(buffer))
        if block is not None:
            return block
        if buffer.kind == "arena":
            block = self._arena[buffer.offset : buffer.offset + buffer.nbytes]
        elif buffer.kind in ("bound", "constant"):
            key = buffer.key if buffer.kind == "bound" else f"constant:{buffer.index}"
            block = self._fixed[key].reshape(-1).view(np.uint8)
        else:
            block = aligned(buffer.nbytes)
        self._arrays[id(buffer)] = block
        return block

    def _array(self, tensor: Tensor) -> Array:
        block = self._block(tensor.buffer)
        size = np.dtype(tensor.dtype).itemsize
        for length in tensor.shape:
            size *= length
        return block[:size].view(tensor.dtype).reshape(tensor.shape)

    def _memory(self, tensor: Tensor) -> Any:
        layout = tensor.layout
        if layout is None:
            raise EngineError(f"engine: a kernel cannot read {tensor.dtype} {tensor.shape}.")
        buffer = tensor.buffer
        key = (id(buffer), layout.key)
        memory = self._memories.get(key)
        if memory is None:
            is_input = buffer.kind == "input"
            address = self._scratch if is_input else self._block(buffer).ctypes.data
            memory = dnnl.new_memory(layout, address)
            self._memories[key] = memory
            if is_input:
                self._inputs[buffer.index].memories.append(memory)
            elif buffer.kind == "output":
                self._outputs[buffer.index].memories.append(memory)
        return memory

    def _call(self, step: Step) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if step.primitive is None:
            if step.function is None:
                raise EngineError(f"{step.path} ({step.name}): the step has no kernel.")
            reads = self._python_arrays(step.reads)
            writes = self._python_arrays(step.writes)
            return step.function, (self, reads, writes)
        pairs = [(argument, self._memory(tensor)) for argument, tensor in step.arguments]
        if step.primitive.scratch:
            scratchpad = dnnl.new_scratchpad(step.primitive, self._scratch)
            self._keep.append(scratchpad)
            pairs.append((dnnl.SCRATCHPAD, scratchpad))
        arguments = dnnl.new_arguments(pairs)
        self._keep.append(step.primitive)
        execute = dnnl.native().lib.dnnl_primitive_execute
        return execute, (step.primitive.handle, self._stream, len(pairs), arguments)

    def _python_arrays(self, tensors: Sequence[Tensor]) -> list[Any]:
        found: list[Any] = []
        for position, tensor in enumerate(tensors):
            kind, index = tensor.buffer.kind, tensor.buffer.index
            slots = {"input": self._inputs, "output": self._outputs}.get(kind)
            if slots is not None:
                slots[index].places.append((found, position, tensor.shape))
            found.append(None if kind == "input" else self._array(tensor))
        return found

    # -- running -----------------------------------------------------------------------------

    def run(self, inputs: Sequence[Array], *, random: RandomKey | None = None) -> list[Array]:
        """Run once and return the outputs in the list's order, valid until the next run."""
        check_inputs(self._blueprint.oplist, inputs)
        if threads.is_orphaned():
            return threads.elsewhere(self.run, inputs, random=random)
        threads.apply(self._blueprint.threads)
        inputs = [_contiguous(array) for array in inputs]  # copies must live until the end
        for slot, array in zip(self._inputs, inputs, strict=True):
            slot.point(array)
        self.random = random
        self._run()
        return list(self._results)

    def run_into(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Run once on checked inputs, writing into the given arrays (eager execution)."""
        threads.apply(self._blueprint.threads)
        inputs = [_contiguous(array) for array in inputs]  # copies must live until the end
        for slot, array in zip(self._inputs, inputs, strict=True):
            slot.point(array)
        for slot, array in zip(self._outputs, outputs, strict=True):
            slot.point(array)
        self._run()

    def _run(self) -> None:
        with FlushToZero():
            for call, arguments in self._calls:
                if call(*arguments):
                    self._fail(call, arguments)

    def _fail(self, call: Any, arguments: Any) -> None:
        position = next(i for i, item in enumerate(self._calls) if item[1] is arguments)
        step = self._blueprint.steps[position]
        shapes = ", ".join(str(tensor.layout or tensor.shape) for _, tensor in step.arguments)
        where = f"{step.path} ({step.name})" if step.path else step.name
        status = call(*arguments)
        dnnl.check(status or 5, where, f"{step.primitive} of {shapes}")

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> NativeExecutable:
        """Return a copy with its own memory, for another thread; it may have its own storage."""
        if storage is None and owner is None:
            own = aligned(self._blueprint.arena_bytes + self._blueprint.scratch_bytes)
            return NativeExecutable(self._blueprint, self._storage, own)
        found = self._storage if storage is None else storage
        return NativeExecutable(self._blueprint, found, owner=owner)

    def refresh_parameters(self) -> None:
        """Reorder the weights again; needed after a change unless the program trains."""
        if threads.is_orphaned():
            return threads.elsewhere(self.refresh_parameters)
        threads.apply(self._blueprint.threads)
        with FlushToZero():
            for position, (call, arguments) in enumerate(self._prologue):
                if call(*arguments):
                    step = self._blueprint.prologue[position]
                    dnnl.check(5, step.name, f"{step.primitive}")
        return None

    def profile(self, inputs: Sequence[Array], repeats: int = 5) -> list[StepInfo]:
        """Run a few times and return the steps with their best times."""
        if threads.is_orphaned():
            return threads.elsewhere(self.profile, inputs, repeats)
        self.run(inputs, random=RandomKey(0))
        self.random = RandomKey(0)
        best = [float("inf")] * len(self._calls)
        with FlushToZero():
            for position, (call, arguments) in repeats * list(enumerate(self._calls)):
                start = time.perf_counter()
                call(*arguments)
                best[position] = min(best[position], time.perf_counter() - start)
        return [
            StepInfo(step.name, step.path, step.implementation, step.layouts, seconds)
            for step, seconds in zip(self.steps, best, strict=True)
        ]


def _contiguous(array: Array) -> Array:
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


class _Slot:
    """Everything that must be told when an input or output lies elsewhere."""

    __slots__ = ("memories", "places")

    def __init__(self) -> None:
        self.memories: list[Any] = []
        self.places: list[tuple[list[Any], int, tuple[int, ...]]] = []

    def point(self, array: Array) -> None:
        if self.memories:
            address = dnnl.address_of(array)
            for memory in self.memories:
                dnnl.set_address(memory, address)
        for arrays, position, shape in self.places:
            arrays[position] = array if array.shape == shape else array.reshape(shape)
