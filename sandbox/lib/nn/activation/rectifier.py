"""Relatives of ReLU: what is positive passes, the rest is bent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import finite, integer, positive, positive_int
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
    Same as BigDL `LeakyReLU` (0.13), Keras `LeakyReLU` (slope 0.3), PyTorch `LeakyReLU` and ONNX
    `LeakyRelu`-16. Source: Maas, Hannun, Ng 2013.
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
    Same as BigDL `PReLU` (0.13), Keras `PReLU` (first slopes 0), PyTorch `PReLU` and ONNX
    `PRelu`-16. Source: He et al. 2015.
    Native kernel: oneDNN prelu, its gradient NumPy; reference: `engine.ops.activation`.

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
    Same as BigDL `ELU` (0.13), Keras `ELU`, PyTorch `ELU` and ONNX `Elu`-6.
    Source: Clevert, Unterthiner, Hochreiter 2016.
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
    Same as Keras `selu`, PyTorch `SELU` and ONNX `Selu`-6. Source: Klambauer et al. 2017.
    Goes with `weight_init="lecun_normal"` and `AlphaDropout`.
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


@register("nn.CELU")
class CELU(Elementwise):
    """Keep what is positive, bend the rest towards -alpha without a kink.

    y = x where x > 0, else alpha · (exp(x / alpha) - 1)

    Parameters
    ----------
    alpha : float > 0
        Where the negative side ends, with the other sign.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `alpha` is not positive.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `celu`, PyTorch `CELU` and ONNX `Celu`-12. Source: Barron 2017.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> CELU(2.0)(np.array([-2.0, 2.0], "f4")).round(4)
    array([-1.2642,  2.    ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: CELU(0.5),
            inputs=((4, 3),),
            output=(4, 3),
            kinks=True,
            sizes=("alpha=0.5",),
        ),
    )

    def __init__(self, alpha: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.alpha = positive("alpha", alpha)

    def function(self, x: Any) -> Any:
        """Keep what is positive, bend the rest."""
        return ops.celu(x, self.alpha)

    def extra(self) -> str:
        """Give alpha if it is not 1."""
        return "" if self.alpha == 1.0 else f"alpha={self.alpha:g}"


@register("nn.RReLU")
class RReLU(Elementwise):
    """Keep what is positive, and of the rest a random share while training, the middle afterwards.

    y = x where x > 0, else a · x; in training each a is drawn evenly from [low, high), in inference
    a = (low + high) / 2

    Parameters
    ----------
    low, high : float
        Between which the shares lie.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : an end is no finite number, or `low` is more than `high`.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `RReLU` (0.13; never in place) and PyTorch `RReLU`. Source: Xu et al. 2015.
    The numbers are those of `Dropout`'s contract: `engine.random.uniform` (Philox).

    Examples
    --------
    >>> RReLU(0.25, 0.75)(np.array([-2.0, 2.0], "f4"))
    array([-1.,  2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RReLU(),
            inputs=((4, 3, 5),),
            output=(4, 3, 5),
            kinks=True,
            stochastic=True,
            sizes=("0.125..0.3333",),
        ),
    )

    def __init__(self, low: float = 1 / 8, high: float = 1 / 3, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.low, self.high = finite("low", low), finite("high", high)
        if self.low > self.high:
            raise ArgumentError(f"`low` must not be more than `high`; got {low} and {high}.")

    def function(self, x: Any) -> Any:
        """Keep what is positive, and a share of the rest."""
        if not self.training:
            return ops.leaky_relu(x, (self.low + self.high) / 2)
        drawn = ops.multiply(ops.random_uniform(x), self.high - self.low)
        share = ops.where(ops.greater(x, 0.0), 1.0, ops.add(drawn, self.low))
        return ops.multiply(x, share)

    def extra(self) -> str:
        """Give the ends."""
        return f"{self.low:.4g}..{self.high:.4g}"


@register("nn.SReLU")
class SReLU(Module):
    """Bend both ends of a straight line, where and how much training finds good.

    y = t_r + a_r · (x - t_r) where x >= t_r, t_l + a_l · (x - t_l) where x <= t_l, else x

    Parameters
    ----------
    shape : int or sequence of int
        Of the four parameters, without the batch axis; axes of size 1 share them. For images with
        numbers per channel: (channels, 1, 1).

    Shapes
    ------
    input : (batch, ...) float32, to which `shape` stretches
    output : same
    left, left_slope, right, right_slope : shape; t_l, a_l, t_r, a_r

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, `shape` does not stretch to the input.

    Notes
    -----
    Same as BigDL `SReLU` (0.13; `sharedAxes` are those of size 1).
    Like Keras `SReLU` (1.2.2): there the first values are drawn, here it starts as a ReLU.
    Source: Jin et al. 2016. NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> SReLU(1)(np.array([[-1.0], [0.5], [3.0]], "f4")).ravel()
    array([0. , 0.5, 3. ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SReLU((3, 1, 1)),
            inputs=((2, 3, 2, 5),),
            output=(2, 3, 2, 5),
            wrong=((2, 4, 2, 5), (2, 3)),
            kinks=True,
            sizes=("3x1x1",),
        ),
    )

    def __init__(self, shape: int | Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name)
        sizes = shape if isinstance(shape, tuple | list) else (shape,)
        self.shape = tuple(positive_int("shape", size) for size in sizes)
        if not sizes:
            raise ArgumentError(f"`shape` must hold ints > 0; got {shape!r}.")
        self.left = Parameter(np.zeros(self.shape, "f4"), "left")
        self.left_slope = Parameter(np.zeros(self.shape, "f4"), "left_slope")
        self.right = Parameter(np.ones(self.shape, "f4"), "right")
        self.right_slope = Parameter(np.ones(self.shape, "f4"), "right_slope")

    def call(self, x: Any) -> Any:
        """Bend both ends."""
        x = floating(x, self.left)
        wide = stretched(self.shape, x)
        left, right = ops.reshape(self.left, wide), ops.reshape(self.right, wide)
        below = ops.multiply(ops.reshape(self.left_slope, wide), ops.subtract(x, left))
        above = ops.multiply(ops.reshape(self.right_slope, wide), ops.subtract(x, right))
        y = ops.where(ops.less_equal(x, left), ops.add(left, below), x)
        return ops.where(ops.greater_equal(x, right), ops.add(right, above), y)

    def extra(self) -> str:
        """Give the shape."""
        return "x".join(str(n) for n in self.shape)


def stretched(shape: tuple[int, ...], x: Any) -> tuple[int, ...]:
    """Return the shape of parameters beside an input, with a batch axis; refuse other inputs."""
    inner = tuple(x.shape[1:])
    try:
        fits = np.broadcast_shapes(shape, inner) == inner
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"input must be (batch, ...) with rows to which {shape} (shape) stretches; got rows "
            f"{inner} in shape {x.shape}."
        )
    return (1, *[1] * (len(inner) - len(shape)), *shape)
