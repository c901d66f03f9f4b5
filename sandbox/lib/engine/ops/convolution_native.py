"""oneDNN's convolutions, over two and three axes, each in the fastest layout."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .. import dnnl
from ..choices import Candidate, Option
from ..oplist import Op
from .combined import Combined
from .common import Dims, window_of
from .depthwise import is_depthwise, lower_by_planes, transposed_window
from .im2col import lower_forward, lower_grad_input, lower_grad_weight

if TYPE_CHECKING:
    from ..builder import Builder

Layouts = tuple[str, dnnl.Wanted, dnnl.Wanted]


def _weight_dims(shape: Dims, groups: int) -> Dims:
    return shape if groups == 1 else (groups, shape[0] // groups, *shape[1:])


def is_pointwise(op: Op, w: Dims) -> bool:
    """Return whether each window is one place, and each place has its window."""
    moves = max(op.attrs["stride"]) > 1 or any(map(any, op.attrs["padding"]))
    return math.prod(w[2:]) == 1 and not moves and op.attrs["groups"] == 1


def _flat(shape: Dims) -> tuple[int, int, int]:
    """Return (batch, channels, places)."""
    return shape[0], shape[1], math.prod(shape[2:])


def _options(builder: Builder, first: int, second: int, dtypes: tuple[str, str]) -> list[Layouts]:
    """Return pairs of layouts to try, of these types; a value at hand may keep its layout."""
    first_dims, second_dims = builder.shape(first), builder.shape(second)
    free: tuple[dnnl.Wanted, dnnl.Wanted] = (
        dnnl.any_layout(first_dims, dtypes[0]),
        dnnl.any_layout(second_dims, dtypes[1]),
    )
    last = (
        dnnl.channels_last(first_dims, dtypes[0]),
        dnnl.channels_last(second_dims, dtypes[1]),
    )
    blocked = (
        dnnl.tagged(first_dims, "blocked16", dtypes[0]),
        dnnl.tagged(second_dims, "blocked16", dtypes[1]),
    )
    options: list[Layouts] = [
        ("any", *free),
        ("nhwc", *last),
        ("any-nhwc", free[0], last[1]),
        ("nhwc-any", last[0], free[1]),
        ("blocked", *blocked),
    ]
    left, right = (
        builder.layouts(value, dtype=dtype) if builder.tensors(value) else []
        for value, dtype in zip((first, second), dtypes, strict=True)
    )
    for i, layout in enumerate(left):
        options.append((f"keep{i}-any", layout, free[1]))
        options.append((f"keep{i}-nhwc", layout, last[1]))
        options.append((f"keep{i}-blocked", layout, blocked[1]))
    for j, layout in enumerate(right):
        options.append((f"any-keep{j}", free[0], layout))
        options.append((f"nhwc-keep{j}", last[0], layout))
        options.extend((f"keep{i}-keep{j}", other, layout) for i, other in enumerate(left))
    return options


def _emit_best(
    builder: Builder,
    op: Op,
    options: Callable[[str], list[Option]],
    batch: int,
    wanted: dict[int, dnnl.Layout],
    otherwise: Callable[[Builder, Op], None],
) -> Candidate | None:
    """Emit and return the chosen one of the legal candidates; where none is, lower `otherwise`."""
    try:
        choice = builder.choose_dtype(op, options, batch, wanted)
    except dnnl.RefusedError:
        otherwise(builder, op)
        return None
    builder.emit(op, choice)
    return choice


def lower_conv(builder: Builder, op: Op) -> None:
    """Lower `conv2d` and `conv3d`."""
    combined = Combined(builder, op)
    x, w, *bias = combined.own
    y = op.outputs[0]
    if is_depthwise(builder.shape(x), builder.shape(w), op.attrs):
        with contextlib.suppress(dnnl.RefusedError):
            lower_by_planes(builder, op, x, y, bias[0] if bias else None, op.attrs)
            return
    window = window_of(op.attrs, len(builder.shape(x)) - 2)
    dims = _weight_dims(builder.shape(w), op.attrs.get("groups", 1))
    offsets = dnnl.plain(builder.shape(bias[0])) if bias else None
    reads = {dnnl.SRC: x, dnnl.WEIGHTS: w} | ({dnnl.BIAS: bias[0]} if bias else {})
    reads |= combined.reads
    wanted = builder.wanted(dnnl.DST, y)

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            weights = dnnl.any_layout(dims, src.dtype)
            post = combined.post_ops(dst)
            primitive = dnnl.convolution(
                src, weights, offsets, dst, window, training=builder.training, post_ops=post
            )
            return Candidate(name, primitive, reads, {dnnl.DST: y}, wanted, combined.over)

        return candidate

    def options(dtype: str) -> list[Option]:
        found = _options(builder, x, y, (dtype, builder.dtype_from(dtype, y)))
        if builder.shape(x)[1] < 16:  # untimed, few channels are best read as they lie
            found.sort(key=lambda option: option[0] != "keep0-any")
        makers = [(option[0], make(*option)) for option in found]
        plain = any(layout.plain for layout in builder.layouts(x, dtype=dtype))
        fits = len(op.attrs.get("post_ops", ())) + len(bias) <= dnnl.MOST_POST_OPS
        if plain and fits and is_pointwise(op, builder.shape(w)):
            makers.append(("product", partial(product, dtype)))
        return makers

    def product(dtype: str) -> Candidate:
        """Return y[n] = w · x[n] over all places, as they lie; the bias is a sum behind it."""
        rows, channels, places = _flat(builder.shape(x))
        count = builder.shape(w)[0]
        dst = dnnl.plain((rows, count, places), builder.dtype_from(dtype, y))
        post, given = combined.post_ops(dst), dict(combined.reads)
        if bias:
            post = (dnnl.Binary(dnnl.BINARY["add"], dnnl.plain((1, count, 1))), *post)
            given = {dnnl.post_op(0): bias[0]} | {
                argument - dnnl.post_op(0) + dnnl.post_op(1): v for argument, v in given.items()
            }
        factors = (
            dnnl.plain((1, count, channels), dtype),
            dnnl.plain((rows, channels, places), dtype),
        )
        primitive = dnnl.matmul(*factors, None, dst, post_ops=post)
        given |= {dnnl.SRC: w, dnnl.WEIGHTS: x}
        return Candidate("product", primitive, given, {dnnl.DST: y}, wanted, combined.over)

    choice = _emit_best(builder, op, options, builder.shape(x)[0], wanted, lower_forward)
    if choice is not None:
        layout = choice.primitive.needs(dnnl.SRC)
        if choice.name == "product":
            layout = dnnl.plain(builder.shape(x), layout.dtype)
        builder.notes["conv", w, builder.shape(x)] = layout


def lower_conv_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input` and `conv3d_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
    back = transposed_window(builder.shape(w), op.attrs)
    if back is not None and is_depthwise(builder.shape(dx), builder.shape(w), op.attrs):
        with contextlib.suppress(dnnl.RefusedError):
            lower_by_planes(builder, op, dy, dx, None, back, flipped=True)
            return
    window = window_of(op.attrs, len(builder.shape(dx)) - 2)
    dims = _weight_dims(builder.shape(w), op.attrs.get("groups", 1))
    forward: dnnl.Layout | None = builder.notes.get(("conv", w, builder.shape(dx)))
    if forward is not None:
        forward = dnnl.retyped(forward, builder.dtype_of(dx))
    wanted = builder.wanted(dnnl.DIFF_SRC, dx, forward)

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            weights = dnnl.any_layout(dims, dst.dtype)
            primitive = dnnl.convolution_data(src, weights, dst, window)
            if "gemm" in primitive.implementation and set(builder.shape(dy)[2:]) == {1}:
                raise dnnl.RefusedError(f"{primitive}: gives wrong numbers for a single pixel.")
            reads = {dnnl.DIFF_DST: dy, dnnl.WEIGHTS: w}
            return Candidate(name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

        return candidate

    def options(dtype: str) -> list[Option]:
        result = builder.dtype_from(dtype, dx)
        found = _options(builder, dx, dy, (result, dtype))
        if forward is not None:
            src = dnnl.retyped(forward, result)
            found.append(("forward-any", src, dnnl.any_layout(builder.shape(dy), dtype)))
            found.extend(
                (f"forward-keep{j}", src, layout)
                for j, layout in enumerate(builder.layouts(dy, dtype=dtype))
            )
        return [(option[0], make(*option)) for option in found]

    _emit_best(builder, op, options, builder.shape(dy)[0], wanted, lower_grad_input)


def lower_conv_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_weight` and `conv3d_grad_weight`."""
    x, dy = op.inputs
    dw, *db = op.outputs
    window = window_of(op.attrs, len(builder.shape(x)) - 2)
    dims = _weight_dims(builder.shape(dw), op.attrs.get("groups", 1))
    weights = dnnl.any_layout(dims)
    offsets = dnnl.plain(builder.shape(db[0])) if db else None
    writes = {dnnl.DIFF_WEIGHTS: dw} | ({dnnl.DIFF_BIAS: db[0]} if db else {})
    wanted = {dnnl.DIFF_WEIGHTS: dnnl.plain(dims)}

    def make(name: str, src: dnnl.Wanted, dst: dnnl.Wanted) -> Callable[[], Candidate]:
        def candidate() -> Candidate:
            primitive = dnnl.convolution_weights(src, weights, offsets, dst, window)
            reads = {dnnl.SRC: x, dnnl.DIFF_DST: dy}
            return Candidate(name, primitive, reads, writes, wanted)

        return candidate

    def options(dtype: str) -> list[Option]:
        found = _options(builder, x, dy, (dtype, dtype))
        channels = builder.shape(x)[1], builder.shape(dy)[1]
        if channels[0] > 3 and any(count % 16 for count in channels):
            found[:2] = found[1::-1]  # untimed, channels last is the better guess here
        return [(option[0], make(*option)) for option in found]

    _emit_best(builder, op, options, builder.shape(x)[0], wanted, lower_grad_weight)
