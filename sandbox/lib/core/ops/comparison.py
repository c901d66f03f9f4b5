"""Comparisons, which give booleans, logic on these, and the choice by them.

No gradient flows through a comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..function import TapeEntry, as_operand, function
from ..value import Input, Value
from ._rules import unbroadcast
from .arithmetic import paired

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
    "where",
]

Gradients = Sequence[Input | None]

_equal = function("equal")
_not_equal = function("not_equal")
_less = function("less")
_less_equal = function("less_equal")
_greater = function("greater")
_greater_equal = function("greater_equal")
_logical_and = function("logical_and")
_logical_or = function("logical_or")
_logical_xor = function("logical_xor")
_logical_not = function("logical_not")
_where = function("where")


def equal(a: Input, b: Input) -> Value:
    """Return whether a = b, elementwise."""
    return _equal.apply(paired(a, b), {})[0]


def not_equal(a: Input, b: Input) -> Value:
    """Return whether a ≠ b, elementwise."""
    return _not_equal.apply(paired(a, b), {})[0]


def less(a: Input, b: Input) -> Value:
    """Return whether a < b, elementwise."""
    return _less.apply(paired(a, b), {})[0]


def less_equal(a: Input, b: Input) -> Value:
    """Return whether a ≤ b, elementwise."""
    return _less_equal.apply(paired(a, b), {})[0]


def greater(a: Input, b: Input) -> Value:
    """Return whether a > b, elementwise.

    Examples
    --------
    >>> import numpy as np
    >>> greater(np.float32([1.0, 3.0]), 2.0).data
    array([False,  True])
    """
    return _greater.apply(paired(a, b), {})[0]


def greater_equal(a: Input, b: Input) -> Value:
    """Return whether a ≥ b, elementwise."""
    return _greater_equal.apply(paired(a, b), {})[0]


def logical_and(a: Input, b: Input) -> Value:
    """Return whether both are true."""
    return _logical_and.apply((as_operand(a), as_operand(b)), {})[0]


def logical_or(a: Input, b: Input) -> Value:
    """Return whether one of them is true."""
    return _logical_or.apply((as_operand(a), as_operand(b)), {})[0]


def logical_xor(a: Input, b: Input) -> Value:
    """Return whether one of them is true, and the other one not."""
    return _logical_xor.apply((as_operand(a), as_operand(b)), {})[0]


def logical_not(x: Input) -> Value:
    """Return whether x is false."""
    return _logical_not.apply((as_operand(x),), {})[0]


def where(mask: Input, a: Input, b: Input) -> Value:
    """Return a where the mask is true, else b; all broadcast.

    Unlike a product with the mask it lets no NaN or infinity of the other side through, and neither
    does its gradient.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([-1.0, 4.0])
    >>> where(greater(x, 0.0), x, 0.0).data
    array([0., 4.], dtype=float32)
    """
    return _where.apply((as_operand(mask), *paired(a, b)), {})[0]


for _comparison in (_equal, _not_equal, _less, _less_equal, _greater, _greater_equal):

    @_comparison.gradient
    def _none_of_both(entry: TapeEntry, dy: Value) -> Gradients:
        return None, None


for _logic in (_logical_and, _logical_or, _logical_xor, _logical_not):

    @_logic.gradient
    def _none(entry: TapeEntry, dy: Value) -> Gradients:
        return [None] * len(entry.inputs)


@_where.gradient
def _where_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    mask, a, b = entry.inputs
    return (
        None,
        unbroadcast(where(mask, dy, 0.0), a) if entry.needs[1] else None,
        unbroadcast(where(mask, 0.0, dy), b) if entry.needs[2] else None,
    )
