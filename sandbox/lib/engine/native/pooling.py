"""Max and average pooling, in the layout their input has."""

from __future__ import annotations

from .. import dnnl
from ..builder import Builder
from ..choices import Candidate
from ..oplist import Op
from .common import choose_layout, distinct, like, window_of


def _average(op: Op) -> str:
    return "average" if op.attrs.get("include_padding") else "average_valid"


def max_pool2d(builder: Builder, op: Op) -> None:
    """Lower `max_pool2d`; without a reader of the workspace none is kept."""
    _forward(builder, op, "max", builder.is_used(op.outputs[1]))


def avg_pool2d(builder: Builder, op: Op) -> None:
    """Lower `avg_pool2d`."""
    _forward(builder, op, _average(op), False)


def _forward(builder: Builder, op: Op, algorithm: str, keep: bool) -> None:
    x, y = op.inputs[0], op.outputs[0]
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
    shape = builder.shape(y)

    def candidate(src: dnnl.Layout) -> Candidate:
        primitive = dnnl.pooling(algorithm, src, like(src, shape), kernel, window, training=keep)
        writes = {dnnl.DST: y}
        if keep:
            _gradient(algorithm, primitive, op)  # a forward kernel without one is of no use
            writes[dnnl.WORKSPACE] = op.outputs[1]
            _check_workspace(builder, op.outputs[1], primitive.needs(dnnl.WORKSPACE))
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(src.name, primitive, {dnnl.SRC: x}, writes, wanted)

    shape_in = builder.shape(x)
    choice = choose_layout(
        builder, op, candidate, builder.layouts(x, number=builder.number(y)), shape_in, shape_in[0]
    )
    if keep:
        builder.notes["pool", op.outputs[1]] = choice.primitive
    builder.emit(op, choice)


def _check_workspace(builder: Builder, value: int, layout: dnnl.Layout) -> None:
    """Refuse if the workspace is handed out (eager) and is not a plain array of the declared type.

    The gradient, a program of its own, will ask for the workspace of the plain forward kernel.
    """
    if not builder.wanted(dnnl.WORKSPACE, value):
        return
    if layout.dtype != builder.spec(value).dtype or not layout.plain:
        raise dnnl.RefusedError(f"max_pool2d: workspace is {layout.dtype} {layout.name}.")


def _gradient(algorithm: str, forward: dnnl.Primitive, op: Op) -> dnnl.Primitive:
    src, dst = forward.needs(dnnl.SRC), forward.needs(dnnl.DST)
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
    return dnnl.pooling_grad(algorithm, src, dst, kernel, window, forward)


def max_pool2d_grad(builder: Builder, op: Op) -> None:
    """Lower `max_pool2d_grad`; it runs in the layout of the forward kernel."""
    dy, workspace = op.inputs
    dx = op.outputs[0]
    forward: dnnl.Primitive | None = builder.notes.get(("pool", workspace))
    if forward is None:
        src, dst = dnnl.plain(builder.shape(dx)), dnnl.plain(builder.shape(dy))
        kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
        forward = dnnl.pooling("max", src, dst, kernel, window, training=True)
    primitive = _gradient("max", forward, op)
    raw = builder.fetch_raw(workspace, primitive.needs(dnnl.WORKSPACE))
    reads = {dnnl.DIFF_DST: builder.fetch(dy, primitive.needs(dnnl.DIFF_DST))}
    reads[dnnl.WORKSPACE] = raw
    writes = {dnnl.DIFF_SRC: builder.define(dx, primitive.needs(dnnl.DIFF_SRC))}
    builder.native(op, primitive, reads, writes)


def avg_pool2d_grad(builder: Builder, op: Op) -> None:
    """Lower `avg_pool2d_grad`."""
    dy, dx = op.inputs[0], op.outputs[0]
    algorithm, shape = _average(op), builder.shape(dx)
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)

    def candidate(dst: dnnl.Layout) -> Candidate:
        src = like(dst, shape)
        forward = dnnl.pooling(algorithm, src, dst, kernel, window, training=True)
        primitive = dnnl.pooling_grad(algorithm, src, dst, kernel, window, forward)
        wanted = builder.wanted(dnnl.DIFF_SRC, dx)
        return Candidate(dst.name, primitive, {dnnl.DIFF_DST: dy}, {dnnl.DIFF_SRC: dx}, wanted)

    at_hand, dims = builder.layouts(dy, number=builder.number(dx)), builder.shape(dy)
    for layout in builder.wanted(dnnl.DIFF_SRC, dx).values():  # a map of one pixel fits any layout
        if layout.dims == shape:
            other = dnnl.retyped(like(layout, dims), builder.number(dx))
            at_hand = distinct([*at_hand, other])
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0]))


LOWERINGS = {
    "max_pool2d": max_pool2d,
    "max_pool2d_grad": max_pool2d_grad,
    "avg_pool2d": avg_pool2d,
    "avg_pool2d_grad": avg_pool2d_grad,
}
