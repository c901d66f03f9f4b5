"""Softmax and its logarithm along an axis; gradients from the output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..operation import Sample, register
from ..oplist import Op
from .common import SMALL
from .pieces import LONG, by_rows
from .rules import like_second, same_float

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def softmax(x: Array, *, axis: int, out: Array | None = None) -> Array:
    """Return e^x / sum(e^x), shifted by the maximum so that nothing overflows."""
    if x.size == 0:
        return x.copy()
    powers: Array = np.subtract(x, x.max(axis=axis, keepdims=True), out=out)
    np.exp(powers, out=powers)
    powers *= 1 / powers.sum(axis=axis, keepdims=True)
    return powers


def softmax_grad(dy: Array, y: Array, *, axis: int, out: Array | None = None) -> Array:
    """Return y · (dy - sum(dy · y))."""
    dx: Array = np.multiply(dy, y, out=out)
    along = dx.sum(axis=axis, keepdims=True)
    np.subtract(dy, along, out=dx)
    dx *= y
    return dx


def log_softmax(x: Array, *, axis: int, out: Array | None = None) -> Array:
    """Return x - log(sum(e^x)), shifted by the maximum."""
    if x.size == 0:
        return x.copy()
    shifted: Array = np.subtract(x, x.max(axis=axis, keepdims=True), out=out)
    shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return shifted


def log_softmax_grad(dy: Array, y: Array, *, axis: int, out: Array | None = None) -> Array:
    """Return dy - e^y · sum(dy)."""
    dx: Array = np.exp(y, out=out)
    dx *= dy.sum(axis=axis, keepdims=True)
    return np.subtract(dy, dx, out=dx)


def _is_inner(op: Op, shape: tuple[int, ...]) -> bool:
    """Return whether the rows behind the axis are long enough for NumPy, and the axis is inner."""
    axis = op.attrs["axis"] % len(shape)
    return axis > 0 and math.prod(shape[axis + 1 :]) >= LONG


def lower_softmax(builder: Builder, op: Op) -> None:
    """Lower `softmax` or `log_softmax` of large arrays; along inner axes NumPy is quicker."""
    x, y = op.inputs[0], op.outputs[0]
    shape = builder.shape(x)
    if _is_inner(op, shape):
        by_rows(0, out=True)(builder, op)
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
    if _is_inner(op, shape):
        by_rows(0, 1, out=True)(builder, op)
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
    )
