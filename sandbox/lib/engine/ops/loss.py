"""Losses over class labels and over yes/no targets, summed over the rows.

The native cross-entropy does without the library's logarithm, which is inexact near 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dnnl
from ..errors import ShapeError
from ..operation import Range, register
from ..oplist import Op, Spec
from ..steps import Array
from .common import SMALL
from .ranges import check_labels
from .rules import floating, ndim
from .softmax import log_softmax

if TYPE_CHECKING:
    from ..builder import Builder

_TINY = np.float32(1e-30)  # below, float32 has too few digits to take the logarithm of


def _check(scores: Spec, labels: Spec, class_weights: Spec | None) -> None:
    floating(scores)
    ndim(scores, 2, "(batch, classes)")
    if len(labels.shape) != 1 or labels.dtype[:3] not in ("int", "uin"):
        raise ShapeError(
            f"labels must be integers in shape ({scores.shape[0]},), numbered from 0; got "
            f"{labels.dtype} in shape {labels.shape}."
        )
    if labels.shape[0] != scores.shape[0]:
        raise ShapeError(
            f"labels must have one entry per row of the input, {scores.shape[0]}; got "
            f"{labels.shape[0]}."
        )
    if class_weights is not None and class_weights.shape != scores.shape[1:]:
        raise ShapeError(
            f"class_weights must have one entry per class, shape {scores.shape[1:]}; got "
            f"{class_weights.shape}."
        )


def _infer_cross_entropy(
    logits: Spec, labels: Spec, class_weights: Spec | None = None, **attrs: Any
) -> tuple[Spec, ...]:
    _check(logits, labels, class_weights)
    return Spec((), logits.dtype), logits


def _infer_nll(
    log_probabilities: Spec, labels: Spec, class_weights: Spec | None = None, **attrs: Any
) -> tuple[Spec, ...]:
    _check(log_probabilities, labels, class_weights)
    return (Spec((), log_probabilities.dtype),)


def _infer_bce(x: Spec, target: Spec, pos_weight: Spec | None = None) -> tuple[Spec, ...]:
    floating(x)
    if target.shape != x.shape:
        raise ShapeError(
            f"target must have the shape of the logits, {x.shape}; got {target.shape}."
        )
    if pos_weight is not None:
        try:
            fits = np.broadcast_shapes(x.shape, pos_weight.shape) == x.shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"pos_weight must be one number or one per class, shape {x.shape[1:]}; got "
                f"{pos_weight.shape}."
            )
    return (Spec((), x.dtype),)


def _counted(labels: Array, ignore_index: int | None) -> tuple[Array, Array | None]:
    """Return labels with 0 for those that do not count, and which count (None: all)."""
    if ignore_index is None:
        return labels, None
    counts = labels != ignore_index
    return np.where(counts, labels, 0), counts


def _rows(labels: Array) -> tuple[Array, Array]:
    return np.arange(labels.shape[0]), labels.astype(np.intp, copy=False)


def _targets(
    shape: tuple[int, ...],
    dtype: Any,
    labels: Array,
    class_weights: Array | None,
    label_smoothing: float,
) -> Array:
    """Return the weight of each -log p[row, class] in the loss."""
    targets = np.full(shape, label_smoothing / shape[1], dtype)
    targets[_rows(labels)] += np.asarray(1.0 - label_smoothing, dtype)
    return targets if class_weights is None else targets * class_weights.astype(dtype, copy=False)


def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> tuple[Array, Array]:
    """Return the loss sum and the probabilities."""
    logp = log_softmax(logits, axis=1)
    if label_smoothing:
        known, counts = _counted(labels, ignore_index)
        targets = _targets(logits.shape, logits.dtype, known, class_weights, label_smoothing)
        losses = targets * logp
        loss = -(losses if counts is None else losses[counts]).sum(dtype=np.float64)
    else:
        loss = nll(logp, labels, class_weights, ignore_index=ignore_index)
    return np.asarray(loss, logits.dtype), np.exp(logp)


def softmax_cross_entropy_grad(
    dloss: Array,
    probabilities: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Array:
    """Return dloss · (probabilities · sum of the row's targets - targets)."""
    labels, counts = _counted(labels, ignore_index)
    if class_weights is None and not label_smoothing:
        dlogits = probabilities.copy()
        dlogits[_rows(labels)] -= 1
    else:
        targets = _targets(
            probabilities.shape, probabilities.dtype, labels, class_weights, label_smoothing
        )
        dlogits = probabilities * targets.sum(axis=1, keepdims=True) - targets
    dlogits *= dloss
    if counts is not None:
        dlogits[~counts] = 0
    return dlogits


def nll(
    log_probabilities: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    ignore_index: int | None = None,
) -> Array:
    """Return the sum of -log p of the labels, each times its class's weight."""
    labels, counts = _counted(labels, ignore_index)
    picked = log_probabilities[_rows(labels)]
    if class_weights is not None:
        picked = picked * class_weights[labels]
    if counts is not None:
        picked = picked[counts]
    return np.asarray(-picked.sum(dtype=np.float64), log_probabilities.dtype)


def nll_grad(
    dloss: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    shape: tuple[int, int],
    ignore_index: int | None = None,
) -> Array:
    """Put -dloss (times the class's weight) where the labels are."""
    labels, counts = _counted(labels, ignore_index)
    dlogp = np.zeros(shape, dloss.dtype)
    dlogp[_rows(labels)] = -dloss if class_weights is None else -dloss * class_weights[labels]
    if counts is not None:
        dlogp[~counts] = 0
    return dlogp


def _pulls(target: Array, pos_weight: Array | None, dtype: Any) -> Array:
    """Return how much log(1 + e^-x) counts: 1, and pos_weight for what is positive."""
    if pos_weight is None:
        return np.ones((), dtype)
    pulls: Array = 1 + (pos_weight.astype(dtype, copy=False) - 1) * target
    return pulls


def bce_with_logits(x: Array, target: Array, pos_weight: Array | None = None) -> Array:
    """Return the sum of -(p · t · log s(x) + (1 - t) · log(1 - s(x)))."""
    t = target.astype(x.dtype, copy=False)
    behind = np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))  # log(1 + e^-x)
    losses = (1 - t) * x + _pulls(t, pos_weight, x.dtype) * behind
    return np.asarray(losses.sum(dtype=np.float64), x.dtype)


