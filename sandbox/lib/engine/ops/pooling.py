"""Max and average pooling. The workspace of max pooling is the index of the maximum in its window.

Native kernels run in the layout their input has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Op, Spec
from .common import choose_layout, distinct, like, window_of
from .rules import floating, ndim, window_length
from .windows import Pads, Pair, pad_images, windows

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]

BYTES = 256  # windows of so many elements have their places in one byte, as oneDNN keeps them


def _windows(x: Spec, kernel: Pair, stride: Pair, padding: Pads) -> tuple[int, ...]:
    floating(x)
    ndim(x, 4, "(batch, channels, height, width)")
    sizes = [window_length(x.shape[2 + k], kernel[k], stride[k], padding[k]) for k in (0, 1)]
    for k in (0, 1):
        if sizes[k] < 1:
            raise ShapeError(
                f"input axis {2 + k} must be at least {kernel[k] - sum(padding[k])} (kernel "
                f"{kernel[k]}, padding {padding[k]}); got {x.shape[2 + k]} in shape {x.shape}."
            )
    return (*x.shape[:2], sizes[0], sizes[1])


def place_dtype(kernel: Pair) -> str:
    """Return the dtype in which places in a window are kept, as oneDNN keeps them."""
    return "uint8" if kernel[0] * kernel[1] < BYTES else "int32"


def _infer_max(x: Spec, *, kernel: Pair, stride: Pair, padding: Pads) -> tuple[Spec, ...]:
    """Return the rule of the maxima and of their places in the windows."""
    shape = _windows(x, kernel, stride, padding)
    return Spec(shape, x.dtype), Spec(shape, place_dtype(kernel))


def _infer_average(
    x: Spec, *, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair], include_padding: bool
) -> tuple[Spec, ...]:
    return (Spec(_windows(x, kernel, stride, padding), x.dtype),)


def _infer_grad(
    dy: Spec, workspace: Spec | None = None, *, input_shape: tuple[int, ...], **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input."""
    return (Spec(input_shape, dy.dtype),)


def max_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pads) -> tuple[Array, Array]:
    """Return the maximum of each window and its index in it (the first one among equals)."""
    view = windows(pad_images(x, padding, -np.inf), kernel, stride)
    flat = view.reshape(*view.shape[:4], kernel[0] * kernel[1])
    index = flat.argmax(axis=-1)
    y = np.take_along_axis(flat, index[..., None], axis=-1)[..., 0]
    return y, index.astype(place_dtype(kernel))


def max_pool2d_grad(
    dy: Array,
    workspace: Array,
    *,
    input_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair,
    padding: Pads,
) -> Array:
    """Give each dy to the element that was the maximum."""
    dx, crop = _padded_zeros(dy, input_shape, padding)
    for k in range(kernel[0] * kernel[1]):
        _at(dx, k, kernel, stride, dy.shape)[...] += np.where(workspace == k, dy, 0)
    return dx[crop]


def avg_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pads, include_padding: bool
) -> Array:
    """Return the mean of each window."""
    total = windows(pad_images(x, padding), kernel, stride).sum(axis=(4, 5), dtype=x.dtype)
    y: Array = total / _counts(x.shape, kernel, stride, padding, include_padding, x.dtype)
    return y


def avg_pool2d_grad(
    dy: Array,
    *,
    input_shape: tuple[int, int, int, int],
    kernel: Pair,
    stride: Pair,
    padding: Pads,
    include_padding: bool,
) -> Array:
    """Give each element of a window an equal share of dy."""
    dx, crop = _padded_zeros(dy, input_shape, padding)
    share = dy / _counts(input_shape, kernel, stride, padding, include_padding, dy.dtype)
    for k in range(kernel[0] * kernel[1]):
        _at(dx, k, kernel, stride, dy.shape)[...] += share
    return dx[crop]


def _counts(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pads, all_of_it: bool, dtype: Any
) -> Array:
    """Return how many elements each window's mean is taken over, shape (rows, columns) or ()."""
    if all_of_it:
        return np.asarray(kernel[0] * kernel[1], dtype)
    ones = pad_images(np.ones((1, 1, *shape[2:]), dtype), padding)
    counts: Array = windows(ones, kernel, stride).sum(axis=(4, 5), dtype=dtype)[0, 0]
    return counts


def _padded_zeros(
    dy: Array, input_shape: tuple[int, int, int, int], padding: Pads
) -> tuple[Array, tuple[slice, ...]]:
    n, c, height, width = input_shape
    (top, bottom), (left, right) = padding
    dx = np.zeros((n, c, height + top + bottom, width + left + right), dy.dtype)
    return dx, (slice(None), slice(None), slice(top, top + height), slice(left, left + width))


