"""Transposed and reshaped values as other names of the same memory."""

from __future__ import annotations

from .. import dnnl
from ..blueprint import Tensor
from ..builder import Builder
from ..oplist import Op
from .common import Dims


def _strides(layout: dnnl.Layout) -> Dims | None:
    """Return the strides of a layout without blocks, else None."""
    if layout.name == "opaque" or layout.key[4] or layout.key[3] != layout.dims:
        return None
    strides: Dims = layout.key[2]
    return strides


def transpose(builder: Builder, op: Op) -> None:
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
        layout = dnnl.strided(
            tuple(shape[k] for k in axes), tuple(strides[k] for k in axes), tensor.dtype
        )
        made.append(Tensor(tensor.buffer, layout.dims, tensor.dtype, layout))
    if not made:
        plain = builder.plain(x)
        strides = dnnl.row_major(shape)
        layout = dnnl.strided(tuple(shape[k] for k in axes), tuple(strides[k] for k in axes))
        made.append(Tensor(plain.buffer, layout.dims, "float32", layout))
    builder.hold(y, made)


def _fits(tensor: Tensor, shape: Dims) -> bool:
    layout = tensor.layout
    return layout is not None and layout.dims == shape and _strides(layout) is not None


def reshape(builder: Builder, op: Op) -> None:
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
            group.append(Tensor(tensor.buffer, wanted, tensor.dtype, other))


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


LOWERINGS = {"transpose": transpose, "reshape": reshape}
