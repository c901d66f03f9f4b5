"""Layers of Transformers: of the encoder and of the decoder."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.validate import boolean, in_range, one_of, positive, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..linear.dense import Linear
from ..module import Module
from ..noise.dropout import Dropout
from ..normalization.statistics import LayerNorm
from ..registry import register
from .multihead import MultiHeadAttention
from .perceptron import ACTIVATIONS

_LAYOUT = "(batch, time, features)"


class _TransformerLayer(Module):
    """What encoder and decoder layers share: sizes, and steps around a shortcut."""

    attention: MultiHeadAttention
    fc1: Linear

    def __init__(
        self,
        features: int,
        hidden: int | None,
        p: float,
        norm_first: bool,
        activation: str,
        epsilon: float,
        name: str | None,
    ) -> None:
        super().__init__(name=name)
        self.features = positive_int("features", features)
        self.hidden = 4 * self.features if hidden is None else positive_int("hidden", hidden)
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        self.norm_first = boolean("norm_first", norm_first)
        self.activation = one_of("activation", activation, ACTIVATIONS)
        self.epsilon = positive("epsilon", epsilon)

    def _checked(self, x: Any, what: str = "features") -> Any:
        x = floating(x, self.fc1.weight)
        check_rank(x, _LAYOUT, 3)
        check_axis(x, 2, self.features, what)
        return x

    def _around(self, norm: LayerNorm, part: Any, x: Any) -> Any:
        """Add what a part makes of x to x, normalised before or behind."""
        if self.norm_first:
            return ops.add(x, part(norm(x)))
        return norm(ops.add(x, part(x)))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.features}", f"heads={self.attention.heads}", f"hidden={self.hidden}"]
        if self.p:
            parts.append(f"p={self.p:g}")
        if not self.norm_first:
            parts.append("norm_first=False")
        if self.activation != "gelu":
            parts.append(f"activation={self.activation!r}")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside follow from them."""
        return f"{type(self).__name__}({self.extra()})"


