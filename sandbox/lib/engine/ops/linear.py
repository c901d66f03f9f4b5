"""Fully connected layers and matrix products.

A map of four axes that was flattened just before is taken in the layout it has: the weights are
then seen as (out, channels, height, width), and no copy into the plain layout is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl, mkl
from ..choices import Candidate, Option
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from ..steps import Array
from .combined import Combined
from .common import ACTIVATIONS, Dims
from .rules import axis_is, broadcast, floating, ndim, promoted, with_bias_gradient

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_linear(x: Spec, w: Spec, b: Spec | None = None, **attrs: Any) -> tuple[Spec, ...]:
    floating(x)
    ndim(w, 2, "(out_features, in_features)", "weight")
    ndim(x, 2, "(batch, in_features)")
    axis_is(x, 1, w.shape[1], "in_features")
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(f"bias must have shape {w.shape[:1]} (out_features); got {b.shape}.")
    return (Spec((x.shape[0], w.shape[0]), promoted(x, w)),)


def _infer_linear_grad_input(dy: Spec, w: Spec) -> tuple[Spec, ...]:
    """Return the rule of dy · w."""
    return (Spec((dy.shape[0], w.shape[1]), promoted(dy, w)),)


def _infer_linear_grad_weight(x: Spec, dy: Spec, *, with_bias: bool) -> tuple[Spec, ...]:
    """Return the rule of dyᵀ · x, with the column sums of dy if asked for."""
    dw = Spec((dy.shape[1], x.shape[1]), promoted(x, dy))
    return with_bias_gradient(dw, dy.shape[1], with_bias)


def _infer_matmul(a: Spec, b: Spec) -> tuple[Spec, ...]:
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(
            f"matmul needs at least 2 axes on both sides; got {a.shape} and {b.shape}. Use reshape."
        )
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"matmul needs a's last axis equal to b's last but one; got {a.shape} and {b.shape}."
        )
    batch = broadcast(Spec(a.shape[:-2], a.dtype), Spec(b.shape[:-2], b.dtype))[0]
    return (Spec((*batch.shape, a.shape[-2], b.shape[-1]), batch.dtype),)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """Return x · wᵀ + b."""
    y = x @ w.T
    if b is not None:
        y = y + b
    return y


def linear_grad_input(dy: Array, w: Array) -> Array:
    """Return dy · w."""
    return dy @ w


def linear_grad_weight(
    x: Array, dy: Array, *, with_bias: bool = False
) -> Array | tuple[Array, Array]:
    """Return dyᵀ · x and, if asked for, the column sums of dy."""
    dw = dy.T @ x
    return (dw, dy.sum(axis=0)) if with_bias else dw


def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product over the last two axes."""
    y: Array = np.matmul(a, b)
    return y


# -- oneDNN ----------------------------------------------------------------------------------------


def _folds(builder: Builder, value: int, dtype: str) -> list[dnnl.Layout]:
    """Return the layouts of four axes a flattened value is at hand in."""
    found = []
    for dims in builder.layout_dims(value):
        if len(dims) > 2 and dims[0] == builder.shape(value)[0]:
            found += [item for item in builder.layouts(value, dims, dtype) if not item.plain]
    return list(dict.fromkeys(found))


def _options(
    builder: Builder,
    x: int,
    dims: Dims,
    make: Callable[[str, dnnl.Layout, dnnl.Wanted], Candidate],
    dtype: str,
) -> list[Option]:
    """Return what to try where `x` is multiplied by weights of these sizes or gives them."""
    flat = dnnl.plain(builder.shape(x), dtype)
    options: list[tuple[str, dnnl.Layout, dnnl.Wanted]] = [
        ("plain", flat, dnnl.plain(dims, dtype)),
        ("flat", flat, dnnl.any_layout(dims, dtype)),
    ]
    options += [
        (f"fold{i}", layout, dnnl.any_layout((dims[0], *layout.dims[1:]), dtype))
        for i, layout in enumerate(_folds(builder, x, dtype))
    ]
    return [(option[0], partial(make, *option)) for option in options]


