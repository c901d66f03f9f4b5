"""Softmax and its logarithm along an axis; gradients from the output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..blueprint import private
from ..choices import Candidate
from ..operation import Sample, register
from ..oplist import Op
from .common import SMALL, seen
from .rules import like_second, same_float

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]

_MINUS, _TIMES = dnnl.BINARY["subtract"], dnnl.BINARY["multiply"]


def softmax(x: Array, *, axis: int) -> Array:
    """Return e^x / sum(e^x), shifted by the maximum so that nothing overflows."""
    if x.size == 0:
        return x.copy()
    powers: Array = x - x.max(axis=axis, keepdims=True)
    np.exp(powers, out=powers)
    powers *= 1 / powers.sum(axis=axis, keepdims=True)
    return powers


def softmax_grad(dy: Array, y: Array, *, axis: int) -> Array:
    """Return y · (dy - sum(dy · y))."""
    dx: Array = dy * y
    along = dx.sum(axis=axis, keepdims=True)
    np.subtract(dy, along, out=dx)
    dx *= y
    return dx


def log_softmax(x: Array, *, axis: int) -> Array:
    """Return x - log(sum(e^x)), shifted by the maximum."""
    if x.size == 0:
        return x.copy()
    shifted: Array = x - x.max(axis=axis, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


def log_softmax_grad(dy: Array, y: Array, *, axis: int) -> Array:
    """Return dy - e^y · sum(dy)."""
    dx: Array = np.exp(y)
    dx *= dy.sum(axis=axis, keepdims=True)
    return np.subtract(dy, dx, out=dx)


def _is_inner(op: Op, shape: tuple[int, ...]) -> bool:
    """Return whether rows lie behind the axis, along which oneDNN has no kernel of its own."""
    return math.prod(shape[op.attrs["axis"] % len(shape) + 1 :]) > 1


def _views(builder: Builder, op: Op) -> tuple[dnnl.Layout, dnnl.Layout]:
    """Return the layouts of a map whose axis 1 is the one that counts, and of a number for each."""
    shape = builder.shape(op.outputs[0])
    axis = op.attrs["axis"] % len(shape)
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    return dnnl.plain((outer, shape[axis], 1, inner)), dnnl.plain((outer, 1, 1, inner))


def _lower_inner(builder: Builder, op: Op) -> None:
    """Lower along an inner axis: NumPy's maxima and sums, oneDNN's passes between them."""
    image, column = _views(builder, op)
    log = op.name == "log_softmax"
    powers = dnnl.binary(
        _MINUS, image, column, image, post_ops=(dnnl.Eltwise(dnnl.ELTWISE["exp"]),)
    )
    last = dnnl.binary(_MINUS if log else _TIMES, image, column, image)
    x, y = builder.plain(op.inputs[0]), builder.define(op.outputs[0])
    source, target = seen(x, image), seen(y, image)
    highest, factor = private(column), private(column)
    between = private(image) if log else target

    def peaks(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        reads[0].reshape(image.dims).max(axis=1, keepdims=True, out=writes[0])

    def sums(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        total = reads[0].reshape(image.dims).sum(axis=1, keepdims=True)
        if log:
            np.add(np.log(total), reads[1], out=writes[0])
        else:
            np.reciprocal(total, out=writes[0])

    builder.python(op, peaks, [x], [highest])
    builder.native(op, powers, {dnnl.SRC: source, dnnl.SRC_1: highest}, {dnnl.DST: between})
    builder.python(op, sums, [between, highest], [factor])
    first = source if log else target
    builder.native(op, last, {dnnl.SRC: first, dnnl.SRC_1: factor}, {dnnl.DST: target})


def _lower_inner_grad(builder: Builder, op: Op) -> None:
    """Lower gradients along an inner axis: as forward."""
    image, column = _views(builder, op)
    log = op.name == "log_softmax_grad"
    if log:  # dy - e^y · sum(dy)
        first = dnnl.eltwise(dnnl.ELTWISE["exp"], image, image)
        minus = dnnl.Eltwise(dnnl.LINEAR, -1.0, 0.0)
        post = (minus, dnnl.Binary(dnnl.BINARY["add"], image))
        last = dnnl.binary(_TIMES, image, column, image, post_ops=post)
    else:  # (dy - sum(dy · y)) · y
        first = dnnl.binary(_TIMES, image, image, image)
        last = dnnl.binary(_MINUS, image, column, image, post_ops=(dnnl.Binary(_TIMES, image),))
    dy, y = (seen(builder.plain(value), image) for value in op.inputs)
    dx, total = seen(builder.define(op.outputs[0]), image), private(column)

    def sums(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        reads[0].sum(axis=1, keepdims=True, out=writes[0])

    given = {dnnl.SRC: y} if log else {dnnl.SRC: dy, dnnl.SRC_1: y}
    builder.native(op, first, given, {dnnl.DST: dx})
    builder.python(op, sums, [dy if log else dx], [total])
    start, other = (dx, dnnl.post_op(1)) if log else (dy, dnnl.post_op(0))
    reads = {dnnl.SRC: start, dnnl.SRC_1: total, other: dy if log else y}
    builder.native(op, last, reads, {dnnl.DST: dx})


def lower_softmax(builder: Builder, op: Op) -> None:
    """Lower `softmax` or `log_softmax` of large arrays."""
    x, y = op.inputs[0], op.outputs[0]
    shape = builder.shape(x)
    if builder.spec(x).size >= SMALL and _is_inner(op, shape):
        _lower_inner(builder, op)
        return
    if builder.spec(x).size < SMALL or len(shape) > 6:
        raise dnnl.RefusedError("softmax: small arrays go to the reference kernel.")
    layout = dnnl.plain(shape)
    log = op.name == "log_softmax"
    primitive = dnnl.softmax(layout, layout, op.attrs["axis"] % len(shape), log=log)
    builder.emit(op, Candidate("plain", primitive, {dnnl.SRC: x}, {dnnl.DST: y}))


def lower_softmax_grad(builder: Builder, op: Op) -> None:
    """Lower `softmax_grad` or `log_softmax_grad` of large arrays."""
    dy, y = op.inputs
    shape = builder.shape(y)
    if builder.spec(y).size >= SMALL and _is_inner(op, shape) and builder.shape(dy) == shape:
        _lower_inner_grad(builder, op)
        return
    if builder.spec(y).size < SMALL or len(shape) > 6 or builder.shape(dy) != shape:
        raise dnnl.RefusedError("softmax_grad: small arrays go to the reference kernel.")
    layout = dnnl.plain(shape)
    log = op.name == "log_softmax_grad"
    axis = op.attrs["axis"] % len(shape)
    primitive = dnnl.softmax_grad(layout, layout, layout, axis, log=log)
    reads = {dnnl.DIFF_DST: dy, dnnl.DST: y}
    builder.emit(op, Candidate("plain", primitive, reads, {dnnl.DIFF_SRC: op.outputs[0]}))


for _forward, _backward in ((softmax, softmax_grad), (log_softmax, log_softmax_grad)):
    register(
        _forward.__name__,
        cheap=True,
        infer=same_float,
        reference=_forward,
        lower=lower_softmax,
        loses_nan=True,
        sample=Sample(((512, 64),), {"axis": 1}),
    )
    register(
        _backward.__name__,
        infer=like_second,
        reference=_backward,
        lower=lower_softmax_grad,
        gradient=True,
        loses_nan=_forward is log_softmax,  # it computes powers once more
    )