def _at(dx: Array, k: int, kernel: Pair, stride: Pair, dy_shape: tuple[int, ...]) -> Array:
    """Return the view of the k-th element of every window."""
    i, j = divmod(k, kernel[1])
    rows, columns = dy_shape[2:]
    return dx[
        :,
        :,
        i : i + (rows - 1) * stride[0] + 1 : stride[0],
        j : j + (columns - 1) * stride[1] + 1 : stride[1],
    ]


# -- oneDNN ----------------------------------------------------------------------------------------


def _average(op: Op) -> str:
    return "average" if op.attrs.get("include_padding") else "average_valid"


def lower_max_pool2d(builder: Builder, op: Op) -> None:
    """Lower `max_pool2d`; without a reader of the workspace none is kept."""
    _forward(builder, op, "max", builder.is_used(op.outputs[1]))


def lower_avg_pool2d(builder: Builder, op: Op) -> None:
    """Lower `avg_pool2d`."""
    _forward(builder, op, _average(op), False)


def _forward(builder: Builder, op: Op, algorithm: str, keep: bool) -> None:
    x, y = op.inputs[0], op.outputs[0]
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
    shape = builder.shape(y)
    wanted = builder.wanted(dnnl.DST, y)

    def candidate(src: dnnl.Layout) -> Candidate:
        primitive = dnnl.pooling(algorithm, src, like(src, shape), kernel, window, training=keep)
        writes = {dnnl.DST: y}
        if keep:
            _gradient(algorithm, primitive, op)  # a forward kernel without one is of no use
            writes[dnnl.WORKSPACE] = op.outputs[1]
            _check_workspace(builder, op.outputs[1], primitive.needs(dnnl.WORKSPACE))
        return Candidate(src.name, primitive, {dnnl.SRC: x}, writes, wanted)

    dims, at_hand = builder.shape(x), builder.layouts(x, dtype=builder.dtype_of(y))
    choice = choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted)
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


def lower_max_pool2d_grad(builder: Builder, op: Op) -> None:
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


def lower_avg_pool2d_grad(builder: Builder, op: Op) -> None:
    """Lower `avg_pool2d_grad`."""
    dy, dx = op.inputs[0], op.outputs[0]
    algorithm, shape = _average(op), builder.shape(dx)
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
    wanted = builder.wanted(dnnl.DIFF_SRC, dx)

    def candidate(dst: dnnl.Layout) -> Candidate:
        src = like(dst, shape)
        forward = dnnl.pooling(algorithm, src, dst, kernel, window, training=True)
        primitive = dnnl.pooling_grad(algorithm, src, dst, kernel, window, forward)
        return Candidate(dst.name, primitive, {dnnl.DIFF_DST: dy}, {dnnl.DIFF_SRC: dx}, wanted)

    at_hand, dims = builder.layouts(dy, dtype=builder.dtype_of(dx)), builder.shape(dy)
    for layout in wanted.values():  # a map of one pixel fits any layout
        if layout.dims == shape:
            other = dnnl.retyped(like(layout, dims), builder.dtype_of(dx))
            at_hand = distinct([*at_hand, other])
    builder.emit(op, choose_layout(builder, op, candidate, at_hand, dims, dims[0], wanted))


def expects_pooled(builder: Builder, op: Op, value: int) -> dnnl.Layout | None:
    """Return the layout of the forward kernel's output, in which its gradient reads dy."""
    return builder.forward_layout(("pool", op.inputs[1]), dnnl.DST)


_MAP, _SMALLER = (8, 16, 16, 16), (8, 16, 8, 8)
_POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
_AVERAGE = {**_POOL, "include_padding": False}

register(
    "max_pool2d",
    cheap=True,
    infer=_infer_max,
    reference=max_pool2d,
    lower=lower_max_pool2d,
    alone="f",
    keeps=True,
    loses_nan=True,
    follows=(0,),
    follows_with=(1,),
    sample=Sample((_MAP,), _POOL),
)
register(
    "max_pool2d_grad",
    infer=_infer_grad,
    reference=max_pool2d_grad,
    lower=lower_max_pool2d_grad,
    alone="fw",
    gradient=True,
    follows=(1,),
    expects=expects_pooled,
)
register(
    "avg_pool2d",
    cheap=True,
    infer=_infer_average,
    reference=avg_pool2d,
    lower=lower_avg_pool2d,
    alone="f",
    follows=(0,),
    sample=Sample((_MAP,), _AVERAGE),
)
register(
    "avg_pool2d_grad",
    infer=_infer_grad,
    reference=avg_pool2d_grad,
    lower=lower_avg_pool2d_grad,
    alone="f",
    gradient=True,
    follows=(0,),
    sample=Sample((_SMALLER,), {**_AVERAGE, "input_shape": _MAP}),
)
