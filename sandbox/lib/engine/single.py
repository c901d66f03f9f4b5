"""Run one operation at once: a cached program of that operation, its outputs from the pool."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import dnnl, passes, threads
from .blueprint import Blueprint
from .builder import Builder
from .errors import EngineError
from .executable import NativeExecutable
from .memory import Workspace, pool
from .nan import NanNoticed
from .oplist import Op, OpList, Spec
from .ops import find
from .plan import KernelPlan
from .steps import Array

KEPT = 1024  # programs, over all operations and shapes

Key = tuple[Any, ...]


@dataclass
class _Entry:
    blueprint: Blueprint
    specs: list[tuple[tuple[int, ...], Any]]


class _Local(threading.local):
    def __init__(self) -> None:
        self.runs: OrderedDict[Key, NativeExecutable] = OrderedDict()
        self.workspace = Workspace(1 << 16)


_local = _Local()
_entries: OrderedDict[Key, _Entry | None] = OrderedDict()
_lock = threading.RLock()


def execute(name: str, inputs: Sequence[Array], attrs: dict[str, Any]) -> tuple[Array, ...] | None:
    """Return the outputs, or None when the operation is the reference kernels' business.

    Nothing is timed: the same operation gives the same bits in every process.
    """
    if threads.has_lost_helpers():
        return threads.run_in_worker(execute, name, inputs, attrs)
    count = threads.get_threads()
    key = (
        name,
        tuple([(array.shape, array.dtype.char) for array in inputs]),
        tuple(sorted(attrs.items())) if attrs else (),
        count,
    )
    entry = _entries.get(key, _missing)
    if entry is _missing:
        entry = _prepare(key, name, inputs, attrs, count)
    if entry is None:
        return None
    run = _local.runs.get(key)
    if run is None:
        run = _instantiate(key, entry)
    outputs = tuple([pool.empty(shape, dtype) for shape, dtype in entry.specs])
    try:
        run.run_into(inputs, outputs)
    except NanNoticed:
        return None
    return outputs


_missing: Any = object()


def _instantiate(key: Key, entry: _Entry) -> NativeExecutable:
    # One workspace serves all operations: they run one at a time.
    run = NativeExecutable(entry.blueprint, {}, _local.workspace)
    _local.runs[key] = run
    if len(_local.runs) > KEPT:
        _local.runs.popitem(last=False)
    return run


def _prepare(
    key: Key,
    name: str,
    inputs: Sequence[Array],
    attrs: dict[str, Any],
    count: int,
) -> _Entry | None:
    with _lock:
        if key in _entries:
            return _entries[key]
        entry = _build(name, inputs, attrs, count)
        _entries[key] = entry
        if len(_entries) > KEPT:
            _entries.popitem(last=False)
        return entry


def _build(name: str, inputs: Sequence[Array], attrs: dict[str, Any], count: int) -> _Entry | None:
    specs = [Spec.of(array) for array in inputs]
    record = find(name)
    outputs = list(record.infer(*specs, **attrs))
    if any(spec.size == 0 for spec in (*specs, *outputs)):
        return None
    values = [*specs, *outputs]
    ids = tuple(range(len(specs))), tuple(range(len(specs), len(values)))
    oplist = OpList(
        values=values,
        ops=[Op(name, *ids, dict(attrs))],
        inputs=[(f"input{i}", i) for i in ids[0]],
        outputs=[(f"output{i}", i) for i in ids[1]],
    )
    with threads.limit(count):
        threads.apply(count)
        better = passes.optimise(oplist)
        builder = Builder(better, count, KernelPlan(frozen=True))
        builder.training = record.keeps
        try:
            for op in better.ops:
                if not builder.lower(op):
                    if op.name == name or find(op.name).lower is not None:
                        return None
                    builder.reference(op)
        except dnnl.RefusedError:
            return None
        blueprint = builder.finish()
    if blueprint.loses_nan:
        blueprint.keeping = _reference
    return _Entry(blueprint, [(spec.shape, np.dtype(spec.dtype)) for spec in outputs])


def _reference() -> Blueprint:
    raise EngineError("engine: an operation run alone must be left to its reference kernel.")
