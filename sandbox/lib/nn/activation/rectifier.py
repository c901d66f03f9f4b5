"""Relatives of ReLU: what is positive passes, the rest is bent."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.validate import finite, integer, positive_int
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register
from .elementwise import Elementwise


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
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `LeakyReLU` (0.13) and ONNX `LeakyRelu`-16. Source: Maas, Hannun, Ng 2013.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

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
    Native kernel: oneDNN eltwise; the product with the slopes is NumPy's.

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
        self.axis = integer("axis", axis)
        self.weight = Parameter(np.full(self.channels, finite("init", init), "f4"), "weight")

    def call(self, x: Any) -> Any:
        """Keep what is positive, and the channel's share of the rest."""
        x = floating(x, self.weight)
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
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `ELU` (0.13) and ONNX `Elu`-6. Source: Clevert, Unterthiner, Hochreiter 2016.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

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
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Goes with `weight_init="lecun_normal"`. Same as ONNX `Selu`-6. Source: Klambauer et al. 2017.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

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
