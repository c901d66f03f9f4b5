"""Attention: every place of a sequence looks at all the others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import boolean, divides, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..linear.dense import Linear
from ..module import Module
from ..registry import register


@register("nn.MultiHeadAttention")
class MultiHeadAttention(Module):
    """Let each step gather from all steps, weighted by how well they fit, in several heads.

    head_k = softmax(q_k · k_kᵀ / sqrt(features/heads)) · v_k, y = out(concat_k head_k),
    where q, k, v are linear functions of the query, the memory and the memory

    Parameters
    ----------
    features : int > 0
        Features of a step, in and out.
    heads : int > 0, divides `features`
        Number of independent looks.
    causal : bool
        Whether a step sees itself and the steps before it only.
    bias : bool
        Whether the linear layers add a bias; that of the key never does, it would cancel out.
    weight_init : str
        Rule of the first weights, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    query : (batch, time, features) float32
    memory : (batch, source, features) float32, optional: what is looked at; the query by default
    lengths : (batch,) integers in [1, source], optional, last: steps of the memory behind them
        are padding, nobody looks at them
    output : (batch, time, features)
    query.weight, key.weight, value.weight, out.weight : (features, features)

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.
    ShapeError : in `call`, an input has not three axes or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Source: Vaswani et al. 2017. Composed of matrix products and a softmax, in `core.ops.attention`.

    Examples
    --------
    >>> layer = MultiHeadAttention(8, 2, rng=0)
    >>> x = np.ones((3, 5, 8), "f4")
    >>> layer(x).shape, layer(x[:, :2], x, np.array([5, 5, 1])).shape
    ((3, 5, 8), (3, 2, 8))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MultiHeadAttention(6, 2, causal=True, rng=rng),
            inputs=((2, 4, 6),),
            output=(2, 4, 6),
            wrong=((2, 4, 5), (2, 6)),
            wrong_axis=2,
            sizes=("6", "heads=2", "causal=True"),
        ),
        Case(
            lambda rng: MultiHeadAttention(6, 3, bias=False, rng=rng),
            inputs=((2, 4, 6), (2, 5, 6), (2,)),
            integers=(None, None, (1, 6)),
            output=(2, 4, 6),
            wrong=((2, 4, 6), (2, 5, 6), (3,)),
            sizes=("6", "heads=3", "bias=False"),
        ),
    )

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        weight_init: str = "xavier_uniform",
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.features = positive_int("features", features)
        self.heads = divides("heads", heads, "features", self.features)
        self.causal, self.has_bias = boolean("causal", causal), boolean("bias", bias)
        rng = init.generator(rng)
        size = self.features
        # The key has no bias: it would add the same number to a whole row of the softmax.
        self.query, self.key, self.value, self.out = (
            Linear(size, size, bias=bias and part != "key", weight_init=weight_init, rng=rng)
            for part in ("query", "key", "value", "out")
        )

    def call(self, query: Any, memory: Any | None = None, lengths: Any | None = None) -> Any:
        """Look at the memory, by default the query itself; integers behind it are lengths."""
        if memory is not None and lengths is None and str(memory.dtype)[:3] in ("int", "uin"):
            memory, lengths = None, memory
        if lengths is not None and str(lengths.dtype)[:3] not in ("int", "uin"):
            raise ShapeError(
                "inputs must be query, memory and lengths (integers); got 3 of floats, the last "
                f"of shape {lengths.shape}."
            )
        if memory is None:
            memory = query
        query, memory = (floating(x, self.out.weight) for x in (query, memory))
        for x in (query, memory):
            check_rank(x, "(batch, time, features)", 3)
            check_axis(x, 2, self.features, "features")
        check_axis(memory, 0, query.shape[0], "rows of the query")
        parts = (self._split(self.query, query), self._split(self.key, memory))
        values = self._split(self.value, memory)
        found = ops.attention(*parts, values, lengths, causal=self.causal)
        joined = ops.reshape(ops.transpose(found, (0, 2, 1, 3)), query.shape)
        return ops.linear(joined, self.out.weight, self.out.bias)

    def _split(self, layer: Linear, x: Any) -> Any:
        """Apply a linear layer and give each head its features: (batch, heads, time, width)."""
        y = ops.linear(x, layer.weight, layer.bias)
        shape = (*x.shape[:2], self.heads, self.features // self.heads)
        return ops.transpose(ops.reshape(y, shape), (0, 2, 1, 3))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.features}", f"heads={self.heads}"]
        if self.causal:
            parts.append("causal=True")
        if not self.has_bias:
            parts.append("bias=False")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the four linear layers follow from them."""
        return f"{type(self).__name__}({self.extra()})"
