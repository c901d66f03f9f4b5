"""Attention of one head, by a score: dot product, or a layer with tanh."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.ops.attention import FORBIDDEN
from ...core.validate import boolean, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..linear.dense import Linear
from ..module import Module
from ..registry import register

_LAYOUT = "(batch, time, features)"


@register("nn.DotAttention")
class DotAttention(Module):
    """Gather from a memory by how well its steps fit, as the dot product tells.

    y[t] = sum_s softmax_s(q[t] · m[s]) · m[s], or with `scaled` q[t] · m[s] / sqrt(features)

    Parameters
    ----------
    scaled : bool
        Whether the scores are divided by the root of the features.

    Shapes
    ------
    query : (batch, time, features) float32
    memory : (batch, source, features) float32
    lengths : (batch,) integers in [1, source], optional: steps of the memory behind them are
        padding
    output : (batch, time, features)

    Raises
    ------
    ShapeError : in `call`, the inputs have not three axes, or other rows or features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as Keras `Attention`. Source: Luong, Pham, Manning 2015, score "dot"; for "general" put a
    `Linear` without bias before it.

    Examples
    --------
    >>> DotAttention()(np.ones((2, 3, 4), "f4"), np.ones((2, 5, 4), "f4")).shape
    (2, 3, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: DotAttention(),
            inputs=((2, 3, 4), (2, 5, 4)),
            output=(2, 3, 4),
            wrong=((2, 3, 4), (2, 5, 3)),
            wrong_axis=2,
        ),
        Case(
            lambda rng: DotAttention(scaled=True),
            inputs=((2, 3, 4), (2, 5, 4), (2,)),
            integers=(None, None, (1, 6)),
            output=(2, 3, 4),
            sizes=("scaled=True",),
        ),
    )

    def __init__(self, *, scaled: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.scaled = boolean("scaled", scaled)

    def call(self, query: Any, memory: Any, lengths: Any | None = None) -> Any:
        """Look at the memory."""
        query, memory = floating(query), floating(memory)
        for x in (query, memory):
            check_rank(x, _LAYOUT, 3)
        check_axis(memory, 2, query.shape[2], "features of the query")
        check_axis(memory, 0, query.shape[0], "rows of the query")
        q, m = (ops.expand_dims(x, 1) for x in (query, memory))
        found = ops.attention(q, m, m, lengths, scale=None if self.scaled else 1.0)
        return ops.squeeze(found, 1)

    def extra(self) -> str:
        """Give what differs from the default."""
        return "scaled=True" if self.scaled else ""


@register("nn.AdditiveAttention")
class AdditiveAttention(Module):
    """Gather from a memory by how well its steps fit, as a small perceptron tells.

    y[t] = sum_s softmax_s(v · tanh(W q[t] + U m[s] + b)) · m[s]

    Parameters
    ----------
    query_features, memory_features : int > 0
        Features of a step of both.
    hidden : int > 0
        Width of the perceptron.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    query : (batch, time, query_features) float32
    memory : (batch, source, memory_features) float32
    lengths : (batch,) integers in [1, source], optional: steps of the memory behind them are
        padding
    output : (batch, time, memory_features)
    query.weight, memory.weight : (hidden, features); score.weight : (1, hidden)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the inputs have not three axes, or other rows or features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Like Keras `AdditiveAttention`, which has the last of the three layers only.
    Source: Bahdanau, Cho, Bengio 2015.

    Examples
    --------
    >>> layer = AdditiveAttention(4, 6, 8, rng=0)
    >>> layer(np.ones((2, 3, 4), "f4"), np.ones((2, 5, 6), "f4")).shape
    (2, 3, 6)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: AdditiveAttention(4, 3, 5, rng=rng),
            inputs=((2, 3, 4), (2, 5, 3)),
            output=(2, 3, 3),
            wrong=((2, 3, 4), (2, 5, 4)),
            wrong_axis=2,
            sizes=("4", "3", "hidden=5"),
        ),
        Case(
            lambda rng: AdditiveAttention(3, 3, 4, rng=rng),
            inputs=((2, 3, 3), (2, 5, 3), (2,)),
            integers=(None, None, (1, 6)),
            output=(2, 3, 3),
        ),
    )

    def __init__(
        self,
        query_features: int,
        memory_features: int,
        hidden: int,
        *,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.query_features = positive_int("query_features", query_features)
        self.memory_features = positive_int("memory_features", memory_features)
        self.hidden, rng = positive_int("hidden", hidden), init.generator(rng)
        rule = "xavier_uniform"
        self.query = Linear(self.query_features, self.hidden, weight_init=rule, rng=rng)
        self.memory = Linear(
            self.memory_features, self.hidden, bias=False, weight_init=rule, rng=rng
        )
        # No bias: it would add the same number to a whole row of the softmax.
        self.score = Linear(self.hidden, 1, bias=False, weight_init=rule, rng=rng)

    def call(self, query: Any, memory: Any, lengths: Any | None = None) -> Any:
        """Look at the memory."""
        query, memory = (floating(x, self.score.weight) for x in (query, memory))
        for x, size, what in (
            (query, self.query_features, "query_features"),
            (memory, self.memory_features, "memory_features"),
        ):
            check_rank(x, _LAYOUT, 3)
            check_axis(x, 2, size, what)
        check_axis(memory, 0, query.shape[0], "rows of the query")
        pairs = ops.add(
            ops.expand_dims(self.query(query), 2), ops.expand_dims(self.memory(memory), 1)
        )
        scores = ops.squeeze(self.score(ops.tanh(pairs)), 3)
        if lengths is not None:
            zeros = np.zeros(memory.shape[:2], scores.dtype)
            there = ops.mask_sequence(zeros, lengths, value=FORBIDDEN)
            scores = ops.add(scores, ops.expand_dims(there, 1))
        return ops.matmul(ops.softmax(scores, -1), memory)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.query_features}, {self.memory_features}, hidden={self.hidden}"

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside follow from them."""
        return f"{type(self).__name__}({self.extra()})"
