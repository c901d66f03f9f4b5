"""Softmax and its logarithm along an axis; gradients from the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..operation import Sample, register
from ..oplist import Op
from .common import SMALL
from .pieces import by_rows
from .rules import like_second, same_float

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]


def softmax(x: Array, *, axis: int) -> Array:
    """Return e^x / sum(e^x), shifted by the maximum so that nothing overflows."""
    if x.size == 0:
        return x.copy()
    powers: Array = np.exp(x - x.max(axis=axis, keepdims=True))
    powers /= powers.sum(axis=axis, keepdims=True)
    return powers


def softmax_grad(dy: Array, y: Array, *, axis: int) -> Array:
    """Return y · (dy - sum(dy · y))."""
    dx: Array = y * (dy - (dy * y).sum(axis=axis, keepdims=True))
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
    dx: Array = dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)
    return dx


def lower_softmax(builder: Builder, op: Op) -> None:
    """Lower `softmax` of large arrays."""
    x, y = op.inputs[0], op.outputs[0]
    shape = builder.shape(x)
    if builder.spec(x).size < SMALL or len(shape) > 6:
        raise dnnl.RefusedError("softmax: small arrays go to the reference kernel.")
    layout = dnnl.plain(shape)
    primitive = dnnl.softmax(layout, layout, op.attrs["axis"] % len(shape))
    builder.emit(op, Candidate("plain", primitive, {dnnl.SRC: x}, {dnnl.DST: y}))


def lower_softmax_grad(builder: Builder, op: Op) -> None:
    """Lower `softmax_grad` of large arrays."""
    dy, y = op.inputs
    shape = builder.shape(y)
    if builder.spec(y).size < SMALL or len(shape) > 6 or builder.shape(dy) != shape:
        raise dnnl.RefusedError("softmax_grad: small arrays go to the reference kernel.")
    layout = dnnl.plain(shape)
    primitive = dnnl.softmax_grad(layout, layout, layout, op.attrs["axis"] % len(shape))
    reads = {dnnl.DIFF_DST: dy, dnnl.DST: y}
    builder.emit(op, Candidate("plain", primitive, reads, {dnnl.DIFF_SRC: op.outputs[0]}))


register(
    "softmax",
    cheap=True,
    infer=same_float,
    reference=softmax,
    lower=lower_softmax,
    loses_nan=True,
    sample=Sample(((512, 64),), {"axis": 1}),
)
register(
    "softmax_grad",
    infer=like_second,
    reference=softmax_grad,
    lower=lower_softmax_grad,
    gradient=True,
)
register(
    "log_softmax", cheap=True, infer=same_float, reference=log_softmax, lower=by_rows(0), alone="f"
)
register(
    "log_softmax_grad",
    infer=like_second,
    reference=log_softmax_grad,
    lower=by_rows(0, 1),
    alone="f",
    gradient=True,
)
