"""Linear layers."""

from __future__ import annotations

import math
from typing import Any

from .... import nn
from ..adapters import Batched
from ..base import Layer
from ..initialization_method import RandomUniform
from ..weights import Weight


class Linear(Layer):
    """y = x · Wᵀ + b.

    Parameters
    ----------
    input_size, output_size : int
    with_bias : bool
    wRegularizer, bRegularizer : regularizer, optional
    init_weight, init_bias, init_grad_weight, init_grad_bias : array, optional
        First numbers; else drawn evenly from ±1/sqrt(input_size), the weight first.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        with_bias: bool = True,
        wRegularizer: Any = None,
        bRegularizer: Any = None,
        init_weight: Any = None,
        init_bias: Any = None,
        init_grad_weight: Any = None,
        init_grad_bias: Any = None,
        bigdl_type: str = "float",
    ) -> None:
        made = nn.Linear(input_size, output_size, bias=with_bias, weight_init="zeros")
        super().__init__(Batched(made, 2), bigdl_type)
        bound = 1.0 / math.sqrt(input_size)
        rule = RandomUniform(upper=bound, lower=-bound)
        fan = (input_size, output_size)
        weights = [Weight("weight", [made.weight], fan=fan, method=rule)]
        if made.bias is not None:
            weights.append(Weight("bias", [made.bias], fan=(output_size, 1), method=rule))
        self.hold(
            weights,
            (init_weight, init_bias),
            (init_grad_weight, init_grad_bias),
            (wRegularizer, bRegularizer),
        )
