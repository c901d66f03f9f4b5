"""Operations that draw random numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .. import validate
from ..context import path
from ..function import TapeEntry, as_operand, as_value, function
from ..state import STATE
from ..value import Input, Value
from .arithmetic import multiply

__all__ = [
    "dropout",
]

Gradients = Sequence[Input | None]


_dropout = function("dropout")


def dropout(x: Input, p: float = 0.5) -> Value:
    """Set elements to zero with probability p and scale the others by 1/(1-p); while training only.

    The mask depends on the context's seed and step, the module's path and each row's position in
    the global batch: not on the number of threads or ranks.
    """
    rate = validate.in_range("p", p, 0.0, 1.0)
    operand = as_operand(x)
    context = STATE.context
    if not context.training or rate == 0.0:
        return as_value(operand)
    return _dropout.apply((operand,), {"p": rate, "path": context.occurrence(path())})[0]


@_dropout.gradient
def _dropout_gradient(entry: TapeEntry, dy: Value | None, dmask: Value | None) -> Gradients:
    return (None if dy is None else multiply(dy, entry.outputs[1]),)