def bce_with_logits_grad(
    dloss: Array, x: Array, target: Array, pos_weight: Array | None = None
) -> Array:
    """Return dloss · (1 - t - pulls · s(-x))."""
    t = target.astype(x.dtype, copy=False)
    small = np.exp(-np.abs(x))
    missing = np.where(x >= 0, small / (1 + small), 1 / (1 + small))  # sigmoid(-x)
    dx: Array = dloss * (1 - t - _pulls(t, pos_weight, x.dtype) * missing)
    return dx


# -- oneDNN's softmax, the rest by NumPy -----------------------------------------------------------


def lower_softmax_cross_entropy(builder: Builder, op: Op) -> None:
    """Lower `softmax_cross_entropy`; weights and smoothing are left to the reference kernel."""
    if len(op.inputs) > 2 or op.attrs.get("label_smoothing"):
        raise dnnl.RefusedError("softmax_cross_entropy: class weights are the reference kernel's.")
    logits, labels = op.inputs
    loss, probabilities = op.outputs
    shape = builder.shape(logits)
    rows, ignored = np.arange(shape[0]), op.attrs.get("ignore_index")
    reads = [builder.plain(logits), builder.plain(labels)]
    writes = [builder.define(loss), builder.define(probabilities)]
    if builder.spec(logits).size < SMALL:
        ones = np.ones(shape[1], np.float32)

        def small(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            scores, labels = reads
            classes, counts = _counted(labels, ignored)
            total, p = writes
            np.subtract(scores, scores.max(axis=1, keepdims=True), out=p)
            picked = p[rows, classes]
            np.exp(p, out=p)
            sums = p @ ones
            losses = np.log(sums)
            if counts is not None:
                losses, picked = losses[counts], picked[counts]
            total[()] = losses.sum(dtype=np.float64) - picked.sum(dtype=np.float64)
            p /= sums[:, None]

        builder.python(op, small, reads, writes)
        return
    layout = dnnl.plain(shape)
    primitive = dnnl.softmax(layout, layout, 1)
    builder.native(op, primitive, {dnnl.SRC: reads[0]}, {dnnl.DST: writes[1]})

    def large(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        p, scores, labels = reads
        classes, counts = _counted(labels, ignored)
        picked = p[rows, classes]
        if counts is not None:
            picked[~counts] = 1
        total = np.log(np.maximum(picked, _TINY)).sum(dtype=np.float64)
        hard = np.flatnonzero(picked < _TINY)
        if hard.size:  # far from the label: from the scores, in double precision
            part = scores[hard].astype(np.float64)
            part -= part.max(axis=1, keepdims=True)
            exact = part[np.arange(hard.size), classes[hard]] - np.log(np.exp(part).sum(axis=1))
            total += exact.sum() - hard.size * np.log(np.float64(_TINY))
        writes[0][()] = -total

    builder.python(op, large, [writes[1], *reads], [writes[0]])


def lower_softmax_cross_entropy_grad(builder: Builder, op: Op) -> None:
    """Lower `softmax_cross_entropy_grad` without weights and smoothing."""
    if len(op.inputs) > 3 or op.attrs.get("label_smoothing"):
        raise dnnl.RefusedError("softmax_cross_entropy_grad: the reference kernel's.")
    rows = np.arange(builder.shape(op.inputs[1])[0])
    ignored = op.attrs.get("ignore_index")
    reads = [builder.plain(value) for value in op.inputs]
    made = builder.define(op.outputs[0], over=reads[1])
    there = made.allocation is reads[1].allocation  # written over the probabilities

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        dloss, probabilities, labels = reads
        classes, counts = _counted(labels, ignored)
        if not there:
            np.copyto(writes[0], probabilities)
        writes[0][rows, classes] -= 1
        if dloss != 1:
            writes[0] *= dloss
        if counts is not None:
            writes[0][~counts] = 0

    builder.python(op, run, reads, [made])


def _check_counted(labels: Array, limit: Any) -> None:
    classes, ignored = limit
    check_labels(_counted(labels, ignored)[0], classes)


def _limit(scores: Any, *rest: Any, **attrs: Any) -> Any:
    return int(scores.shape[1]), attrs.get("ignore_index")


_LABELS = Range(1, _check_counted, _limit)

register(
    "softmax_cross_entropy",
    infer=_infer_cross_entropy,
    reference=softmax_cross_entropy,
    lower=lower_softmax_cross_entropy,
    loses_nan=True,
    alone="fif",
    batch_outputs=None,
    ranges=(_LABELS,),
)
register(
    "softmax_cross_entropy_grad",
    infer=lambda dloss, probabilities, *rest, **attrs: (probabilities,),
    reference=softmax_cross_entropy_grad,
    lower=lower_softmax_cross_entropy_grad,
    alone="ffif",
    gradient=True,
)
register("nll", infer=_infer_nll, reference=nll, ranges=(_LABELS,))
register(
    "nll_grad",
    infer=lambda dloss, *rest, shape, **attrs: (Spec(shape, dloss.dtype),),
    reference=nll_grad,
    gradient=True,
)
register("bce_with_logits", infer=_infer_bce, reference=bce_with_logits)
register(
    "bce_with_logits_grad",
    infer=lambda dloss, x, *rest: (x,),
    reference=bce_with_logits_grad,
    gradient=True,
)
