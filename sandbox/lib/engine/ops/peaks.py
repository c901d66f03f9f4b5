"""The maximum along one axis with its place, and the sparse gradients through it.

Behind a convolution only the windows that won a maximum get a gradient: the gradients of the
convolution are then taken over these alone (`passes` brings the operations in).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl, mkl_sparse
from ..blueprint import Allocation, Tensor
from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from ..radix import stable_order
from ..steps import Array
from .common import Dims, like
from .convolution import conv_grad_input, conv_grad_weight, infer_grad_input, infer_grad_weight
from .sequence import row_starts
from .shape import renamed

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_max_with_index(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    if x.shape[axis] == 0:
        raise ShapeError(f"input axis {axis} must not be empty; got shape {x.shape}.")
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    return Spec(shape, x.dtype), Spec(shape, "int64")


def max_with_index(x: Array, *, axis: int) -> tuple[Array, Array]:
    """Return the maximum along an axis and where it is (the first one among equals)."""
    index = x.argmax(axis=axis)
    y = np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis)
    return y, index.astype(np.int64)


def max_with_index_grad(
    dy: Array, index: Array, *, axis: int, input_shape: tuple[int, ...]
) -> Array:
    """Give each dy to the element that was the maximum."""
    dx = np.zeros(input_shape, dy.dtype)
    np.put_along_axis(dx, np.expand_dims(index, axis), np.expand_dims(dy, axis), axis)
    return dx


def _spread(dy: Array, index: Array, map_shape: tuple[int, ...]) -> Array:
    peaks = map_shape[:3]
    return max_with_index_grad(
        dy.reshape(peaks), index.reshape(peaks), axis=3, input_shape=map_shape
    )


def conv2d_peak_grad_input(
    dy: Array, index: Array, w: Array, *, map_shape: tuple[int, ...], **attrs: Any
) -> Array:
    """Give the gradient of conv2d's input through a maximum over its whole width."""
    return conv_grad_input(_spread(dy, index, map_shape), w, **attrs)


def conv2d_peak_grad_weight(
    x: Array, dy: Array, index: Array, *, map_shape: tuple[int, ...], **attrs: Any
) -> Array | tuple[Array, Array]:
    """Give the gradient of conv2d's weight through a maximum over its whole width."""
    return conv_grad_weight(x, _spread(dy, index, map_shape), **attrs)


# -- native ----------------------------------------------------------------------------------------


def _as_map(shape: Dims, axis: int) -> Dims | None:
    """Return (rows, features, 1, time) if that is what the shape means, else None."""
    if len(shape) == 3 and axis == 1:
        return shape[0], shape[2], 1, shape[1]
    if len(shape) == 3 and axis == 2:
        return shape[0], shape[1], 1, shape[2]
    if len(shape) == 4 and axis == 3 and shape[2] == 1:
        return shape
    return None


def lower_max_with_index(builder: Builder, op: Op) -> None:
    """Lower `max_with_index`: a pooling whose window is the whole time."""
    x = op.inputs[0]
    y, index = op.outputs
    axis = op.attrs["axis"]
    dims = _as_map(builder.shape(x), axis)
    if dims is None:
        raise dnnl.RefusedError("max_with_index: must be over the time of (batch, time, features).")
    source = None
    src: dnnl.Layout | None = dnnl.channels_last(dims)  # what (batch, time, features) is
    if len(builder.shape(x)) != 3 or axis != 1:
        source = _pooled_as(builder, x, dims)
        if source is None:
            _max_of_rows(builder, op)
            return
        src = source.layout
    if src is None:
        raise dnnl.RefusedError("max_with_index: must be of float32 values.")
    keep = builder.is_used(index)
    kernel, window = (1, dims[3]), ((1, dims[3]), (0, 0), (0, 0), (0, 0))
    dst = like(src, (*dims[:2], 1, 1))  # one element a feature: in any of these layouts as plain
    primitive = dnnl.pooling("max", src, dst, kernel, window, training=keep)
    if source is None:  # now that the library does not refuse it: this may put a reorder in
        source = Tensor(builder.plain(x).allocation, dims, "float32", src)
    writes = {dnnl.DST: Tensor(builder.define(y).allocation, dst.dims, "float32", dst)}
    target = builder.define(index)
    if not keep:
        builder.native(op, primitive, {dnnl.SRC: source}, writes)
        return
    layout = primitive.needs(dnnl.WORKSPACE)
    places = Tensor(Allocation(layout.nbytes), layout.dims, layout.dtype, layout)
    builder.native(op, primitive, {dnnl.SRC: source}, {**writes, dnnl.WORKSPACE: places})

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0][...] = reads[0].reshape(writes[0].shape)

    builder.python(op, run, [places], [target])


