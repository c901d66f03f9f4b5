"""What a compiled program is made of: buffers, tensors, steps; and the plan of its memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import dnnl
from .oplist import OpList
from .placement import Life, place
from .steps import Array, StepInfo


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
    """Give every arena buffer an offset such that lives never overlap; return the bytes needed."""
    buffers: dict[Buffer, None] = {}
    for position, step in enumerate(steps):
        for tensor in (*step.reads, *step.writes):
            buffer = tensor.buffer
            if buffer.kind != "arena":
                continue
            if buffer not in buffers:
                buffers[buffer] = None
                buffer.first = position
            buffer.last = position
    for tensor in outputs:
        tensor.buffer.last = len(steps)
    lives = [Life(buffer.nbytes, buffer.first, buffer.last) for buffer in buffers]
    offsets, total = place(lives)
    for buffer, offset in zip(buffers, offsets, strict=True):
        buffer.offset = offset
    return total
