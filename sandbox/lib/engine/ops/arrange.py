"""Values turned round, set into a frame, put together and taken apart along an axis."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from ..steps import Array

if TYPE_CHECKING:
    from ..builder import Builder

Widths = tuple[tuple[int, int], ...]
Block = tuple[slice, ...]

NARROW = 8  # elements along the last axis which are copied one by one, each along the other axes
PAD_MODES = ("constant", "reflect", "edge", "circular")


def flip(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Return x with the elements along axes in the opposite order."""
    return np.ascontiguousarray(np.flip(x, axes))


def lower_flip(builder: Builder, op: Op) -> None:
    """Lower `flip`: NumPy, into the planned memory."""
    axes = op.attrs["axes"]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        np.copyto(writes[0], np.flip(reads[0], axes))

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def _infer_pad(x: Spec, *, widths: Widths, mode: str, value: float) -> tuple[Spec, ...]:
    if len(widths) != len(x.shape):
        raise ShapeError(f"widths must name {len(x.shape)} axes; got {widths}.")
    shape = tuple(before + n + after for n, (before, after) in zip(x.shape, widths, strict=True))
    return (Spec(shape, x.dtype),)


def _inside(shape: tuple[int, ...], widths: Widths) -> list[slice]:
    return [slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True)]


def _sides(shape: tuple[int, ...], widths: Widths, mode: str) -> Iterator[tuple[Block, Block]]:
    """Yield each side of the frame and where its elements come from, the first axes first.

    A side spans all of the axes before it, which are framed already, and the inside of the others.
    """
    inside = _inside(shape, widths)
    for axis, (n, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        end = before + n
        back = end - 2 - after
        sources = {
            "reflect": (
                slice(2 * before, before, -1),
                slice(end - 2, back if back >= 0 else None, -1),
            ),
            "edge": (slice(before, before + 1), slice(end - 1, end)),
            "circular": (slice(n, n + before), slice(before, before + after)),
        }[mode]
        sides = ((before, slice(0, before)), (after, slice(end, end + after)))
        for (width, side), source in zip(sides, sources, strict=True):
            first, last = (slice(None),) * axis, inside[axis + 1 :]
            narrow = axis == len(shape) - 1 and width <= NARROW
            for a, b in _lines(side, source, width) if narrow else ((side, source),):
                if width:
                    yield (*first, a, *last), (*first, b, *last)


def _lines(side: slice, source: slice, width: int) -> Iterator[Block]:
    """Yield each place of a side of the last axis: copies then run along the other axes."""
    step = 0 if source.stop == source.start + 1 and width > 1 else source.step or 1
    for k in range(width):
        a, b = side.start + k, source.start + k * step
        yield slice(a, a + 1), slice(b, b + 1)


def _frame(x: Array, y: Array, widths: Widths, mode: str, value: float) -> None:
    """Write x with its frame into y."""
    if mode == "constant":
        y.fill(value)  # one stroke is done before the sides are
    y[tuple(_inside(x.shape, widths))] = x
    if mode != "constant":
        for side, source in _sides(x.shape, widths, mode):
            y[side] = y[source]


def pad(x: Array, *, widths: Widths, mode: str, value: float) -> Array:
    """Return x with a frame around."""
    shape = [before + n + after for n, (before, after) in zip(x.shape, widths, strict=True)]
    y = np.empty(shape, x.dtype)
    _frame(x, y, widths, mode, value)
    return y


def lower_pad(builder: Builder, op: Op) -> None:
    """Lower `pad`: NumPy, into the planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        _frame(reads[0], writes[0], **op.attrs)

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


def _taken_in(whole: Array, input_shape: tuple[int, ...], widths: Widths, mode: str) -> Array:
    """Add the frame to the elements that were copied into it, in place; return the inner part."""
    for side, source in reversed(list(_sides(input_shape, widths, mode))):
        axis = next(k for k, part in enumerate(side) if part != slice(None))
        part, target = whole[side], whole[source]
        target += part.sum(axis=axis, keepdims=True) if mode == "edge" else part
    return whole[tuple(_inside(input_shape, widths))]


def pad_grad(dy: Array, *, widths: Widths, mode: str, input_shape: tuple[int, ...]) -> Array:
    """Add the gradients of the frame to the elements that were copied into it."""
    return np.ascontiguousarray(_taken_in(np.array(dy), input_shape, widths, mode))


def lower_pad_grad(builder: Builder, op: Op) -> None:
    """Lower `pad_grad`: NumPy, in memory of the whole frame that lasts as long as the step."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        dx, whole = writes
        np.copyto(whole, reads[0])
        np.copyto(dx, _taken_in(whole, **op.attrs))

    dy = builder.plain(op.inputs[0])
    builder.python(op, run, [dy], [builder.define(op.outputs[0]), builder.temporary(dy)])


def _infer_split(x: Spec, *, sizes: tuple[int, ...], axis: int) -> tuple[Spec, ...]:
    if sum(sizes) != x.shape[axis]:
        raise ShapeError(
            f"input axis {axis} must be {sum(sizes)} (the sum of the parts {sizes}); got "
            f"{x.shape[axis]} in shape {x.shape}."
        )
    return tuple(Spec((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype) for n in sizes)


def _blocks(sizes: tuple[int, ...], axis: int) -> list[Block]:
    ends = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
    return [(*(slice(None),) * axis, slice(a, b)) for a, b in itertools.pairwise(ends)]


def split(x: Array, *, sizes: tuple[int, ...], axis: int) -> tuple[Array, ...]:
    """Return x cut into parts along an axis."""
    return tuple(x[block] for block in _blocks(sizes, axis))


def lower_split(builder: Builder, op: Op) -> None:
    """Lower `split`: NumPy, into the planned memory."""
    used = [k for k, value in enumerate(op.outputs) if builder.is_used(value)]
    blocks = [_blocks(**op.attrs)[k] for k in used]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        for y, block in zip(writes, blocks, strict=True):
            np.copyto(y, reads[0][block])

    writes = [builder.define(op.outputs[k]) for k in used]
    builder.python(op, run, [builder.plain(op.inputs[0])], writes)


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
register(
    "pad_grad",
    infer=lambda dy, *, widths, mode, input_shape: (Spec(input_shape, dy.dtype),),
    reference=pad_grad,
    lower=lower_pad_grad,
    gradient=True,
)
register("split", infer=_infer_split, reference=split, lower=lower_split, moves=True)
register("stack", infer=_infer_stack, reference=stack, lower=lower_stack)
register("unstack", infer=_infer_unstack, reference=unstack, moves=True)
