"""Losses over class labels, summed over the rows. Labels must have been checked before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activation import log_softmax

Array = NDArray[Any]


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
) -> tuple[Array, Array]:
    """Return the loss sum and the probabilities."""
    logp = log_softmax(logits, axis=1)
    if label_smoothing:
        targets = _targets(logits.shape, logits.dtype, labels, class_weights, label_smoothing)
        loss = -(targets * logp).sum(dtype=np.float64)
    else:
        loss = nll(logp, labels, class_weights)
    return np.asarray(loss, logits.dtype), np.exp(logp)


def softmax_cross_entropy_grad(
    dloss: Array,
    probabilities: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Array:
    """Return dloss · (probabilities · sum of the row's targets - targets)."""
    if class_weights is None and not label_smoothing:
        dlogits = probabilities.copy()
        dlogits[_rows(labels)] -= 1
    else:
        targets = _targets(
            probabilities.shape, probabilities.dtype, labels, class_weights, label_smoothing
        )
        dlogits = probabilities * targets.sum(axis=1, keepdims=True) - targets
    dlogits *= dloss
    return dlogits


def nll(log_probabilities: Array, labels: Array, class_weights: Array | None = None) -> Array:
    """Return the sum of -log p of the labels, each times its class's weight."""
    picked = log_probabilities[_rows(labels)]
    if class_weights is not None:
        picked = picked * class_weights[labels]
    return np.asarray(-picked.sum(dtype=np.float64), log_probabilities.dtype)


def nll_grad(
    dloss: Array,
    labels: Array,
    class_weights: Array | None = None,
    *,
    shape: tuple[int, int],
) -> Array:
    """Put -dloss (times the class's weight) where the labels are."""
    dlogp = np.zeros(shape, dloss.dtype)
    dlogp[_rows(labels)] = -dloss if class_weights is None else -dloss * class_weights[labels]
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
