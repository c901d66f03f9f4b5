"""The calls of a compiled program, with the addresses of everything they read and write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dnnl, nan
from .blueprint import Blueprint, Buffer, Step, Tensor
from .errors import EngineError
from .memory import aligned
from .random import RandomKey
from .steps import Array

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Context:
    """What a step written in Python may ask of the run it is part of."""

    __slots__ = ("own", "random")

    def __init__(self) -> None:
        self.random: RandomKey | None = None
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
        Blocks that stay where they are when the arena moves, by buffer; filled here. What is
        prepared before the first run is not among them: `point_kept` tells where it lies.
    fixed : dict
        The caller's arrays, and constants.
    stream, context : what every call is given.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        arena: Array,
        own: dict[Buffer, Array],
        fixed: dict[str, Array],
        stream: Any,
        context: Context,
    ) -> None:
        self._arena = arena
        self._own = own
        self._fixed = fixed
        self._stream = stream
        self._context = context
        self._scratch = arena.ctypes.data + blueprint.arena_bytes
        self._memories: dict[tuple[Buffer, Any], Any] = {}
        self._kept: dict[Buffer, KeptSlot] = {}
        self._prologue: dict[int, Call] = {}
        self._blueprint = blueprint
        self._keep: list[Any] = []
        self.inputs: list[Slot] = [Slot() for _ in blueprint.oplist.inputs]
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

    def point_kept(self, buffer: Buffer, block: Array | None) -> None:
        """Tell all calls where a prepared block lies; None lets go of the one before."""
        self._slot(buffer).point_block(block)

    def _slot(self, buffer: Buffer) -> KeptSlot:
        slot = self._kept.get(buffer)
        if slot is None:
            slot = self._kept[buffer] = KeptSlot()
        return slot

    def _block(self, buffer: Buffer) -> Array:
        """Return the bytes of a buffer that has an address before the first run."""
        if buffer.kind == "arena":
            return self._arena[buffer.offset : buffer.offset + buffer.nbytes]
        block = self._own.get(buffer)
        if block is not None:
            return block
        if buffer.kind in ("bound", "constant"):
            key = buffer.key if buffer.kind == "bound" else f"constant:{buffer.index}"
            block = self._fixed[key].reshape(-1).view(np.uint8)
        else:
            block = aligned(buffer.nbytes)
        self._own[buffer] = block
        return block

    def _array(self, tensor: Tensor) -> Array:
        return _seen(self._block(tensor.buffer), tensor)

    def _memory(self, tensor: Tensor) -> Any:
        layout = tensor.layout
        if layout is None:
            raise EngineError(f"engine: a kernel cannot read {tensor.dtype} {tensor.shape}.")
        buffer = tensor.buffer
        key = (buffer, layout.key)
        memory = self._memories.get(key)
        if memory is None:
            moves = buffer.kind in ("input", "kept")
            address = self._scratch if moves else self._block(buffer).ctypes.data
            memory = dnnl.new_memory(layout, address)
            self._memories[key] = memory
            if buffer.kind == "kept":
                self._slot(buffer).add(memory)
            elif buffer.kind == "input":
                self.inputs[buffer.index].memories.append(memory)
            elif buffer.kind == "output":
                self.outputs[buffer.index].memories.append(memory)
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
            if tensor.buffer.kind == "kept":
                found.append(self._slot(tensor.buffer).seen_by(found, position, tensor))
                continue
            kind, index = tensor.buffer.kind, tensor.buffer.index
            slots = {"input": self.inputs, "output": self.outputs}.get(kind)
            if slots is not None:
                slots[index].places.append((found, position, tensor.shape))
            found.append(None if kind == "input" else self._array(tensor))
        return found


class Slot:
    """Everything that must be told when an input or output lies elsewhere."""

    __slots__ = ("memories", "places")

    def __init__(self) -> None:
        self.memories: list[Any] = []
        self.places: list[tuple[list[Any], int, tuple[int, ...]]] = []

    def point(self, array: Array) -> None:
        """Tell it."""
        if self.memories:
            address = dnnl.address_of(array)
            for memory in self.memories:
                dnnl.set_address(memory, address)
        for arrays, position, shape in self.places:
            arrays[position] = array if array.shape == shape else array.reshape(shape)


class KeptSlot(Slot):
    """Everything that must be told when a prepared block is exchanged for another."""

    __slots__ = ("_block", "_views")

    def __init__(self) -> None:
        super().__init__()
        self._block: Array | None = None
        self._views: list[tuple[list[Any], int, Tensor]] = []

    def add(self, memory: Any) -> None:
        """Tell a kernel's memory object from now on."""
        self.memories.append(memory)
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
            for memory in self.memories:
                dnnl.set_address(memory, address)
        for arrays, position, tensor in self._views:
            arrays[position] = None if block is None else _seen(block, tensor)


def _seen(block: Array, tensor: Tensor) -> Array:
    """Return a block's bytes as an array of the tensor's type and shape."""
    size = np.dtype(tensor.dtype).itemsize
    for length in tensor.shape:
        size *= length
    return block[:size].view(tensor.dtype).reshape(tensor.shape)
