"""Loops and branches: operations whose attribute is a list of operations, compiled once.

`scan` runs a list for every step of its inputs' axis 0, `cond` one of two lists, `while_loop` one
list as long as another gives true. Inputs behind the changing ones are the same in every step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, OpList, Spec
from ..steps import Array
from ..sublists import FIXED, Bound, SubProgram, check, emit, evaluate, is_empty, outputs_of

if TYPE_CHECKING:
    from ..builder import Builder


# -- scan ------------------------------------------------------------------------------------------


def _infer_scan(
    *specs: Spec, body: OpList, carry: int, xs: int, length: int, reverse: bool, keep: bool
) -> tuple[Spec, ...]:
    """Return the last carry, the stacked outputs and (`keep`) the carries that entered steps."""
    for spec in specs[carry : carry + xs]:
        if spec.shape[:1] != (length,):
            raise ShapeError(f"xs axis 0 must be {length} (steps); got shape {spec.shape}.")
    one = [Spec(spec.shape[1:], spec.dtype) for spec in specs[carry : carry + xs]]
    check("scan", body, [*specs[:carry], *one, *specs[carry + xs :]])
    found = outputs_of(body)
    stacked = [Spec((length, *spec.shape), spec.dtype) for spec in found[carry:]]
    kept = [Spec((length, *spec.shape), spec.dtype) for spec in found[:carry]] if keep else []
    return (*found[:carry], *stacked, *kept)


def _order(length: int, reverse: bool) -> range:
    return range(length - 1, -1, -1) if reverse else range(length)


def scan(
    *arrays: Array, body: OpList, carry: int, xs: int, length: int, reverse: bool, keep: bool
) -> tuple[Array, ...]:
    """Run the body once a step: (carry, x_t, rest) -> (carry, y_t)."""
    states = list(arrays[:carry])
    sequences, rest = arrays[carry : carry + xs], arrays[carry + xs :]
    count = len(body.outputs) - carry
    rows: list[list[Any]] = [[None] * length for _ in range(count + carry)]
    for t in _order(length, reverse):
        for k, state in enumerate(states):
            rows[count + k][t] = state
        results = evaluate(body, [*states, *[x[t, ...] for x in sequences], *rest])
        states = results[:carry]
        for k, y in enumerate(results[carry:]):
            rows[k][t] = y
    stacked = [np.stack(row) for row in rows[: count + (carry if keep else 0)]]
    return (*[np.array(state) for state in states], *stacked)


def lower_scan(builder: Builder, op: Op) -> None:
    """Lower `scan`: the body compiled once, pointed at each step's part of the stacks."""
    body: OpList = op.attrs["body"]
    carry, xs, length = op.attrs["carry"], op.attrs["xs"], op.attrs["length"]
    if is_empty(body):
        raise dnnl.RefusedError("scan: a value that holds nothing is the interpreter's business.")
    order, total = _order(length, op.attrs["reverse"]), len(body.outputs)
    stacks = [k for k in range(carry, total) if builder.is_used(op.outputs[k])]
    lasts = [k for k in range(carry) if builder.is_used(op.outputs[k])]
    kept = [k for k, value in enumerate(op.outputs[total:]) if builder.is_used(value)]
    fixed = [builder.plain(value) for value in op.inputs[carry + xs :]]
    reads = [builder.plain(value) for value in op.inputs[: carry + xs]]
    program = SubProgram(builder, body, carry + xs, fixed, [*range(carry), *stacks])
    targets = [*[op.outputs[k] for k in (*stacks, *lasts)], *[op.outputs[total + k] for k in kept]]
    writes = [builder.define(value) for value in targets]
    between = [builder.temporary(tensor) for tensor in (*reads[:carry], *reads[:carry])]

    def run(lists: list[Bound], reads: Sequence[Array], writes: Sequence[Array]) -> None:
        run_into = lists[0].run.run_into
        first, sequences = list(reads[:carry]), reads[carry : carry + xs]
        ys, rest = writes[: len(stacks)], writes[len(stacks) :]
        last = dict(zip(lasts, rest, strict=False))
        stacked = dict(zip(kept, rest[len(lasts) :], strict=False))
        spare = rest[len(lasts) + len(kept) :]
        for k, rows in stacked.items():
            rows[order[0]] = first[k]
            first[k] = rows[order[0], ...]
        states = first
        for step, t in enumerate(order):
            final = step == length - 1
            after = [
                last[k]
                if final and k in last
                else stacked[k][order[step + 1], ...]
                if not final and k in stacked
                else spare[k + carry * (step % 2)]
                for k in range(carry)
            ]
            run_into([*states, *[x[t, ...] for x in sequences]], [*after, *[y[t, ...] for y in ys]])
            states = after

    emit(builder, op, [program], fixed, reads, [*writes, *between], run)


# -- cond ------------------------------------------------------------------------------------------


