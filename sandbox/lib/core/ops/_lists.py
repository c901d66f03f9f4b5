"""What loops and branches share: functions whose attributes are lists of operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.operation import Operation
from ...engine.oplist import Spec
from .. import tree
from ..errors import ShapeError
from ..function import Function, as_operand, as_value
from ..state import STATE
from ..value import Input, Operand, Value, wrap

Gradients = Sequence[Input | None]
Run = Callable[[tuple[Operand, ...], dict[str, Any]], list[Operand]]


def filled(gradients: Sequence[Value | None], like: Sequence[Operand]) -> list[Value]:
    """Return the gradients, zeros for those that are missing."""
    return [zeros(x) if g is None else g for g, x in zip(gradients, like, strict=True)]


def zeros(like: Operand) -> Value:
    """Return zeros like a value."""
    return wrap(np.zeros(like.shape, like.dtype))


def is_float(x: Operand) -> bool:
    """Return whether a value holds real numbers."""
    return x.dtype.kind == "f"


def spec_of(x: Operand) -> Spec:
    """Return a value's shape and dtype."""
    return Spec(x.shape, x.dtype.name)


class Control(Function):
    """An operation on lists: eagerly the lists' operations run, each on the tape.

    Parameters
    ----------
    record : Operation
    run : function of (inputs, attrs) -> list of values
        Does eagerly what the operation does.
    """

    __slots__ = ("run",)

    def __init__(self, record: Operation, run: Run) -> None:
        super().__init__(record)
        self.run = run

    def apply(self, inputs: tuple[Operand, ...], attrs: dict[str, Any]) -> tuple[Value, ...]:
        """Run the lists, or write the operation down."""
        trace = STATE.trace
        if trace is None:
            return tuple([as_value(x) for x in self.run(inputs, attrs)])
        if "keep" not in attrs or attrs["keep"]:
            return super().apply(inputs, attrs)
        # The carries of all steps are for the gradient alone.
        keep = trace.entries is not None or STATE.tape is not None
        outputs = super().apply(inputs, {**attrs, "keep": keep})
        return outputs[: len(attrs["body"].outputs)]


def operands_of(items: tree.Tree) -> tuple[list[Operand], tree.Structure]:
    """Return a tree's leaves as operands, and its structure."""
    leaves, structure = tree.flatten(tree.with_arrays(items))
    return [as_operand(leaf) for leaf in leaves], structure


def alike(
    what: str, before: Sequence[Operand], structure: tree.Structure, after: tree.Tree
) -> list[Operand]:
    """Return the leaves of a carry, which must be like those it began with."""
    found, new_structure = operands_of(after)
    if new_structure != structure:
        raise ShapeError(
            f"{what}: the carry must keep its structure {structure}; got {new_structure}."
        )
    for old, new in zip(before, found, strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            raise ShapeError(
                f"{what}: the carry must keep shape {old.shape} and dtype {old.dtype}; got "
                f"{new.shape} {new.dtype}. Begin with what the body gives."
            )
    return found