def _pooled_as(builder: Builder, x: int, dims: Dims) -> Tensor | None:
    """Return a map as a tensor whose features lie close together, if it is at hand as one."""
    last = dnnl.channels_last(dims)
    for layout in builder.layouts(x, dtype="float32"):
        as_map = renamed(layout, dims)
        if as_map is None or as_map.plain or (as_map != last and dims[1] % 16):
            continue
        tensor = builder.fetch(x, layout)
        return Tensor(tensor.allocation, dims, "float32", as_map)
    return None


def _max_of_rows(builder: Builder, op: Op) -> None:
    axis = op.attrs["axis"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.argmax(reads[0], axis=axis, out=writes[1])
        best = np.take_along_axis(reads[0], np.expand_dims(writes[1], axis), axis)
        writes[0][...] = best.squeeze(axis)

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(value) for value in op.outputs])


def lower_max_with_index_grad(builder: Builder, op: Op) -> None:
    """Lower `max_with_index_grad`: zeros, and the gradients at their places; features innermost."""
    dy, index = op.inputs
    dims = _as_map(tuple(op.attrs["input_shape"]), op.attrs["axis"])
    if dims is None:
        raise dnnl.RefusedError("max_with_index_grad: the reference kernel's.")
    rows, features, _, time = dims
    offsets = np.arange(rows)[:, None] * (time * features) + np.arange(features)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        flat = writes[0].reshape(-1)
        flat.fill(0)
        places = reads[1].reshape(rows, features) * features
        places += offsets
        flat[places] = reads[0].reshape(rows, features)

    shape = tuple(op.attrs["input_shape"])
    if len(shape) == 3 and op.attrs["axis"] == 1:
        target = builder.define(op.outputs[0])
    else:
        target = builder.define(op.outputs[0], dnnl.channels_last(shape))
    seen = Tensor(target.allocation, (rows, time, features), "float32", None)
    builder.python(op, run, [builder.plain(dy), builder.plain(index)], [seen])


class _Winners:
    """Which elements of a convolution's input the maxima over its width have seen.

    The entries are (row n, filter o, tap j): input position index[n, o] · stride + j · dilation -
    padding, with the gradient dy[n, o].
    """

    def __init__(self, x: Dims, w: Dims, attrs: dict[str, Any]) -> None:
        (_, stride), (_, (before, _)) = attrs["stride"], attrs["padding"]
        self.rows, self.features, _, self.time = x
        self.filters, self.taps = w[0], w[3]
        self.stride = stride
        self.taps_at = np.arange(self.taps) * attrs["dilation"][1] - before
        self.inside = not any(attrs["padding"][1])
        self.first = (np.arange(self.rows) * self.time)[:, None]

    def places(self, index: Array, dy: Array) -> tuple[Array, Array]:
        """Return flat input positions and gradients, both (rows, filters, taps)."""
        at = index.reshape(self.rows, self.filters, 1) * self.stride + self.taps_at
        values = np.repeat(dy.reshape(self.rows, self.filters, 1), self.taps, axis=2)
        if not self.inside:
            outside = (at < 0) | (at >= self.time)
            values[outside] = 0
            np.clip(at, 0, self.time - 1, out=at)
        return at + self.first[:, :, None], values


