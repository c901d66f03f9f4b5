"""Max and average pooling of series, images and volumes.

The workspace of max pooling is the place of the maximum in its window. Native kernels run in the
layout their input has; windows with gaps (dilation) have none.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
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
from .windows import Pads, Sizes, pad_images, windows

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]

BYTES = 256  # windows of so many elements have their places in one byte, as oneDNN keeps them
SHORT = 4  # elements of a window
LAYOUTS = {2: "(batch, channels, height, width)", 3: "(batch, channels, depth, height, width)"}


def _windows(
    x: Spec, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes | None = None
) -> tuple[int, ...]:
    """Return the shape of what is pooled."""
    floating(x)
    ndim(x, 2 + len(kernel), LAYOUTS[len(kernel)])
    steps = dilation or (1,) * len(kernel)
    window = zip(kernel, stride, padding, steps, strict=True)
    sizes = (check_covered(x.shape, axis, *rule) for axis, rule in enumerate(window, start=2))
    return (*x.shape[:2], *sizes)


def check_covered(
    shape: tuple[int, ...],
    axis: int,
    kernel: int,
    stride: int,
    pads: tuple[int, int],
    dilation: int = 1,
) -> int:
    """Return how many windows there are along an axis; refuse none, and such without elements."""
    length = shape[axis]
    count = window_length(length, kernel, stride, pads, dilation)
    if count < 1 or length < 1:
        least = max((kernel - 1) * dilation + 1 - sum(pads), 1)
        raise ShapeError(
            f"input axis {axis} must be at least {least} (kernel {kernel}, padding {pads}, "
            f"dilation {dilation}); got {length} in shape {shape}."
        )
    if dilation > 1 and any(pads) and _is_blind(length, kernel, stride, pads, dilation):
        raise ShapeError(
            f"input axis {axis} must have an element in each window (kernel {kernel}, padding "
            f"{pads}, dilation {dilation}); got {length} in shape {shape}. Use less padding."
        )
    return count


def _is_blind(length: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> bool:
    """Return whether a window with gaps sees nothing but padding."""
    count = window_length(length, kernel, stride, pads, dilation)
    places = np.arange(count)[:, None] * stride - pads[0] + np.arange(kernel) * dilation
    return not ((places >= 0) & (places < length)).any(axis=1).all()


def place_dtype(kernel: Sizes) -> str:
    """Return the dtype in which places in a window are kept, as oneDNN keeps them."""
    return "uint8" if math.prod(kernel) < BYTES else "int32"


def _infer_max(x: Spec, *, kernel: Sizes, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of the maxima and of their places in the windows."""
    shape = _windows(x, kernel, **attrs)
    return Spec(shape, x.dtype), Spec(shape, place_dtype(kernel))


def _infer_average(x: Spec, *, include_padding: bool, **attrs: Any) -> tuple[Spec, ...]:
    return (Spec(_windows(x, **attrs), x.dtype),)


