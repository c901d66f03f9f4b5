"""Losses over class labels and over yes/no targets. All give the SUM over the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.oplist import Spec
from ..errors import DataError, GradientError, ShapeError
from ..primitive import Node, Primitive, as_operand
from ..state import STATE
from ..value import Array, Input, Operand, Value
from ._rules import floating, ndim

Gradients = Sequence[Input | None]


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


def check_labels(labels: Array, classes: int, what: str = "label") -> None:
    """Raise a `DataError` that names the first row whose label is not in [0, classes)."""
    if labels.size == 0:
        return
    if labels.ndim != 1:
        labels = labels.reshape(-1)
    if labels.dtype.kind == "i":
        # As unsigned numbers the negative ones are huge: one pass finds both kinds.
        bad = labels.view(f"u{labels.dtype.itemsize}").max() >= classes
    else:
        bad = labels.max() >= classes
    if bad:
        wrong = (labels < 0) | (labels >= classes)
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{what}s must be integers in [0, {classes}); got {labels[row]} in row {row} "
            f"({int(wrong.sum())} of {labels.size} rows are out of range). Labels count from 0."
        )


def _cross_entropy_infer(
    logits: Spec, labels: Spec, class_weights: Spec | None = None, **attrs: Any
) -> tuple[Spec, ...]:
    _check(logits, labels, class_weights)
    return Spec((), logits.dtype), logits


def _nll_infer(
    log_probabilities: Spec, labels: Spec, class_weights: Spec | None = None
) -> tuple[Spec, ...]:
    _check(log_probabilities, labels, class_weights)
    return (Spec((), log_probabilities.dtype),)


_cross_entropy = Primitive("softmax_cross_entropy", _cross_entropy_infer)
_cross_entropy_grad = Primitive(
    "softmax_cross_entropy_grad", lambda dloss, probabilities, *rest, **attrs: (probabilities,)
)
_nll = Primitive("nll", _nll_infer)
_nll_grad = Primitive("nll_grad", lambda dloss, *rest, shape: (Spec(shape, dloss.dtype),))


def _inputs(scores: Input, labels: Input, class_weights: Input | None) -> tuple[Operand, ...]:
    first, second = as_operand(scores), as_operand(labels)
    if STATE.trace is None and first.ndim == 2 and second.dtype.kind in "iu":
        check_labels(second._data, first.shape[1])
    if class_weights is None:
        return first, second
    return first, second, as_operand(class_weights)


def softmax_cross_entropy(
    logits: Input,
    labels: Input,
    class_weights: Input | None = None,
    *,
    label_smoothing: float = 0.0,
) -> Value:
    """Return sum over rows of class_weights[label] · -log softmax(logits)[label].

    With label smoothing s, the label counts (1 - s) and each of the K classes s/K, each with its
    own class weight.

    Shapes
    ------
    logits : (batch, classes) float
    labels : (batch,) integers in [0, classes)
    class_weights : (classes,)
    output : ()
    """
    inputs = _inputs(logits, labels, class_weights)
    return _cross_entropy.apply(inputs, {"label_smoothing": float(label_smoothing)})[0]


def nll(log_probabilities: Input, labels: Input, class_weights: Input | None = None) -> Value:
    """Return sum over rows of class_weights[label] · -log_probabilities[label]."""
    return _nll.apply(_inputs(log_probabilities, labels, class_weights), {})[0]


@_cross_entropy.gradient
def _cross_entropy_gradient(
    node: Node, dloss: Value | None, dprobabilities: Value | None
) -> Gradients:
    if dloss is None or dprobabilities is not None:
        raise GradientError("gradient of softmax_cross_entropy is defined for the loss only.")
    if any(node.needs[1:]):
        raise GradientError("gradient of softmax_cross_entropy is defined for the logits only.")
    inputs = (dloss, node.outputs[1], *node.inputs[1:])
    dlogits = _cross_entropy_grad.apply(inputs, node.attrs)[0]
    return (dlogits, *[None] * (len(node.inputs) - 1))


@_nll.gradient
def _nll_gradient(node: Node, dloss: Value) -> Gradients:
    if any(node.needs[1:]):
        raise GradientError("gradient of nll is defined for the log-probabilities only.")
    shape = node.inputs[0].shape
    dlogp = _nll_grad.apply((dloss, *node.inputs[1:]), {"shape": shape})[0]
    return (dlogp, *[None] * (len(node.inputs) - 1))


def _bce_infer(x: Spec, target: Spec, pos_weight: Spec | None = None) -> tuple[Spec, ...]:
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


_bce = Primitive("bce_with_logits", _bce_infer)
_bce_grad = Primitive("bce_with_logits_grad", lambda dloss, x, *rest: (x,))


def bce_with_logits(logits: Input, target: Input, pos_weight: Input | None = None) -> Value:
    """Return the sum of -(pos_weight · t · log s(x) + (1 - t) · log(1 - s(x))), s the sigmoid.

    Shapes
    ------
    logits, target : the same; targets are 0, 1 or between
    pos_weight : () or (classes,), how much more a positive counts
    output : ()
    """
    inputs: tuple[Operand, ...] = (as_operand(logits), as_operand(target))
    if pos_weight is not None:
        inputs = (*inputs, as_operand(pos_weight))
    return _bce.apply(inputs, {})[0]


@_bce.gradient
def _bce_gradient(node: Node, dloss: Value) -> Gradients:
    if any(node.needs[1:]):
        raise GradientError("gradient of bce_with_logits is defined for the logits only.")
    dx = _bce_grad.apply((dloss, *node.inputs), {})[0]
    return (dx, *[None] * (len(node.inputs) - 1))
