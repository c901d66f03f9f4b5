"""The fully connected layer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.validate import boolean, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..module import Module
from ..registry import register


@register("nn.Linear")
class Linear(Module):
    """Connect every input feature to every output feature.

    y[n, o] = b[o] + sum_i w[o, i] · x[n, i]

    Parameters
    ----------
    in_features : int > 0
        Features of the input.
    out_features : int > 0
        Features of the output.
    bias : bool
        Whether to add b.
    weight_init : str
        Rule of the first weights, see `nn.init`; biases start at 0.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, in_features) float32
    output : (batch, out_features)
    weight : (out_features, in_features)
    bias : (out_features,)

    Raises
    ------
    ArgumentError : a size is not positive, or there is no such `weight_init`.
    ShapeError : in `call`, the input has not two axes or its axis 1 is not `in_features`.

    Notes
    -----
    Same as BigDL `Linear` (0.13), Torch7 `nn.Linear` and ONNX `Gemm`-13 with transB=1.
    Native kernel: oneDNN inner product; reference: `engine.ops.linear`.

    Examples
    --------
    >>> layer = Linear(192, 100, rng=0)
    >>> layer
    Linear(192 -> 100)
    >>> layer(np.ones((2, 192), "f4")).shape
    (2, 100)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Linear(6, 4, rng=rng),
            inputs=((3, 6),),
            output=(3, 4),
            wrong=((3, 5),),
            wrong_axis=1,
            sizes=("6 -> 4",),
        ),
        Case(
            lambda rng: Linear(5, 1, bias=False, weight_init="xavier_uniform", rng=rng),
            inputs=((2, 5),),
            output=(2, 1),
            wrong=((2, 3, 5),),
            sizes=("5 -> 1", "bias=False"),
        ),
    )

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        weight_init: str = init.DEFAULT,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        shape = (self.out_features, self.in_features)
        self.weight = Parameter(init.draw(weight_init, shape, rng), "weight", copy=False)
        self.bias = (
            Parameter(init.zeros((self.out_features,)), "bias") if boolean("bias", bias) else None
        )

    def call(self, x: Any) -> Any:
        """Compute x · wᵀ + b."""
        x = floating(x, self.weight)
        cure = "Put a Flatten() before it." if len(x.shape) > 2 else "Is the batch axis missing?"
        check_rank(x, "(batch, in_features)", 2, cure=cure)
        check_axis(x, 1, self.in_features, "in_features")
        return ops.linear(x, self.weight, self.bias)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.in_features} -> {self.out_features}" + (
            "" if self.bias is not None else ", bias=False"
        )
