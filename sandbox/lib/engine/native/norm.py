"""Batch normalisation, with a ReLU fused in where it follows; layer normalisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import dnnl
from ..builder import Builder
from ..choices import Candidate
from ..oplist import Op
from .common import Dims, choose_layout, distinct, is_relu, seen


def _dims(shape: Dims) -> Dims:
    return (*shape, 1, 1) if len(shape) == 2 else shape


def _layouts(builder: Builder, number: str, *values: int) -> list[dnnl.Layout]:
    dims = _dims(builder.shape(values[0]))
    if len(dims) != 4:
        raise dnnl.RefusedError(f"batch_norm: must have 2 or 4 axes; got {len(dims)}.")
    return distinct(layout for value in values for layout in builder.layouts(value, dims, number))


def batch_norm(builder: Builder, op: Op) -> None:
    """Lower `batch_norm` (training: statistics of the batch)."""
    x, gamma, beta = op.inputs
    y, mean, variance, *workspace = op.outputs
    relu = is_relu(op)
    if any(builder.wanted(dnnl.WORKSPACE, value) for value in workspace):
        raise dnnl.RefusedError("batch_norm: its workspace cannot be handed out.")
    reads = {dnnl.SRC: x, dnnl.SCALE: gamma, dnnl.SHIFT: beta}
    writes = {dnnl.DST: y, dnnl.MEAN: mean, dnnl.VARIANCE: variance}
    writes |= {dnnl.WORKSPACE: workspace[0]} if relu else {}

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.batch_norm(layout, layout, op.attrs["epsilon"], training=True, relu=relu)
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, writes, wanted)

    choice = _choose(builder, op, candidate, _layouts(builder, builder.number(x), x))
    builder.notes["norm", mean] = choice.primitive
    builder.emit(op, choice)


def batch_norm_inference(builder: Builder, op: Op) -> None:
    """Lower `batch_norm_inference` (statistics given)."""
    x, gamma, beta, mean, variance = op.inputs
    y = op.outputs[0]
    relu = is_relu(op)
    reads = {
        dnnl.SRC: x,
        dnnl.SCALE: gamma,
        dnnl.SHIFT: beta,
        dnnl.MEAN: mean,
        dnnl.VARIANCE: variance,
    }

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.batch_norm(layout, layout, op.attrs["epsilon"], training=False, relu=relu)
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    builder.emit(op, _choose(builder, op, candidate, _layouts(builder, builder.number(x), x)))


def batch_norm_grad(builder: Builder, op: Op) -> None:
    """Lower `batch_norm_grad`; with a workspace dy is the gradient behind the fused ReLU."""
    dy, x, gamma, mean, variance, *workspace = op.inputs
    dx, dgamma, dbeta = op.outputs
    relu = bool(workspace)
    epsilon = op.attrs["epsilon"]
    forward: dnnl.Primitive | None = builder.notes.get(("norm", mean))
    if relu and forward is None:
        raise dnnl.RefusedError("batch_norm_grad: the workspace must be of a native kernel.")

    def candidate(layout: dnnl.Layout) -> Candidate:
        hint = forward or dnnl.batch_norm(layout, layout, epsilon, training=True)
        primitive = dnnl.batch_norm_grad(layout, layout, layout, epsilon, hint, relu)
        reads = {
            dnnl.DIFF_DST: dy,
            dnnl.SRC: x,
            dnnl.SCALE: gamma,
            dnnl.MEAN: mean,
            dnnl.VARIANCE: variance,
        }
        writes = {dnnl.DIFF_SRC: dx, dnnl.DIFF_SCALE: dgamma, dnnl.DIFF_SHIFT: dbeta}
        return Candidate(layout.name, primitive, reads, writes, builder.wanted(dnnl.DIFF_SRC, dx))

    if forward is not None:
        choice = candidate(forward.needs(dnnl.SRC))
    else:
        choice = _choose(builder, op, candidate, _layouts(builder, builder.number(dx), x, dy))
    primitive = choice.primitive
    reads = {arg: builder.fetch(value, primitive.needs(arg)) for arg, value in choice.reads.items()}
    if relu:
        reads[dnnl.WORKSPACE] = builder.fetch_raw(workspace[0], primitive.needs(dnnl.WORKSPACE))
    writes = {
        arg: builder.define(value, primitive.needs(arg)) for arg, value in choice.writes.items()
    }
    builder.native(op, primitive, reads, writes)


def _choose(
    builder: Builder,
    op: Op,
    make: Callable[[dnnl.Layout], Candidate],
    layouts: list[dnnl.Layout],
) -> Candidate:
    shape = builder.shape(op.outputs[0])
    return choose_layout(builder, op, make, layouts, _dims(shape), shape[0])


def layer_norm(builder: Builder, op: Op) -> None:
    """Lower `layer_norm`: rows by features."""
    x, gamma, beta = op.inputs
    y, mean, variance = op.outputs
    rows, features = _rows(builder, op, x)
    layout, statistics = dnnl.plain((rows, features)), dnnl.plain((rows,))
    training = builder.is_used(mean) or builder.is_used(variance)
    primitive = dnnl.layer_norm(layout, statistics, op.attrs["epsilon"], training=training)
    reads = {
        dnnl.SRC: seen(builder.plain(x), layout),
        dnnl.SCALE: seen(builder.plain(gamma), dnnl.plain((features,))),
        dnnl.SHIFT: seen(builder.plain(beta), dnnl.plain((features,))),
    }
    writes = {dnnl.DST: seen(builder.define(y), layout)}
    for argument, value in ((dnnl.MEAN, mean), (dnnl.VARIANCE, variance)):
        target = builder.define(value)
        if training:
            writes[argument] = seen(target, statistics)
    builder.native(op, primitive, reads, writes)


def layer_norm_grad(builder: Builder, op: Op) -> None:
    """Lower `layer_norm_grad`."""
    dy, x, gamma, mean, variance = op.inputs
    dx, dgamma, dbeta = op.outputs
    rows, features = _rows(builder, op, x)
    layout, statistics = dnnl.plain((rows, features)), dnnl.plain((rows,))
    forward = dnnl.layer_norm(layout, statistics, op.attrs["epsilon"], training=True)
    primitive = dnnl.layer_norm_grad(layout, statistics, op.attrs["epsilon"], forward)
    reads = {
        dnnl.DIFF_DST: seen(builder.plain(dy), layout),
        dnnl.SRC: seen(builder.plain(x), layout),
        dnnl.SCALE: seen(builder.plain(gamma), dnnl.plain((features,))),
        dnnl.SHIFT: seen(builder.plain(gamma), dnnl.plain((features,))),  # asked for, never read
        dnnl.MEAN: seen(builder.plain(mean), statistics),
        dnnl.VARIANCE: seen(builder.plain(variance), statistics),
    }
    writes = {
        dnnl.DIFF_SRC: seen(builder.define(dx), layout),
        dnnl.DIFF_SCALE: seen(builder.define(dgamma), dnnl.plain((features,))),
        dnnl.DIFF_SHIFT: seen(builder.define(dbeta), dnnl.plain((features,))),
    }
    builder.native(op, primitive, reads, writes)


def _rows(builder: Builder, op: Op, x: int) -> tuple[int, int]:
    shape, first = builder.shape(x), op.attrs["axes_from"]
    rows = int(np.prod(shape[:first], dtype=np.int64))
    return rows, int(np.prod(shape[first:], dtype=np.int64))


LOWERINGS = {
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "batch_norm_grad": batch_norm_grad,
    "layer_norm": layer_norm,
    "layer_norm_grad": layer_norm_grad,
}
