"""Gaussian noise: added, multiplied, and as a sample of a distribution."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import non_negative
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register
from .dropout import Random


@register("nn.GaussianDropout")
class GaussianDropout(Random):
    """Multiply each element by a random number near 1 while training; do nothing in inference.

    y = x · (1 + sqrt(p / (1 - p)) · e), e normal with mean 0 and variance 1

    Parameters
    ----------
    p : float in [0, 1)
        The noise has the variance of a `Dropout` with this probability.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : p is not in [0, 1).
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `GaussianDropout` (0.13) and Keras `GaussianDropout`.
    Source: Srivastava et al. 2014, section 10.
    The numbers are those of `Dropout`'s contract: `engine.random.normal` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> y = GaussianDropout(0.5).train()(np.ones((100, 100), "f4"))
    >>> bool(abs(y.mean() - 1) < 0.05 and abs(y.std() - 1) < 0.05)
    True
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GaussianDropout(0.3),
            inputs=((4, 3, 5),),
            output=(4, 3, 5),
            stochastic=True,
            sizes=("0.3",),
        ),
    )

    def changed(self, x: Any) -> Any:
        """Multiply by noise near 1."""
        noise = ops.multiply(ops.random_normal(x), math.sqrt(self.p / (1.0 - self.p)))
        return ops.multiply(x, ops.add(noise, 1.0))


@register("nn.GaussianNoise")
class GaussianNoise(Module):
    """Add random numbers to the elements while training; do nothing in inference.

    y = x + sigma · e, e normal with mean 0 and variance 1

    Parameters
    ----------
    sigma : float >= 0
        Standard deviation of the noise.

    Shapes
    ------
    input : (batch, ...) float32
    output : same

    Raises
    ------
    ArgumentError : `sigma` is negative.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `GaussianNoise` (0.13) and Keras `GaussianNoise`. Source: Bishop 1995.
    The numbers are those of `Dropout`'s contract: `engine.random.normal` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> y = GaussianNoise(0.1).train()(np.zeros((100, 100), "f4"))
    >>> round(float(y.std()), 2)
    0.1
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GaussianNoise(0.3),
            inputs=((4, 3, 5),),
            output=(4, 3, 5),
            stochastic=True,
            sizes=("0.3",),
        ),
    )

    def __init__(self, sigma: float = 0.1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.sigma = non_negative("sigma", sigma)

    def call(self, x: Any) -> Any:
        """Add noise while training."""
        x = floating(x)
        if not self.training or self.sigma == 0.0:
            return x
        return ops.add(x, ops.multiply(ops.random_normal(x), self.sigma))

    def extra(self) -> str:
        """Give the standard deviation."""
        return f"{self.sigma:g}"


@register("nn.GaussianSampler")
class GaussianSampler(Module):
    """Draw from normal distributions, so that gradients reach their means and variances.

    y = mean + exp(log_variance / 2) · e, e normal with mean 0 and variance 1; in inference the mean

    Shapes
    ------
    mean, log_variance : (batch, ...) float32, of one shape
    output : same

    Raises
    ------
    ArgumentError : in `call`, an input is no array of numbers.
    ShapeError : in `call`, the inputs have different shapes.

    Notes
    -----
    Like BigDL `GaussianSampler` (0.13): which draws in inference as well; takes a table of both.
    Source: Kingma, Welling 2014 (the middle of a variational autoencoder).
    The numbers are those of `Dropout`'s contract: `engine.random.normal` (Philox).

    Examples
    --------
    >>> import numpy as np
    >>> mean, log_variance = np.zeros((100, 100), "f4"), np.full((100, 100), 2.0, "f4")
    >>> round(float(GaussianSampler().train()(mean, log_variance).std() / np.e), 1)
    1.0
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GaussianSampler(),
            inputs=((4, 3), (4, 3)),
            output=(4, 3),
            wrong=((4, 3), (4, 2)),
            stochastic=True,
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, mean: Any, log_variance: Any) -> Any:
        """Draw while training, else give the mean."""
        mean, log_variance = floating(mean), floating(log_variance)
        if mean.shape != log_variance.shape:
            raise ShapeError(
                f"log_variance must have the shape of mean, {mean.shape}; got {log_variance.shape}."
            )
        if not self.training:
            return mean
        deviation = ops.exp(ops.multiply(log_variance, 0.5))
        return ops.add(mean, ops.multiply(deviation, ops.random_normal(mean)))
