"""Modules that hand the input on, and one that ignores it."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.context import path
from ...core.errors import ShapeError
from ...core.validate import numbers
from ..case import Case
from ..module import Module
from ..registry import register

_log = logging.getLogger("sandbox.nn")


@register("nn.Identity")
class Identity(Module):
    """Give the input as it is: a place in a model that is to be filled later, or kept free.

    y = x

    Shapes
    ------
    input : any
    output : the same

    Raises
    ------
    ShapeError : never of its own.

    Notes
    -----
    Same as BigDL `Identity`, `Contiguous` (0.13: values here always lie as their readers want
    them), PyTorch `Identity` and ONNX `Identity`-13.

    Examples
    --------
    >>> Identity()(np.float32([[1, 2]]))
    array([[1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Identity(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Hand it on."""
        return x


@register("nn.Echo")
class Echo(Module):
    """Give the input as it is, and write its shape and dtype into the log.

    y = x

    Shapes
    ------
    input : any
    output : the same

    Raises
    ------
    ShapeError : never of its own.

    Notes
    -----
    Same as BigDL `Echo` (0.13, which printed). The logger is "sandbox.nn", the level INFO. In a
    program it writes when the model is traced, for each new shape, and not in each step.

    Examples
    --------
    >>> Echo()(np.float32([[1, 2]]))
    array([[1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Echo(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Write it down and hand it on."""
        _log.info("%s: input of shape %s, %s", path() or "Echo", x.shape, x.dtype)
        return x


@register("nn.Constant")
class Constant(Module):
    """Give the same numbers for every row, whatever the input is.

    y[n] = value

    Parameters
    ----------
    value : number or nested list of numbers
        What each row of the output holds.

    Shapes
    ------
    input : (batch, ...)
    output : (batch, the shape of `value`)

    Raises
    ------
    ArgumentError : `value` holds no numbers, or rows of unlike length.
    ShapeError : in `call`, the input has no batch axis.

    Notes
    -----
    Same as BigDL `onnx.Constant` (0.13) and ONNX `Constant`-13, once for each row. It is not
    trained.

    Examples
    --------
    >>> Constant([1.0, 2.0])(np.zeros((2, 5), "f4"))
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Constant([[1.0, 2.0, 3.0]]),
            inputs=((2, 4),),
            output=(2, 1, 3),
            wrong=((),),
            sizes=("(1, 3)",),
        ),
    )

    def __init__(self, value: Any, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self._value = numbers("value", value).astype(np.float64)

    def call(self, x: Any) -> Any:
        """Give the numbers."""
        if not x.shape:
            raise ShapeError(f"input must have a batch axis; got shape {x.shape}.")
        dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
        array = self._value.astype(dtype)
        return ops.broadcast_to(array, (x.shape[0], *array.shape))

    def config(self) -> dict[str, Any]:
        """Give the numbers as lists."""
        return {**super().config(), "value": self._value.tolist()}

    def extra(self) -> str:
        """Give the shape of the numbers."""
        return f"shape={self._value.shape}"
