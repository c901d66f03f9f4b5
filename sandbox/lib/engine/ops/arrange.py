"""Values turned round, set into a frame, put together and taken apart along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from ..steps import Array

if TYPE_CHECKING:
    from ..builder import Builder

Widths = tuple[tuple[int, int], ...]


def flip(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return x with the elements along axes in the opposite order."""
    return np.ascontiguousarray(np.flip(x, axes))


def lower_flip(builder: Builder, op: Op) -> None:
    """Lower `flip`: NumPy, into the planned memory."""
    axes = op.attrs["axes"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], np.flip(reads[0], axes))

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def _infer_pad(x: Spec, *, widths: Widths, value: float) -> tuple[Spec, ...]:
    if len(widths) != len(x.shape):
        raise ShapeError(f"widths must name {len(x.shape)} axes; got {widths}.")
    shape = tuple(before + n + after for n, (before, after) in zip(x.shape, widths, strict=True))
    return (Spec(shape, x.dtype),)


def _inside(shape: tuple[int, ...], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))


def pad(x: Array, *, widths: Widths, value: float) -> Array:
    """Return x with a frame of one value around."""
    shape = [before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)]
    y = np.full(shape, value, x.dtype)
    y[_inside(x.shape, widths)] = x
    return y


def lower_pad(builder: Builder, op: Op) -> None:
    """Lower `pad`: NumPy, into the planned memory."""
    inside = _inside(builder.shape(op.inputs[0]), op.attrs["widths"])
    value = op.attrs["value"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        writes[0].fill(value)
        writes[0][inside] = reads[0]

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def stack(*parts: Array, axis: int = 0) -> Array:
    """Return the parts along a new axis."""
    return np.stack(parts, axis)


def unstack(x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    """Return the parts along an axis."""
    return tuple([part[...] for part in np.moveaxis(x, axis, 0)])


def _infer_stack(*parts: Spec, axis: int = 0) -> tuple[Spec, ...]:
    for part in parts[1:]:
        if part != parts[0]:
            raise ShapeError(
                f"parts must be alike; got {parts[0].dtype} {parts[0].shape} and {part.dtype} "
                f"{part.shape}."
            )
    shape = parts[0].shape
    return (Spec((*shape[:axis], len(parts), *shape[axis:]), parts[0].dtype),)


def _infer_unstack(x: Spec, *, axis: int = 0) -> tuple[Spec, ...]:
    if not x.shape:
        raise ShapeError("input must have an axis; got a scalar.")
    return (Spec((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype),) * x.shape[axis]


def lower_stack(builder: Builder, op: Op) -> None:
    """Lower `stack`: NumPy, into the planned memory."""
    axis = op.attrs.get("axis", 0)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.stack(reads, axis, out=writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


register("flip", infer=lambda x, *, axes: (x,), reference=flip, lower=lower_flip, moves=True)
register("pad", infer=_infer_pad, reference=pad, lower=lower_pad, cheap=True)
register("stack", infer=_infer_stack, reference=stack, lower=lower_stack)
register("unstack", infer=_infer_unstack, reference=unstack, moves=True)