def _steps(builder: Builder, value: int) -> Tensor:
    """Return images of height 1 as (rows · time, features)."""
    dims = builder.shape(value)
    found = builder.fetch(value, dnnl.channels_last(dims))
    return Tensor(found.allocation, (dims[0] * dims[3], dims[1]), "float32", None)


def lower_conv2d_peak_grad_weight(builder: Builder, op: Op) -> None:
    """Lower the gradient of a convolution's weight through the maximum over its width."""
    x, dy, index = op.inputs
    dw, *db = op.outputs
    shape = builder.shape(dw)
    winners = _Winners(builder.shape(x), shape, op.attrs)
    filters, features, taps = shape[0], shape[1], shape[3]
    starts = (np.arange(filters * taps + 1) * winners.rows).astype(np.int32)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        at, values = winners.places(reads[2], reads[1])
        columns = at.transpose(1, 2, 0).astype(np.int32, order="C")  # by filter, tap, row
        ordered = np.ascontiguousarray(values.transpose(1, 2, 0))
        out = writes[-1].reshape(filters * taps, features)
        mkl_sparse.product(starts, columns, ordered, reads[0], out)
        writes[0][:, :, 0] = out.reshape(filters, taps, features).transpose(0, 2, 1)
        if db:
            np.sum(reads[1].reshape(-1, filters), axis=0, out=writes[1])

    reads = [_steps(builder, x), builder.plain(dy), builder.plain(index)]
    targets = [builder.define(value) for value in op.outputs]
    builder.python(op, run, reads, [*targets, builder.temporary(targets[0])], "mkl_sparse")


def lower_conv2d_peak_grad_input(builder: Builder, op: Op) -> None:
    """Lower the gradient of a convolution's input through the maximum over its width."""
    dy, index, w = op.inputs
    dx = op.outputs[0]
    dims, shape = builder.shape(dx), builder.shape(w)
    winners = _Winners(dims, shape, op.attrs)
    filters, features, taps = shape[0], shape[1], shape[3]
    rows = winners.rows * winners.time
    places = np.tile(np.arange(filters * taps, dtype=np.int32), winners.rows)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        at, values = winners.places(reads[1], reads[0])
        flat = at.reshape(-1)
        order = stable_order(flat, rows)
        rows_of_w = writes[1].reshape(filters, taps, features)
        rows_of_w[...] = reads[2][:, :, 0].transpose(0, 2, 1)
        mkl_sparse.product(
            row_starts(flat, rows),
            places[order],
            values.reshape(-1)[order],
            rows_of_w.reshape(filters * taps, features),
            writes[0],
        )

    weight = builder.plain(w)
    target = builder.define(dx, dnnl.channels_last(dims))
    seen = Tensor(target.allocation, (rows, features), "float32", None)
    reads = [builder.plain(dy), builder.plain(index), weight]
    builder.python(op, run, reads, [seen, builder.temporary(weight)], "radix+mkl_sparse")


register(
    "max_with_index",
    infer=_infer_max_with_index,
    reference=max_with_index,
    lower=lower_max_with_index,
    loses_nan=True,
)
register(
    "max_with_index_grad",
    infer=lambda dy, index, *, axis, input_shape: (Spec(input_shape, dy.dtype),),
    reference=max_with_index_grad,
    lower=lower_max_with_index_grad,
    gradient=True,
)
register(
    "conv2d_peak_grad_input",
    infer=lambda dy, index, w, *, map_shape, **attrs: infer_grad_input(dy, w, **attrs),
    reference=conv2d_peak_grad_input,
    lower=lower_conv2d_peak_grad_input,
    gradient=True,
)
register(
    "conv2d_peak_grad_weight",
    infer=lambda x, dy, index, *, map_shape, **attrs: infer_grad_weight(x, dy, **attrs),
    reference=conv2d_peak_grad_weight,
    lower=lower_conv2d_peak_grad_weight,
    gradient=True,
    batch_outputs=0,
)
