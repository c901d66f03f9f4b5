"""Operations that move elements without changing them.

Natively a transposed or reshaped value is another name of the same memory.
"""

from __future__ import annotations

import builtins
import contextlib
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..blueprint import Tensor
from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from ..steps import Array
from .common import Dims, like
from .rules import common, promoted

if TYPE_CHECKING:
    from ..builder import Builder


def _infer_reshape(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    result = Spec(shape, x.dtype)
    if result.size != x.size:
        raise ShapeError(
            f"input must have {result.size} elements for shape {shape}; got {x.size} in shape "
            f"{x.shape}."
        )
    return (result,)


def _infer_transpose(x: Spec, *, axes: tuple[int, ...]) -> tuple[Spec, ...]:
    return (Spec(tuple(x.shape[k] for k in axes), x.dtype),)


def _infer_broadcast(x: Spec, *, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    must_broadcast(x.shape, shape)
    return (Spec(shape, x.dtype),)


def must_broadcast(small: tuple[int, ...], large: tuple[int, ...]) -> None:
    """Refuse a shape that NumPy cannot repeat to another."""
    try:
        fits = np.broadcast_shapes(small, large) == large
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"shape {small} must broadcast to {large}; it does not.")


def _infer_concat(*xs: Spec, axis: int) -> tuple[Spec, ...]:
    first = xs[0].shape
    length = 0
    for k, x in enumerate(xs):
        if len(x.shape) != len(first) or any(
            a != b for j, (a, b) in enumerate(zip(x.shape, first, strict=True)) if j != axis
        ):
            raise ShapeError(
                f"inputs must have equal shapes except along axis {axis}; got {first} and "
                f"{x.shape} (input {k})."
            )
        length += x.shape[axis]
    return (Spec((*first[:axis], length, *first[axis + 1 :]), promoted(*xs)),)


def _infer_slice(
    x: Spec,
    *,
    starts: tuple[int, ...],
    stops: tuple[int, ...],
    steps: tuple[int, ...] | None = None,
) -> tuple[Spec, ...]:
    if not len(starts) == len(stops) == len(x.shape):
        raise ShapeError(f"starts and stops must name {len(x.shape)} axes; got {starts}, {stops}.")
    for k, (start, stop, length) in enumerate(zip(starts, stops, x.shape, strict=True)):
        if not 0 <= start <= stop <= length:
            raise ShapeError(
                f"slice of axis {k} must lie in [0, {length}]; got [{start}, {stop}) of shape "
                f"{x.shape}."
            )
    by = (1,) * len(starts) if steps is None else steps
    if len(by) != len(starts) or any(step < 1 for step in by):
        raise ShapeError(f"steps must be {len(starts)} ints > 0, one for each axis; got {steps}.")
    sizes = [-(-(b - a) // step) for a, b, step in zip(starts, stops, by, strict=True)]
    return (Spec(tuple(sizes), x.dtype),)


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return the same elements in another shape."""
    return x.reshape(shape)


def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return x with its axes in another order."""
    return x.transpose(axes)


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return x repeated to a shape."""
    return np.broadcast_to(x, shape)


def concat(*xs: Array, axis: int) -> Array:
    """Return the inputs joined along an axis."""
    return np.concatenate(xs, axis=axis, dtype=reduce(common, [x.dtype for x in xs]))


def _block(
    starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...] | None = None
) -> tuple[builtins.slice, ...]:
    by = (1,) * len(starts) if steps is None else steps
    return tuple(builtins.slice(*each) for each in zip(starts, stops, by, strict=True))


def slice(x: Array, **block: tuple[int, ...]) -> Array:
    """Return the block between starts and stops, every `steps`-th element of each axis."""
    return x[_block(**block)]


def slice_grad(dy: Array, *, input_shape: tuple[int, ...], **block: tuple[int, ...]) -> Array:
    """Return zeros with dy in the block."""
    dx = np.zeros(input_shape, dy.dtype)
    dx[_block(**block)] = dy
    return dx


def stop_gradient(x: Array) -> Array:
    """Return the same."""
    return x.view()


# -- native: views --------------------------------------------------------------------------------


def _strides(layout: dnnl.Layout) -> Dims | None:
    """Return the strides of a layout without blocks, else None."""
    if layout.name == "opaque" or layout.key[4] or layout.key[3] != layout.dims:
        return None
    strides: Dims = layout.key[2]
    return strides


def lower_transpose(builder: Builder, op: Op) -> None:
    """Lower `transpose`: the same memory with the strides in another order, nothing is moved."""
    x, y = op.inputs[0], op.outputs[0]
    axes = op.attrs["axes"]
    shape = builder.shape(x)
    if builder.spec(x).dtype != "float32" or not 1 < len(shape) <= 6:
        raise dnnl.RefusedError("transpose: must be of float32 and 2 to 6 axes.")
    made = []
    for tensor in builder.tensors(x):
        if not _fits(tensor, shape) or tensor.layout is None:
            continue
        strides = _strides(tensor.layout) or ()
        layout = _ordered(
            tuple(shape[k] for k in axes), tuple(strides[k] for k in axes), tensor.dtype
        )
        made.append(Tensor(tensor.allocation, layout.dims, tensor.dtype, layout))
    if not made:
        plain = builder.plain(x)
        strides = dnnl.row_major(shape)
        layout = _ordered(tuple(shape[k] for k in axes), tuple(strides[k] for k in axes))
        made.append(Tensor(plain.allocation, layout.dims, "float32", layout))
    builder.hold(y, made)


def _ordered(dims: Dims, strides: Dims, dtype: str = "float32") -> dnnl.Layout:
    """Return a layout in which axes of size 1 step over all behind them.

    Their steps mean nothing, but products tell rows from columns by them.
    """
    settled = tuple(
        step
        if size > 1
        else max((strides[k] * dims[k] for k in range(axis + 1, len(dims))), default=1)
        for axis, (size, step) in enumerate(zip(dims, strides, strict=True))
    )
    return dnnl.strided(dims, settled, dtype)


def expects_order(builder: Builder, op: Op, value: int) -> dnnl.Layout | None:
    """Return the layout of the input in which the result of a transpose is row-major."""
    axes = op.attrs["axes"]
    shape = builder.shape(op.outputs[0])
    if not 1 < len(shape) <= 6:
        return None
    steps = dict(zip(axes, dnnl.row_major(shape), strict=True))
    return _ordered(builder.shape(value), tuple(steps[axis] for axis in range(len(shape))))


def _fits(tensor: Tensor, shape: Dims) -> bool:
    layout = tensor.layout
    return layout is not None and layout.dims == shape and _strides(layout) is not None


def lower_reshape(builder: Builder, op: Op) -> None:
    """Lower `reshape`: the same memory; layouts survive where only axes of size 1 come or go."""
    x, y = op.inputs[0], op.outputs[0]
    builder.alias(y, x)
    wanted = builder.shape(y)
    group = builder.tensors(y)
    for tensor in list(group):
        layout = tensor.layout
        if layout is None or layout.plain or tensor.dtype not in ("float32", "bfloat16"):
            continue
        other = renamed(layout, wanted)
        if other is not None and other != layout:
            group.append(Tensor(tensor.allocation, wanted, tensor.dtype, other))


def renamed(layout: dnnl.Layout, wanted: Dims) -> dnnl.Layout | None:
    """Return how the same bytes are called under a shape with more or fewer axes of size 1."""
    if len(wanted) > 6:
        return None
    strides = _strides(layout)
    if strides is not None:
        moved = _insert_ones(layout.dims, strides, wanted)
        return None if moved is None else dnnl.strided(wanted, moved, layout.dtype)
    dims = layout.dims
    if {len(dims), len(wanted)} <= {3, 4} and _without_height(dims) == _without_height(wanted):
        for tag in ("blocked16", "blocked8"):
            if layout == dnnl.tagged(dims, tag, layout.dtype):
                return dnnl.tagged(wanted, tag, layout.dtype)
    return None


def _without_height(dims: Dims) -> Dims:
    return (*dims[:2], dims[3]) if len(dims) == 4 and dims[2] == 1 else dims


def _insert_ones(shape: Dims, strides: Dims, wanted: Dims) -> Dims | None:
    """Return the strides under a shape that differs in axes of size 1 only, else None."""
    real = [(size, step) for size, step in zip(shape, strides, strict=True) if size != 1]
    if [size for size, _ in real] != [size for size in wanted if size != 1]:
        return None
    found: list[int] = []
    for size in reversed(wanted):
        if size != 1:
            found.append(real.pop()[1])
        else:
            found.append(found[-1] * wanted[len(wanted) - len(found)] if found else 1)
    return tuple(reversed(found))


def lower_concat(builder: Builder, op: Op) -> None:
    """Lower `concat`: in the layout most of it is at hand in; plain arrays are NumPy's."""
    axis, y = op.attrs["axis"], op.outputs[0]
    layouts = _at_hand(builder, op)
    if layouts and not layouts[-1].plain:
        with contextlib.suppress(dnnl.RefusedError):
            primitive = dnnl.concat(tuple(layouts[:-1]), layouts[-1], axis)
            parts = {
                dnnl.MANY_SRC + place: builder.fetch(value, layout)
                for place, (value, layout) in enumerate(zip(op.inputs, layouts, strict=False))
            }
            builder.native(op, primitive, parts, {dnnl.DST: builder.define(y, layouts[-1])})
            return

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.concatenate(reads, axis=axis, out=writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def _at_hand(builder: Builder, op: Op) -> list[dnnl.Layout]:
    """Return layouts of one family for the inputs and the result; the one of the most bytes."""
    shapes = [builder.shape(value) for value in (*op.inputs, *op.outputs)]
    dtype = builder.dtype_of(op.outputs[0])
    if len(shapes[-1]) != 4 or any(builder.spec(v).dtype != "float32" for v in op.inputs):
        return []
    sizes: dict[str, int] = {}
    kinds: dict[str, dnnl.Layout] = {}
    for value in op.inputs:
        for layout in builder.layouts(value, dtype=dtype):
            sizes[layout.name] = sizes.get(layout.name, 0) + builder.spec(value).size
            kinds.setdefault(layout.name, layout)
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        with contextlib.suppress(dnnl.RefusedError):
            return [like(kinds[name], shape) for shape in shapes]
    return []


def lower_broadcast_to(builder: Builder, op: Op) -> None:
    """Lower `broadcast_to`: NumPy, into the planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0])

    reads = [builder.plain(op.inputs[0])]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


def lower_slice(builder: Builder, op: Op) -> None:
    """Lower `slice`: NumPy, into the planned memory."""
    block = _block(**op.attrs)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], reads[0][block])

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def lower_slice_grad(builder: Builder, op: Op) -> None:
    """Lower `slice_grad`: zeros and a copy, into the planned memory."""
    block = _block(**{key: op.attrs[key] for key in op.attrs if key != "input_shape"})

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0].fill(0)
        writes[0][block] = reads[0]

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


register(
    "reshape",
    infer=_infer_reshape,
    reference=reshape,
    lower=lower_reshape,
    moves=True,
    view=True,
    follows=(0,),
)
register(
    "stop_gradient",
    infer=lambda x: (x,),
    reference=stop_gradient,
    lower=lower_reshape,
    moves=True,
    view=True,
    follows=(0,),
)
register(
    "transpose",
    infer=_infer_transpose,
    reference=transpose,
    lower=lower_transpose,
    moves=True,
    expects=expects_order,
)
register(
    "broadcast_to",
    infer=_infer_broadcast,
    reference=broadcast_to,
    lower=lower_broadcast_to,
    moves=True,
)
register(
    "concat",
    infer=_infer_concat,
    reference=concat,
    lower=lower_concat,
    moves=True,
)
register("slice", infer=_infer_slice, reference=slice, lower=lower_slice, moves=True)
register(
    "slice_grad",
    infer=lambda dy, *, input_shape, **block: (Spec(input_shape, dy.dtype),),
    reference=slice_grad,
    lower=lower_slice_grad,
    gradient=True,
)
