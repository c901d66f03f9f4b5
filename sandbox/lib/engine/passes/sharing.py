"""What is computed twice from the same values is computed once, in inference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..links import kept
from ..oplist import Op, OpList
from ..ops import find

_COMPARED = 64 << 10  # bytes of a constant; larger ones are not looked through


def share(oplist: OpList) -> None:
    """Let equal operations on equal values be one, and small constants that are equal.

    The layers of a Transformer each make the same mask, a module that is called twice the same
    constant. While training, a value that lives longer costs memory: there nothing is shared.
    """
    if oplist.gradients or oplist.updates:
        return
    same: dict[int, int] = {}
    constants: dict[Any, int] = {}
    for array, value in oplist.constants:
        if array.nbytes <= _COMPARED:
            key = oplist.values[value], array.tobytes()
            same[value] = constants.setdefault(key, value)
    handed_out = kept(oplist)
    known: dict[Any, Op] = {}
    ops: list[Op] = []
    for op in oplist.ops:
        mapped = replace(op, inputs=tuple(same.get(value, value) for value in op.inputs))
        record = find(op.name)
        if record.pure and not record.keeps and handed_out.isdisjoint(op.outputs):
            specs = tuple(oplist.values[value] for value in op.outputs)
            first = known.setdefault((op.name, mapped.inputs, repr(op.attrs), specs), mapped)
            if first is not mapped:
                same |= dict(zip(op.outputs, first.outputs, strict=True))
                continue
        ops.append(mapped)
    oplist.ops = ops
