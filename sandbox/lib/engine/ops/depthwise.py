"""Depthwise convolution over volumes: a few over images, added up.

The library has no kernel of its own for it. Channels last, a volume is a row of images; each plane
of the filters slides over all images of the batch at once, shifted by its depth:

y[n, :, i] = sum_a conv2d(x[n, :, i + a·d - front], w[:, :, a])

Zero planes lie between the volumes. What is computed across their ends is left out at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..blueprint import Allocation, Tensor, private
from ..operation import operands
from ..oplist import Op
from ..steps import Array
from .common import Dims, post_ops

if TYPE_CHECKING:
    from ..builder import Builder

FLOAT = 4  # bytes


def is_depthwise(x: Dims, w: Dims, attrs: dict[str, Any]) -> bool:
    """Return whether each channel of volumes has one filter of its own."""
    return len(x) == 5 and attrs["groups"] == x[1] == w[0] > 1


def transposed_window(w: Dims, attrs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the window by which turned filters give the gradient of the input; None if none do."""
    if max(attrs["stride"]) > 1:
        return None
    reach = [d * (k - 1) for k, d in zip(w[2:], attrs["dilation"], strict=True)]
    padding = tuple(
        (r - before, r - after) for r, (before, after) in zip(reach, attrs["padding"], strict=True)
    )
    return None if min(map(min, padding)) < 0 else {**attrs, "padding": padding}


def lower_by_planes(
    builder: Builder,
    op: Op,
    source: int,
    result: int,
    bias: int | None,
    window: dict[str, Any],
    *,
    flipped: bool = False,
) -> None:
    """Lower a depthwise convolution of `source` by the filters of `op`; `flipped` turns these.

    Raises `RefusedError`, and adds nothing, where there is no kernel for the images.
    """
    (n, c, depth, height, width), (*_, places, rows, columns) = (
        builder.shape(source),
        builder.shape(result),
    )
    w = op.inputs[1]
    taps = builder.shape(w)[2]
    (front, back), *edges = window["padding"]
    step, *strides = window["stride"]
    gap, *dilations = window["dilation"]
    deep = front + depth + back
    images = n * deep - (taps - 1) * gap
    fixed = any(tensor.allocation.constant for tensor in builder.tensors(source))
    if builder.products != ("float32",) or fixed or operands(op):
        raise dnnl.RefusedError("depthwise: must be of float32 volumes without sums behind it.")

    src = dnnl.channels_last((images, c, height, width))
    dst = dnnl.channels_last((images, c, rows, columns))
    filters = dnnl.any_layout((c, 1, 1, *builder.shape(w)[3:]))
    flat: dnnl.Window = (
        tuple(strides),
        tuple(d - 1 for d in dilations),
        tuple(before for before, _ in edges),
        tuple(after for _, after in edges),
    )
    kernels = [
        dnnl.convolution(
            *(src, filters, dnnl.plain((c,)) if bias is not None and not a else None, dst, flat),
            training=builder.training,
            post_ops=((dnnl.Sum(),) if a else ()) + (post_ops(op) if a == taps - 1 else ()),
        )
        for a in range(taps)
    ]
    if c % 4 and taps > 1 and any("sse41" in kernel.implementation for kernel in kernels):
        raise dnnl.RefusedError("depthwise: SSE4.1's kernel crashes when it adds to odd channels.")

    planes = _split(builder, op, w, taps, flipped=flipped)
    wide = private(dnnl.plain((n, deep, height, width, c)))
    if front or back:

        def clear(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            writes[0][:, :front] = 0
            writes[0][:, front + depth :] = 0

        builder.python(op, clear, [], [wide], "zeros")
    size = height * width * c
    steps = (deep * size, 1, size, width * c, c)
    inside = dnnl.strided((n, c, depth, height, width), steps)
    given = builder.tensors(source)[0]
    given = next((t for t in builder.tensors(source) if t.layout == _last(t)), given)
    if given.layout is None or given.layout.dims != inside.dims:
        given = builder.fetch(source, dnnl.plain(inside.dims))
    builder.reorder(given, _part(wide, front * size, inside))

    small = rows * columns * c
    sums = private(dnnl.plain((n, deep, rows, columns, c)))
    target = _part(sums, 0, dst)
    for a, kernel in enumerate(kernels):
        reads = {dnnl.SRC: _part(wide, a * gap * size, src)}
        reads[dnnl.WEIGHTS] = builder.moved(planes[a], kernel.needs(dnnl.WEIGHTS))
        if bias is not None and not a:
            reads[dnnl.BIAS] = builder.fetch(bias, dnnl.plain((c,)))
        builder.native(op, kernel, reads, {dnnl.DST: target}, target if a else None)
    shape = (n, c, places, rows, columns)
    strided = dnnl.strided(shape, (deep * small, 1, step * small, columns * c, c))
    builder.reorder(_part(sums, 0, strided), builder.define(result, dnnl.channels_last(shape)))


def _last(tensor: Tensor) -> dnnl.Layout:
    return dnnl.channels_last(tensor.layout.dims if tensor.layout else tensor.shape)


def _part(whole: Tensor, offset: int, layout: dnnl.Layout) -> Tensor:
    """Return a run of a tensor's memory, from an element on, in a layout of its own."""
    part = Allocation(layout.nbytes, offset=offset * FLOAT, whole=whole.allocation)
    return Tensor(part, layout.dims, layout.dtype, layout)


def _split(builder: Builder, op: Op, w: int, taps: int, *, flipped: bool) -> list[Tensor]:
    """Add the step that takes the planes of the filters apart."""
    c, _, _, *kernel = builder.shape(w)
    planes = [private(dnnl.plain((c, 1, 1, *kernel))) for _ in range(taps)]

    def split(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        filters = np.flip(reads[0], (2, 3, 4)) if flipped else reads[0]
        for a, plane in enumerate(writes):
            plane[:, :, 0] = filters[:, :, a]

    builder.python(op, split, [builder.plain(w)], planes, "planes")
    return planes
