"""BigDL's rules of first weights, drawn from Torch's random numbers in the order of the arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ArgumentError
from ..util.random import torch_random

Array = NDArray[Any]


class InitializationMethod:
    """The base: `draw` gives the numbers of a weight with so many inputs and outputs."""

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Give an array of this shape, in float64."""
        raise NotImplementedError(f"{type(self).__name__} must define draw(shape, fan_in, fan_out)")


class Zeros(InitializationMethod):
    """Zeros."""

    def __init__(self, bigdl_type: str = "float") -> None:
        self.bigdl_type = bigdl_type

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Give zeros."""
        return np.zeros(shape)


class Ones(Zeros):
    """Ones."""

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Give ones."""
        return np.ones(shape)


class ConstInitMethod(InitializationMethod):
    """One number everywhere.

    Examples
    --------
    >>> ConstInitMethod(0.5).draw((2,), 2, 1)
    array([0.5, 0.5])
    """

    def __init__(self, value: float, bigdl_type: str = "float") -> None:
        self.value = float(value)

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Give the number."""
        return np.full(shape, self.value)


class RandomUniform(InitializationMethod):
    """Evenly from [lower, upper), by default from ±1/sqrt(fan_in).

    Parameters
    ----------
    upper, lower : float, optional
        BigDL's order; the two may be given in either.

    Raises
    ------
    ArgumentError : only one of them is given.
    """

    def __init__(
        self, upper: float | None = None, lower: float | None = None, bigdl_type: str = "float"
    ) -> None:
        if (upper is None) != (lower is None):
            raise ArgumentError(
                f"RandomUniform: `upper` and `lower` must be given both or neither; got {upper!r} "
                f"and {lower!r}."
            )
        self.upper, self.lower = upper, lower

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Draw evenly."""
        if self.upper is None or self.lower is None:
            return _even(shape, 1.0 / math.sqrt(fan_in))
        count = math.prod(shape)
        return torch_random().uniform(self.lower, self.upper, count).reshape(shape)


class RandomNormal(InitializationMethod):
    """From a normal distribution of this mean and deviation."""

    def __init__(self, mean: float, stdv: float, bigdl_type: str = "float") -> None:
        if not stdv > 0:
            raise ArgumentError(f"RandomNormal: `stdv` must be > 0; got {stdv!r}.")
        self.mean, self.stdv = float(mean), float(stdv)

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Draw from the distribution."""
        return torch_random().normal(self.mean, self.stdv, math.prod(shape)).reshape(shape)


class Xavier(Zeros):
    """Evenly from ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Draw evenly."""
        return _even(shape, math.sqrt(6.0 / (fan_in + fan_out)))


class MsraFiller(InitializationMethod):
    """From a normal distribution of variance 2/n (He et al. 2015).

    Parameters
    ----------
    varianceNormAverage : bool
        n is the mean of fan_in and fan_out, rounded down; else fan_out.
    """

    def __init__(self, varianceNormAverage: bool = True, bigdl_type: str = "float") -> None:
        self.average = bool(varianceNormAverage)

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Draw from the distribution."""
        count = (fan_in + fan_out) // 2 if self.average else fan_out
        deviation = math.sqrt(2.0 / count)
        return torch_random().normal(0.0, deviation, math.prod(shape)).reshape(shape)


class BilinearFiller(Zeros):
    """Coefficients of bilinear interpolation, for a `SpatialFullConvolution` that enlarges.

    Raises
    ------
    ArgumentError : the weight is not (group, in, out, k, k).
    """

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """Give the coefficients."""
        if len(shape) != 5 or shape[3] != shape[4]:
            raise ArgumentError(
                f"BilinearFiller: the weight must be (group, in, out, k, k); got {shape}."
            )
        size = shape[4]
        factor = math.ceil(size / 2)
        centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
        row = 1 - np.abs(np.arange(size) / factor - centre)
        return np.broadcast_to(row[:, None] * row, shape).copy()


def _even(shape: tuple[int, ...], bound: float) -> Array:
    return torch_random().uniform(-bound, bound, math.prod(shape)).reshape(shape)
