"""Candidates: the ways to run one operation, and how long their kernels take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import dnnl
from .subnormal import FlushToZero

ROUNDS = 4  # timing runs of a candidate; the best one counts
HOPELESS = 3.0  # times slower than the best so far: not run again


@dataclass
class Candidate:
    """One way to run an operation.

    Parameters
    ----------
    name : str
        Goes into the kernel plan.
    primitive : Primitive
        The kernel.
    reads, writes : dict of argument -> value id
        What the kernel takes and gives; the layouts are the primitive's own.
    wanted : dict of argument -> layout
        In which layouts the outputs will probably be read, to count the reorders.
    over : value id, optional
        What must lie at the destination before, since the kernel adds to it.
    """

    name: str
    primitive: dnnl.Primitive
    reads: dict[int, int]
    writes: dict[int, int]
    wanted: dict[int, dnnl.Layout] = field(default_factory=dict)
    over: int | None = None


def legal(options: Iterable[Callable[[], Candidate]]) -> list[Candidate]:
    """Return the options the library has optimised kernels for, without doubles."""
    found: dict[Any, Candidate] = {}
    refusal: dnnl.RefusedError | None = None
    for make in options:
        try:
            candidate = make()
        except dnnl.RefusedError as error:
            refusal = error.with_traceback(None)  # which would keep this frame and be kept by it
            continue
        primitive = candidate.primitive
        arguments = (*candidate.reads, *candidate.writes)
        layouts = tuple(primitive.needs(argument).key for argument in arguments)
        found.setdefault((primitive.implementation, layouts), candidate)
    if not found and refusal is not None:
        raise dnnl.RefusedError(*refusal.args)
    return list(found.values())


def time_primitives(primitives: Sequence[dnnl.Primitive]) -> list[float]:
    """Return the best time of each primitive, run in turns on made-up data."""
    execute = dnnl.native().lib.dnnl_primitive_execute
    stream = dnnl.new_stream()
    calls = []
    keep: list[Any] = []
    for primitive in primitives:
        pairs = []
        layouts = [(argument, primitive.layout(argument)) for argument in dnnl.ARGUMENTS]
        for argument, layout in (*layouts, *primitive.factors()):
            if layout is not None:
                memory = np.zeros(layout.nbytes + 64, np.uint8)
                memory[::4096] = 0  # the pages must exist
                keep.append(memory)
                address = -(-memory.ctypes.data // 64) * 64
                pairs.append((argument, dnnl.new_memory(layout, address)))
        keep.append(pairs)
        calls.append((primitive.handle, stream, len(pairs), dnnl.new_arguments(pairs)))
    best = [float("inf")] * len(calls)
    with FlushToZero():
        for turn in range(1 + ROUNDS):
            limit = min(best, default=0.0) * HOPELESS
            for position, arguments in enumerate(calls):
                if turn > 1 and best[position] > limit and len(calls) > 1:
                    continue
                start = time.perf_counter()
                status = execute(*arguments)
                seconds = time.perf_counter() - start
                dnnl.check(status, primitives[position].kind, "a timing run")
                if turn:
                    best[position] = min(best[position], seconds)
    return best
