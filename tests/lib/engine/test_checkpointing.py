"""The pass that forgets and computes again, on lists of operations."""

from __future__ import annotations

import pytest

from sandbox.lib import engine
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.engine import Op, OpList, Spec
from sandbox.lib.engine.passes import recompute
from sandbox.lib.engine.passes.checkpointing import peak

SIZE = 4000  # bytes of a value


def chain(length: int, name: str = "tanh") -> OpList:
    """Return a list that applies a function `length` times, and its gradient as often."""
    oplist = OpList()
    x = oplist.new_value(Spec((1000,)))
    oplist.inputs.append(("x", x))
    values = [x]
    for k in range(length):
        values.append(oplist.new_value(Spec((1000,))))
        oplist.ops.append(Op(name, (values[-2],), (values[-1],), {}, f"f{k}"))
    total = oplist.new_value(Spec(()))
    oplist.ops.append(
        Op("sum", (values[-1],), (total,), {"axes": (0,), "keepdims": False}, "total")
    )
    oplist.outputs.append(("total", total))
    slope = values[-1]
    for y in reversed(values[1:]):
        below = oplist.new_value(Spec((1000,)))
        oplist.ops.append(Op(f"{name}_grad", (slope, y), (below,), {}, "back"))
        slope = below
    oplist.gradients.append(("x", slope))
    return oplist


def test_the_peak_counts_what_lives_at_once() -> None:
    assert peak(chain(4)) // SIZE == 5  # four results and a gradient


@pytest.mark.parametrize("length", [25, 100, 400])
def test_memory_grows_with_the_root_of_the_length(length: int) -> None:
    oplist = chain(length)
    shorter, _ = recompute(oplist, "full")
    held = peak(shorter) / SIZE
    assert held <= 2.5 * length**0.5 + 3  # checkpoints and a segment
    assert len(shorter.ops) <= 3 * length + 1  # forward, once more, backward


def test_each_operation_comes_from_one_that_does_the_same() -> None:
    oplist = chain(30)
    shorter, places = recompute(oplist, "light")
    assert len(places) == len(shorter.ops)
    assert set(places) == set(range(len(oplist.ops)))
    for op, place in zip(shorter.ops, places, strict=True):
        assert (op.name, op.path) == (oplist.ops[place].name, oplist.ops[place].path)
    made = {value for _, value in shorter.inputs}
    for op in shorter.ops:
        assert made.issuperset(op.inputs)
        made.update(op.outputs)


def test_a_list_that_gains_nothing_is_left_alone() -> None:
    for oplist in (chain(2), OpList()):
        assert recompute(oplist, "full")[0] is oplist


def test_the_kind_is_checked() -> None:
    with pytest.raises(ArgumentError, match=r"`checkpointing` must be one of .*; got 'half'"):
        engine.compile(OpList(), {}, checkpointing="half")
