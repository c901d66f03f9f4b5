"""Vectors brought to length 1."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.validate import finite, in_range, positive, positive_int
from ..case import Case
from ..checks import check_axis, check_inner_axis, check_rank, floating, inner_axis
from ..module import Module
from ..registry import register


@register("nn.Normalize")
class Normalize(Module):
    """Divide vectors by their length, so that it is 1.

    y = x / max(||x||_p, epsilon), ||x||_p = (sum |x|^p)^(1/p) along `axis`

    Parameters
    ----------
    p : float >= 1
        Which length: 2 is the Euclidean one, infinity the largest absolute value.
    axis : int
        The axis along which the vectors lie, not the batch axis.
    epsilon : float > 0
        Shorter vectors are divided by this.

    Shapes
    ------
    input : (batch, ...) float32, with `axis`
    output : same

    Raises
    ------
    ArgumentError : `p` is less than 1, `axis` is 0, or `epsilon` is not positive.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as Keras `UnitNormalization`, PyTorch `normalize` and ONNX `LpNormalization`-22.
    Like BigDL `Normalize` (0.13): which adds epsilon to the length.
    p = 2 in NumPy, in pieces that stay in the cache: `engine.ops.group`.

    Examples
    --------
    >>> Normalize()(np.array([[3.0, 4.0]], "f4"))
    array([[0.6, 0.8]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Normalize(),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((3,),),
        ),
        Case(
            lambda rng: Normalize(1, axis=-1),
            inputs=((3, 4),),
            output=(3, 4),
            kinks=True,
            sizes=("p=1", "axis=-1"),
        ),
        Case(
            lambda rng: Normalize(math.inf),
            inputs=((3, 4),),
            output=(3, 4),
            kinks=True,
            sizes=("p=inf",),
        ),
    )

    def __init__(
        self, p: float = 2.0, *, axis: int = 1, epsilon: float = 1e-10, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.p = in_range("p", p, 1.0, math.inf)
        self.axis = inner_axis(axis)
        self.epsilon = positive("epsilon", epsilon)

    def call(self, x: Any) -> Any:
        """Divide by the length."""
        x = floating(x)
        return unit(x, self.p, check_inner_axis(x, self.axis), self.epsilon)

    def extra(self) -> str:
        """Give the length and the axis if they are not 2 and 1."""
        parts = [] if self.p == 2 else [f"p={self.p:g}"]
        return ", ".join(parts + ([] if self.axis == 1 else [f"axis={self.axis}"]))


@register("nn.NormalizeScale")
class NormalizeScale(Module):
    """Bring the vector of channels at each position to length 1, then scale each channel.

    y[n, c] = w[c] · x[n, c] / max(||x[n]||_p, epsilon), with the length over the channels

    Parameters
    ----------
    channels : int > 0
        The size of axis 1.
    p : float >= 1
        Which length: 2 is the Euclidean one.
    scale : float
        First value of all w.
    epsilon : float > 0
        Shorter vectors are divided by this.

    Shapes
    ------
    input : (batch, channels, ...) float32
    output : same
    weight : (channels,)

    Raises
    ------
    ArgumentError : `channels` is not positive, `p` is less than 1, or `epsilon` is not positive.
    ShapeError : in `call`, the input's axis 1 is not `channels`.

    Notes
    -----
    Like BigDL `NormalizeScale` (0.13): which adds epsilon to the length.
    Source: Liu, Rabinovich, Berg 2015 (ParseNet); SSD has it behind its first map.

    Examples
    --------
    >>> NormalizeScale(2, scale=20.0)(np.array([[3.0, 4.0]], "f4"))
    array([[12., 16.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: NormalizeScale(3, scale=2.0),
            inputs=((2, 3, 2, 4),),
            output=(2, 3, 2, 4),
            wrong=((2, 4, 2, 4), (3,)),
            wrong_axis=1,
            sizes=("3", "p=2"),
        ),
    )

    def __init__(
        self,
        channels: int,
        *,
        p: float = 2.0,
        scale: float = 1.0,
        epsilon: float = 1e-10,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.channels = positive_int("channels", channels)
        self.p = in_range("p", p, 1.0, math.inf)
        self.epsilon = positive("epsilon", epsilon)
        self.weight = Parameter(np.full(self.channels, finite("scale", scale), "f4"), "weight")

    def call(self, x: Any) -> Any:
        """Divide by the length over the channels and scale them."""
        x = floating(x, self.weight)
        if len(x.shape) < 2:
            check_rank(x, "(batch, channels, ...)", 2)
        check_axis(x, 1, self.channels, "channels")
        wide = (1, self.channels, *[1] * (len(x.shape) - 2))
        return ops.multiply(unit(x, self.p, 1, self.epsilon), ops.reshape(self.weight, wide))

    def extra(self) -> str:
        """Give channels and length."""
        return f"{self.channels}, p={self.p:g}"


def unit(x: Any, p: float, axis: int, epsilon: float) -> Any:
    """Return x over the larger of its p-norm along an axis and epsilon."""
    if p == 2:
        return ops.normalize(x, axis, epsilon=epsilon)
    size = ops.abs(x)
    if p == math.inf:
        length = ops.max(size, axis, keepdims=True)
    elif p == 1:
        length = ops.sum(size, axis, keepdims=True)
    else:
        length = ops.power(ops.sum(ops.power(size, p), axis, keepdims=True), 1.0 / p)
    return ops.divide(x, ops.maximum(length, epsilon))