def _infer_grad(
    dy: Spec, workspace: Spec | None = None, *, input_shape: tuple[int, ...], **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input."""
    return (Spec(input_shape, dy.dtype),)


def _infer_index(workspace: Spec, **attrs: Any) -> tuple[Spec, ...]:
    return (Spec(workspace.shape, "int64"),)


def max_pool(
    x: Array, *, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes | None = None
) -> tuple[Array, Array]:
    """Return the maximum of each window and its index in it (the first one among equals)."""
    view = windows(pad_images(x, padding, -np.inf), kernel, stride, dilation)
    flat = view.reshape(*view.shape[: x.ndim], math.prod(kernel))
    index = flat.argmax(axis=-1)
    y = np.take_along_axis(flat, index[..., None], axis=-1)[..., 0]
    return y, index.astype(place_dtype(kernel))


def max_pool_grad(
    dy: Array,
    workspace: Array,
    *,
    input_shape: tuple[int, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes | None = None,
) -> Array:
    """Give each dy to the element that was the maximum."""
    dx, inside = _padded_zeros(dy, input_shape, padding)
    for k, offsets in enumerate(np.ndindex(*kernel)):
        tap = _at(dx, offsets, stride, dilation, dy.shape)
        tap += np.where(workspace == k, dy, 0)
    return inside


def max_pool_index(
    workspace: Array,
    *,
    sizes: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes | None = None,
) -> Array:
    """Return where in its map each maximum is, counted row by row, from its place in the window."""
    steps = dilation or (1,) * len(kernel)
    over = [math.prod(sizes[k + 1 :]) for k in range(len(sizes))]  # to the next place
    in_window = sum(k * d * s for k, d, s in zip(np.indices(kernel), steps, over, strict=True))
    places = np.ogrid[tuple(slice(n) for n in workspace.shape[2:])]
    window: Any = sum((places[k] * stride[k] - padding[k][0]) * s for k, s in enumerate(over))
    found: Array = np.asarray(in_window, np.int64).ravel()[workspace] + window
    return found


def edges(length: int, count: int) -> tuple[Array, Array]:
    """Return where each of `count` windows over so many elements begins and ends.

    Window i covers those from floor(i · length / count) to ceil((i + 1) · length / count).
    """
    places = np.arange(count + 1) * length
    return places[:-1] // count, -(-places[1:] // count)


def adaptive_max(x: Array, *, size: Sizes) -> tuple[Array, Array]:
    """Return the maximum of each window and where in its map it is (the first one among equals)."""
    sizes = x.shape[2:]
    ends = [list(zip(*edges(n, count), strict=True)) for n, count in zip(sizes, size, strict=True)]
    flat = np.arange(math.prod(sizes)).reshape(sizes)
    y = np.empty((*x.shape[:2], *size), x.dtype)
    index = np.empty(y.shape, np.int64)
    for place in np.ndindex(*size):
        window: list[Any] = [slice(*axis[k]) for axis, k in zip(ends, place, strict=True)]
        where = flat[tuple(window)].ravel()
        block = x[(..., *window)].reshape(*x.shape[:2], len(where))
        best = block.argmax(axis=-1)
        y[(..., *place)] = np.take_along_axis(block, best[..., None], -1)[..., 0]
        index[(..., *place)] = where[best]
    return y, index


def adaptive_max_grad(dy: Array, index: Array, *, input_shape: tuple[int, ...]) -> Array:
    """Give each dy to the element that was the maximum."""
    dx = np.zeros(input_shape, dy.dtype)
    _put_back(dx, dy, index)
    return dx


def _put_back(dx: Array, dy: Array, index: Array) -> None:
    """Add each dy at its place in its map."""
    maps = math.prod(dx.shape[:2])
    starts = np.arange(maps) * math.prod(dx.shape[2:])
    places = index.reshape(maps, -1 if maps else 0) + starts[:, None]
    np.add.at(dx.reshape(-1), places.reshape(-1), dy.reshape(-1))


def lower_adaptive_max_grad(builder: Builder, op: Op) -> None:
    """Lower `adaptive_max_grad`: NumPy, into the planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0].fill(0)
        _put_back(writes[0], *reads)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def _infer_adaptive(x: Spec, *, size: Sizes) -> tuple[Spec, ...]:
    floating(x)
    if 0 in x.shape[2:]:
        raise ShapeError(f"input must have elements to pool; got shape {x.shape}.")
    shape = (*x.shape[:2], *size)
    return Spec(shape, x.dtype), Spec(shape, "int64")


def avg_pool(
    x: Array,
    *,
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    include_padding: bool,
    dilation: Sizes | None = None,
) -> Array:
    """Return the mean of each window."""
    view = windows(pad_images(x, padding), kernel, stride, dilation)
    total = view.sum(axis=tuple(range(x.ndim, view.ndim)), dtype=x.dtype)
    counted = None if include_padding else padding
    y: Array = total / _counts(x.shape, kernel, stride, counted, dilation, x.dtype)
    return y


