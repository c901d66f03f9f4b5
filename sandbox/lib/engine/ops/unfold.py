"""All windows of a map as rows, for what is multiplied place by place; and back: their sum."""

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
    return (Spec((math.prod(places), x.shape[0], x.shape[1] * math.prod(kernel)), x.dtype),)


def _infer_fold(rows: Spec, *, input_shape: tuple[int, ...], **window: Any) -> tuple[Spec, ...]:
    made = Spec(input_shape, rows.dtype)
    (wanted,) = _infer_unfold(made, **window)
    if rows.shape != wanted.shape:
        raise ShapeError(
            f"input must have shape {wanted.shape} (places, batch, channels · kernel) to make "
            f"{input_shape}; got {rows.shape}."
        )
    return (made,)


def unfold(
    x: Array, *, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes, out: Any = None
) -> Array:
    """Return (places, N, C·kernel): each window of each image, a row."""
    axes = len(kernel)
    view = windows(pad_images(x, padding), kernel, stride, dilation)
    n, c, *places = view.shape[: 2 + axes]
    ordered = view.transpose(*range(2, 2 + axes), 0, 1, *range(2 + axes, 2 + 2 * axes))
    if out is None:
        out = np.empty((math.prod(places), n, c * math.prod(kernel)), x.dtype)
    np.copyto(out.reshape(ordered.shape), ordered)
    result: Array = out
    return result


def fold(
    rows: Array,
    *,
    input_shape: tuple[int, ...],
    kernel: Sizes,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
) -> Array:
    """Add each row where its window lies: the transpose of `unfold`."""
    n, c, *sizes = input_shape
    axes = len(kernel)
    places = places_of(Spec(input_shape), kernel, stride, padding, dilation)
    parts = rows.reshape(*places, n, c, *kernel)
    parts = parts.transpose(axes, axes + 1, *range(2 + axes, 2 + 2 * axes), *range(axes))
    padded = [size + sum(ends) for size, ends in zip(sizes, padding, strict=True)]
    x = np.zeros((n, c, *padded), rows.dtype)
    for tap in np.ndindex(*kernel):
        x[taps(tap, places, stride, dilation)] += parts[:, :, *tap]
    return x[inside(sizes, padding)]


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
