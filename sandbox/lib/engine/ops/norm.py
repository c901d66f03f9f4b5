"""Batch normalisation over axis 1 of (batch, features) or (batch, channels, and 1 to 3 axes).

A ReLU behind it is fused in. Layer normalisation over the last axes of each row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from .common import Dims, choose_layout, distinct, post_ops, seen
from .rules import floating

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def _check(x: Spec, **vectors: Spec) -> None:
    floating(x)
    if not 2 <= len(x.shape) <= 5:
        raise ShapeError(
            "input must have 2 axes (batch, features) or 3 to 5 axes (batch, channels, positions); "
            f"got {len(x.shape)} in shape {x.shape}."
        )
    for name, vector in vectors.items():
        if len(vector.shape) != 1:
            raise ShapeError(f"{name} must have 1 axis; got shape {vector.shape}.")
        if vector.shape[0] != x.shape[1]:
            raise ShapeError(
                f"input axis 1 must be {vector.shape[0]} (num_features); got {x.shape[1]} in shape "
                f"{x.shape}."
            )


def _infer_train(x: Spec, gamma: Spec, beta: Spec, **attrs: Any) -> tuple[Spec, ...]:
    _check(x, gamma=gamma, beta=beta)
    if x.size == 0:
        raise ShapeError(
            "input must hold at least one row while training (batch statistics); got shape "
            f"{x.shape}."
        )
    vector = Spec(gamma.shape, x.dtype)
    return x, vector, vector


def _infer_inference(
    x: Spec, gamma: Spec, beta: Spec, mean: Spec, variance: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    _check(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    return (x,)


def _infer_fold(w: Spec, gamma: Spec, *rest: Spec, epsilon: float) -> tuple[Spec, ...]:
    return w, Spec(gamma.shape, w.dtype)


def _infer_grad(
    dy: Spec, x: Spec, gamma: Spec, mean: Spec, variance: Spec, *rest: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    vector = Spec(gamma.shape, x.dtype)
    return x, vector, vector


def _infer_layer(
    x: Spec, gamma: Spec, beta: Spec, *, epsilon: float, axes_from: int
) -> tuple[Spec, ...]:
    floating(x)
    for name, spec in (("gamma", gamma), ("beta", beta)):
        if spec.shape != x.shape[axes_from:]:
            raise ShapeError(
                f"{name} must have the shape of the normalised axes, {x.shape[axes_from:]} of "
                f"input {x.shape}; got {spec.shape}."
            )
    statistics = Spec(x.shape[:axes_from], x.dtype)
    return x, statistics, statistics


def _infer_layer_grad(
    dy: Spec, x: Spec, gamma: Spec, mean: Spec, variance: Spec, **attrs: Any
) -> tuple[Spec, ...]:
    return x, gamma, gamma


def _axes(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _column(vector: Array, x: Array) -> Array:
    return vector.reshape((1, -1) + (1,) * (x.ndim - 2))


def batch_norm(
    x: Array, gamma: Array, beta: Array, *, epsilon: float, post_ops: tuple[Any, ...] = ()
) -> tuple[Array, ...]:
    """Return y, the batch's mean and biased variance (after a ReLU also where it let through)."""
    mean = x.mean(axis=_axes(x))
    variance = np.square(x - _column(mean, x)).mean(axis=_axes(x))
    y = batch_norm_inference(x, gamma, beta, mean, variance, epsilon=epsilon)
    if post_ops:
        return np.maximum(y, 0), mean, variance, (y > 0).astype(np.uint8)
    return y, mean, variance


def batch_norm_inference(
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
) -> Array:
    """Return gamma · (x - mean) / sqrt(variance + epsilon) + beta."""
    scale = gamma / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    return (x - _column(mean, x)) * _column(scale, x) + _column(beta, x)


