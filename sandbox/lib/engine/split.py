"""Rows dealt to threads: programs whose kernels gain nothing by a second thread run side by side.

The library's recurrent kernels go from step to step of a sequence, and their threads wait for each
other in each: eight texts of 100 words take two threads as long as one. So each thread gets part of
the rows and a program of one thread for it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from . import threads
from .executable import NativeExecutable
from .links import batch_values
from .oplist import OpList, Spec
from .ops import find
from .random import RandomKey
from .sample import with_batch
from .steps import Array, InputCheck, StepInfo, Storage

__all__ = ["SplitExecutable", "split"]

_RECURRENT = {"lstm", "gru", "rnn"}

Make = Callable[[OpList, int], NativeExecutable]


def split(oplist: OpList, count: int, make: Make) -> SplitExecutable | None:
    """Return programs of one thread for parts of the rows; None where that is not to be done.

    Parameters
    ----------
    oplist : OpList
        As it was traced.
    count : int
        Threads.
    make : callable(list, number of the part)
        Makes the program of one thread for a part.
    """
    if count < 2 or oplist.gradients or oplist.updates or not oplist.inputs:
        return None
    if _RECURRENT.isdisjoint(op.name for op in oplist.ops):
        return None
    if any(find(op.name).effects or find(op.name).random for op in oplist.ops):
        return None
    carriers, batch = batch_values(oplist)
    values = [value for _, value in (*oplist.inputs, *oplist.outputs)]
    count = min(count, batch // 2)  # two rows at least: one alone takes other kernels
    if count < 2 or not carriers.issuperset(values):
        return None
    bounds = [batch * part // count for part in range(count + 1)]
    lists = {size: with_batch(oplist, size) for size in {b - a for a, b in pairwise(bounds)}}
    parts: list[NativeExecutable] = []
    for number, (start, stop) in enumerate(pairwise(bounds)):
        part = lists[stop - start]
        if part is None or any(part.values[v].shape[:1] != (stop - start,) for v in values):
            return None
        parts.append(make(part, number))
    if not _rows_stay_apart(parts[0], lists[bounds[1]]):
        return None
    return SplitExecutable(oplist, bounds, parts)


def _rows_stay_apart(program: NativeExecutable, oplist: OpList | None) -> bool:
    """Tell whether the first and the last row's results do not change with the other rows."""
    if oplist is None:
        return False
    generator = np.random.Generator(np.random.PCG64(0))

    def draw(spec: Spec, integer: int) -> Array:
        if np.dtype(spec.dtype).kind == "f":
            return generator.standard_normal(spec.shape).astype(spec.dtype)
        return np.full(spec.shape, integer, spec.dtype)

    specs = [oplist.values[value] for _, value in oplist.inputs]
    try:
        with np.errstate(all="ignore"):
            first = [draw(spec, 1) for spec in specs]
            before = [np.array(y) for y in program.run(first)]
            for kept in (0, -1):
                other = [draw(spec, 2) for spec in specs]  # no id or length is ever too large
                for array, known in zip(other, first, strict=True):
                    array[kept] = known[kept]
                for old, new in zip(before, program.run(other), strict=True):
                    if not np.array_equal(old[kept], new[kept], equal_nan=old.dtype.kind == "f"):
                        return False
    except (ValueError, IndexError):  # made-up numbers that the program refuses
        return False
    return True


class SplitExecutable:
    """Programs that each take some of the rows, in as many threads; see `steps.Executable`."""

    def __init__(
        self, oplist: OpList, bounds: Sequence[int], parts: Sequence[NativeExecutable]
    ) -> None:
        self._oplist, self._bounds, self._parts = oplist, list(bounds), list(parts)
        self._check_inputs = InputCheck(oplist)
        self._rows = [slice(start, stop) for start, stop in pairwise(bounds)]
        specs = [oplist.values[value] for _, value in oplist.outputs]
        self._outputs = [np.empty(spec.shape, spec.dtype) for spec in specs]
        self.steps: list[StepInfo] = self._parts[0].steps

    def run(self, inputs: Sequence[Array], *, random: RandomKey | None = None) -> list[Array]:
        """Run once; the arrays handed back are valid until the next run."""
        self._check_inputs(inputs)
        return self.run_checked(inputs, random=random)

    def run_checked(
        self, inputs: Sequence[Array], *, random: RandomKey | None = None
    ) -> list[Array]:
        """Run once on inputs whose shapes and dtypes are known to be the list's."""
        if threads.has_lost_helpers():
            return threads.run_in_worker(self.run_checked, inputs, random=random)
        others = [
            _pool().submit(self._run, number, inputs, random)
            for number in range(1, len(self._parts))
        ]
        try:
            self._run(0, inputs, random)
        finally:
            failed = [error for other in others if (error := other.exception()) is not None]
        if failed:
            raise failed[0]
        return list(self._outputs)

    def _run(self, number: int, inputs: Sequence[Array], random: RandomKey | None) -> None:
        rows = self._rows[number]
        found = self._parts[number].run_checked([array[rows] for array in inputs], random=random)
        for whole, part in zip(self._outputs, found, strict=True):
            whole[rows] = part

    def clone(self, storage: Storage | None = None, owner: Hashable = None) -> SplitExecutable:
        """Return a copy with its own activations, for another thread."""
        parts = [
            part.clone(storage, part_owner(owner, number))
            for number, part in enumerate(self._parts)
        ]
        return SplitExecutable(self._oplist, self._bounds, parts)

    def refresh_parameters(self) -> None:
        """Take over changed weights."""
        for part in self._parts:
            part.refresh_parameters()

    def pieces(self) -> Iterator[tuple[object, int]]:
        """Give what it holds in memory, with its bytes; executables share some of it."""
        yield self, sum(array.nbytes for array in self._outputs)
        for part in self._parts:
            yield from part.pieces()

    def profile(self, inputs: Sequence[Array], repeats: int = 5) -> list[StepInfo]:
        """Run the first part a few times and return its steps with their best times."""
        return self._parts[0].profile([array[self._rows[0]] for array in inputs], repeats)


def part_owner(owner: Hashable, number: int) -> Hashable:
    """Return whose memory a part's program shares: parts run at the same time."""
    return None if owner is None else (owner, number)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "sandbox-rows")


if hasattr(os, "register_at_fork"):  # threads are not forked with their process
    os.register_at_fork(after_in_child=_pool.cache_clear)