def lower_linear(builder: Builder, op: Op) -> None:
    """Lower `linear`."""
    combined = Combined(builder, op)
    x, w, *bias = combined.own
    y = op.outputs[0]
    offsets = dnnl.plain(builder.shape(bias[0])) if bias else None
    reads = {dnnl.SRC: x, dnnl.WEIGHTS: w} | ({dnnl.BIAS: bias[0]} if bias else {})
    reads |= combined.reads

    def candidate(name: str, src: dnnl.Layout, weights: dnnl.Wanted) -> Candidate:
        dst = dnnl.plain(builder.shape(y), builder.dtype_from(src.dtype, y))
        post = combined.post_ops(dst)
        primitive = dnnl.inner_product(
            src, weights, offsets, dst, training=builder.training, post_ops=post
        )
        return Candidate(name, primitive, reads, {dnnl.DST: y}, over=combined.over)

    options = partial(_options, builder, x, builder.shape(w), candidate)
    choice = builder.choose_dtype(op, options, builder.shape(x)[0])
    src = choice.primitive.needs(dnnl.SRC)
    if len(src.dims) > 2:
        builder.notes["fold", w] = src
    builder.emit(op, choice)


def lower_linear_grad_input(builder: Builder, op: Op) -> None:
    """Lower `linear_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
    fold: dnnl.Layout | None = builder.notes.get(("fold", w))
    if fold is not None and fold.dims[0] != builder.shape(dx)[0]:
        fold = None
    if fold is not None:
        fold = dnnl.retyped(fold, builder.dtype_of(dx))
    wanted = builder.wanted(dnnl.DIFF_SRC, dx, fold)  # the layout that map has in the forward pass

    def candidate(name: str, src: dnnl.Wanted, weights: dnnl.Wanted) -> Candidate:
        dst = dnnl.plain(builder.shape(dy), weights.dtype)
        primitive = dnnl.inner_product_data(src, weights, dst)
        reads = {dnnl.DIFF_DST: dy, dnnl.WEIGHTS: w}
        return Candidate(name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

    def options(dtype: str) -> list[Option]:
        result = builder.dtype_from(dtype, dx)
        flat, dims = dnnl.plain(builder.shape(dx), result), builder.shape(w)
        found: list[tuple[str, dnnl.Wanted, dnnl.Wanted]] = [
            ("plain", flat, dnnl.plain(dims, dtype)),
            ("flat", flat, dnnl.any_layout(dims, dtype)),
        ]
        if fold is not None:
            folded = dnnl.any_layout((dims[0], *fold.dims[1:]), dtype)
            found.append(("fold", dnnl.retyped(fold, result), folded))
        return [(option[0], partial(candidate, *option)) for option in found]

    builder.emit(op, builder.choose_dtype(op, options, builder.shape(dy)[0], wanted))


def lower_linear_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `linear_grad_weight`."""
    x, dy = op.inputs
    dw, *db = op.outputs
    offsets = dnnl.plain(builder.shape(db[0])) if db else None
    writes = {dnnl.DIFF_WEIGHTS: dw} | ({dnnl.DIFF_BIAS: db[0]} if db else {})

    def candidate(name: str, src: dnnl.Layout, weights: dnnl.Wanted) -> Candidate:
        # the sums over the batch are float32, whatever is multiplied
        weights = dnnl.plain(weights.dims) if name == "plain" else dnnl.any_layout(weights.dims)
        dst = dnnl.plain(builder.shape(dy), src.dtype)
        primitive = dnnl.inner_product_weights(src, weights, offsets, dst)
        plain = {dnnl.DIFF_WEIGHTS: dnnl.plain(weights.dims)}
        return Candidate(name, primitive, {dnnl.SRC: x, dnnl.DIFF_DST: dy}, writes, plain)

    options = partial(_options, builder, x, builder.shape(dw), candidate)
    wanted: dict[int, dnnl.Layout] = {dnnl.DIFF_WEIGHTS: dnnl.plain(builder.shape(dw))}
    builder.emit(op, builder.choose_dtype(op, options, builder.shape(x)[0], wanted))