def _infer_cond(pred: Spec, *specs: Spec, on_true: OpList, on_false: OpList) -> tuple[Spec, ...]:
    _one_truth(pred)
    for branch in (on_true, on_false):
        check("cond", branch, specs)
    return tuple(outputs_of(on_true))


def _one_truth(pred: Spec) -> None:
    if pred.size != 1:
        raise ShapeError(f"pred must be one number or truth value; got shape {pred.shape}.")


def cond(pred: Array, *arrays: Array, on_true: OpList, on_false: OpList) -> tuple[Array, ...]:
    """Run one of two lists."""
    results = evaluate(on_true if pred.any() else on_false, arrays)
    return tuple([np.array(result) for result in results])


def lower_cond(builder: Builder, op: Op) -> None:
    """Lower `cond`: both lists compiled, one runs."""
    branches: tuple[OpList, OpList] = (op.attrs["on_true"], op.attrs["on_false"])
    if any(is_empty(branch) for branch in branches):
        raise dnnl.RefusedError("cond: a value that holds nothing is the interpreter's business.")
    pred, *rest = [builder.plain(value) for value in op.inputs]
    used = [k for k, value in enumerate(op.outputs) if builder.is_used(value)]
    # Only what changes with the weights is bound: the rest is pointed at, and never copied.
    stays = [tensor.allocation.kind in FIXED for tensor in rest]
    order = [k for k, stay in enumerate(stays) if not stay]
    first = len(order)
    order += [k for k, stay in enumerate(stays) if stay]
    turned = [_with_inputs(branch, order) for branch in branches]
    fixed = [rest[k] for k in order[first:]]
    programs = [SubProgram(builder, branch, first, fixed, used) for branch in turned]
    writes = [builder.define(op.outputs[k]) for k in used]

    def run(lists: list[Bound], reads: Sequence[Array], writes: Sequence[Array]) -> None:
        lists[0 if reads[0].any() else 1].run.run_into(reads[1 : 1 + first], writes)

    emit(builder, op, programs, fixed, [pred, *[rest[k] for k in order[:first]]], writes, run)


def _with_inputs(oplist: OpList, order: Sequence[int]) -> OpList:
    from dataclasses import replace

    return replace(oplist, inputs=[oplist.inputs[k] for k in order])


# -- while -----------------------------------------------------------------------------------------


def _infer_while(*specs: Spec, condition: OpList, body: OpList, carry: int) -> tuple[Spec, ...]:
    check("while_loop", condition, specs)
    check("while_loop", body, specs)
    (truth,) = outputs_of(condition)
    _one_truth(truth)
    return tuple(outputs_of(body))


def while_loop(*arrays: Array, condition: OpList, body: OpList, carry: int) -> tuple[Array, ...]:
    """Run the body as long as the condition gives true: (carry, rest) -> carry."""
    states, rest = list(arrays[:carry]), arrays[carry:]
    while evaluate(condition, [*states, *rest])[0].any():
        states = evaluate(body, [*states, *rest])
    return tuple([np.array(state) for state in states])


def lower_while(builder: Builder, op: Op) -> None:
    """Lower `while_loop`: condition and body compiled once."""
    condition, body = op.attrs["condition"], op.attrs["body"]
    carry: int = op.attrs["carry"]
    if is_empty(condition) or is_empty(body):
        raise dnnl.RefusedError("while_loop: what holds nothing is the interpreter's business.")
    reads = [builder.plain(value) for value in op.inputs[:carry]]
    fixed = [builder.plain(value) for value in op.inputs[carry:]]
    programs = [SubProgram(builder, part, carry, fixed) for part in (condition, body)]
    writes = [builder.define(value) for value in op.outputs]
    between = [builder.temporary(tensor) for tensor in (*reads, *reads)]
    truth = Spec(*_shape_and_dtype(condition))

    def run(lists: list[Bound], reads: Sequence[Array], writes: Sequence[Array]) -> None:
        check_into, body_into = (item.run.run_into for item in lists)
        states, spare = list(reads[:carry]), writes[carry:]
        going = np.empty(truth.shape, truth.dtype)
        for step in _endless():
            check_into(states, [going])
            if not going.any():
                break
            after = list(spare[carry * (step % 2) :][:carry])
            body_into(states, after)
            states = after
        for target, state in zip(writes[:carry], states, strict=True):
            np.copyto(target, state)

    emit(builder, op, programs, fixed, reads, [*writes, *between], run)


def _shape_and_dtype(condition: OpList) -> tuple[tuple[int, ...], str]:
    (truth,) = outputs_of(condition)
    return truth.shape, truth.dtype


def _endless() -> Iterator[int]:
    step = 0
    while True:
        yield step
        step += 1


register("scan", infer=_infer_scan, reference=scan, lower=lower_scan)
register("cond", infer=_infer_cond, reference=cond, lower=lower_cond)
register("while_loop", infer=_infer_while, reference=while_loop, lower=lower_while)
