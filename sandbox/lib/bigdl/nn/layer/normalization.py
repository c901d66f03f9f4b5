"""Normalisation."""

from __future__ import annotations

from typing import Any

from .... import nn
from ..adapters import Batched
from ..base import Layer
from ..initialization_method import RandomUniform, Zeros
from ..weights import Weight


class BatchNormalization(Layer):
    """(x - mean) / sqrt(variance + eps) · weight + bias, of each feature over the batch.

    The running variance is the unbiased one. First weights are drawn evenly from [0, 1).
    """

    axes = 2

    def __init__(
        self,
        n_output: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        init_weight: Any = None,
        init_bias: Any = None,
        init_grad_weight: Any = None,
        init_grad_bias: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        made = nn.BatchNorm(n_output, momentum=momentum, epsilon=eps)
        super().__init__(Batched(made, self.axes), bigdl_type)
        if not affine:
            made.freeze()
            return
        rule, fan = RandomUniform(upper=1.0, lower=0.0), (n_output, 1)
        self.hold(
            [
                Weight("weight", [made.weight], fan=fan, method=rule),
                Weight("bias", [made.bias], fan=fan, method=Zeros()),
            ],
            (init_weight, init_bias),
            (init_grad_weight, init_grad_bias),
        )


class SpatialBatchNormalization(BatchNormalization):
    """The same of each plane of images."""

    axes = 4
