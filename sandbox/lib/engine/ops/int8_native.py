"""Operations on 8-bit integers by oneDNN: in bytes where that is exact, else in float32.

The rules and the NumPy kernels are in `int8.py`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..blueprint import Tensor, private
from ..choices import Candidate, Option
from ..oplist import Op
from ..steps import Array
from .common import Dims, seen, window_of

if TYPE_CHECKING:
    from ..builder import Builder

BYTE = "uint8"
SAFE = 127  # the largest number of a map that kernels without VNNI add up exactly
_CLIP, _RELU = dnnl.ELTWISE_FROM_INPUT["clip"][0], dnnl.ELTWISE["relu"]
Limits = tuple[float | None, float | None]


def _clipped(attrs: dict[str, Any], low: float | None, high: float | None) -> dnnl.PostOps:
    """Return what clips the result; bytes are clipped to 0..255 as they are stored."""
    if attrs.get("dtype", BYTE) == BYTE:
        if (low or 0) <= 0 and (high is None or high >= 255):
            return ()
        return (dnnl.Eltwise(_CLIP, float(low or 0), float(255 if high is None else high)),)
    if low is None and high is None:
        return ()
    if low == 0 and high is None:
        return (dnnl.Eltwise(_RELU),)
    most = float(np.finfo(np.float32).max)
    ends = (-most if low is None else float(low), most if high is None else float(high))
    return (dnnl.Eltwise(_CLIP, *ends),)


def _last(dims: Dims, dtype: str) -> dnnl.Layout:
    """Return the layout integer kernels work in: channels last."""
    return dnnl.channels_last(dims, dtype) if len(dims) > 2 else dnnl.plain(dims, dtype)


def _product(
    builder: Builder,
    op: Op,
    make: Callable[..., dnnl.Primitive],
    weights: tuple[Dims, int],
    residual: tuple[int, ...] = (),
) -> None:
    """Lower a convolution or linear layer: in integers, or in float32 on the same integers.

    `make` takes the layouts of source, weights, offsets and result, post-ops and scales; `weights`
    are their dims and the bits of the axes that factors belong to.
    """
    x, offsets = op.inputs[0], op.inputs[3]
    y, attrs = op.outputs[0], op.attrs
    dims, mask = weights
    dtype, shape = attrs["dtype"], builder.shape(y)
    row = dnnl.plain(builder.shape(offsets))
    share = (dnnl.Sum(float(attrs["share"])),) if residual else ()
    post = share + _clipped(attrs, attrs["low"], attrs["high"])
    wanted = {dnnl.DST: _last(shape, dtype)}

    def integers() -> Candidate:
        primitive = make(
            _last(builder.shape(x), BYTE),
            dnnl.any_layout(dims, "int8"),
            row,
            wanted[dnnl.DST],
            post_ops=post,
            scales=(dnnl.Scale(dnnl.WEIGHTS, mask),),
        )
        return Candidate("int8", primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    def floats(layout: Callable[[Dims], dnnl.Wanted]) -> Candidate:
        low = 0.0 if dtype == BYTE and attrs["low"] is None else attrs["low"]
        high = 255.0 if dtype == BYTE and attrs["high"] is None else attrs["high"]
        primitive = make(
            layout(builder.shape(x)),
            dnnl.any_layout(dims),
            row,
            layout(shape),
            post_ops=share + _clipped({"dtype": "float32"}, low, high),
        )
        return Candidate("float32", primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    exact = attrs["limit"] <= SAFE
    options: list[Option] = []
    if not (residual and _miscounts(dims)):
        options.append(("int8", partial(_adding_in_32_bits, integers, exact)))
    last: Option = "float32", partial(floats, lambda sizes: _last(sizes, "float32"))
    if not _slow(attrs) and _is_legal(options):
        choice = options[0][1]()
    else:
        options += [last, ("float32-any", partial(floats, dnnl.any_layout))]
        choice = builder.choose(op, options, shape[0], wanted)
    emit = _emit_integers if choice.name == "int8" else _emit_floats
    emit(builder, op, choice.primitive, mask, residual)


def _miscounts(dims: Dims) -> bool:
    """Return whether oneDNN 3.2's kernel may be wrong: depthwise added to a map, on AVX2."""
    return len(dims) == 5 and dims[2] == 1


def _adding_in_32_bits(make: Callable[[], Candidate], exact: bool) -> Candidate:
    """Return the candidate; refuse it where 16 bits do not hold what its kernel adds up."""
    candidate = make()
    if not exact and not _adds_in_32_bits(candidate.primitive):
        raise dnnl.RefusedError(f"{candidate.primitive}: 16 bits do not hold its sums.")
    return candidate


def _adds_in_32_bits(primitive: dnnl.Primitive) -> bool:
    """Return whether a kernel holds what numbers up to 255 add up to.

    The processor does not tell: with VNNI there are kernels that make no use of it.
    """
    return any(name in primitive.implementation for name in ("vnni", "amx"))


def _slow(attrs: dict[str, Any]) -> bool:
    """Return whether float32 may be faster: depthwise kernels without VNNI are often."""
    return int(attrs.get("groups", 1)) > 1 and not dnnl.has_vnni()


