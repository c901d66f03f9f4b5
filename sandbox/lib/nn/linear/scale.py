"""Multiplying and adding: by learned numbers, and by constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import boolean, finite, positive_int
from ..activation.elementwise import Elementwise
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register


@register("nn.Scale")
class Scale(Module):
    """Multiply by learned numbers, add learned numbers, or both.

    y = w · x + b

    Parameters
    ----------
    shape : int or sequence of int
        Of w and b, without the batch axis; axes of size 1 are stretched. For images with a number
        per channel: (channels, 1, 1); one number for all is 1.
    weight, bias : bool
        Whether to multiply by w, and to add b; one of them at least.

    Shapes
    ------
    input : (batch, ...) float32, to which `shape` stretches
    output : same
    weight, bias : shape

    Raises
    ------
    ArgumentError : a size is not positive, or there is neither weight nor bias.
    ShapeError : in `call`, `shape` does not stretch to the input.

    Notes
    -----
    Same as BigDL `Scale` (0.13); without bias as BigDL `CMul` and `Mul` (of shape 1); without
    weight as BigDL `CAdd` and `Add`. Starts as the identity, there with random numbers.
    NumPy, but in a convolution's layout oneDNN binary; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Scale(3)(np.ones((2, 3), "f4")).shape
    (2, 3)
    >>> [name for name, _ in Scale((3, 1, 1), weight=False).named_parameters()]
    ['bias']
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Scale((3, 1, 1)),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 4, 5),
            wrong=((2, 4, 4, 5), (2, 3)),
            sizes=("3x1x1",),
        ),
        Case(lambda rng: Scale(4, bias=False), inputs=((3, 4),), output=(3, 4)),
        Case(
            lambda rng: Scale((2, 1), weight=False),
            inputs=((3, 2, 4),),
            output=(3, 2, 4),
            sizes=("2x1", "weight=False"),
        ),
    )

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        weight: bool = True,
        bias: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        sizes = shape if isinstance(shape, tuple | list) else (shape,)
        self.shape = tuple(positive_int("shape", size) for size in sizes)
        if not sizes:
            raise ArgumentError(f"`shape` must hold ints > 0; got {shape!r}.")
        with_weight, with_bias = boolean("weight", weight), boolean("bias", bias)
        if not with_weight and not with_bias:
            raise ArgumentError("`weight` or `bias` must be True; got False for both.")
        self.weight = Parameter(np.ones(self.shape, "f4"), "weight") if with_weight else None
        self.bias = Parameter(np.zeros(self.shape, "f4"), "bias") if with_bias else None

    def call(self, x: Any) -> Any:
        """Multiply and add."""
        x = floating(x, self.bias if self.weight is None else self.weight)
        inner = tuple(x.shape[1:])
        try:
            fits = np.broadcast_shapes(self.shape, inner) == inner
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                f"input must be (batch, ...) with rows to which {self.shape} (shape) stretches; "
                f"got rows {inner} in shape {x.shape}."
            )
        wide = (1, *[1] * (len(inner) - len(self.shape)), *self.shape)
        y = x if self.weight is None else ops.multiply(x, ops.reshape(self.weight, wide))
        return y if self.bias is None else ops.add(y, ops.reshape(self.bias, wide))

    def extra(self) -> str:
        """Give the shape."""
        sizes = "x".join(str(n) for n in self.shape)
        absent = [key for key in ("weight", "bias") if getattr(self, key) is None]
        return ", ".join([sizes, *[f"{key}=False" for key in absent]])


class WithConstant(Elementwise):
    """What functions with one constant share: its check and the repr."""

    def __init__(self, value: float, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.value = finite("value", value)

    def extra(self) -> str:
        """Give the number."""
        return f"{self.value:g}"


@register("nn.AddConstant")
class AddConstant(WithConstant):
    """Add a number.

    y = x + value

    Parameters
    ----------
    value : float
        What is added.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `value` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `AddConstant` (0.13). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> AddConstant(0.5)(np.zeros(2, "f4"))
    array([0.5, 0.5], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: AddConstant(0.5), inputs=((2, 3),), output=(2, 3), sizes=("0.5",)),
    )

    def function(self, x: Any) -> Any:
        """Add the number."""
        return ops.add(x, self.value)


@register("nn.MultiplyConstant")
class MultiplyConstant(WithConstant):
    """Multiply by a number.

    y = value · x

    Parameters
    ----------
    value : float
        The factor.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `value` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `MulConstant` (0.13). Reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> MultiplyConstant(2)(np.ones(2, "f4"))
    array([2., 2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: MultiplyConstant(-2.0), inputs=((2, 3),), output=(2, 3), sizes=("-2",)),
    )

    def function(self, x: Any) -> Any:
        """Multiply by the number."""
        return ops.multiply(x, self.value)
