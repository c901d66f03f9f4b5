"""Operations that draw random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import validate
from ..context import path
from ..function import TapeEntry, as_operand, as_value, function
from ..state import STATE
from ..value import Input, Operand, Value
from .arithmetic import multiply

__all__ = [
    "dropout",
    "random_normal",
    "random_uniform",
]

Gradients = Sequence[Input | None]


_dropout = function("dropout")
_random_uniform = function("random_uniform")
_random_normal = function("random_normal")


def dropout(x: Input, p: float = 0.5, *, axes: Sequence[int] | None = None) -> Value:
    """Set elements to zero with probability p and scale the others by 1/(1-p); while training only.

    The mask depends on the context's seed and step, the module's path and each row's position in
    the global batch: not on the number of threads or ranks. With `axes`, only these and the rows
    draw for themselves: whole maps are kept or dropped with `axes=(1,)`.
    """
    rate = validate.in_range("p", p, 0.0, 1.0)
    operand = as_operand(x)
    context = STATE.context
    if not context.training or rate == 0.0:
        return as_value(operand)
    attrs = {"p": rate, **({} if axes is None else _drawn(operand, axes))}
    return _dropout.apply((operand,), {**attrs, "path": context.occurrence(path())})[0]


def random_uniform(like: Input, *, axes: Sequence[int] | None = None) -> Value:
    """Return numbers from [0, 1), as many as `like` has elements; no gradient flows.

    What they depend on, and `axes`: as for `dropout`; along other axes there is one number.
    """
    operand = as_operand(like)
    attrs = {**_drawn(operand, axes), "path": STATE.context.occurrence(path())}
    return _random_uniform.apply((operand,), attrs)[0]


def random_normal(like: Input, *, axes: Sequence[int] | None = None) -> Value:
    """Return numbers of mean 0 and variance 1; all else as for `random_uniform`."""
    operand = as_operand(like)
    attrs = {**_drawn(operand, axes), "path": STATE.context.occurrence(path())}
    return _random_normal.apply((operand,), attrs)[0]


def _drawn(x: Operand, axes: Sequence[int] | None) -> dict[str, Any]:
    if axes is None:
        return {"axes": None}
    chosen = validate.integers("axes", axes, "axes, a list of ints")
    return {"axes": tuple(sorted({validate.axis("axes", k, x.ndim) for k in chosen}))}


@_dropout.gradient
def _dropout_gradient(entry: TapeEntry, dy: Value | None, dmask: Value | None) -> Gradients:
    return (None if dy is None else multiply(dy, entry.outputs[1]),)


for _random in (_random_uniform, _random_normal):

    @_random.gradient
    def _none(entry: TapeEntry, dy: Value) -> Gradients:
        return (None,)
