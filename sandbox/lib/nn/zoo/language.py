"""Transformers that know language: one that goes on writing, and one that fills gaps."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Value, ops, using
from ...core.errors import ArgumentError, ShapeError
from ...core.function import as_value
from ...core.validate import in_range, instance, int_array, non_negative, positive_int
from .. import init
from ..attention.positions import PositionEmbedding
from ..attention.transformer import TransformerEncoderLayer
from ..case import Case
from ..checks import check_rank
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..linear.tied import TiedLinear
from ..module import Array, Module
from ..noise.dropout import Dropout
from ..normalization.statistics import LayerNorm
from ..registry import register


def word_table(size: int, features: int, rng: Any) -> Embedding:
    """Return an embedding whose first vectors have a deviation of 0.02."""
    table = Embedding(size, features, weight_init="normal", rng=rng)
    values = np.array(table.weight.data)
    table.weight.set(values * np.float32(0.02 / max(float(values.std()), 1e-6)))
    return table


@register("nn.zoo.GPT")
class GPT(Module):
    """Tell after each word which one comes next: a Transformer that looks back only.

    Parameters
    ----------
    vocabulary : int > 0
        Number of words.
    length : int > 0
        Longest text, in words.
    features : int > 0
        Features of a step.
    heads : int > 0, divides `features`
        Independent looks of each attention.
    layers : int > 0
        Layers above each other.
    hidden : int > 0, optional
        Width inside of their perceptrons; 4 times `features` by default.
    p : float in [0, 1)
        Dropout behind the words and in the layers.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary), time at most `length`
    output : (batch, time, vocabulary) logits; for `criterion.TimeDistributed(CrossEntropy())` with
        the words one step later as targets

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.
    ShapeError : in `call`, the input has not two axes, or is too long.
    DataError : in `call`, an id is out of range.

    Notes
    -----
    GPT(50257, 1024, 768, 12, 12) is the smallest GPT-2 (124,439,808 parameters) without the biases
    of the keys, which change nothing. Like BigDL `Transformer` (0.13) as a language model.
    Source: Radford et al. 2018, 2019. Words and scores share a table (Press, Wolf 2017).

    Examples
    --------
    >>> model = GPT(50, 16, 8, 2, 2, rng=0)
    >>> model(np.array([[1, 2, 3]])).shape
    (1, 3, 50)
    >>> model.generate(np.array([[1, 2, 3]]), 4).shape
    (1, 7)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GPT(7, 6, 4, 2, 1, hidden=6, p=0.2, rng=rng),
            inputs=((3, 5),),
            integers=((0, 7),),
            output=(3, 5, 7),
            wrong=((3,), (3, 5, 2)),
            stochastic=True,
            sizes=("7 -> 4",),
            # 1e-4: normalisations, where the variance is a difference of large sums.
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        vocabulary: int,
        length: int,
        features: int = 768,
        heads: int = 12,
        layers: int = 12,
        *,
        hidden: int | None = None,
        p: float = 0.1,
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        rng = init.generator(rng)
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        self.words = word_table(vocabulary, features, rng)
        self.positions = PositionEmbedding(length, features, rng=rng)
        self.dropout = Dropout(p)
        self.layers = [
            TransformerEncoderLayer(features, heads, hidden=hidden, p=p, causal=True, rng=rng)
            for _ in range(positive_int("layers", layers))
        ]
        self.norm = LayerNorm(features)
        self.scores = TiedLinear(self.words, bias=False)

    def call(self, ids: Any) -> Any:
        """Give the scores of the words behind each one."""
        check_rank(ids, "(batch, time)", 2)
        x = self.dropout(self.positions(self.words(ids)))
        for layer in self.layers:
            x = layer(x)
        return self.scores(self.norm(x))

    def generate(
        self,
        ids: Any,
        steps: int,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        rng: init.Rng = None,
    ) -> Array:
        """Go on writing.

        Parameters
        ----------
        ids : (batch, time) integers
            The beginning of the texts, one word at least.
        steps : int > 0
            Words to add.
        temperature : float >= 0
            0: always the likeliest word. Else words are drawn by their chances, which are the more
            alike the higher it is; 1: as they are.
        top_k : int > 0, optional
            Draw among so many likeliest words only.
        rng : Generator, int or None
            What is drawn from.

        Returns
        -------
        (batch, time + steps) int64

        Raises
        ------
        ArgumentError : a number is out of range, or the text would become too long.
        ShapeError : `ids` has not two axes or no word.
        """
        known, limit = int_array("ids", ids), self.positions.length
        if known.ndim != 2 or not known.shape[1]:
            raise ShapeError(
                f"`ids` must have two axes (batch, time) and a word; got {known.shape}."
            )
        total = known.shape[1] + positive_int("steps", steps)
        if total > limit:
            raise ArgumentError(f"the text must be at most {limit} words long; got {total}.")
        temperature, rng = non_negative("temperature", temperature), init.generator(rng)
        if top_k is not None:
            top_k = positive_int("top_k", top_k)
        texts = np.concatenate([known, np.zeros((len(known), steps), np.int64)], 1)
        caches = [layer.attention.first_cache(len(known), total) for layer in self.layers]
        with using(training=False):
            for place in range(total - 1):
                scores, caches = self._step(texts[:, place : place + 1], caches, place)
                if place + 1 >= known.shape[1]:
                    texts[:, place + 1] = _choose(scores, temperature, top_k, rng)
        return texts

    def _step(self, ids: Array, caches: Any, place: int) -> tuple[Array, Any]:
        """Give the scores behind one word, knowing what the layers have seen before."""
        here = ops.slice(self.positions.weight, (place, 0), (place + 1, self.positions.features))
        x, after = ops.add(self.words(Value(ids)), here), []
        for layer, cache in zip(self.layers, caches, strict=True):
            x, cache = layer.step(x, cache, place)
            after.append(cache)
        return np.asarray(as_value(self.scores(self.norm(x))).data)[:, 0], after


