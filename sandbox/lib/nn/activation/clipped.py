"""Activations that are cut off: straight lines with ends, and a threshold."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import finite, positive
from ..case import Case
from ..registry import register
from .elementwise import Elementwise


@register("nn.HardTanh")
class HardTanh(Elementwise):
    """Cut off what is below `low` or above `high`.

    y = min(max(x, low), high)

    Parameters
    ----------
    low, high : float
        The ends, low < high.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : an end is no finite number, or `low` is not less than `high`.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `HardTanh`, `Clamp` (0.13), Keras `hard_tanh`, PyTorch `Hardtanh` and ONNX
    `Clip`-13. At the ends and beyond the gradient is 0.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> HardTanh()(np.array([-3.0, 0.5, 2.0], "f4"))
    array([-1. ,  0.5,  1. ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: HardTanh(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
        Case(
            lambda rng: HardTanh(-0.3, 0.7),
            inputs=((4, 3),),
            output=(4, 3),
            kinks=True,
            sizes=("-0.3..0.7",),
        ),
    )

    def __init__(self, low: float = -1.0, high: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.low, self.high = finite("low", low), finite("high", high)
        if self.low >= self.high:
            raise ArgumentError(f"`low` must be less than `high`; got {low} and {high}.")

    def function(self, x: Any) -> Any:
        """Cut off both ends."""
        return ops.clip(x, self.low, self.high)

    def extra(self) -> str:
        """Give the ends."""
        return f"{self.low:g}..{self.high:g}"


@register("nn.ReLU6")
class ReLU6(Elementwise):
    """Keep what is positive, up to 6.

    y = min(max(x, 0), 6)

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `ReLU6` (0.13), Keras `relu6` and PyTorch `ReLU6`.
    Source: Howard et al. 2017 (MobileNets).
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> ReLU6()(np.array([-1.0, 2.0, 9.0], "f4"))
    array([0., 2., 6.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: ReLU6(), inputs=((2, 3, 4, 5),), output=(2, 3, 4, 5), kinks=True),
    )

    def function(self, x: Any) -> Any:
        """Keep 0 to 6."""
        return ops.clip(x, 0.0, 6.0)


@register("nn.HardSigmoid")
class HardSigmoid(Elementwise):
    """Squeeze into 0..1 along a straight line.

    y = min(max(slope · x + offset, 0), 1)

    Parameters
    ----------
    slope : float > 0
        Steepness; Keras 1 and BigDL take 0.2.
    offset : float
        Value at 0.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `slope` is not positive, or `offset` no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `HardSigmoid` (0.13, slope 0.2), Keras `hard_sigmoid`, PyTorch `Hardsigmoid` and
    ONNX `HardSigmoid`-6.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> HardSigmoid(0.2)(np.array([-3.0, 0.0, 1.0], "f4"))
    array([0. , 0.5, 0.7], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: HardSigmoid(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
        Case(
            lambda rng: HardSigmoid(0.6, 0.4),
            inputs=((4, 3),),
            output=(4, 3),
            kinks=True,
            sizes=("slope=0.6",),
        ),
    )

    def __init__(
        self, slope: float = 1 / 6, offset: float = 0.5, *, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.slope, self.offset = positive("slope", slope), finite("offset", offset)

    def function(self, x: Any) -> Any:
        """Squeeze into 0..1."""
        return ops.hard_sigmoid(x, self.slope, self.offset)

    def extra(self) -> str:
        """Give slope and offset."""
        return f"slope={self.slope:.4g}, offset={self.offset:g}"


@register("nn.HardSwish")
class HardSwish(Elementwise):
    """Weight a number by a straight line from 0 to 1, a cheap SiLU.

    y = x · min(max(x/6 + 0.5, 0), 1)

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `hard_silu`, PyTorch `Hardswish` and ONNX `HardSwish`-14.
    Source: Howard et al. 2019 (MobileNetV3).
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> HardSwish()(np.array([-4.0, 3.0], "f4"))
    array([-0.,  3.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: HardSwish(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
    )

    def function(self, x: Any) -> Any:
        """Weight by a straight line."""
        return ops.hard_swish(x)


@register("nn.Threshold")
class Threshold(Elementwise):
    """Replace what is not above a threshold.

    y = x where x > at (NaN stays NaN), else value

    Parameters
    ----------
    at : float
        The threshold.
    value : float
        What stands in for the rest.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : an argument is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Threshold` (0.13), Keras `ThresholdedReLU` (1.2.2), `threshold`, PyTorch
    `Threshold` and ONNX `ThresholdedRelu`-10.
    Native kernel: oneDNN binary with post-ops; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Threshold(1.0, -5.0)(np.array([0.5, 2.0], "f4"))
    array([-5.,  2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Threshold(0.31, -1.0),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            kinks=True,
            sizes=("at=0.31", "value=-1"),
        ),
    )

    def __init__(self, at: float = 1e-6, value: float = 0.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.at, self.value = finite("at", at), finite("value", value)

    def function(self, x: Any) -> Any:
        """Replace what is not above the threshold."""
        return ops.threshold(x, self.at, self.value)

    def extra(self) -> str:
        """Give threshold and value."""
        return f"at={self.at:g}, value={self.value:g}"


@register("nn.BinaryThreshold")
class BinaryThreshold(Elementwise):
    """Tell whether a number is above a threshold.

    y = 1 where x > at, else 0

    Parameters
    ----------
    at : float
        The threshold.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `at` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `BinaryThreshold` (0.13). Its gradient is 0 everywhere.
    NumPy; reference: `engine.ops.comparison`.

    Examples
    --------
    >>> import numpy as np
    >>> BinaryThreshold(0.5)(np.array([0.4, 0.6], "f4"))
    array([0., 1.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BinaryThreshold(0.31),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            kinks=True,
            sizes=("0.31",),
        ),
    )

    def __init__(self, at: float = 1e-6, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.at = finite("at", at)

    def function(self, x: Any) -> Any:
        """Compare with the threshold."""
        return ops.cast(ops.greater(x, self.at), x.dtype)

    def extra(self) -> str:
        """Give the threshold."""
        return f"{self.at:g}"
