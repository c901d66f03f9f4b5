"""Softmax cross-entropy without the library's logarithm, which is inexact near 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dnnl
from ..builder import Builder
from ..oplist import Op
from ..steps import Array
from .elementwise import SMALL

_TINY = np.float32(1e-30)  # below, float32 has too few digits to take the logarithm of


def softmax_cross_entropy(builder: Builder, op: Op) -> None:
    """Lower `softmax_cross_entropy`; weights and smoothing are left to the reference kernel."""
    if len(op.inputs) > 2 or op.attrs.get("label_smoothing"):
        raise dnnl.RefusedError("softmax_cross_entropy: class weights are the reference kernel's.")
    logits, labels = op.inputs
    loss, probabilities = op.outputs
    shape = builder.shape(logits)
    rows = np.arange(shape[0])
    reads = [builder.plain(logits), builder.plain(labels)]
    writes = [builder.define(loss), builder.define(probabilities)]
    if builder.spec(logits).size < SMALL:
        ones = np.ones(shape[1], np.float32)

        def small(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            scores, classes = reads
            total, p = writes
            np.subtract(scores, scores.max(axis=1, keepdims=True), out=p)
            picked = p[rows, classes]
            np.exp(p, out=p)
            sums = p @ ones
            total[()] = np.log(sums).sum(dtype=np.float64) - picked.sum(dtype=np.float64)
            p /= sums[:, None]

        builder.python(op, small, reads, writes)
        return
    layout = dnnl.plain(shape)
    primitive = dnnl.softmax(layout, layout, 1)
    builder.native(op, primitive, {dnnl.SRC: reads[0]}, {dnnl.DST: writes[1]})

    def large(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        p, scores, classes = reads
        picked = p[rows, classes]
        total = np.log(np.maximum(picked, _TINY)).sum(dtype=np.float64)
        hard = np.flatnonzero(picked < _TINY)
        if hard.size:  # far from the label: from the scores, in double precision
            part = scores[hard].astype(np.float64)
            part -= part.max(axis=1, keepdims=True)
            exact = part[np.arange(hard.size), classes[hard]] - np.log(np.exp(part).sum(axis=1))
            total += exact.sum() - hard.size * np.log(np.float64(_TINY))
        writes[0][()] = -total

    builder.python(op, large, [writes[1], *reads], [writes[0]])


def softmax_cross_entropy_grad(builder: Builder, op: Op) -> None:
    """Lower `softmax_cross_entropy_grad` without weights and smoothing."""
    if len(op.inputs) > 3 or op.attrs.get("label_smoothing"):
        raise dnnl.RefusedError("softmax_cross_entropy_grad: the reference kernel's.")
    rows = np.arange(builder.shape(op.inputs[1])[0])

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        dloss, probabilities, classes = reads
        np.copyto(writes[0], probabilities)
        writes[0][rows, classes] -= 1
        if dloss != 1:
            writes[0] *= dloss

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


LOWERINGS = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "softmax_cross_entropy_grad": softmax_cross_entropy_grad,
}
