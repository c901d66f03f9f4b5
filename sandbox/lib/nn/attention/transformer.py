"""Layers of Transformers: learnt positions, and the encoder layer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Parameter, ops
from ...core.errors import ShapeError
from ...core.validate import boolean, in_range, positive_int
from .. import init
from ..case import Case
from ..checks import check_axis, check_rank, floating
from ..linear.dense import Linear
from ..module import Module
from ..noise.dropout import Dropout
from ..normalization.statistics import LayerNorm
from ..registry import register
from .multihead import MultiHeadAttention

_LAYOUT = "(batch, time, features)"


def _first(shape: tuple[int, ...], rng: np.random.Generator) -> init.Array:
    return init.deviating(shape, rng, 0.02)


@register("nn.PositionEmbedding")
class PositionEmbedding(Module):
    """Add a learnt vector to each step that tells where it stands.

    y[n, t] = x[n, t] + w[t]

    Parameters
    ----------
    length : int > 0
        Longest sequence, in steps.
    features : int > 0
        Features of a step.
    weight_init : str, optional
        Rule of the first vectors, see `nn.init`; by default a normal distribution of deviation
        0.02.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time, features) float32, time at most `length`
    lengths : (batch,) integers, optional: given back for the next layer over time
    output : (batch, time, features), with lengths also these
    weight : (length, features)

    Raises
    ------
    ArgumentError : a size is not positive.
    ShapeError : in `call`, the input has not three axes, another number of features, or is longer
        than `length`.

    Notes
    -----
    Source: Gehring et al. 2017; Devlin et al. 2019 (BERT).

    Examples
    --------
    >>> PositionEmbedding(8, 4, rng=0)(np.ones((2, 3, 4), "f4")).shape
    (2, 3, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: PositionEmbedding(5, 4, rng=rng),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 6, 4), (3, 4)),
            wrong_axis=1,
            sizes=("5", "4"),
        ),
        Case(
            lambda rng: PositionEmbedding(3, 4, weight_init="uniform", rng=rng),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 3, 5),),
            wrong_axis=2,
        ),
    )

    def __init__(
        self,
        length: int,
        features: int,
        *,
        weight_init: str | None = None,
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.length = positive_int("length", length)
        self.features = positive_int("features", features)
        shape = (self.length, self.features)
        if weight_init is None:
            weight = init.draw_by(_first, shape, rng)
        else:
            weight = init.draw(weight_init, shape, rng)
        self.weight = Parameter(weight, "weight", copy=False)

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Add the vectors of the first steps."""
        x = floating(x, self.weight)
        check_rank(x, _LAYOUT, 3)
        check_axis(x, 2, self.features, "features")
        time = x.shape[1]
        if time > self.length:
            raise ShapeError(
                f"input axis 1 must be <= {self.length} (length); got {time} in shape {x.shape}. "
                "Cut the sequences, or give the layer a larger `length`."
            )
        y = ops.add(x, ops.slice(self.weight, (0, 0), (time, self.features)))
        return y if lengths is None else (y, lengths)

    def extra(self) -> str:
        """Give the sizes."""
        return f"{self.length}, {self.features}"


@register("nn.TransformerEncoderLayer")
class TransformerEncoderLayer(Module):
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
    default. Source: Vaswani et al. 2017; normalisation first: Xiong et al. 2020.

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
        rng: np.random.Generator | int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.features = positive_int("features", features)
        self.hidden = 4 * self.features if hidden is None else positive_int("hidden", hidden)
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        self.norm_first = boolean("norm_first", norm_first)
        rng = init.generator(rng)
        self.norm1 = LayerNorm(self.features)
        self.attention = MultiHeadAttention(self.features, heads, causal=causal, rng=rng)
        self.dropout1 = Dropout(self.p)
        self.norm2 = LayerNorm(self.features)
        self.fc1 = Linear(self.features, self.hidden, rng=rng)
        self.fc2 = Linear(self.hidden, self.features, rng=rng)
        self.dropout2 = Dropout(self.p)

    def call(self, x: Any, lengths: Any | None = None) -> Any:
        """Apply attention and perceptron, each around a shortcut."""
        x = floating(x, self.fc1.weight)
        check_rank(x, _LAYOUT, 3)
        check_axis(x, 2, self.features, "features")
        if self.norm_first:
            x = ops.add(x, self._look(self.norm1(x), lengths))
            x = ops.add(x, self._think(self.norm2(x)))
        else:
            x = self.norm1(ops.add(x, self._look(x, lengths)))
            x = self.norm2(ops.add(x, self._think(x)))
        return x if lengths is None else (x, lengths)

    def _look(self, x: Any, lengths: Any | None) -> Any:
        """Apply the attention."""
        return self.dropout1(self.attention(x, None, lengths))

    def _think(self, x: Any) -> Any:
        """Apply the perceptron to each step."""
        inside = ops.gelu(ops.linear(x, self.fc1.weight, self.fc1.bias))
        return self.dropout2(ops.linear(inside, self.fc2.weight, self.fc2.bias))

    def extra(self) -> str:
        """Give the sizes, then what differs from the defaults."""
        parts = [f"{self.features}", f"heads={self.attention.heads}", f"hidden={self.hidden}"]
        if self.p:
            parts.append(f"p={self.p:g}")
        if not self.norm_first:
            parts.append("norm_first=False")
        if self.attention.causal:
            parts.append("causal=True")
        return ", ".join(parts)

    def __repr__(self) -> str:
        """Give class and sizes; the layers inside follow from them."""
        return f"{type(self).__name__}({self.extra()})"
