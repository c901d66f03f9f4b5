"""Activations with a kink: relatives of ReLU, and functions that are cut off."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ..core import Parameter, ops
from ..core.errors import ArgumentError
from ..core.validate import positive, positive_int
from .activation import Elementwise
from .case import Case
from .module import Module
from .registry import register
from .shapes import check_axis, check_floating, check_rank


def finite(name: str, value: Any) -> float:
    """Return a float, or refuse what is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool | str):
        raise ArgumentError(f"`{name}` must be a finite number; got {value!r}.")
    return number


@register("nn.LeakyReLU")
class LeakyReLU(Elementwise):
    """Keep what is positive, and a little of the rest.

    y = x where x > 0, else slope · x

    Parameters
    ----------
    slope : float
        How much of the negative side passes.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `slope` is no finite number.
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Same as BigDL `LeakyReLU` (0.13) and ONNX `LeakyRelu`-16. Source: Maas, Hannun, Ng 2013.
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
    >>> LeakyReLU(0.1)(np.array([-1.0, 2.0], "f4"))
    array([-0.1,  2. ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: LeakyReLU(), inputs=((2, 3, 4, 5),), output=(2, 3, 4, 5), kinks=True),
        Case(
            lambda rng: LeakyReLU(0.2),
            inputs=((4, 3),),
            output=(4, 3),
            kinks=True,
            sizes=("slope=0.2",),
        ),
    )

    def __init__(self, slope: float = 0.01, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.slope = finite("slope", slope)

    def function(self, x: Any) -> Any:
        """Keep what is positive, and a little of the rest."""
        return ops.leaky_relu(x, self.slope)

    def extra(self) -> str:
        """Give the slope."""
        return f"slope={self.slope:g}"


@register("nn.PReLU")
class PReLU(Module):
    """Keep what is positive, and of the rest as much as training finds good.

    y = x where x > 0, else a_c · x

    Parameters
    ----------
    channels : int > 0
        One slope for each; 1 is one slope for all.
    init : float
        First value of the slopes.
    axis : int
        Which axis holds the channels.

    Shapes
    ------
    input : any float32, `channels` along `axis`
    output : same
    weight : (channels,)

    Raises
    ------
    ArgumentError : `channels` is not positive, or `init` no finite number.
    ShapeError : in `call`, the axis has not `channels` elements.

    Notes
    -----
    Same as BigDL `PReLU` (0.13) and ONNX `PRelu`-16. Source: He et al. 2015.
    Native kernel: oneDNN eltwise and binary.

    Examples
    --------
    >>> PReLU(2)(np.array([[-1.0, 2.0]], "f4"))
    array([[-0.25,  2.  ]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PReLU(3),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 4, 5),
            kinks=True,
            wrong=((2, 4, 4, 5), (3,)),
            wrong_axis=1,
            sizes=("3",),
        ),
        Case(lambda rng: PReLU(init=0.1), inputs=((4, 3),), output=(4, 3), kinks=True),
        Case(lambda rng: PReLU(4, axis=-1), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
    )

    def __init__(
        self, channels: int = 1, *, init: float = 0.25, axis: int = 1, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.channels = positive_int("channels", channels)
        self.axis = int(axis)
        self.weight = Parameter(np.full(self.channels, finite("init", init), "f4"), "weight")

    def call(self, x: Any) -> Any:
        """Keep what is positive, and the channel's share of the rest."""
        check_floating(x)
        rank = len(x.shape)
        if self.channels == 1:
            return ops.prelu(x, self.weight, -1)
        needed = self.axis + 1 if self.axis >= 0 else -self.axis
        if rank < needed:
            check_rank(x, f"(an axis {self.axis} of channels)", needed)
        check_axis(x, self.axis, self.channels, "channels")
        return ops.prelu(x, self.weight, self.axis)

    def extra(self) -> str:
        """Give the channels."""
        return f"{self.channels}" + ("" if self.axis == 1 else f", axis={self.axis}")


@register("nn.ELU")
class ELU(Elementwise):
    """Keep what is positive, bend the rest towards -alpha.

    y = x where x > 0, else alpha · (exp(x) - 1)

    Parameters
    ----------
    alpha : float
        Where the negative side ends, with the other sign.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `alpha` is no finite number.
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Same as BigDL `ELU` (0.13) and ONNX `Elu`-6. Source: Clevert, Unterthiner, Hochreiter 2016.
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
    >>> ELU()(np.array([-1.0, 2.0], "f4")).round(4)
    array([-0.6321,  2.    ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: ELU(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
        Case(
            lambda rng: ELU(0.5),
            inputs=((4, 3),),
            output=(4, 3),
            kinks=True,
            sizes=("alpha=0.5",),
        ),
    )

    def __init__(self, alpha: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.alpha = finite("alpha", alpha)

    def function(self, x: Any) -> Any:
        """Keep what is positive, bend the rest."""
        return ops.elu(x, self.alpha)

    def extra(self) -> str:
        """Give alpha if it is not 1."""
        return "" if self.alpha == 1.0 else f"alpha={self.alpha:g}"


@register("nn.SELU")
class SELU(Elementwise):
    """Keep mean 0 and variance 1 from layer to layer.

    y = 1.0507 · (x where x > 0, else 1.6733 · (exp(x) - 1))

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Goes with `weight_init="lecun"`. Same as ONNX `Selu`-6. Source: Klambauer et al. 2017.
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
    >>> SELU()(np.array([-1.0, 1.0], "f4")).round(4)
    array([-1.1113,  1.0507], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: SELU(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
    )

    def function(self, x: Any) -> Any:
        """Keep mean 0 and variance 1."""
        return ops.selu(x)


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
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    At the ends and beyond the gradient is 0.
    Same as BigDL `HardTanh`, `Clamp` (0.13) and ONNX `Clip`-13.
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
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
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Same as BigDL `ReLU6` (0.13). Source: Howard et al. 2017 (MobileNets).
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
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
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Same as BigDL `HardSigmoid` (0.13, slope 0.2) and ONNX `HardSigmoid`-6.
    Native kernel: oneDNN eltwise; reference: `engine.reference.elementwise`.

    Examples
    --------
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


@register("nn.Threshold")
class Threshold(Elementwise):
    """Replace what is not above a threshold.

    y = x where x > at, else value

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
    ShapeError : in `call`, the input is not of a floating dtype.

    Notes
    -----
    Same as BigDL `Threshold` (0.13).

    Examples
    --------
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