@register("nn.TransformerEncoderLayer")
class TransformerEncoderLayer(_TransformerLayer):
    """Let each step look at all steps, then think about what it saw: attention and a perceptron.

    h = x + attention(norm1(x)), y = h + fc2(gelu(fc1(norm2(h)))); with `norm_first=False`
    h = norm1(x + attention(x)), y = norm2(h + fc2(gelu(fc1(h))))

    Parameters
    ----------
    features : int > 0
        Features of a step, in and out.
    heads : int > 0, divides `features`
        Number of independent looks.
    hidden : int > 0, optional
        Width inside of the perceptron; 4 times `features` by default.
    p : float in [0, 1)
        Dropout behind attention and perceptron, before their outputs are added.
    norm_first : bool
        Whether normalisation comes before attention and perceptron, or behind the sums.
    causal : bool
        Whether a step sees itself and the steps before it only.
    activation : "gelu" or "relu"
        In the perceptron.
    epsilon : float > 0
        Of the normalisations.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, features) float32
    lengths : (batch,) integers in [1, time], optional: steps behind them are padding, nobody looks
        at them; given back for the next layer over time
    output : (batch, time, features), with lengths also these

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.
    ShapeError : in `call`, the input has not three axes or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as PyTorch `TransformerEncoderLayer(activation="gelu")`, where `norm_first` is False by
    default, and there is one more dropout, inside the perceptron, and one of attention weights.
    Source: Vaswani et al. 2017; normalisation first: Xiong et al. 2020.

    Examples
    --------
    >>> layer = TransformerEncoderLayer(8, 2, rng=0)
    >>> x = np.ones((3, 5, 8), "f4")
    >>> layer(x).shape
    (3, 5, 8)
    >>> [part.shape for part in layer(x, np.array([5, 5, 1]))]
    [(3, 5, 8), (3,)]
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: TransformerEncoderLayer(6, 2, hidden=8, p=0.2, rng=rng),
            inputs=((2, 4, 6),),
            output=(2, 4, 6),
            wrong=((2, 4, 5),),
            wrong_axis=2,
            stochastic=True,
            sizes=("6", "heads=2", "hidden=8", "p=0.2"),
            # 1e-4: normalisations, where the variance is a difference of large sums.
            tolerance=1e-4,
        ),
        Case(
            lambda rng: TransformerEncoderLayer(6, 3, norm_first=False, causal=True, rng=rng),
            inputs=((2, 4, 6),),
            output=(2, 4, 6),
            wrong=((2, 6),),
            sizes=("heads=3", "norm_first=False", "causal=True"),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        hidden: int | None = None,
        p: float = 0.0,
        norm_first: bool = True,
        causal: bool = False,
        activation: str = "gelu",
        epsilon: float = 1e-5,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, hidden, p, norm_first, activation, epsilon, name)
        rng = init.generator(rng)
        self.norm1 = LayerNorm(self.features, epsilon=self.epsilon)
        self.attention = MultiHeadAttention(self.features, heads, causal=causal, rng=rng)
        self.dropout1 = Dropout(self.p)
        self.norm2 = LayerNorm(self.features, epsilon=self.epsilon)
        self.fc1 = Linear(self.features, self.hidden, rng=rng)
        self.fc2 = Linear(self.hidden, self.features, rng=rng)
        self.dropout2 = Dropout(self.p)

    def call(self, x: Any, lengths: Any | None = None, mask: Any | None = None) -> Any:
        """Apply attention and perceptron, each around a shortcut."""
        x = self._checked(x)
        look = partial(self._look, lengths=lengths, mask=mask)
        x = self._around(self.norm2, self._think, self._around(self.norm1, look, x))
        return x if lengths is None else (x, lengths)

    def step(self, x: Any, cache: Any, place: Any) -> tuple[Any, Any]:
        """Take one step, knowing the keys and values before; see `MultiHeadAttention.step`."""
        kept = []

        def look(y: Any) -> Any:
            y, after = self.attention.step(y, cache, place)
            kept.append(after)
            return self.dropout1(y)

        x = self._around(self.norm1, look, self._checked(x))
        return self._around(self.norm2, self._think, x), kept[0]

    def _look(self, x: Any, lengths: Any | None, mask: Any | None) -> Any:
        """Apply the attention."""
        return self.dropout1(self.attention(x, None, lengths, mask))

    def _think(self, x: Any) -> Any:
        """Apply the perceptron to each step."""
        inside = ops.linear(x, self.fc1.weight, self.fc1.bias)
        inside = ACTIVATIONS[self.activation](inside)
        return self.dropout2(ops.linear(inside, self.fc2.weight, self.fc2.bias))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        return super().extra() + (", causal=True" if self.attention.causal else "")


@register("nn.TransformerDecoderLayer")
class TransformerDecoderLayer(_TransformerLayer):
    """Look at the steps before, then at the memory, then think: attention twice and a perceptron.

    h = x + attention(norm1(x)), g = h + memory_attention(norm2(h), memory),
    y = g + fc2(activation(fc1(norm3(g)))); with `norm_first=False` each norm is behind its sum

    Parameters
    ----------
    features : int > 0
        Features of a step, in and out, and of the memory.
    heads : int > 0, divides `features`
        Number of independent looks.
    hidden : int > 0, optional
        Width inside of the perceptron; 4 times `features` by default.
    p : float in [0, 1)
        Dropout behind attentions and perceptron, before their outputs are added.
    norm_first : bool
        Whether normalisation comes before attentions and perceptron, or behind the sums.
    activation : "gelu" or "relu"
        In the perceptron.
    epsilon : float > 0
        Of the normalisations.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, features) float32
    memory : (batch, source, features) float32, the encoder's output
    lengths : (batch,) integers in [1, source], optional: steps of the memory behind them are
        padding
    output : (batch, time, features)

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.
    ShapeError : in `call`, an input has not three axes or another number of features.
    DataError : in `call`, a length is out of range.

    Notes
    -----
    Same as PyTorch `TransformerDecoderLayer`, with a causal mask and the differences of
    `TransformerEncoderLayer`. Source: Vaswani et al. 2017.

    Examples
    --------
    >>> layer = TransformerDecoderLayer(8, 2, rng=0)
    >>> layer(np.ones((3, 5, 8), "f4"), np.ones((3, 4, 8), "f4"), np.array([4, 4, 1])).shape
    (3, 5, 8)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: TransformerDecoderLayer(6, 2, hidden=8, p=0.2, rng=rng),
            inputs=((2, 4, 6), (2, 3, 6)),
            output=(2, 4, 6),
            wrong=((2, 4, 6), (2, 3, 5)),
            wrong_axis=2,
            stochastic=True,
            sizes=("6", "heads=2", "hidden=8", "p=0.2"),
            # 1e-4: normalisations, where the variance is a difference of large sums.
            tolerance=1e-4,
        ),
        Case(
            lambda rng: TransformerDecoderLayer(6, 3, norm_first=False, rng=rng),
            inputs=((2, 4, 6), (2, 5, 6), (2,)),
            integers=(None, None, (1, 6)),
            output=(2, 4, 6),
            sizes=("norm_first=False",),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        features: int,
        heads: int,
        *,
        hidden: int | None = None,
        p: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        epsilon: float = 1e-5,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(features, hidden, p, norm_first, activation, epsilon, name)
        rng, size = init.generator(rng), self.features
        self.norm1, self.norm2, self.norm3 = (
            LayerNorm(size, epsilon=self.epsilon) for _ in range(3)
        )
        self.attention = MultiHeadAttention(size, heads, causal=True, rng=rng)
        self.memory_attention = MultiHeadAttention(size, heads, rng=rng)
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(self.p) for _ in range(3))
        self.fc1 = Linear(size, self.hidden, rng=rng)
        self.fc2 = Linear(self.hidden, size, rng=rng)

    def call(self, x: Any, memory: Any, lengths: Any | None = None) -> Any:
        """Apply both attentions and the perceptron, each around a shortcut."""
        x, memory = self._checked(x), self._checked(memory)
        check_axis(memory, 0, x.shape[0], "rows of the input")
        x = self._around(self.norm1, lambda y: self.dropout1(self.attention(y)), x)
        kept = self.memory_attention.remember(memory)
        return self._rest(x, kept, lengths)

    def step(
        self, x: Any, cache: Any, place: Any, kept: tuple[Any, Any], lengths: Any | None = None
    ) -> tuple[Any, Any]:
        """Take one step, knowing the keys and values before, and those `kept` of the memory.

        See `MultiHeadAttention.step`; `kept` is what `memory_attention.remember(memory)` gives.
        """
        after = []

        def look(y: Any) -> Any:
            y, now = self.attention.step(y, cache, place)
            after.append(now)
            return self.dropout1(y)

        return self._rest(self._around(self.norm1, look, x), kept, lengths), after[0]

    def _rest(self, x: Any, kept: tuple[Any, Any], lengths: Any | None) -> Any:
        """Look at the memory and think."""

        def look(y: Any) -> Any:
            return self.dropout2(self.memory_attention.look(y, *kept, lengths))

        return self._around(self.norm3, self._think, self._around(self.norm2, look, x))

    def _think(self, x: Any) -> Any:
        """Apply the perceptron to each step."""
        return self.dropout3(self.fc2(ACTIVATIONS[self.activation](self.fc1(x))))
