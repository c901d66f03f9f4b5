"""The calls of a compiled program, with the addresses of everything they read and write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dnnl, nan
from .blueprint import Allocation, Blueprint, Step, Tensor
from .errors import EngineError
from .memory import aligned
from .oplist import Spec
from .random import RandomKey
from .steps import Array

Call = tuple[Callable[..., Any], tuple[Any, ...]]
COPIED_UP_TO = 8 << 10  # bytes of an input: 0.1 microseconds, where new addresses take 0.8


class RunState:
    """What a step written in Python may ask of the run it is part of."""

    __slots__ = ("own", "random", "refreshed")

    def __init__(self) -> None:
        self.random: RandomKey | None = None
        self.refreshed = 0  # how often changed weights were taken over
        self.own: dict[Any, Any] = {}  # what steps keep from run to run, of this executable


class Bindings:
    """A program at one place of memory; made anew when the memory moves.

    Parameters
    ----------
    blueprint : Blueprint
        The program.
    arena : array
        What lives within a run: values between the steps, then the kernels' scratchpad.
    own : dict
        Blocks that stay where they are when the arena moves, by allocation; filled here. What is
        prepared before the first run is not among them: `point_kept` tells where it lies.
    fixed : dict
        The caller's arrays, and constants.
    stream, context : what every call is given.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        arena: Array,
        own: dict[Allocation, Array],
        fixed: dict[str, Array],
        stream: Any,
        context: RunState,
    ) -> None:
        self._arena = arena
        self._own = own
        self._fixed = fixed
        self._stream = stream
        self._context = context
        self._scratch = arena.ctypes.data + blueprint.arena_bytes
        self._memories: dict[tuple[Allocation, Any], Any] = {}
        self._kept: dict[Allocation, KeptSlot] = {}
        self._prologue: dict[int, Call] = {}
        self._blueprint = blueprint
        self._keep: list[Any] = []
        self.inputs = [
            _input_slot(blueprint.oplist.values[value]) for _, value in blueprint.oplist.inputs
        ]
        self.outputs: list[Slot] = [Slot() for _ in blueprint.oplist.outputs]
        self.calls: list[Call] = []
        self.makers: list[Step | None] = []  # whose calls they are; None: a look at the flag
        self._fill(blueprint.steps, looks=blueprint.keeping is not None)
        self.by_numpy = any(step.primitive is None for step in blueprint.steps)
        self.results = [self._array(tensor) for tensor in blueprint.outputs]

    def _fill(self, steps: Sequence[Step], *, looks: bool) -> None:
        """Make the calls, with a look at the processor's flag behind kernels that lose NaN.

        One look serves all kernels in a row; steps in Python move the flag as they like.
        """
        unseen = moved = False
        for step in steps:
            if step.primitive is None:
                if unseen:
                    self._add(nan.LOOK, None)
                unseen, moved = False, True
            elif looks and step.loses_nan:
                if moved:
                    self._add(nan.LOWER, None)
                unseen, moved = True, False
            self._add(self._call(step), step)
        if unseen:
            self._add(nan.LOOK, None)

    def _add(self, call: Call, maker: Step | None) -> None:
        self.calls.append(call)
        self.makers.append(maker)

    def prologue(self, position: int) -> Call:
        """Return the call of a step that prepares; made when it is first needed."""
        call = self._prologue.get(position)
        if call is None:
            call = self._prologue[position] = self._call(self._blueprint.prologue[position])
        return call

    def point_kept(self, allocation: Allocation, block: Array | None) -> None:
        """Tell all calls where a prepared block lies; None lets go of the one before."""
        self._slot(allocation).point_block(block)

    def _slot(self, allocation: Allocation) -> KeptSlot:
        slot = self._kept.get(allocation)
        if slot is None:
            slot = self._kept[allocation] = KeptSlot()
        return slot

    def _block(self, allocation: Allocation) -> Array:
        """Return the bytes of an allocation that has an address before the first run."""
        if allocation.kind == "arena":
            return self._arena[allocation.offset : allocation.offset + allocation.nbytes]
        block = self._own.get(allocation)
        if block is not None:
            return block
        if allocation.kind in ("bound", "constant"):
            key = allocation.key if allocation.kind == "bound" else f"constant:{allocation.index}"
            block = self._fixed[key].reshape(-1).view(np.uint8)
        else:
            block = aligned(allocation.nbytes)
        self._own[allocation] = block
        return block

    def _array(self, tensor: Tensor) -> Array:
        return _seen(self._block(tensor.allocation), tensor)

    def _memory(self, tensor: Tensor) -> Any:
        layout = tensor.layout
        if layout is None:
            raise EngineError(f"engine: a kernel cannot read {tensor.dtype} {tensor.shape}.")
        allocation = tensor.allocation
        key = (allocation, layout.key)
        memory = self._memories.get(key)
        if memory is None:
            moves = allocation.kind in ("input", "kept")
            address = self._scratch if moves else self._block(allocation).ctypes.data
            memory = dnnl.new_memory(layout, address)
            self._memories[key] = memory
            if allocation.kind == "kept":
                self._slot(allocation).add(memory)
            elif allocation.kind == "input":
                self.inputs[allocation.index].add(memory)
            elif allocation.kind == "output":
                self.outputs[allocation.index].add(memory)
        return memory

    def _call(self, step: Step) -> Call:
        if step.primitive is None:
            if step.function is None:
                raise EngineError(f"{step.path} ({step.name}): the step has no kernel.")
            reads = self._python_arrays(step.reads)
            writes = self._python_arrays(step.writes)
            return step.function, (self._context, reads, writes)
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
            if tensor.allocation.kind == "kept":
                found.append(self._slot(tensor.allocation).seen_by(found, position, tensor))
                continue
            kind, index = tensor.allocation.kind, tensor.allocation.index
            found.append(None if kind == "input" else self._array(tensor))
            slots = {"input": self.inputs, "output": self.outputs}.get(kind)
            if slots is not None:
                slots[index].seen_at(found, position, tensor.shape)
        return found


