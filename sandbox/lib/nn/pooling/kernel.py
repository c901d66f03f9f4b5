"""Pooling of similarities by soft counts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ArgumentError
from ...core.validate import integer, positive
from ..case import Case
from ..checks import check_rank, floating
from ..module import Module
from ..registry import register


@register("nn.KernelPooling")
class KernelPooling(Module):
    """Count softly how often each word of a query has a near one in a document, for each nearness.

    y[n, k] = scale · sum_i log(max(1e-10, sum_j exp(-(x[n, i, j] - m_k)² / (2 s_k²))))

    The means m_k of the kernels are spread evenly over [-1, 1], the last one is 1: exact matches.

    Parameters
    ----------
    kernels : int > 1
        How many.
    sigma, exact_sigma : float > 0
        Widths s_k: of all kernels but the last, and of the last.
    scale : float > 0
        Brings the sums of logarithms to the size of other features.

    Shapes
    ------
    input : (batch, query words, document words) float32, similarities in [-1, 1]
    output : (batch, kernels)

    Raises
    ------
    ArgumentError : there are less than two kernels, or a number is not positive.
    ShapeError : in `call`, the input has not three axes.

    Notes
    -----
    Source: Xiong et al. 2017 (K-NRM), equations 3 to 6; the scale is that of the authors' program.

    Examples
    --------
    >>> x = np.array([[[1.0, 0.0, -0.4]]], "f4")
    >>> KernelPooling(3, sigma=0.5, scale=1.0)(x).round(2)
    array([[0.47, 0.34, 0.  ]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: KernelPooling(4, sigma=0.6, exact_sigma=0.4),
            inputs=((2, 3, 5),),
            output=(2, 4),
            wrong=((2, 3),),
            sizes=("4", "sigma=0.6"),
        ),
    )

    def __init__(
        self,
        kernels: int = 11,
        *,
        sigma: float = 0.1,
        exact_sigma: float = 1e-3,
        scale: float = 0.01,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.kernels = integer("kernels", kernels)
        if self.kernels < 2:
            raise ArgumentError(f"`kernels` must be at least 2; got {kernels!r}.")
        self.sigma, self.exact_sigma = (
            positive("sigma", sigma),
            positive("exact_sigma", exact_sigma),
        )
        self.scale = positive("scale", scale)

    def call(self, x: Any) -> Any:
        """Compute the logarithms of the soft counts and add them up."""
        x = floating(x)
        check_rank(x, "(batch, query words, document words)", 3)
        step = 2.0 / (self.kernels - 1)
        means = [*(-1 + step / 2 + step * k for k in range(self.kernels - 1)), 1.0]
        widths = [*(self.sigma,) * (self.kernels - 1), self.exact_sigma]
        centres = np.array(means, x.dtype).reshape(1, self.kernels, 1, 1)
        factors = -0.5 / np.array(widths, x.dtype).reshape(1, self.kernels, 1, 1) ** 2
        batch, words, others = x.shape
        apart = ops.subtract(ops.reshape(x, (batch, 1, words, others)), centres)
        counts = ops.sum(ops.exp(ops.multiply(ops.square(apart), factors)), 3)
        return ops.multiply(ops.sum(ops.log(ops.maximum(counts, 1e-10)), 2), self.scale)

    def extra(self) -> str:
        """Give the number of kernels, then the widths."""
        return f"{self.kernels}, sigma={self.sigma:g}, exact_sigma={self.exact_sigma:g}"
