"""Operations that hand numbers on as they are, and change what flows back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import arithmetic, comparison, reduce

__all__ = [
    "penalize",
    "penalty",
    "scale_gradient",
]

Gradients = Sequence[Input | None]

_scale_gradient = function("scale_gradient")
_penalize = function("penalize")


def scale_gradient(x: Input, factor: float) -> Value:
    """Return x; its gradient is multiplied by a factor, -1 turns it round.

    Examples
    --------
    >>> from sandbox.lib import core
    >>> with core.Tape() as tape:
    ...     x = core.Value(np.float32([2.0]))
    ...     y = core.ops.sum(scale_gradient(x, -0.5))
    >>> float(y), tape.gradients(y, [x])
    (2.0, [array([-0.5], dtype=float32)])
    """
    return _scale_gradient.apply((as_operand(x),), {"factor": validate.finite("factor", factor)})[0]


def penalize(x: Input, *, l1: float = 0.0, l2: float = 0.0, entropy: float = 0.0) -> Value:
    """Return x; the gradient of `penalty(x, ...)` is added to what flows back.

    That is the gradient of a loss with the penalty in it. Losses are sums over the batch, and so is
    the penalty: split over ranks or accumulated, gradients add up to those of the whole batch.
    """
    return _penalize.apply((as_operand(x),), _strengths(l1, l2, entropy))[0]


def penalty(x: Input, *, l1: float = 0.0, l2: float = 0.0, entropy: float = 0.0) -> Value:
    """Return l1 · sum(|x|) + l2 · sum(x²) + entropy · sum(x · log(x)).

    Examples
    --------
    >>> float(penalty(np.float32([-1.0, 2.0]), l1=0.5, l2=1.0))
    6.5
    """
    operand = as_operand(x)
    parts = _strengths(l1, l2, entropy)
    total = Value(np.zeros((), operand.dtype))
    if parts["l1"]:
        total = total + reduce.sum(arithmetic.abs(operand)) * parts["l1"]
    if parts["l2"]:
        total = total + reduce.sum(arithmetic.square(operand)) * parts["l2"]
    if parts["entropy"]:
        total = total + reduce.sum(arithmetic.multiply(operand, _log(operand))) * parts["entropy"]
    return total


def _strengths(l1: float, l2: float, entropy: float) -> dict[str, float]:
    given = {"l1": l1, "l2": l2, "entropy": entropy}
    return {name: validate.finite(name, number) for name, number in given.items()}


def _log(x: Operand) -> Value:
    """Return the logarithm; 0 counts as the smallest number, and 0 · log(0) is 0."""
    return arithmetic.log(arithmetic.maximum(x, float(np.finfo(x.dtype).tiny)))


@_scale_gradient.gradient
def _scale_gradient_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (arithmetic.multiply(dy, entry.attrs["factor"]),)


@_penalize.gradient
def _penalize_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x, attrs = entry.inputs[0], entry.attrs
    if attrs["l1"]:
        dy = arithmetic.add(dy, arithmetic.multiply(arithmetic.sign(x), attrs["l1"]))
    if attrs["l2"]:
        dy = arithmetic.add(dy, arithmetic.multiply(x, 2.0 * attrs["l2"]))
    if attrs["entropy"]:
        slope = arithmetic.add(_log(x), comparison.where(comparison.greater(x, 0.0), 1.0, 0.0))
        dy = arithmetic.add(dy, arithmetic.multiply(slope, attrs["entropy"]))
    return (dy,)
