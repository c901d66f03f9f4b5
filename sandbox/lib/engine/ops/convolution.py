"""Convolution: its rules, its NumPy kernels, and oneDNN's direct kernels in the fastest layout.

In the NumPy kernels every window becomes a row of a matrix; the rest is one matrix product per
group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate, Option
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from .combined import Combined
from .common import ACTIVATIONS, Dims, window_of
from .im2col import lower_forward, lower_grad_input, lower_grad_weight
from .rules import axis_is, floating, ndim, promoted, window_length, with_bias_gradient
from .windows import pad_images, windows

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
Layouts = tuple[str, dnnl.Wanted, dnnl.Wanted]


def _check_filters(w: Spec, b: Spec | None, groups: int, out_channels: int) -> None:
    if w.shape[0] % groups:
        raise ShapeError(f"weight axis 0 must be a multiple of groups={groups}; got {w.shape[0]}.")
    if b is not None and b.shape != (out_channels,):
        raise ShapeError(f"bias must have shape {(out_channels,)} (out_channels); got {b.shape}.")


def infer_conv2d(
    x: Spec,
    w: Spec,
    b: Spec | None = None,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
    **attrs: Any,
) -> tuple[Spec, ...]:
    """Return the rule of a convolution."""
    floating(x)
    ndim(w, 4, "(out_channels, in_channels/groups, height, width)", "weight")
    ndim(x, 4, "(batch, channels, height, width)")
    channels = w.shape[1] * groups
    hint = "Gray images? use in_channels=1." if x.shape[1] == 1 and groups == 1 else ""
    axis_is(x, 1, channels, "in_channels", hint)
    _check_filters(w, b, groups, w.shape[0])
    sizes = []
    for k in (0, 1):
        length = window_length(x.shape[2 + k], w.shape[2 + k], stride[k], padding[k], dilation[k])
        if length < 1:
            covers = dilation[k] * (w.shape[2 + k] - 1) + 1
            raise ShapeError(
                f"input axis {2 + k} must be at least {covers - sum(padding[k])} (the kernel "
                f"covers {covers}, padding {padding[k]}); got {x.shape[2 + k]} in shape {x.shape}."
            )
        sizes.append(length)
    return (Spec((x.shape[0], w.shape[0], sizes[0], sizes[1]), promoted(x, w)),)


def infer_grad_input(
    dy: Spec, w: Spec, *, input_shape: tuple[int, ...], **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input."""
    return (Spec(input_shape, promoted(dy, w)),)


def infer_grad_weight(
    x: Spec, dy: Spec, *, weight_shape: tuple[int, ...], with_bias: bool = False, **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradients of weight and bias."""
    return with_bias_gradient(Spec(weight_shape, promoted(x, dy)), weight_shape[0], with_bias)


def _rows(
    x: Array, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair, groups: int
) -> Array:
    """Return the windows as (groups, N·rows·columns, channels/groups · kernel height · width)."""
    view = windows(pad_images(x, padding), kernel, stride, dilation)
    n, c, height, width = view.shape[:4]
    split = view.reshape(n, groups, c // groups, height, width, *kernel)
    return split.transpose(1, 0, 3, 4, 2, 5, 6).reshape(
        groups, n * height * width, c // groups * kernel[0] * kernel[1]
    )


def _by_group(y: Array, groups: int) -> Array:
    """Turn (N, C, height, width) into (groups, N·height·width, C/groups)."""
    n, c, height, width = y.shape
    split = y.reshape(n, groups, c // groups, height, width)
    return split.transpose(1, 0, 3, 4, 2).reshape(groups, n * height * width, c // groups)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
) -> Array:
    """y[n, o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] · window(n, i, j)[c, u, v]."""
    out, _, kh, kw = w.shape
    rows = _rows(x, (kh, kw), stride, padding, dilation, groups)
    kernels = w.reshape(groups, out // groups, -1)
    y = rows @ kernels.transpose(0, 2, 1)
    view_height = (x.shape[2] + sum(padding[0]) - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    view_width = (x.shape[3] + sum(padding[1]) - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = y.reshape(groups, x.shape[0], view_height, view_width, out // groups)
    y = y.transpose(1, 0, 4, 2, 3).reshape(x.shape[0], out, view_height, view_width)
    if b is not None:
        y = y + b[:, None, None]
    return y


def conv2d_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, int, int, int],
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    with_bias: bool = False,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of dy times the window."""
    rows = _rows(x, weight_shape[2:], stride, padding, dilation, groups)
    dw = (_by_group(dy, groups).transpose(0, 2, 1) @ rows).reshape(weight_shape)
    return (dw, dy.sum(axis=(0, 2, 3))) if with_bias else dw


def conv2d_grad_input(
    dy: Array,
    w: Array,
    *,
    input_shape: tuple[int, int, int, int],
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
) -> Array:
    """Spread each dy over its window, weighted by the kernel."""
    n, c, height, width = input_shape
    out, per_group, kh, kw = w.shape
    rows, columns = dy.shape[2:]
    spread = _by_group(dy, groups) @ w.reshape(groups, out // groups, -1)
    spread = spread.reshape(groups, n, rows, columns, per_group, kh, kw)
    spread = spread.transpose(1, 0, 4, 5, 6, 2, 3).reshape(n, c, kh, kw, rows, columns)
    (top, bottom), (left, right) = padding
    dx = np.zeros((n, c, height + top + bottom, width + left + right), spread.dtype)
    for u in range(kh):
        for v in range(kw):
            i, j = u * dilation[0], v * dilation[1]
            dx[
                :,
                :,
                i : i + (rows - 1) * stride[0] + 1 : stride[0],
                j : j + (columns - 1) * stride[1] + 1 : stride[1],
            ] += spread[:, :, u, v]
    return dx[:, :, top : top + height, left : left + width]


# -- oneDNN ----------------------------------------------------------------------------------------


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


def lower_conv2d(builder: Builder, op: Op) -> None:
    """Lower `conv2d`."""
    combined = Combined(builder, op)
    x, w, *bias = combined.own
    y = op.outputs[0]
    window = window_of(op.attrs)
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


def lower_conv2d_grad_input(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_input`."""
    dy, w = op.inputs
    dx = op.outputs[0]
    window = window_of(op.attrs)
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


def lower_conv2d_grad_weight(builder: Builder, op: Op) -> None:
    """Lower `conv2d_grad_weight`."""
    x, dy = op.inputs
    dw, *db = op.outputs
    window = window_of(op.attrs)
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


_WINDOW = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
_MAP, _FILTERS = (8, 16, 16, 16), (16, 16, 3, 3)

register(
    "conv2d",
    infer=infer_conv2d,
    reference=conv2d,
    lower=lower_conv2d,
    alone="f",
    policies=True,
    products=2,
    post_ops=(*ACTIVATIONS, "add"),
    sample=Sample((_MAP, _FILTERS), _WINDOW),
)
register(
    "conv2d_grad_input",
    infer=infer_grad_input,
    reference=conv2d_grad_input,
    lower=lower_conv2d_grad_input,
    alone="f",
    gradient=True,
    products=2,
    sample=Sample((_MAP, _FILTERS), {**_WINDOW, "input_shape": _MAP}),
)
register(
    "conv2d_grad_weight",
    infer=infer_grad_weight,
    reference=conv2d_grad_weight,
    lower=lower_conv2d_grad_weight,
    alone="f",
    gradient=True,
    products=2,
    batch_outputs=0,
    sample=Sample((_MAP, _MAP), {**_WINDOW, "weight_shape": _FILTERS, "with_bias": False}),
)
