"""All windows of a map as columns, multiplied place by place; and back: their sum.

The batch is the last axis: what is copied and added are runs of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from .convolution import places_of
from .rules import floating
from .windows import Pads, Sizes, inside, pad_images, taps, windows

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def _infer_unfold(
    x: Spec, *, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[Spec, ...]:
    floating(x)
    places = places_of(x, kernel, stride, padding, dilation)
    return (Spec((math.prod(places), x.shape[1] * math.prod(kernel), x.shape[0]), x.dtype),)


def _infer_fold(columns: Spec, *, input_shape: tuple[int, ...], **window: Any) -> tuple[Spec, ...]:
    made = Spec(input_shape, columns.dtype)
    (wanted,) = _infer_unfold(made, **window)
    if columns.shape != wanted.shape:
        raise ShapeError(
            f"input must have shape {wanted.shape} (places, channels · kernel, batch) to make "
            f"{input_shape}; got {columns.shape}."
        )
    return (made,)


def unfold(
    x: Array, *, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes, out: Any = None
) -> Array:
    """Return (places, C·kernel, N): each window a column. Runs of the whole batch are copied."""
    n, c = x.shape[:2]
    last = np.ascontiguousarray(np.moveaxis(pad_images(x, padding), 0, -1))  # (C, *sizes, N)
    view = windows(np.moveaxis(last, -1, 0), kernel, stride, dilation)
    axes = len(kernel)
    ordered = view.transpose(*range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes), 0)
    if out is None:
        places = math.prod(ordered.shape[:axes])
        out = np.empty((places, c * math.prod(kernel), n), x.dtype)
    np.copyto(out.reshape(ordered.shape), ordered)
    result: Array = out
    return result


def fold(
    columns: Array,
    *,
    input_shape: tuple[int, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
) -> Array:
    """Add each column where its window lies: the transpose of `unfold`."""
    n, c, *sizes = input_shape
    axes = len(kernel)
    places = places_of(Spec(input_shape), kernel, stride, padding, dilation)
    parts = columns.reshape(*places, c, *kernel, n)
    parts = parts.transpose(2 * axes + 1, *range(axes, 2 * axes + 1), *range(axes))
    padded = [size + sum(ends) for size, ends in zip(sizes, padding, strict=True)]
    last = np.zeros((c, *padded, n), columns.dtype)  # runs of the whole batch are added
    x = np.moveaxis(last, -1, 0)
    for tap in np.ndindex(*kernel):
        x[taps(tap, places, stride, dilation)] += parts[:, :, *tap]
    return np.ascontiguousarray(x[inside(sizes, padding)])


def lower_unfold(builder: Builder, op: Op) -> None:
    """Lower `unfold`: NumPy writes into planned memory."""

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        unfold(reads[0], **op.attrs, out=writes[0])

    builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])


register("unfold", infer=_infer_unfold, reference=unfold, lower=lower_unfold, cheap=True)
register(
    "fold",
    infer=_infer_fold,
    reference=fold,
    gradient=True,
    cheap=True,
    why="a sum of copies, which no kernel of the library does",
)
