"""Comparisons, which give booleans, logic on these, and the choice by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import register
from ..oplist import Op, Spec
from .pieces import PIECE, chosen
from .rules import broadcast, common

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]

COMPARISONS: dict[str, Callable[..., Any]] = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
LOGIC: dict[str, Callable[..., Any]] = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
}


def _infer_comparison(a: Spec, b: Spec) -> tuple[Spec, ...]:
    return (Spec(broadcast(a, b)[0].shape, "bool"),)


def _infer_logic(*xs: Spec) -> tuple[Spec, ...]:
    for x in xs:
        if x.dtype != "bool":
            raise ShapeError(
                f"input dtype must be bool; got {x.dtype} in shape {x.shape}. Compare: x > 0."
            )
    return broadcast(*xs) if len(xs) == 2 else xs


def _infer_where(mask: Spec, a: Spec, b: Spec) -> tuple[Spec, ...]:
    _infer_logic(mask)
    chosen = broadcast(a, b)[0]
    return (Spec(broadcast(mask, Spec(chosen.shape, "bool"))[0].shape, chosen.dtype),)


def where(mask: Array, a: Array, b: Array) -> Array:
    """Return a where the mask is true, else b."""
    dtype = common(a.dtype, b.dtype)
    return np.where(mask, a.astype(dtype, copy=False), b.astype(dtype, copy=False))


def lower_where(builder: Builder, op: Op) -> None:
    """Lower `where`: NumPy, into the planned memory; without branches unless it broadcasts."""
    y = builder.spec(op.outputs[0])
    numbers = [builder.spec(value) for value in op.inputs[1:]]
    even = y.dtype.startswith("float") and builder.shape(op.inputs[0]) == y.shape
    even &= all(one.dtype == y.dtype and one.shape in (y.shape, ()) for one in numbers)

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        mask, a, b = reads
        np.copyto(writes[0], b)
        np.copyto(writes[0], a, where=mask)

    def pieces(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        flat = [x.reshape(-1) if x.shape else x for x in (*reads, *writes)]
        for start in range(0, y.size, PIECE):
            part = slice(start, start + PIECE)
            *given, made = (x[part] if x.shape else x for x in flat)
            made[...] = chosen(*given)

    reads = [builder.plain(value) for value in op.inputs]
    step = pieces if even and y.shape else run
    builder.python(op, step, reads, [builder.define(op.outputs[0])])


def lower(builder: Builder, op: Op) -> None:
    """Lower comparisons and logic: NumPy, into the planned memory."""
    function = COMPARISONS.get(op.name) or LOGIC[op.name]

    def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
        function(*reads, out=writes[0])

    reads = [builder.plain(value) for value in op.inputs]
    builder.python(op, run, reads, [builder.define(op.outputs[0])])


for _name, _function in COMPARISONS.items():
    register(_name, infer=_infer_comparison, reference=_function, lower=lower, elementwise=True)
for _name, _function in LOGIC.items():
    register(_name, infer=_infer_logic, reference=_function, lower=lower, elementwise=True)
register("where", infer=_infer_where, reference=where, lower=lower_where, elementwise=True)
