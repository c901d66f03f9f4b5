"""Attention: every place of a sequence looks at all the others."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ArgumentError, ShapeError
from ...core.function import as_value
from ...core.validate import boolean, divides, one_of, positive_int
from .. import calls, init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..linear.dense import Linear
from ..module import Module
from ..registry import register
from .positions import RotaryPositions, first_positions, relative_bias

BUCKETS, MAX_DISTANCE = 32, 128  # of relative positions, as in T5


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
    memory_features : int > 0, optional
        Features of a step of the memory; `features` by default.
    positions : "rotary" or "relative", optional
        How an attention knows how far steps are apart: by turning queries and keys
        (`RotaryPositions`), or by numbers for 32 groups of distances that are learnt and added to
        the scores (Raffel et al. 2020).
    weight_init : str
        Rule of the first weights, see `nn.init`.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    query : (batch, time, features) float32
    memory : (batch, source, features) float32, optional: what is looked at; the query by default
    lengths : (batch,) integers in [1, source], optional: steps of the memory behind them are
        padding, nobody looks at them
    mask : booleans that stretch to (batch, heads, time, source), optional: where one may look
    output : (batch, time, features)
    query.weight, out.weight : (features, features)
    key.weight, value.weight : (features, memory_features)
    relative : (32, heads), with relative positions

    Raises
    ------
    ArgumentError : a size is not positive, `heads` does not divide `features`, or into odd parts
        for rotary positions.
    ShapeError : in `call`, an input has not three axes or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as Keras `MultiHeadAttention` and PyTorch `MultiheadAttention` without a bias of the key;
    like BigDL `Attention` (0.13), which takes the mask as numbers to add.
    To decode step by step: `first_cache` and `step`.
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
        Case(
            lambda rng: MultiHeadAttention(4, 2, memory_features=3, positions="relative", rng=rng),
            inputs={"query": (2, 3, 4), "memory": (2, 5, 3), "mask": (2, 1, 3, 5)},
            integers=(None, None, (0, 2)),
            output=(2, 3, 4),
            sizes=("memory_features=3", "positions='relative'"),
        ),
        Case(
            lambda rng: MultiHeadAttention(8, 2, causal=True, positions="rotary", rng=rng),
            inputs=((2, 4, 8),),
            output=(2, 4, 8),
        ),
    )

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        memory_features: int | None = None,
        positions: str | None = None,
        weight_init: str = "xavier_uniform",
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.features = positive_int("features", features)
        self.heads = divides("heads", heads, "features", self.features)
        self.causal, self.has_bias = boolean("causal", causal), boolean("bias", bias)
        rng, size = init.generator(rng), self.features
        given = (
            size if memory_features is None else positive_int("memory_features", memory_features)
        )
        self.memory_features = given
        self.positions = one_of("positions", positions, (None, "rotary", "relative"))
        # The key has no bias: it would add the same number to a whole row of the softmax.
        self.query, self.key, self.value, self.out = (
            Linear(before, size, bias=bias and part != "key", weight_init=weight_init, rng=rng)
            for part, before in (("query", size), ("key", given), ("value", given), ("out", size))
        )
        self.rotary = self.relative = None
        if positions == "rotary":
            self.rotary = RotaryPositions(size // self.heads)
        elif positions == "relative":
            first = init.draw_by(first_positions, (BUCKETS, self.heads), rng)
            self.relative = Parameter(first, "relative", copy=False)

    def call(
        self,
        query: Any,
        memory: Any | None = None,
        lengths: Any | None = None,
        mask: Any | None = None,
    ) -> Any:
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
        for x, size, what in (
            (query, self.features, "features"),
            (memory, self.memory_features, "memory_features"),
        ):
            check_rank(x, "(batch, time, features)", 3)
            check_axis(x, 2, size, what if size != self.features else "features")
        check_axis(memory, 0, query.shape[0], "rows of the query")
        q, k = self._split(self.query, query), self._split(self.key, memory)
        if self.rotary is not None:
            q, k = (calls.run(self.rotary, (x,), "rotary") for x in (q, k))
        bias = None
        if self.relative is not None:
            bias = relative_bias(
                *(self.relative, query.shape[1], memory.shape[1]),
                max_distance=MAX_DISTANCE,
                both_ways=not self.causal,
            )
        if mask is not None and mask.dtype != np.bool_:
            mask = ops.not_equal(mask, 0)
        values = self._split(self.value, memory)
        return self._join(
            ops.attention(q, k, values, lengths, causal=self.causal, mask=mask, bias=bias)
        )

    def remember(self, memory: Any) -> tuple[Any, Any]:
        """Return keys and values of a memory, for `look`: (batch, heads, source, width) each."""
        return self._split(self.key, memory), self._split(self.value, memory)

    def look(
        self,
        query: Any,
        keys: Any,
        values: Any,
        lengths: Any | None = None,
        mask: Any | None = None,
    ) -> Any:
        """Look at keys and values that are made already."""
        return self._join(
            ops.attention(self._split(self.query, query), keys, values, lengths, mask=mask)
        )

    def first_cache(self, rows: int, length: int) -> tuple[Any, Any]:
        """Return the empty cache of keys and values for decoding up to `length` steps.

        Shapes
        ------
        both : (rows, heads, length, features / heads), zeros
        """
        shape = (rows, self.heads, length, self.features // self.heads)
        zeros = np.zeros(shape, self.out.weight.dtype)
        return as_value(zeros), as_value(zeros)

    def step(self, x: Any, cache: tuple[Any, Any], place: Any) -> tuple[Any, tuple[Any, Any]]:
        """Take one step of a causal attention to itself, knowing the keys and values before.

        Parameters
        ----------
        x : (batch, 1, features)
            The step.
        cache : from `first_cache`, or the step before
            Keys and values.
        place : integer of shape ()
            The number of the step, from 0.

        Returns
        -------
        (batch, 1, features), and the cache with this step

        Raises
        ------
        ArgumentError : the attention has positions of its own.

        Examples
        --------
        >>> layer = MultiHeadAttention(8, 2, causal=True, rng=0)
        >>> x, cache = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("f4"), None
        >>> cache, found = layer.first_cache(3, 5), []
        >>> for place in range(5):
        ...     y, cache = layer.step(x[:, place : place + 1], cache, place)
        ...     found.append(y.data)
        >>> bool(np.allclose(np.concatenate(found, 1), layer(x), atol=1e-6))
        True
        """
        if self.positions is not None:
            raise ArgumentError(
                f"step: `positions` must be None; got {self.positions!r}, which one step does not "
                "know. Add positions to the input (PositionEmbedding, SinusoidalPositions)."
            )
        places = np.arange(cache[0].shape[2])
        now = ops.reshape(ops.equal(places, place), (1, 1, len(places), 1))
        keys, values = (
            ops.where(now, self._split(layer, x), held)
            for layer, held in zip((self.key, self.value), cache, strict=True)
        )
        seen = ops.reshape(ops.less_equal(places, place), (1, 1, 1, len(places)))
        return self.look(x, keys, values, mask=seen), (keys, values)

    def _join(self, found: Any) -> Any:
        """Put the heads side by side and apply the last layer."""
        batch, _, time, _ = found.shape
        joined = ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (batch, time, self.features))
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
        if self.memory_features != self.features:
            parts.append(f"memory_features={self.memory_features}")
        if self.positions is not None:
            parts.append(f"positions={self.positions!r}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the four linear layers follow from them."""
        return f"{type(self).__name__}({self.extra()})"
