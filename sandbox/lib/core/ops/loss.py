"""Losses over class labels and over yes/no targets. Sums over the rows, but for `ctc`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import validate
from ..errors import GradientError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import arithmetic
from .shape import reshape

__all__ = [
    "bce_with_logits",
    "ctc",
    "nll",
    "softmax_cross_entropy",
]

Gradients = Sequence[Input | None]


_cross_entropy = function("softmax_cross_entropy")
_cross_entropy_grad = function("softmax_cross_entropy_grad")
_nll = function("nll")
_nll_grad = function("nll_grad")


def _inputs(scores: Input, labels: Input, class_weights: Input | None) -> tuple[Operand, ...]:
    first, second = as_operand(scores), as_operand(labels)
    if class_weights is None:
        return first, second
    return first, second, as_operand(class_weights)


def softmax_cross_entropy(
    logits: Input,
    labels: Input,
    class_weights: Input | None = None,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Value:
    """Return sum over rows of class_weights[label] · -log softmax(logits)[label].

    With label smoothing s, the label counts (1 - s) and each of the K classes s/K, each with its
    own class weight. Rows labelled `ignore_index` do not count.

    Shapes
    ------
    logits : (batch, classes) float
    labels : (batch,) integers in [0, classes)
    class_weights : (classes,)
    output : ()
    """
    inputs = _inputs(logits, labels, class_weights)
    smoothing = {"label_smoothing": validate.number("label_smoothing", label_smoothing)}
    return _cross_entropy.apply(inputs, smoothing | _ignored(ignore_index))[0]


def nll(
    log_probabilities: Input,
    labels: Input,
    class_weights: Input | None = None,
    *,
    ignore_index: int | None = None,
) -> Value:
    """Return sum over rows of class_weights[label] · -log_probabilities[label].

    Rows labelled `ignore_index` do not count.
    """
    inputs = _inputs(log_probabilities, labels, class_weights)
    return _nll.apply(inputs, _ignored(ignore_index))[0]


def _ignored(ignore_index: int | None) -> dict[str, Any]:
    """Return the attribute, where there is one: lists without it are as they were."""
    if ignore_index is None:
        return {}
    return {"ignore_index": validate.integer("ignore_index", ignore_index)}


@_cross_entropy.gradient
def _cross_entropy_gradient(
    entry: TapeEntry, dloss: Value | None, dprobabilities: Value | None
) -> Gradients:
    if dloss is None or dprobabilities is not None:
        raise GradientError("gradient of softmax_cross_entropy is defined for the loss only.")
    if any(entry.needs[1:]):
        raise GradientError("gradient of softmax_cross_entropy is defined for the logits only.")
    inputs = (dloss, entry.outputs[1], *entry.inputs[1:])
    dlogits = _cross_entropy_grad.apply(inputs, entry.attrs)[0]
    return (dlogits, *[None] * (len(entry.inputs) - 1))


@_nll.gradient
def _nll_gradient(entry: TapeEntry, dloss: Value) -> Gradients:
    if any(entry.needs[1:]):
        raise GradientError("gradient of nll is defined for the log-probabilities only.")
    shape = entry.inputs[0].shape
    dlogp = _nll_grad.apply((dloss, *entry.inputs[1:]), {"shape": shape, **entry.attrs})[0]
    return (dlogp, *[None] * (len(entry.inputs) - 1))


_bce = function("bce_with_logits")
_bce_grad = function("bce_with_logits_grad")


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
def _bce_gradient(entry: TapeEntry, dloss: Value) -> Gradients:
    if any(entry.needs[1:]):
        raise GradientError("gradient of bce_with_logits is defined for the logits only.")
    dx = _bce_grad.apply((dloss, *entry.inputs), {})[0]
    return (dx, *[None] * (len(entry.inputs) - 1))


_ctc = function("ctc")


def ctc(logits: Input, labels: Input, steps: Input, *, blank: int = 0) -> Value:
    """Return -log p(labels | logits) of each row, whatever places the labels have.

    A row's labels end with the first `blank`; a step may give a blank, and labels that follow each
    other directly are one. Infinity where labels do not fit into the steps.

    Shapes
    ------
    logits : (batch, time, classes) float
    labels : (batch, labels) integers in [0, classes)
    steps : (batch,) integers: how many steps of a row count
    output : (batch,)
    """
    inputs = (as_operand(logits), as_operand(labels), as_operand(steps))
    return _ctc.apply(inputs, {"blank": validate.non_negative_int("blank", blank)})[0]


@_ctc.gradient
def _ctc_gradient(entry: TapeEntry, dloss: Value | None, dgradient: Value | None) -> Gradients:
    if dloss is None or dgradient is not None:
        raise GradientError("gradient of ctc is defined for the loss only.")
    each = reshape(dloss, (-1, 1, 1))
    return arithmetic.multiply(entry.outputs[1], each), None, None