class Slot:
    """Everything that must be told when an input or output lies elsewhere."""

    __slots__ = ("_memories", "_places")

    def __init__(self) -> None:
        self._memories: list[Any] = []
        self._places: list[tuple[list[Any], int, tuple[int, ...]]] = []

    def add(self, memory: Any) -> None:
        """Tell a kernel's memory object from now on."""
        self._memories.append(memory)

    def seen_at(self, arrays: list[Any], position: int, shape: tuple[int, ...]) -> None:
        """Tell this place of a Python step's arguments from now on."""
        self._places.append((arrays, position, shape))

    def point(self, array: Array) -> Array:
        """Tell all where it lies now; return what must live as long as that holds."""
        if not array.flags.c_contiguous:
            array = np.ascontiguousarray(array)
        if self._memories:
            address = dnnl.address_of(array)
            for memory in self._memories:
                dnnl.set_address(memory, address)
        for arrays, position, shape in self._places:
            arrays[position] = array if array.shape == shape else array.reshape(shape)
        return array


class CopySlot(Slot):
    """A small input, copied to a place of its own: for a few numbers the faster way."""

    __slots__ = ("_home",)

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self._home: Array = aligned(_bytes(spec.shape, spec.dtype)).view(spec.dtype)
        self._home = self._home.reshape(spec.shape)

    def add(self, memory: Any) -> None:
        """Tell a kernel's memory object, once."""
        dnnl.set_address(memory, dnnl.address_of(self._home))

    def seen_at(self, arrays: list[Any], position: int, shape: tuple[int, ...]) -> None:
        """Tell this place of a Python step's arguments, once."""
        arrays[position] = self._home.reshape(shape)

    def point(self, array: Array) -> Array:
        """Take the numbers over."""
        self._home[...] = array
        return self._home


class KeptSlot(Slot):
    """Everything that must be told when a prepared block is exchanged for another."""

    __slots__ = ("_block", "_views")

    def __init__(self) -> None:
        super().__init__()
        self._block: Array | None = None
        self._views: list[tuple[list[Any], int, Tensor]] = []

    def add(self, memory: Any) -> None:
        """Tell a kernel's memory object from now on."""
        super().add(memory)
        if self._block is not None:
            dnnl.set_address(memory, dnnl.address_of(self._block))

    def seen_by(self, arrays: list[Any], position: int, tensor: Tensor) -> Array | None:
        """Return the array for this place of a Python step's arguments, and tell it from now on."""
        self._views.append((arrays, position, tensor))
        return None if self._block is None else _seen(self._block, tensor)

    def point_block(self, block: Array | None) -> None:
        """Tell it."""
        self._block = block
        if block is not None:
            address = dnnl.address_of(block)
            for memory in self._memories:
                dnnl.set_address(memory, address)
        for arrays, position, tensor in self._views:
            arrays[position] = None if block is None else _seen(block, tensor)


def _seen(block: Array, tensor: Tensor) -> Array:
    """Return a block's bytes as an array of the tensor's type and shape."""
    return block[: _bytes(tensor.shape, tensor.dtype)].view(tensor.dtype).reshape(tensor.shape)


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    size = np.dtype(dtype).itemsize
    for length in shape:
        size *= length
    return size


def _input_slot(spec: Spec) -> Slot:
    return CopySlot(spec) if _bytes(spec.shape, spec.dtype) <= COPIED_UP_TO else Slot()