def _is_legal(options: Sequence[Option]) -> bool:
    """Return whether one of the options has a kernel."""
    for _, make in options:
        with contextlib.suppress(dnnl.RefusedError):
            make()
            return True
    return False


def _emit_integers(
    builder: Builder, op: Op, primitive: dnnl.Primitive, mask: int, residual: tuple[int, ...]
) -> None:
    x, w, factors, offsets = op.inputs[:4]
    row = dnnl.plain(builder.shape(offsets))
    reads = {
        dnnl.SRC: builder.fetch(x, primitive.needs(dnnl.SRC)),
        dnnl.WEIGHTS: builder.fetch(w, primitive.needs(dnnl.WEIGHTS)),
        dnnl.BIAS: builder.fetch(offsets, row),
        dnnl.scales(dnnl.WEIGHTS): builder.fetch(factors, row),
    }
    layout = primitive.needs(dnnl.DST)
    if residual:
        source = builder.fetch(residual[0], layout)
        # Never over what the kernel still reads.
        same = source.allocation is reads[dnnl.SRC].allocation
        target = builder.define(op.outputs[0], layout, over=None if same else source)
        if target.allocation is not source.allocation:
            builder.reorder(source, target)
        reads |= {dnnl.DST: target}
    else:
        target = builder.define(op.outputs[0], layout)
    builder.native(op, primitive, _without(reads, dnnl.DST), {dnnl.DST: target})


def _without(reads: dict[int, Tensor], argument: int) -> dict[int, Tensor]:
    return {key: tensor for key, tensor in reads.items() if key != argument}