def lower_matmul(builder: Builder, op: Op) -> None:
    """Lower `matmul` of two matrices or stacks of matrices.

    Equal stacks are read as they lie, also behind a transpose, and written as their reader wants
    them; where one is repeated, both are plain.
    """
    combined = Combined(builder, op)
    a, b = combined.own
    y = op.outputs[0]
    left, right = builder.shape(a), builder.shape(b)
    count = max(len(left), len(right))
    if min(len(left), len(right)) < 2 or count > 6:
        raise dnnl.RefusedError("matmul: must be of matrices or stacks of them, of up to 6 axes.")
    repeated = left[:-2] != right[:-2]
    left, right = ((1,) * (count - len(shape)) + shape for shape in (left, right))
    by_mkl = builder.products == ("float32",) and mkl.preferred_gemm() == "mkl"
    if len(left) == 2 and by_mkl and not op.attrs.get("post_ops"):

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            mkl.sgemm(reads[0], reads[1], writes[0])

        builder.python(op, run, [builder.plain(a), builder.plain(b)], [builder.define(y)], "mkl")
        return

    reads = {dnnl.SRC: a, dnnl.WEIGHTS: b} | combined.reads
    wanted = builder.wanted(dnnl.DST, y)

    def options(dtype: str) -> list[Option]:
        result = builder.dtype_from(dtype, y)

        def candidate(
            name: str, src: dnnl.Layout, weights: dnnl.Layout, dst: dnnl.Layout
        ) -> Candidate:
            post = combined.post_ops(dst)
            primitive = dnnl.matmul(src, weights, None, dst, post_ops=post)
            return Candidate(name, primitive, reads, {dnnl.DST: y}, wanted, combined.over)

        def at_hand(value: int) -> dnnl.Layout:
            found = builder.layouts(value, dtype=dtype)
            return found[0] if found else dnnl.plain(builder.shape(value), dtype)

        plain = dnnl.plain(left, dtype), dnnl.plain(right, dtype)
        dst = dnnl.plain(builder.shape(y), result)
        asked = next((item for item in wanted.values() if item.dims == dst.dims), dst)
        if repeated:
            return [("plain", partial(candidate, "plain", *plain, dst))]
        return [
            (
                "kept",
                partial(candidate, "kept", at_hand(a), at_hand(b), dnnl.retyped(asked, result)),
            ),
            ("plain", partial(candidate, "plain", *plain, dst)),
        ]

    builder.emit(op, builder.choose_dtype(op, options, left[0], wanted))


_ROWS, _WEIGHT = (32, 64), (48, 64)

register(
    "linear",
    infer=_infer_linear,
    reference=linear,
    lower=lower_linear,
    alone="f",
    products=2,
    post_ops=(*ACTIVATIONS, "add"),
    sample=Sample((_ROWS, _WEIGHT), {}),
)
register(
    "linear_grad_input",
    infer=_infer_linear_grad_input,
    reference=linear_grad_input,
    lower=lower_linear_grad_input,
    alone="f",
    gradient=True,
    products=2,
    sample=Sample(((32, 48), _WEIGHT), {}),
)
register(
    "linear_grad_weight",
    infer=_infer_linear_grad_weight,
    reference=linear_grad_weight,
    lower=lower_linear_grad_weight,
    alone="f",
    gradient=True,
    products=2,
    batch_outputs=0,
    sample=Sample((_ROWS, (32, 48)), {"with_bias": True}),
)
register(
    "matmul",
    infer=_infer_matmul,
    reference=matmul,
    lower=lower_matmul,
    alone="f",
    products=2,
    post_ops=(*ACTIVATIONS, "add"),
    spreads=True,
    sample=Sample((_ROWS, (64, 48)), {}),
)
