"""What a compiled program is made of: allocations, tensors, steps; and the plan of its memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from . import dnnl
from .oplist import OpList
from .placement import Life, place
from .steps import Array, StepInfo

STEP_BYTES = 4 << 10  # of a step's description, about: operation, tensors
KERNEL_BYTES = 64 << 10  # of a kernel made for exact sizes, about: a LeNet's programs grow by this


@dataclass(eq=False)
class Allocation:
    """A piece of memory.

    `kind` is "arena" (shared, planned by lifetime), "input" and "output" (number `index`), "bound"
    (the caller's array `key`), "constant" (number `index`) or "kept" (outlives a run, see
    `weights.py`). `constant` tells that its contents change only when the weights do. A part of a
    joined map lies in the `whole`, at its `offset` there until that has a place (`joins.py`).
    """

    nbytes: int
    kind: str = "arena"
    key: str = ""
    index: int = -1
    constant: bool = False
    first: int = -1
    last: int = -1
    offset: int = -1
    whole: Allocation | None = None

    @property
    def root(self) -> Allocation:
        """What is given a place: the whole it lies in, or itself."""
        return self if self.whole is None else self.whole.root


@dataclass(eq=False)
class Tensor:
    """A value in one layout: what steps read and write."""

    allocation: Allocation
    shape: tuple[int, ...]
    dtype: str
    layout: dnnl.Layout | None

    @property
    def plain(self) -> bool:
        """Whether the bytes are in row-major order."""
        return self.layout is None or self.layout.plain


def private(layout: dnnl.Layout) -> Tensor:
    """Return memory that belongs to no value, so that nothing is computed in its place."""
    return Tensor(Allocation(layout.nbytes), layout.dims, layout.dtype, layout)


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
    loses_nan: bool = False  # its kernel may lose NaN, see `nan.py`

    @property
    def made(self) -> list[Allocation]:
        """The pieces of memory it writes."""
        return list(dict.fromkeys(tensor.allocation for tensor in self.writes))

    @cached_property
    def recipe(self) -> Hashable:
        """What the step makes of what it reads: equal for steps which make the same bytes."""
        tensors = tuple(
            (tensor.shape, tensor.dtype, tensor.layout and tensor.layout.key)
            for tensor in (*self.reads, *self.writes)
        )
        if self.name == "reorder":
            return "reorder", tensors
        if self.primitive is not None:
            arguments = tuple(argument for argument, _ in self.arguments)
            return self.primitive.key, arguments, tensors
        return self.label, function_key(self.function), tensors

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
    by_numbers: bool = False
    """Whether NaN that kernels may lose is looked for in the numbers, see `nan.py`."""
    keeping: Callable[[], Blueprint] | None = None
    """Makes the same program of kernels that keep NaN."""
    kernels: dict[int, dnnl.Primitive] = field(default_factory=dict)
    """What was chosen, by the operation's place in the list."""
    _digests: dict[int, bytes] = field(default_factory=dict)

    @property
    def loses_nan(self) -> bool:
        """Whether some kernel may lose NaN."""
        return any(step.loses_nan for step in self.steps)

    @property
    def run_bytes(self) -> int:
        """Memory for what lives within a run: values between the steps, then the scratchpad."""
        return self.arena_bytes + self.scratch_bytes

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Yield what the program itself takes, with its bytes: constants, steps, kernels."""
        steps = [*self.steps, *self.prologue]
        constants = sum(array.nbytes for array, _ in self.oplist.constants)
        yield self, constants + STEP_BYTES * len(steps)
        for primitive in {step.primitive for step in steps}:
            if primitive is not None:
                yield primitive, KERNEL_BYTES

    def digest(self, index: int) -> bytes:
        """Return what stands for the contents of a constant."""
        found = self._digests.get(index)
        if found is None:
            array = np.ascontiguousarray(self.oplist.constants[index][0])
            digest = blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=32)
            digest.update(array.reshape(-1).view(np.uint8).data)
            found = self._digests[index] = digest.digest()
        return found


def function_key(function: Any) -> Hashable:
    """Return what stands for a function made by another: its code and the plain data it holds.

    Equal keys stand for functions that do the same. One that holds anything else is its own key.
    """
    try:
        return _plain_key(function)
    except TypeError:
        return id(function)  # whoever keeps the key keeps the step as well


def _plain_key(item: Any) -> Hashable:
    if item is None or isinstance(item, bool | int | float | str | bytes | np.generic):
        return type(item).__name__, repr(item)
    if isinstance(item, tuple | list):
        return type(item).__name__, tuple([_plain_key(part) for part in item])
    if isinstance(item, dict):
        return "dict", tuple([(key, _plain_key(part)) for key, part in sorted(item.items())])
    if isinstance(item, np.ufunc | BuiltinFunctionType):
        return item
    if isinstance(item, FunctionType) and not item.__kwdefaults__:
        held = [cell.cell_contents for cell in item.__closure__ or ()]
        names = item.__module__, item.__qualname__, item.__code__
        return (*names, _plain_key(held), _plain_key(item.__defaults__))
    raise TypeError(f"a {type(item).__name__} is no plain data")


def plan_memory(steps: Sequence[Step], outputs: Sequence[Tensor]) -> int:
    """Give what lives in the arena offsets such that lives never overlap; return the bytes."""
    allocations: dict[Allocation, None] = {}
    parts: dict[Allocation, None] = {}
    for position, step in enumerate(steps):
        for tensor in (*step.reads, *step.writes):
            allocation = tensor.allocation
            if allocation.kind != "arena":
                continue
            if allocation.whole is not None:
                parts[allocation] = None
                allocation = allocation.root
            if allocation not in allocations:
                allocations[allocation] = None
                allocation.first = position
            allocation.last = position
    for tensor in outputs:
        tensor.allocation.root.last = len(steps)
    lives = [Life(item.nbytes, item.first, item.last) for item in allocations]
    offsets, total = place(lives)
    for allocation, offset in zip(allocations, offsets, strict=True):
        allocation.offset = offset
    for part, offset in [(part, _offset(part)) for part in parts]:
        part.offset = offset
    return total


def _offset(allocation: Allocation) -> int:
    """Return the place of a part whose whole has one."""
    whole = allocation.whole
    return allocation.offset + (0 if whole is None else _offset(whole))