def batch_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    workspace: Array | None = None,
    *,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    if workspace is not None:
        dy = dy * (workspace > 0)
    axes = _axes(x)
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    normal = (x - _column(mean, x)) * _column(inverse, x)
    dbeta = dy.sum(axis=axes)
    dgamma = (dy * normal).sum(axis=axes)
    count = np.asarray(x.size // max(x.shape[1], 1), x.dtype)
    inner = dy - _column(dbeta / count, x) - normal * _column(dgamma / count, x)
    return inner * _column(gamma * inverse, x), dgamma, dbeta


def fold_batch_norm(
    w: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    b: Array | None = None,
    *,
    epsilon: float,
) -> tuple[Array, Array]:
    """Return weights and bias that normalise what they give; sums in float64, rounded once."""
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    offset = -mean.astype(np.float64) if b is None else b.astype(np.float64) - mean
    folded = w * scale.reshape((-1,) + (1,) * (w.ndim - 1))
    return folded.astype(w.dtype), (offset * scale + beta).astype(w.dtype)


def layer_norm(
    x: Array, gamma: Array, beta: Array, *, epsilon: float, axes_from: int
) -> tuple[Array, Array, Array]:
    """Return y, and mean and biased variance over the axes from `axes_from` on."""
    axes = tuple(range(axes_from, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    variance = np.square(x - mean).mean(axis=axes, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    shape = x.shape[:axes_from]
    return normal * gamma + beta, mean.reshape(shape), variance.reshape(shape)


def layer_norm_grad(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    epsilon: float,
    axes_from: int,
) -> tuple[Array, Array, Array]:
    """Return dx, dgamma, dbeta; mean and variance depend on x, which dx accounts for."""
    axes = tuple(range(axes_from, x.ndim))
    column = (*mean.shape, *(1 for _ in axes))
    inverse = 1 / np.sqrt(variance + np.asarray(epsilon, x.dtype)).reshape(column)
    normal = (x - mean.reshape(column)) * inverse
    rows = tuple(range(axes_from))
    scaled = dy * gamma
    inner = scaled - scaled.mean(axis=axes, keepdims=True)
    inner -= normal * (scaled * normal).mean(axis=axes, keepdims=True)
    return inner * inverse, (dy * normal).sum(axis=rows), dy.sum(axis=rows)


# -- oneDNN ----------------------------------------------------------------------------------------


def _dims(shape: Dims) -> Dims:
    return shape if len(shape) > 3 else (*shape[:2], 1, *(shape[2:] or (1,)))


def _layouts(builder: Builder, dtype: str, *values: int) -> list[dnnl.Layout]:
    dims = _dims(builder.shape(values[0]))
    return distinct(layout for value in values for layout in builder.layouts(value, dims, dtype))


def lower_batch_norm(builder: Builder, op: Op) -> None:
    """Lower `batch_norm` (training: statistics of the batch)."""
    x, gamma, beta = op.inputs
    y, mean, variance, *workspace = op.outputs
    post = post_ops(op)
    if any(builder.wanted(dnnl.WORKSPACE, value) for value in workspace):
        raise dnnl.RefusedError("batch_norm: its workspace cannot be handed out.")
    reads = {dnnl.SRC: x, dnnl.SCALE: gamma, dnnl.SHIFT: beta}
    writes = {dnnl.DST: y, dnnl.MEAN: mean, dnnl.VARIANCE: variance}
    writes |= {dnnl.WORKSPACE: workspace[0]} if post else {}
    wanted = builder.wanted(dnnl.DST, y)

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.batch_norm(
            layout, layout, op.attrs["epsilon"], training=True, relu=bool(post)
        )
        return Candidate(layout.name, primitive, reads, writes, wanted)

    choice = _choose(builder, op, candidate, _layouts(builder, builder.dtype_of(x), x), wanted)
    builder.notes["norm", mean] = choice.primitive
    builder.emit(op, choice)


def lower_batch_norm_inference(builder: Builder, op: Op) -> None:
    """Lower `batch_norm_inference` (statistics given)."""
    x, gamma, beta, mean, variance = op.inputs
    y = op.outputs[0]
    post = post_ops(op)
    reads = {
        dnnl.SRC: x,
        dnnl.SCALE: gamma,
        dnnl.SHIFT: beta,
        dnnl.MEAN: mean,
        dnnl.VARIANCE: variance,
    }
    wanted = builder.wanted(dnnl.DST, y)

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.batch_norm(
            layout, layout, op.attrs["epsilon"], training=False, relu=bool(post)
        )
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    layouts = _layouts(builder, builder.dtype_of(x), x)
    builder.emit(op, _choose(builder, op, candidate, layouts, wanted))


def lower_batch_norm_grad(builder: Builder, op: Op) -> None:
    """Lower `batch_norm_grad`; with a workspace dy is the gradient behind the fused ReLU."""
    dy, x, gamma, mean, variance, *workspace = op.inputs
    dx, dgamma, dbeta = op.outputs
    relu = bool(workspace)
    epsilon = op.attrs["epsilon"]
    wanted = builder.wanted(dnnl.DIFF_SRC, dx)
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
        return Candidate(layout.name, primitive, reads, writes, wanted)

    if forward is not None:
        choice = candidate(forward.needs(dnnl.SRC))
    else:
        choice = _choose(
            builder, op, candidate, _layouts(builder, builder.dtype_of(dx), x, dy), wanted
        )
    primitive = choice.primitive
    reads = {arg: builder.fetch(value, primitive.needs(arg)) for arg, value in choice.reads.items()}
    if relu:
        reads[dnnl.WORKSPACE] = builder.fetch_raw(workspace[0], primitive.needs(dnnl.WORKSPACE))
    arriving = reads[dnnl.DIFF_DST]  # may be written over
    writes = {
        arg: builder.define(
            value,
            primitive.needs(arg),
            over=arriving if primitive.needs(arg) == arriving.layout else None,
        )
        for arg, value in choice.writes.items()
    }
    builder.native(op, primitive, reads, writes)


def _choose(
    builder: Builder,
    op: Op,
    make: Callable[[dnnl.Layout], Candidate],
    layouts: list[dnnl.Layout],
    wanted: dict[int, dnnl.Layout],
) -> Candidate:
    shape = builder.shape(op.outputs[0])
    return choose_layout(builder, op, make, layouts, _dims(shape), shape[0], wanted)


def lower_layer_norm(builder: Builder, op: Op) -> None:
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


def lower_layer_norm_grad(builder: Builder, op: Op) -> None:
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


def expects_forward(builder: Builder, op: Op, value: int) -> dnnl.Layout | None:
    """Return the layout of the forward kernel's input, in which its gradient reads dy."""
    if value != op.inputs[0]:
        return None
    return builder.forward_layout(("norm", op.inputs[3]), dnnl.SRC)


_MAP, _CHANNELS, _EPSILON = (8, 16, 16, 16), (16,), {"epsilon": 1e-5}

register(
    "batch_norm",
    cheap=True,
    infer=_infer_train,
    reference=batch_norm,
    lower=lower_batch_norm,
    alone="f",
    keeps=True,
    follows=(0,),
    batch_outputs=1,
    post_ops=("relu",),
    sample=Sample((_MAP, _CHANNELS, _CHANNELS), _EPSILON),
)
register(
    "batch_norm_inference",
    cheap=True,
    infer=_infer_inference,
    reference=batch_norm_inference,
    lower=lower_batch_norm_inference,
    alone="f",
    follows=(0,),
    post_ops=("relu",),
    sample=Sample((_MAP, *[_CHANNELS] * 4), _EPSILON),
)
register("fold_batch_norm", infer=_infer_fold, reference=fold_batch_norm)
register(
    "batch_norm_grad",
    infer=_infer_grad,
    reference=batch_norm_grad,
    lower=lower_batch_norm_grad,
    alone="f",
    gradient=True,
    follows=(1,),
    batch_outputs=1,
    expects=expects_forward,
    sample=Sample((_MAP, _MAP, *[_CHANNELS] * 3), _EPSILON),
)
register(
    "layer_norm",
    cheap=True,
    infer=_infer_layer,
    reference=layer_norm,
    lower=lower_layer_norm,
    sample=Sample(((32, 64), (64,), (64,)), {**_EPSILON, "axes_from": 1}),
)
register(
    "layer_norm_grad",
    infer=_infer_layer_grad,
    reference=layer_norm_grad,
    lower=lower_layer_norm_grad,
    gradient=True,
)
