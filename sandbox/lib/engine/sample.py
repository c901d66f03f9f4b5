"""The same computation for fewer samples: what kernels are chosen by, where batches are large."""

from __future__ import annotations

from dataclasses import replace
from math import log2, prod
from typing import Any

from .links import batch_values
from .operation import Operation
from .oplist import Op, OpList, Spec
from .ops import find
from .timing import SECONDS, share_of

STEPS = 6  # of the sample: what timing its kernels takes, more or less
OPERATION = 2.5e-3  # seconds: what making an operation's kernels takes
LONGEST = 1.0  # seconds of a step of the sample
FLOPS, BYTES = 1e11, 1e10  # a second, of one core: what the guess goes by


def sampled(oplist: OpList, threads: int) -> tuple[OpList, float]:
    """Return the list for part of its batch, and how many times longer the whole takes.

    It is the list itself where that takes no long time, or where its shapes cannot be cut. The list
    must be as it was traced: what the passes make of it has shapes of its own.
    """
    _, batch = batch_values(oplist)
    seconds = guess(oplist) / threads
    budget = max(SECONDS - OPERATION * len(oplist.ops), SECONDS / 4) + share_of(oplist) * seconds
    wanted = min(budget / STEPS, LONGEST)
    if seconds > wanted:
        rows = 2 ** max(1, round(log2(batch * wanted / seconds / threads))) * threads
        if rows <= batch // 2:
            small = with_batch(oplist, rows)
            if small is not None:
                return small, batch / rows
    return oplist, 1.0


def guess(oplist: OpList) -> float:
    """Return how many seconds one core takes, more or less."""
    seconds = 0.0
    for op in oplist.ops:
        reads = [oplist.values[value] for value in op.inputs]
        writes = [oplist.values[value] for value in op.outputs]
        seconds += sum(spec.nbytes for spec in (*reads, *writes)) / BYTES
        record = find(op.name)
        if record.products == 2:
            if record.batch_outputs == 0:  # the gradient of weights
                weight, result = writes[0], reads[1]
            else:
                weight, result = reads[1], reads[0] if record.gradient else writes[0]
            filters = result.shape[1:2] == weight.shape[:1]
            inner = prod(weight.shape[1:]) if filters else weight.shape[-2]
            seconds += 2 * result.size * inner / FLOPS
    return seconds


def with_batch(oplist: OpList, rows: int) -> OpList | None:
    """Return the list for batches of this size; None if its shapes do not follow from the batch.

    Only the shapes count: it is timed on made-up numbers.
    """
    _, batch = batch_values(oplist)
    small = replace(oplist, values=list(oplist.values), ops=[])
    cut: set[int] = set()
    for _, value in oplist.inputs:
        spec = oplist.values[value]
        if spec.shape and spec.shape[0] == batch:
            cut.add(value)
            small.values[value] = Spec((rows, *spec.shape[1:]), spec.dtype)
    for op in oplist.ops:
        made = _cut(oplist, small, op, cut, batch, rows)
        if made is None:
            return None
        small.ops.append(made)
    same = [*oplist.parameters, *oplist.buffers, *oplist.gradients, *oplist.updates]
    if any(small.values[value] != oplist.values[value] for _, value in same):
        return None
    return small


def _cut(oplist: OpList, small: OpList, op: Op, cut: set[int], batch: int, rows: int) -> Op | None:
    """Return the operation for the smaller batch, and note the shapes of its outputs."""
    record = find(op.name)
    attrs = dict(op.attrs)
    if any(isinstance(item, OpList) for item in attrs.values()):
        return None
    before = [oplist.values[value] for value in op.outputs]
    if cut.intersection(op.inputs):
        for key, item in op.attrs.items():
            whole = key == "stops" and op.attrs["starts"][0] == 0
            batched = whole or ("shape" in key and _is_batched(record, before, item))
            if batched and item[0] % batch == 0:
                attrs[key] = (item[0] // batch * rows, *item[1:])
    try:
        specs = record.infer(*[small.values[value] for value in op.inputs], **attrs)
    except (ValueError, TypeError, IndexError, KeyError):
        return None
    for value, spec, known in zip(op.outputs, specs, before, strict=False):
        if len(spec.shape) != len(known.shape) or spec.dtype != known.dtype:
            return None
        small.values[value] = spec
        if spec.shape != known.shape:
            cut.add(value)
    return replace(op, attrs=attrs)


def _is_batched(record: Operation, outputs: list[Spec], shape: Any) -> bool:
    """Return whether a shape among the attributes is that of an output with the batch axis."""
    return bool(shape) and any(spec.shape == shape for spec in outputs[: record.batch_outputs])
