"""Elementwise kernels: in the layout at hand, written over the source if nothing reads it later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .. import dnnl
from ..choices import Candidate
from ..oplist import Op
from .common import by_layout, distinct

if TYPE_CHECKING:
    from ..builder import Builder


def choose_in_place(
    builder: Builder,
    op: Op,
    make: Callable[[dnnl.Layout], Candidate],
    values: Sequence[int],
    source: int,
    target: int,
) -> None:
    """Choose among the layouts at hand and write over the source if nothing reads it later."""
    if any(builder.spec(value).dtype != "float32" for value in values):
        raise dnnl.RefusedError(f"{op.name}: must be of float32 values.")
    dtype = builder.dtype_of(op.outputs[0])
    layouts = distinct(layout for value in values for layout in builder.layouts(value, dtype=dtype))
    shape = builder.shape(op.outputs[0])
    # A value behind a reshape may be at hand in layouts of other axes only.
    layouts = layouts or [dnnl.plain(shape, dtype)]
    wanted = builder.wanted(target, op.outputs[0])
    choice = builder.choose(op, by_layout(make, layouts), shape[0] if shape else 1, wanted)
    primitive = choice.primitive
    reads = {arg: builder.fetch(value, primitive.needs(arg)) for arg, value in choice.reads.items()}
    over = reads[source]
    writes = {target: builder.define(choice.writes[target], primitive.needs(target), over=over)}
    builder.native(op, primitive, reads, writes)


def layout_of_partner(builder: Builder, op: Op, value: int) -> dnnl.Layout | None:
    """Return the layout in which an operation on two equal maps reads one: that of the other."""
    if len(op.inputs) != 2:
        return None
    other = op.inputs[1] if value == op.inputs[0] else op.inputs[0]
    if builder.tensors(other) and builder.shape(other) == builder.shape(value):
        return next(iter(builder.layouts(other)), None)
    return None
