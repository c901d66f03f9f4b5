"""Sums that a kernel takes on: added to what lies at its destination, or read from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import dnnl
from ..operation import operands
from ..oplist import Op
from .common import post_ops

if TYPE_CHECKING:
    from ..builder import Builder


class Combined:
    """How a kernel reads the operands of its post-ops.

    The first one that dies here is added to in place, which saves a pass over memory; the others
    are read in the layout of the result.

    Attributes
    ----------
    own : tuple of value ids
        The operation's inputs without the operands.
    over : value id or None
        What must lie at the destination before.
    reads : dict of argument -> value id
        The other operands.
    """

    def __init__(self, builder: Builder, op: Op) -> None:
        given = operands(op)
        self.own = op.inputs[: len(op.inputs) - len(given)]
        self.over: int | None = None
        self.reads: dict[int, int] = {}
        self._builder, self._op = builder, op
        self._in_place: set[int] = set()
        read = {t.allocation for value in self.own for t in builder.tensors(value)}
        rest = iter(given)
        for place, (name, *_) in enumerate(op.attrs.get("post_ops", ())):
            if name not in dnnl.BINARY:
                continue
            value = next(rest)
            if (
                name == "add"
                and self.over is None
                and builder.shape(value) == builder.shape(op.outputs[0])
                and read.isdisjoint(t.allocation for t in builder.tensors(value))
                and builder.may_be_overwritten(value, op.outputs[0])
            ):
                self.over = value
                self._in_place.add(place)
            else:
                self.reads[dnnl.post_op(place)] = value

    def post_ops(self, dst: dnnl.Wanted) -> dnnl.PostOps:
        """Return what the kernel applies to a result of this layout."""
        return post_ops(self._op, lambda place, name: self._combine(place, name, dst))

    def _combine(self, place: int, name: str, dst: dnnl.Wanted) -> dnnl.PostOp:
        if place in self._in_place:
            return dnnl.Sum()
        shape = self._builder.shape(self.reads[dnnl.post_op(place)])
        is_whole = shape == self._builder.shape(self._op.outputs[0])
        return dnnl.Binary(dnnl.BINARY[name], dst if is_whole else dnnl.plain(shape))
