"""What a compiled program is made of: buffers, tensors, steps; and the plan of its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import dnnl
from .oplist import OpList
from .steps import Array, StepInfo

ALIGNMENT = 64


@dataclass(eq=False)
class Buffer:
    """A piece of memory.

    `kind` is "arena" (shared, planned by lifetime), "input" and "output" (number `index`), "bound"
    (the caller's array `key`), "constant" (number `index`) or "kept" (own memory that outlives a
    run). `constant` tells that its contents change only when the weights do.
    """

    nbytes: int
    kind: str = "arena"
    key: str = ""
    index: int = -1
    constant: bool = False
    first: int = -1
    last: int = -1
    offset: int = -1


@dataclass(eq=False)
class Tensor:
    """A value in one layout: what steps read and write."""

    buffer: Buffer
    shape: tuple[int, ...]
    dtype: str
    layout: dnnl.Layout | None

    @property
    def plain(self) -> bool:
        """Whether the bytes are in row-major order."""
        return self.layout is None or self.layout.plain


PythonKernel = Callable[[Any, Sequence[Array], Sequence[Array]], None]


@dataclass(eq=False)
class Step:
    """One call: a primitive with its arguments, or a Python function on arrays."""

    name: str
    path: str
    reads: list[Tensor]
    writes: list[Tensor]
    primitive: dnnl.Primitive | None = None
    arguments: list[tuple[int, Tensor]] = field(default_factory=list)
    function: PythonKernel | None = None
    label: str = "numpy"

    def info(self) -> StepInfo:
        """Return what the step tells about itself."""
        if self.primitive is None:
            return StepInfo(self.name, self.path, self.label, "plain")
        names = (
            f"{dnnl.ARGUMENT_NAMES.get(argument, argument)}:{tensor.layout}"
            for argument, tensor in self.arguments
        )
        return StepInfo(self.name, self.path, self.primitive.implementation, " ".join(names))


@dataclass(eq=False)
class Blueprint:
    """A program without memory of its own: shared by all executables made from it."""

    oplist: OpList
    threads: int
    prologue: list[Step]
    steps: list[Step]
    outputs: list[Tensor]
    arena_bytes: int
    scratch_bytes: int

    @property
    def run_bytes(self) -> int:
        """Memory for what lives within a run: values between the steps, then the scratchpad."""
        return self.arena_bytes + self.scratch_bytes


def plan_memory(steps: Sequence[Step], outputs: Sequence[Tensor]) -> int:
    """Give every arena buffer an offset such that lives never overlap; return the bytes needed.

    The largest buffers are placed first, each at the lowest offset free during its whole life.
    """
    buffers: dict[int, Buffer] = {}
    for position, step in enumerate(steps):
        for tensor in (*step.reads, *step.writes):
            buffer = tensor.buffer
            if buffer.kind != "arena":
                continue
            if id(buffer) not in buffers:
                buffers[id(buffer)] = buffer
                buffer.first = position
            buffer.last = position
    for tensor in outputs:
        tensor.buffer.last = len(steps)
    placed: list[Buffer] = []
    total = 0
    for buffer in sorted(buffers.values(), key=lambda item: (-item.nbytes, item.first)):
        offset = 0
        for other in placed:  # sorted by offset
            if other.last < buffer.first or buffer.last < other.first:
                continue
            if offset + buffer.nbytes <= other.offset:
                break
            offset = max(offset, _aligned(other.offset + other.nbytes))
        buffer.offset = offset
        placed.append(buffer)
        placed.sort(key=lambda item: item.offset)
        total = max(total, _aligned(offset + buffer.nbytes))
    return total


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
