"""oneDNN's convolutions, over two and three axes, each in the fastest layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import dnnl
from ..choices import Candidate, Option
from ..oplist import Op
from .combined import Combined
from .common import Dims, window_of
from .im2col import lower_forward, lower_grad_input, lower_grad_weight

if TYPE_CHECKING:
    from ..builder import Builder

Layouts = tuple[str, dnnl.Wanted, dnnl.Wanted]


def _weight_dims(shape: Dims, groups: int) -> Dims:
    return shape if groups == 1 else (groups, shape[0] // groups, *shape[1:])


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
        return [(option[0], make(*option)) for option in found]

    choice = _emit_best(builder, op, options, builder.shape(x)[0], wanted, lower_forward)
    if choice is not None:
        builder.notes["conv", w, builder.shape(x)] = choice.primitive.needs(dnnl.SRC)


def lower_conv_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input` and `conv3d_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
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