def avg_pool_grad(
    dy: Array,
    *,
    input_shape: tuple[int, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    include_padding: bool,
    dilation: Sizes | None = None,
) -> Array:
    """Give each element of a window an equal share of dy."""
    dx, inside = _padded_zeros(dy, input_shape, padding)
    counted = None if include_padding else padding
    share = dy / _counts(input_shape, kernel, stride, counted, dilation, dy.dtype)
    for offsets in np.ndindex(*kernel):
        tap = _at(dx, offsets, stride, dilation, dy.shape)
        tap += share
    return inside


def _counts(
    shape: tuple[int, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Pads | None,
    dilation: Sizes | None,
    dtype: Any,
) -> Array:
    """Return how many elements each window's mean is taken over: all, or those not padding."""
    if padding is None:
        return np.asarray(math.prod(kernel), dtype)
    ones = pad_images(np.ones((1, 1, *shape[2:]), dtype), padding)
    view = windows(ones, kernel, stride, dilation)
    counts: Array = view.sum(axis=tuple(range(len(shape), view.ndim)), dtype=dtype)[0, 0]
    return counts


def _padded_zeros(dy: Array, input_shape: tuple[int, ...], padding: Pads) -> tuple[Array, Array]:
    """Return zeros of the padded input, and the part of it that is the input."""
    sizes = list(zip(input_shape[2:], padding, strict=True))
    padded = [before + size + after for size, (before, after) in sizes]
    dx = np.zeros((*input_shape[:2], *padded), dy.dtype)
    where: tuple[Any, ...] = (..., *(slice(start, start + size) for size, (start, _) in sizes))
    inside: Array = dx[where]
    return dx, inside


def _at(
    dx: Array, offsets: Sizes, stride: Sizes, dilation: Sizes | None, dy_shape: tuple[int, ...]
) -> Array:
    """Return the view of one element of every window."""
    steps = dilation or (1,) * len(offsets)
    block = (
        slice(k * d, k * d + (count - 1) * step + 1, step)
        for k, d, count, step in zip(offsets, steps, dy_shape[2:], stride, strict=True)
    )
    where: tuple[Any, ...] = (..., *block)
    tap: Array = dx[where]
    return tap


# -- oneDNN ----------------------------------------------------------------------------------------


def _average(op: Op) -> str:
    return "average" if op.attrs.get("include_padding") else "average_valid"


def _window(op: Op) -> tuple[Sizes, dnnl.Window]:
    kernel = tuple(op.attrs["kernel"])
    return kernel, window_of(op.attrs, len(kernel))


def lower_max_pool(builder: Builder, op: Op) -> None:
    """Lower `max_pool`; without a reader of the workspace none is kept."""
    keep = builder.is_used(op.outputs[1])
    if "dilation" in op.attrs or (not keep and _is_short(builder, op)):
        _lower_by_elements(builder, op, keep)
    else:
        _forward(builder, op, "max", keep)


def lower_avg_pool(builder: Builder, op: Op) -> None:
    """Lower `avg_pool`."""
    _forward(builder, op, _average(op), False)


def _is_short(builder: Builder, op: Op) -> bool:
    """Return whether small windows slide along the rows of plain maps, without padding.

    NumPy is then done before a kernel has the layout it wants.
    """
    kernel = op.attrs["kernel"]
    return (
        math.prod(kernel) == kernel[-1] <= SHORT
        and not any(map(any, op.attrs["padding"]))
        and not builder.layout_dims(op.inputs[0])
    )


def _lower_by_elements(builder: Builder, op: Op, keep: bool) -> None:
    """Lower max pooling element by element of the windows, by NumPy."""
    attrs = op.attrs
    kernel, stride, dilation = attrs["kernel"], attrs["stride"], attrs.get("dilation")

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        x, y = pad_images(reads[0], attrs["padding"], -np.inf), writes[0]
        larger = np.empty(y.shape if keep else 0, np.uint8)
        taps = [_at(x, offsets, stride, dilation, y.shape) for offsets in np.ndindex(*kernel)]
        if keep:
            writes[1].fill(0)
            np.copyto(y, taps[0])
        else:
            np.maximum(taps[0], taps[-1], out=y)
        for place, tap in enumerate(taps[1:] if keep else taps[1:-1], start=1):
            if keep:  # places grow: the last one that was larger
                np.greater(tap, y, out=larger.view(bool))
                np.maximum(writes[1], larger * writes[1].dtype.type(place), out=writes[1])
            np.maximum(y, tap, out=y)
        if keep and np.isnan(y).any():  # the first NaN of a window is its largest element
            np.copyto(writes[1], max_pool(reads[0], **attrs)[1])

    outputs = op.outputs if keep else op.outputs[:1]
    writes = [builder.define(value) for value in outputs]
    builder.python(op, run, [builder.plain(op.inputs[0])], writes)


def _lower_gaps_grad(builder: Builder, op: Op) -> None:
    """Lower the gradient of windows with gaps."""
    attrs = op.attrs

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        dy, workspace = reads
        dx, inside = _padded_zeros(dy, attrs["input_shape"], attrs["padding"])
        given = np.empty(dy.shape, np.float32)
        for k, offsets in enumerate(np.ndindex(*attrs["kernel"])):
            # As bits, 1 times a number is the number and 0 times infinity is 0.
            chosen = (workspace == k).view(np.uint8)
            np.multiply(dy.view(np.uint32), chosen, out=given.view(np.uint32))
            tap = _at(dx, offsets, attrs["stride"], attrs["dilation"], dy.shape)
            tap += given
        np.copyto(writes[0], inside)

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def _forward(builder: Builder, op: Op, algorithm: str, keep: bool) -> None:
    x, y = op.inputs[0], op.outputs[0]
    kernel, window = _window(op)
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
    if algorithm != "max" and kernel == dims[2:] and not any(map(any, op.attrs["padding"])):
        choice = _mean(builder, op, choice, wanted)
    if keep:
        builder.notes["pool", op.outputs[1]] = choice.primitive
    if algorithm == "max" and not choice.primitive.implementation.startswith("jit"):
        builder.look(op, x)  # of one channel: such kernels compare without raising the flag
    builder.emit(op, choice)


def _mean(builder: Builder, op: Op, pooled: Candidate, wanted: dict[int, dnnl.Layout]) -> Candidate:
    """Return the kernel of means over axes where whole maps that are plain are pooled by it."""
    src, dst = pooled.primitive.needs(dnnl.SRC), pooled.primitive.needs(dnnl.DST)
    if not src.plain or src.dtype != "float32":
        return pooled
    with contextlib.suppress(dnnl.RefusedError):
        primitive = dnnl.reduction("mean", src, dnnl.plain(dst.dims))
        return replace(pooled, name="mean", primitive=primitive)
    return pooled


def _check_workspace(builder: Builder, value: int, layout: dnnl.Layout) -> None:
    """Refuse if the workspace is handed out (eager) and is not a plain array of the declared type.

    The gradient, a program of its own, will ask for the workspace of the plain forward kernel.
    """
    if not builder.wanted(dnnl.WORKSPACE, value):
        return
    if layout.dtype != builder.spec(value).dtype or not layout.plain:
        raise dnnl.RefusedError(f"max pooling: workspace is {layout.dtype} {layout.name}.")


def _gradient(algorithm: str, forward: dnnl.Primitive, op: Op) -> dnnl.Primitive:
    src, dst = forward.needs(dnnl.SRC), forward.needs(dnnl.DST)
    kernel, window = _window(op)
    return dnnl.pooling_grad(algorithm, src, dst, kernel, window, forward)


def lower_max_pool_grad(builder: Builder, op: Op) -> None:
    """Lower `max_pool_grad`; it runs in the layout of the forward kernel."""
    dy, workspace = op.inputs
    dx = op.outputs[0]
    if "dilation" in op.attrs:
        _lower_gaps_grad(builder, op)
        return
    forward: dnnl.Primitive | None = builder.notes.get(("pool", workspace))
    if forward is None:
        src, dst = dnnl.plain(builder.shape(dx)), dnnl.plain(builder.shape(dy))
        kernel, window = _window(op)
        forward = dnnl.pooling("max", src, dst, kernel, window, training=True)
    primitive = _gradient("max", forward, op)
    raw = builder.fetch_raw(workspace, primitive.needs(dnnl.WORKSPACE))
    reads = {dnnl.DIFF_DST: builder.fetch(dy, primitive.needs(dnnl.DIFF_DST))}
    reads[dnnl.WORKSPACE] = raw
    writes = {dnnl.DIFF_SRC: builder.define(dx, primitive.needs(dnnl.DIFF_SRC))}
    builder.native(op, primitive, reads, writes)


def lower_avg_pool_grad(builder: Builder, op: Op) -> None:
    """Lower `avg_pool_grad`."""
    dy, dx = op.inputs[0], op.outputs[0]
    algorithm, shape = _average(op), builder.shape(dx)
    kernel, window = _window(op)
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


def _register(axes: int) -> None:
    """Make the operations over so many axes known."""
    large, small = (8, 16, *(16,) * axes), (8, 16, *(8,) * axes)
    halves = {"kernel": (2,) * axes, "stride": (2,) * axes, "padding": ((0, 0),) * axes}
    average = {**halves, "include_padding": False}
    register(
        f"max_pool{axes}d",
        cheap=True,
        infer=_infer_max,
        reference=max_pool,
        lower=lower_max_pool,
        alone="f",
        keeps=True,
        loses_nan=True,
        follows=(0,),
        follows_with=(1,),
        sample=Sample((large,), halves),
    )
    register(
        f"max_pool{axes}d_grad",
        infer=_infer_grad,
        reference=max_pool_grad,
        lower=lower_max_pool_grad,
        alone="fw",
        gradient=True,
        follows=(1,),
        expects=expects_pooled,
    )
    register(
        f"avg_pool{axes}d",
        cheap=True,
        infer=_infer_average,
        reference=avg_pool,
        lower=lower_avg_pool,
        alone="f",
        follows=(0,),
        sample=Sample((large,), average),
    )
    register(
        f"avg_pool{axes}d_grad",
        infer=_infer_grad,
        reference=avg_pool_grad,
        lower=lower_avg_pool_grad,
        alone="f",
        gradient=True,
        follows=(0,),
        sample=Sample((small,), {**average, "input_shape": large}),
    )


for _axes in LAYOUTS:
    _register(_axes)
register("adaptive_max", infer=_infer_adaptive, reference=adaptive_max)
register(
    "adaptive_max_grad",
    infer=_infer_grad,
    reference=adaptive_max_grad,
    lower=lower_adaptive_max_grad,
    gradient=True,
)
register("max_pool_index", infer=_infer_index, reference=max_pool_index, cheap=True)
