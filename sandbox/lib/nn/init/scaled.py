"""Rules that keep the size of signals: spreads by the number of inputs and outputs of a unit."""

from __future__ import annotations

import math

import numpy as np

from ...core import validate
from .base import Array, Rule, deviating, evenly, fans, ruled, truncated


@ruled
def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 2/fan_in, for layers before a ReLU.

    Notes
    -----
    Same as BigDL `MsraFiller` (0.13, varianceNormAverage=False) and PyTorch `kaiming_normal_`; like
    Keras `HeNormal`, which cuts at two deviations: see `truncated_normal`. Source: He et al. 2015.

    Examples
    --------
    >>> he_normal((400, 200), np.random.default_rng(0)).std().round(2)  # sqrt(2 / 200)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(2.0 / max(fans(shape)[0], 1)))


@ruled
def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(6/fan_in): variance 2/fan_in, as `he_normal`.

    Notes
    -----
    Same as Keras `HeUniform` and PyTorch `kaiming_uniform_`. Source: He et al. 2015.

    Examples
    --------
    >>> bool(np.abs(he_uniform((100, 150), np.random.default_rng(0))).max() <= 0.2)
    True
    """
    return evenly(shape, rng, math.sqrt(6.0 / max(fans(shape)[0], 1)))


@ruled
def xavier_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(6/(fan_in + fan_out)), for tanh and sigmoid.

    Notes
    -----
    Same as BigDL `Xavier` (0.13), Keras `GlorotUniform` and PyTorch `xavier_uniform_`. Source:
    Glorot and Bengio 2010.

    Examples
    --------
    >>> bool(np.abs(xavier_uniform((100, 50), np.random.default_rng(0))).max() <= 0.2)
    True
    """
    return evenly(shape, rng, math.sqrt(6.0 / max(sum(fans(shape)), 1)))


@ruled
def xavier_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 2/(fan_in + fan_out), as `xavier_uniform`.

    Notes
    -----
    Same as PyTorch `xavier_normal_`; like Keras `GlorotNormal`, which cuts at two deviations.
    Source: Glorot and Bengio 2010.

    Examples
    --------
    >>> xavier_normal((100, 100), np.random.default_rng(0)).std().round(1)  # sqrt(2 / 200)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(2.0 / max(sum(fans(shape)), 1)))


@ruled
def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from a normal distribution of variance 1/fan_in, for SELU and linear layers.

    Notes
    -----
    Like Keras `LecunNormal`, which cuts at two deviations. Source: LeCun et al. 1998.

    Examples
    --------
    >>> lecun_normal((400, 100), np.random.default_rng(0)).std().round(1)  # sqrt(1 / 100)
    np.float32(0.1)
    """
    return deviating(shape, rng, math.sqrt(1.0 / max(fans(shape)[0], 1)))


@ruled
def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±sqrt(3/fan_in): variance 1/fan_in, as `lecun_normal`.

    Notes
    -----
    Same as Keras `LecunUniform`. Source: LeCun et al. 1998.

    Examples
    --------
    >>> bool(np.abs(lecun_uniform((100, 75), np.random.default_rng(0))).max() <= 0.2)
    True
    """
    return evenly(shape, rng, math.sqrt(3.0 / max(fans(shape)[0], 1)))


@ruled
def uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw evenly from ±1/sqrt(fan_in), the rule of Torch7 and BigDL.

    Notes
    -----
    Same as BigDL `RandomUniform` (0.13) without bounds; with them it is `random_uniform`.

    Examples
    --------
    >>> bool(np.abs(uniform((10, 25), np.random.default_rng(0))).max() <= 0.2)
    True
    """
    return evenly(shape, rng, 1.0 / math.sqrt(max(fans(shape)[0], 1)))


@ruled
def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw as `he_normal` does, but nothing beyond two deviations.

    What lies beyond is drawn again; the deviation is made larger beforehand by what that takes
    away, so that the variance is 2/fan_in.

    Notes
    -----
    Same as Keras `HeNormal`; like Keras `TruncatedNormal` and PyTorch `trunc_normal_`: those are
    `random_truncated_normal`.

    Examples
    --------
    >>> w = truncated_normal((400, 200), np.random.default_rng(0))
    >>> w.std().round(2), bool(np.abs(w).max() <= 2 * 0.1 / 0.8796)
    (np.float32(0.1), True)
    """
    return truncated(shape, rng, math.sqrt(2.0 / max(fans(shape)[0], 1)))


def variance_scaling(scale: float, mode: str = "fan_in", distribution: str = "normal") -> Rule:
    """Make a rule that draws with variance scale / n.

    In layers it is written "variance_scaling(2, fan_out, uniform)".

    Parameters
    ----------
    scale : float > 0
        2 before a ReLU, 1 before what is linear about 0.
    mode : "fan_in", "fan_out" or "fan_avg"
        What n is: the inputs of a unit, its outputs, or the mean of both.
    distribution : "normal", "uniform" or "truncated_normal"
        What is drawn from.

    Notes
    -----
    Same as Keras `VarianceScaling`. The rules of He, Glorot and LeCun are cases of it.

    Examples
    --------
    >>> variance_scaling(2.0, "fan_out")((200, 400), np.random.default_rng(0)).std().round(2)
    np.float32(0.1)
    """
    validate.positive("scale", scale)
    validate.one_of("mode", mode, ("fan_in", "fan_out", "fan_avg"))
    validate.one_of("distribution", distribution, ("normal", "uniform", "truncated_normal"))

    @ruled
    def scaled(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
        inputs, outputs = fans(shape)
        n = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}[mode]
        deviation = math.sqrt(scale / max(n, 1))
        if distribution == "uniform":
            return evenly(shape, rng, math.sqrt(3.0) * deviation)
        draws = deviating if distribution == "normal" else truncated
        return draws(shape, rng, deviation)

    return scaled