def _choose(
    scores: Array, temperature: float, top_k: int | None, rng: np.random.Generator
) -> Array:
    """Return a word for each row of scores."""
    if not temperature:
        return np.asarray(scores.argmax(1))
    scores = scores.astype(np.float64) / temperature
    if top_k is not None:
        least = -np.sort(-scores, axis=1)[:, min(top_k, scores.shape[1]) - 1]
        scores = np.where(scores < least[:, None], -np.inf, scores)
    chances = np.exp(scores - scores.max(1, keepdims=True))
    sums = np.cumsum(chances / chances.sum(1, keepdims=True), 1)
    return np.asarray((rng.random((len(scores), 1)) > sums[:, :-1]).sum(1))


@register("nn.zoo.BERT")
class BERT(Module):
    """Read a text, or two, in both directions: a vector for each word and one for the whole.

    Parameters
    ----------
    vocabulary : int > 0
        Number of words; 0 is padding.
    length : int > 0
        Longest text, in words.
    features : int > 0
        Features of a word.
    heads : int > 0, divides `features`
        Independent looks of each attention.
    layers : int > 0
        Layers above each other.
    hidden : int > 0, optional
        Width inside of their perceptrons; 4 times `features` by default.
    segments : int > 0
        Kinds of words: of the first and of the second text.
    p : float in [0, 1)
        Dropout behind the words and in the layers.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    ids : (batch, time) integers in [0, vocabulary), time at most `length`
    kinds : (batch, time) integers in [0, segments), optional: 0 by default
    lengths : (batch,) integers in [1, time], optional: words behind them are padding
    output : ((batch, time, features), (batch, features)), all words, and a summary at the first one

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.
    ShapeError : in `call`, an input has not two axes, or is too long.
    DataError : in `call`, an id is out of range.

    Notes
    -----
    By default BERT-small (Turc et al. 2019). BERT(30522, 512, 768, 12, 12) is BERT-base,
    109,482,240 parameters, without the biases of the keys, which change nothing. Same as Analytics
    Zoo's `BERT`. Source: Devlin et al. 2019. For masked words: `MaskedWords`.

    Examples
    --------
    >>> words, whole = BERT(50, 16, 8, 2, 2, rng=0)(np.array([[1, 2, 3]]))
    >>> words.shape, whole.shape
    ((1, 3, 8), (1, 8))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: BERT(7, 6, 4, 2, 1, hidden=6, p=0.2, rng=rng),
            inputs=((3, 5), (3, 5), (3,)),
            integers=((0, 7), (0, 2), (1, 6)),
            output=((3, 5, 4), (3, 4)),
            stochastic=True,
            sizes=("7 -> 4",),
            # 1e-4: normalisations, where the variance is a difference of large sums.
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        vocabulary: int = 30_522,
        length: int = 512,
        features: int = 512,
        heads: int = 8,
        layers: int = 4,
        *,
        hidden: int | None = None,
        segments: int = 2,
        p: float = 0.1,
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        rng, epsilon = init.generator(rng), 1e-12
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        self.words = word_table(vocabulary, features, rng)
        self.kinds = word_table(positive_int("segments", segments), features, rng)
        self.positions = PositionEmbedding(length, features, rng=rng)
        self.norm = LayerNorm(features, epsilon=epsilon)
        self.dropout = Dropout(p)
        options: dict[str, Any] = {"hidden": hidden, "p": p, "norm_first": False}
        self.layers = [
            TransformerEncoderLayer(features, heads, epsilon=epsilon, **options, rng=rng)
            for _ in range(positive_int("layers", layers))
        ]
        self.whole = Linear(features, features, weight_init="xavier_uniform", rng=rng)

    def call(self, ids: Any, kinds: Any | None = None, lengths: Any | None = None) -> Any:
        """Read the words."""
        check_rank(ids, "(batch, time)", 2)
        if kinds is None:
            kinds = as_value(np.zeros(ids.shape, np.int64))
        x = ops.add(self.words(ids), self.kinds(kinds))
        x = self.dropout(self.norm(self.positions(x)))
        for layer in self.layers:
            x = layer(x) if lengths is None else layer(x, lengths)[0]
        first = ops.squeeze(ops.slice(x, (0, 0, 0), (x.shape[0], 1, x.shape[2])), 1)
        return x, ops.tanh(self.whole(first))


@register("nn.zoo.MaskedWords")
class MaskedWords(Module):
    """Score what stands at each place of a text, by BERT: to learn from gaps.

    Parameters
    ----------
    bert : BERT
        What reads.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    ids, kinds, lengths : those of `BERT`
    output : (batch, time, vocabulary) logits; for
        `criterion.TimeDistributed(CrossEntropy(ignore_index=0))` with 0 where nothing was hidden

    Raises
    ------
    ArgumentError : `bert` is none.

    Notes
    -----
    Source: Devlin et al. 2019, task 1. The scores share BERT's table of words.

    Examples
    --------
    >>> MaskedWords(BERT(50, 16, 8, 2, 1, rng=0), rng=0)(np.array([[1, 2, 3]])).shape
    (1, 3, 50)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaskedWords(BERT(7, 6, 4, 2, 1, p=0.0, rng=rng), rng=rng),
            inputs=((3, 5),),
            integers=((0, 7),),
            output=(3, 5, 7),
            tolerance=1e-4,
        ),
    )

    def __init__(self, bert: BERT, *, rng: init.Rng = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self.bert = instance("bert", bert, BERT)
        features = bert.positions.features
        self.fc = Linear(features, features, rng=rng)
        self.norm = LayerNorm(features, epsilon=1e-12)
        self.scores = TiedLinear(bert.words)

    def call(self, ids: Any, kinds: Any | None = None, lengths: Any | None = None) -> Any:
        """Read, and score all words at each place."""
        words, _ = self.bert(ids, kinds, lengths)
        return self.scores(self.norm(ops.gelu(self.fc(words))))
