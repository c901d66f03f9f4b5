"""Rules that do not look at a weight's shape: constants, and one distribution for all."""

from __future__ import annotations

import numpy as np

from ...core import validate
from ...core.errors import ArgumentError
from .base import Array, Rule, deviating, evenly, filled, ruled, truncated


@ruled
def zeros(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill with zeros: biases, and the last layer of a residual branch.

    Notes
    -----
    Same as BigDL `Zeros` (0.13), Keras `Zeros` and PyTorch `zeros_`.

    Examples
    --------
    >>> zeros((2,))
    array([0., 0.], dtype=float32)
    """
    return np.zeros(shape, np.float32)


@ruled
def ones(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
    """Fill with ones: the scales of normalisation layers.

    Notes
    -----
    Same as BigDL `Ones` (0.13), Keras `Ones` and PyTorch `ones_`.

    Examples
    --------
    >>> ones((2,))
    array([1., 1.], dtype=float32)
    """
    return np.ones(shape, np.float32)


def constant(value: float) -> Rule:
    """Make a rule that fills with one number.

    In layers it is written "constant(0.1)".

    Notes
    -----
    Same as BigDL `ConstInitMethod` (0.13), Keras `Constant` and PyTorch `constant_`.

    Examples
    --------
    >>> constant(0.1)((2,), np.random.default_rng(0))
    array([0.1, 0.1], dtype=float32)
    """
    number = validate.finite("value", value)

    @ruled
    def fill(shape: tuple[int, ...], rng: np.random.Generator | None = None) -> Array:
        return np.full(shape, number, np.float32)

    return fill


@ruled
def normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of deviation 0.05.

    Notes
    -----
    Same as Keras `RandomNormal`; with other numbers it is `random_normal`.

    Examples
    --------
    >>> normal((400, 100), np.random.default_rng(0)).std().round(2)
    np.float32(0.05)
    """
    return deviating(shape, rng, 0.05)


def random_uniform(low: float, high: float) -> Rule:
    """Make a rule that draws evenly from [low, high).

    In layers it is written "random_uniform(-0.1, 0.1)".

    Raises
    ------
    ArgumentError : `low` is above `high`.

    Notes
    -----
    Same as BigDL `RandomUniform` (0.13), Keras `RandomUniform` and PyTorch `uniform_`.

    Examples
    --------
    >>> random_uniform(1.0, 3.0)((100, 100), np.random.default_rng(0)).mean().round(1)
    np.float32(2.0)
    """
    low, high = validate.finite("low", low), validate.finite("high", high)
    if low > high:
        raise ArgumentError(f"`low` must not be above `high`; got {low} and {high}.")

    @ruled
    def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return evenly(shape, rng, (high - low) / 2, (high + low) / 2)

    return drawn


def random_normal(mean: float, deviation: float) -> Rule:
    """Make a rule that draws from a normal distribution.

    In layers it is written "random_normal(0, 0.02)".

    Notes
    -----
    Same as BigDL `RandomNormal` (0.13), Keras `RandomNormal` and PyTorch `normal_`.

    Examples
    --------
    >>> random_normal(0.0, 0.2)((100, 100), np.random.default_rng(0)).std().round(1)
    np.float32(0.2)
    """
    center = validate.finite("mean", mean)
    spread = validate.non_negative("deviation", deviation)

    @ruled
    def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        return filled(shape, lambda count: rng.normal(center, spread, count))

    return drawn


def random_truncated_normal(mean: float, deviation: float) -> Rule:
    """Make a rule that draws from a normal distribution without what lies far from its mean.

    `deviation` is that of the numbers drawn; none is more than 2 / 0.8796 of it away.
    In layers it is written "random_truncated_normal(0, 0.02)".

    Notes
    -----
    Like Keras `TruncatedNormal` and PyTorch `trunc_normal_`: their deviation is that before the
    cut, 1 / 0.8796 of ours.

    Examples
    --------
    >>> w = random_truncated_normal(0.0, 0.2)((100, 100), np.random.default_rng(0))
    >>> w.std().round(1), bool(np.abs(w).max() < 0.46)
    (np.float32(0.2), True)
    """
    center = validate.finite("mean", mean)
    spread = validate.non_negative("deviation", deviation)

    @ruled
    def drawn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        made = truncated(shape, rng, spread)
        return np.add(made, np.float32(center), out=made)

    return drawn
