"""Another dtype for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import validate
from ..function import TapeEntry, as_operand, as_value, function
from ..value import Input, Value

__all__ = ["cast"]

Gradients = Sequence[Input | None]

_cast = function("cast")


def cast(x: Input, dtype: Any) -> Value:
    """Return x in another dtype, as NumPy's `astype` does it; 2.7 becomes 2 in whole numbers.

    Between floats the gradient is turned back; through whole numbers and booleans none flows.

    Raises
    ------
    ArgumentError : the dtype is not one of numbers or booleans.

    Examples
    --------
    >>> import numpy as np
    >>> cast(np.array([True, False]), "float32").data
    array([1., 0.], dtype=float32)
    """
    wanted = validate.number_dtype("dtype", dtype)
    operand = as_operand(x)
    if operand.dtype == wanted:
        return as_value(operand)
    return _cast.apply((operand,), {"dtype": wanted.name})[0]


@_cast.gradient
def _cast_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x = entry.inputs[0]
    if x.dtype.kind != "f" or entry.outputs[0].dtype.kind != "f":
        return (None,)
    return (cast(dy, x.dtype),)
