"""Where a step stands: vectors that are added, turned or looked up."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import positive, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register

_LAYOUT = "(batch, time, features)"


def first_positions(shape: tuple[int, ...], rng: np.random.Generator) -> init.Array:
    """Draw first vectors of positions."""
    return init.deviating(shape, rng, 0.02)


@register("nn.PositionEmbedding")
class PositionEmbedding(Module):
    """Add a learnt vector to each step that tells where it stands.

    y[n, t] = x[n, t] + w[t]

    Parameters
    ----------
    length : int > 0
        Longest sequence, in steps.
    features : int > 0
        Features of a step.
    weight_init : str, optional
        Rule of the first vectors, see `nn.init`; by default a normal distribution of deviation
        0.02.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, features) float32, time at most `length`
    lengths : (batch,) integers, optional: given back for the next layer over time
    output : (batch, time, features), with lengths also these
    weight : (length, features)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes, another number of features, or is longer
        than `length`.

    Notes
    -----
    Like Keras `PositionEmbedding` (KerasHub), which gives the vectors alone.
    Source: Gehring et al. 2017; Devlin et al. 2019 (BERT).

    Examples
    --------
    >>> PositionEmbedding(8, 4, rng=0)(np.ones((2, 3, 4), "f4")).shape
    (2, 3, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PositionEmbedding(5, 4, rng=rng),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 6, 4), (3, 4)),
            wrong_axis=1,
            sizes=("5", "4"),
        ),
        Case(
            lambda rng: PositionEmbedding(3, 4, weight_init="uniform", rng=rng),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 3, 5),),
            wrong_axis=2,
        ),
    )

    def __init__(
        self,
        length: int,
        features: int,
        *,
        weight_init: str | None = None,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.length = positive_int("length", length)
        self.features = positive_int("features", features)
        shape = (self.length, self.features)
        if weight_init is None:
            weight = init.draw_by(first_positions, shape, rng)
        else:
            weight = init.draw(weight_init, shape, rng)
        self.weight = Parameter(weight, "weight", copy=False)

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Add the vectors of the first steps."""
        x = floating(x, self.weight)
        check_rank(x, _LAYOUT, 3)
        check_axis(x, 2, self.features, "features")
        time = x.shape[1]
        if time > self.length:
            raise ShapeError(
                f"input axis 1 must be <= {self.length} (length); got {time} in shape {x.shape}. "
                "Cut the sequences, or give the layer a larger `length`."
            )
        y = ops.add(x, ops.slice(self.weight, (0, 0), (time, self.features)))
        return y if lengths is None else (y, lengths)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.length}, {self.features}"


@register("nn.SinusoidalPositions")
class SinusoidalPositions(Module):
    """Add waves to each step, from short to long ones, that tell where it stands.

    y[n, t, 2i] = x[n, t, 2i] + sin(t / period^(2i/features)), y[n, t, 2i+1]: the same with cos

    Parameters
    ----------
    features : int > 0, even
        Features of a step.
    period : float > 0
        The longest wave is 2π times as long.

    Shapes
    ------
    input : (batch, time, features) float32, of any time
    lengths : (batch,) integers, optional: given back for the next layer over time
    output : (batch, time, features), with lengths also these

    Raises
    ------
    ArgumentError : `features` is odd, or a number is not positive.
    ShapeError : in `call`, the input has not three axes or another number of features.

    Notes
    -----
    Like Keras `SinePositionEncoding` (KerasHub), which gives the waves alone, and the positions in
    BigDL `Transformer` (0.13), where all sines come first. Source: Vaswani et al. 2017, 3.5.

    Examples
    --------
    >>> SinusoidalPositions(2)(np.zeros((1, 3, 2), "f4")).round(2)
    array([[[ 0.  ,  1.  ],
            [ 0.84,  0.54],
            [ 0.91, -0.42]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SinusoidalPositions(4, period=50.0),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 3, 6), (3, 4)),
            wrong_axis=2,
            sizes=("4", "period=50"),
        ),
    )

    def __init__(self, features: int, *, period: float = 10_000.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.features, self.period = _even(features), positive("period", period)

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Add the waves of the first steps."""
        x = floating(x)
        check_rank(x, _LAYOUT, 3)
        check_axis(x, 2, self.features, "features")
        angles = _angles(x.shape[1], self.features, self.period)
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(-1, self.features)
        y = ops.add(x, waves.astype(x.dtype))
        return y if lengths is None else (y, lengths)

    def extra(self) -> str:
        """Give the size, then what differs from the default."""
        return f"{self.features}" + ("" if self.period == 1e4 else f", period={self.period:g}")


@register("nn.RotaryPositions")
class RotaryPositions(Module):
    """Turn pairs of features by an angle that grows with the step.

    (y[2i], y[2i+1]) = rotation by t · period^(-2i/features) of (x[2i], x[2i+1])

    The product of a turned query and a turned key knows only how far their steps are apart.

    Parameters
    ----------
    features : int > 0, even
        Features of a step (of one head, in an attention).
    period : float > 0
        The slowest pair comes round after nearly 2π times as many steps.

    Shapes
    ------
    input : (batch, ..., time, features) float32
    output : same

    Raises
    ------
    ArgumentError : `features` is odd, or a number is not positive.
    ShapeError : in `call`, the input has less than three axes or another number of features.

    Notes
    -----
    Like Keras `RotaryEmbedding` (KerasHub), which pairs the halves. Source: Su et al. 2021
    (RoFormer), equation 34.

    Examples
    --------
    >>> RotaryPositions(2)(np.ones((1, 3, 2), "f4")).round(2)
    array([[[ 1.  ,  1.  ],
            [-0.3 ,  1.38],
            [-1.33,  0.49]]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: RotaryPositions(4),
            inputs=((2, 3, 5, 4),),
            output=(2, 3, 5, 4),
            wrong=((2, 3, 5, 2),),
            wrong_axis=3,
            sizes=("4",),
        ),
    )

    def __init__(self, features: int, *, period: float = 10_000.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.features, self.period = _even(features), positive("period", period)

    def call(self, x: Any) -> Any:
        """Turn all pairs."""
        x = floating(x)
        if len(x.shape) < 3:
            raise ShapeError(
                f"input must have the axes (batch, ..., time, features); got shape {x.shape}."
            )
        check_axis(x, len(x.shape) - 1, self.features, "features")
        angles = _angles(x.shape[-2], self.features, self.period)[..., None]
        pairs = ops.reshape(x, (*x.shape[:-1], self.features // 2, 2))
        # (a, b) times cos plus (-b, a) times sin
        crossed = ops.flip(ops.multiply(pairs, np.array([1.0, -1.0], x.dtype)), len(x.shape))
        turned = ops.add(
            ops.multiply(pairs, np.cos(angles).astype(x.dtype)),
            ops.multiply(crossed, np.sin(angles).astype(x.dtype)),
        )
        return ops.reshape(turned, x.shape)

    def extra(self) -> str:
        """Give the size, then what differs from the default."""
        return f"{self.features}" + ("" if self.period == 1e4 else f", period={self.period:g}")


def relative_bias(
    weight: Any, time: int, source: int, *, max_distance: int, both_ways: bool
) -> Any:
    """Look up for each head how much a step looks at steps so far before and behind it.

    y[0, h, i, j] = weight[bucket(j - i), h]

    Near distances have buckets of their own, farther ones share them: half of the buckets grow with
    the logarithm up to `max_distance`, behind which all is one. Source: Raffel et al. 2020 (T5),
    section 2.1.

    Shapes
    ------
    weight : (buckets, heads)
    output : (1, heads, time, source)
    """
    apart = np.arange(source) - np.arange(time)[:, None]
    buckets, first = weight.shape[0], np.zeros_like(apart)
    if both_ways:
        buckets //= 2
        first = np.where(apart > 0, buckets, first)
        distance = np.abs(apart)
    else:
        distance = np.maximum(-apart, 0)
    exact = buckets // 2
    far = np.log(np.maximum(distance, 1) / exact) / math.log(max_distance / exact)
    shared = np.minimum(exact + (far * (buckets - exact)).astype(np.int64), buckets - 1)
    places = first + np.where(distance < exact, distance, shared)
    return ops.expand_dims(ops.transpose(ops.embedding(places, weight), (2, 0, 1)), 0)


def _even(features: int) -> int:
    if positive_int("features", features) % 2:
        raise ArgumentError(f"`features` must be even: they go in pairs; got {features}.")
    return features


def _angles(time: int, features: int, period: float) -> Any:
    """Return t · period^(-2i/features), as (time, pairs)."""
    rates = period ** (-np.arange(0, features, 2) / features)
    return np.arange(time)[:, None] * rates