def _emit_floats(
    builder: Builder, op: Op, primitive: dnnl.Primitive, mask: int, residual: tuple[int, ...]
) -> None:
    x, w, factors, offsets = op.inputs[:4]
    layout = primitive.needs(dnnl.WEIGHTS)
    plain = private(dnnl.plain(layout.dims))

    def multiplied(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        rows = reads[0].reshape(len(reads[1]), -1)
        np.multiply(rows, reads[1][:, None], out=writes[0].reshape(rows.shape))

    builder.python(op, multiplied, [builder.plain(w), builder.plain(factors)], [plain])
    weights = builder.moved(plain, layout)
    source = builder.fetch(x, _last(builder.shape(x), BYTE))
    reads = {
        dnnl.SRC: builder.moved(source, primitive.needs(dnnl.SRC)),
        dnnl.WEIGHTS: weights,
        dnnl.BIAS: builder.fetch(offsets, dnnl.plain(builder.shape(offsets))),
    }
    y, shape = op.outputs[0], builder.shape(op.outputs[0])
    floats = op.attrs["dtype"] == "float32"
    layout = primitive.needs(dnnl.DST)
    target = builder.define(y, layout) if floats else private(layout)
    if residual:
        before = builder.fetch(residual[0], _last(shape, op.attrs["dtype"]))
        builder.reorder(before, target)
    builder.native(op, primitive, reads, {dnnl.DST: target})
    if not floats:
        builder.reorder(target, builder.define(y, _last(shape, BYTE)))


def lower_conv2d_int8(builder: Builder, op: Op) -> None:
    """Lower `conv2d_int8`; a residual is added where it lies."""
    window, groups = window_of(op.attrs), op.attrs["groups"]
    shape = builder.shape(op.inputs[1])
    dims = shape if groups == 1 else (groups, shape[0] // groups, *shape[1:])

    def make(src: Any, weights: Any, bias: Any, dst: Any, **also: Any) -> dnnl.Primitive:
        return dnnl.convolution(src, weights, bias, dst, window, training=False, **also)

    _product(builder, op, make, (dims, 1 if groups == 1 else 3), op.inputs[4:])


def lower_linear_int8(builder: Builder, op: Op) -> None:
    """Lower `linear_int8`."""

    def make(src: Any, weights: Any, bias: Any, dst: Any, **also: Any) -> dnnl.Primitive:
        return dnnl.inner_product(src, weights, bias, dst, training=False, **also)

    _product(builder, op, make, (builder.shape(op.inputs[1]), 1))


def lower_quantize_int8(builder: Builder, op: Op) -> None:
    """Lower `quantize_int8`: a reorder rounds, and clips what leaves the bytes.

    Up to 127 it writes signed bytes, which are clipped there; what stands in them is the same.
    """
    x, factor = op.inputs
    zero, top = op.attrs["zero"], op.attrs["top"]
    shape = builder.shape(x)
    if builder.spec(x).dtype != "float32" or not shape or len(shape) > 6 or zero:
        raise dnnl.RefusedError("quantize_int8: must be of float32 and 1 to 6 axes, without zero.")
    stored = "int8" if top == SAFE else BYTE
    source = next((t for t in builder.tensors(x) if _usable(t, shape)), None)
    if source is None:
        source = builder.fetch(x, dnnl.plain(shape))
    layout = source.layout or dnnl.plain(shape)
    target = _last(shape, stored)
    reorder = dnnl.reorder(layout, target, scales=(dnnl.Scale(dnnl.SRC),))
    if not op.attrs["positive"]:
        clip = dnnl.eltwise(_CLIP, layout, layout, *op.attrs["limits"])
        room = private(layout)
        builder.native(op, clip, {dnnl.SRC: source}, {dnnl.DST: room})
        source = room
    reads = {dnnl.SRC: source, dnnl.scales(dnnl.SRC): builder.fetch(factor, dnnl.plain((1,)))}
    written = builder.define(op.outputs[0], _last(shape, BYTE))
    builder.native(op, reorder, reads, {dnnl.DST: seen(written, target)})


def _usable(tensor: Tensor, shape: Dims) -> bool:
    layout = tensor.layout
    return layout is not None and layout.dims == shape and layout.dtype == "float32"


def lower_dequantize_int8(builder: Builder, op: Op) -> None:
    """Lower `dequantize_int8`: a reorder, or a look into the table of all bytes."""
    x, factor = op.inputs
    y, zero = op.outputs[0], op.attrs["zero"]
    shape = builder.shape(x)
    if not shape or len(shape) > 6:
        raise dnnl.RefusedError("dequantize_int8: must be of 1 to 6 axes.")
    source = builder.fetch(x, _last(shape, BYTE))
    target_layout = _last(shape, "float32")
    if zero:
        table = np.arange(256, dtype=np.float32) - np.float32(zero)

        def look(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            flat = writes[0].reshape(-1)
            np.take(table * reads[1][0], reads[0].reshape(-1), out=flat, mode="clip")

        target = builder.define(y, target_layout)
        builder.python(op, look, [source, builder.plain(factor)], [target])
        return
    reorder = dnnl.reorder(_last(shape, BYTE), target_layout, scales=(dnnl.Scale(dnnl.SRC),))
    reads = {dnnl.SRC: source, dnnl.scales(dnnl.SRC): builder.fetch(factor, dnnl.plain((1,)))}
    builder.native(op, reorder, reads, {dnnl.DST: builder.define(y, target_layout)})


def lower_max_pool2d_int8(builder: Builder, op: Op) -> None:
    """Lower `max_pool2d_int8`."""
    _pool(builder, op, "max")


def lower_avg_pool2d_int8(builder: Builder, op: Op) -> None:
    """Lower `avg_pool2d_int8` where rounding does not depend on how the mean is taken.

    By an odd number no mean lies in the middle, by a power of two it is exact.
    """
    count = math.prod(op.attrs["kernel"])
    padded = any(sum(pair) for pair in op.attrs["padding"])
    if (count % 2 == 0 and count & (count - 1)) or (padded and not op.attrs["include_padding"]):
        raise dnnl.RefusedError("avg_pool2d_int8: the mean of so many is NumPy's business.")
    _pool(builder, op, "average")


def _pool(builder: Builder, op: Op, algorithm: str) -> None:
    x, y = op.inputs[0], op.outputs[0]
    src, dst = _last(builder.shape(x), BYTE), _last(builder.shape(y), BYTE)
    kernel, window = tuple(op.attrs["kernel"]), window_of(op.attrs)
    primitive = dnnl.pooling(algorithm, src, dst, kernel, window, training=False)
    builder.emit(op, Candidate("int8", primitive, {dnnl.SRC: x}, {dnnl.DST: y}))


def lower_add_int8(builder: Builder, op: Op) -> None:
    """Lower `add_int8`."""
    a, b, first, second = op.inputs
    layout = _last(builder.shape(a), BYTE)
    offset = op.attrs["offset"]
    post = (dnnl.Eltwise(dnnl.LINEAR, 1.0, float(offset)),) if offset else ()
    primitive = dnnl.binary(
        dnnl.BINARY["add"],
        layout,
        layout,
        layout,
        post_ops=post + _clipped({}, op.attrs["low"], op.attrs["high"]),
        scales=(dnnl.Scale(dnnl.SRC), dnnl.Scale(dnnl.SRC_1)),
    )
    reads = {
        dnnl.SRC: builder.fetch(a, layout),
        dnnl.SRC_1: builder.fetch(b, layout),
        dnnl.scales(dnnl.SRC): builder.fetch(first, dnnl.plain((1,))),
        dnnl.scales(dnnl.SRC_1): builder.fetch(second, dnnl.plain((1,))),
    }
    builder.native(op, primitive, reads, {dnnl.DST: builder.define(op.outputs[0], layout)})


def lower_concat_int8(builder: Builder, op: Op) -> None:
    """Lower `concat_int8`."""
    layouts = tuple(_last(builder.shape(value), BYTE) for value in op.inputs)
    target = _last(builder.shape(op.outputs[0]), BYTE)
    primitive = dnnl.concat(layouts, target, op.attrs["axis"])
    reads = {
        dnnl.MANY_SRC + k: builder.fetch(value, layout)
        for k, (value, layout) in enumerate(zip(op.inputs, layouts, strict=True))
    }
    builder.native(op, primitive, reads, {dnnl.DST: builder.define(op.outputs[0], target)})
