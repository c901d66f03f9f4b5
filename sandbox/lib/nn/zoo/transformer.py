"""The Transformer: from a sequence to another, by attention alone."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from ...core import ops, using
from ...core.errors import ArgumentError
from ...core.function import as_value
from ...core.validate import boolean, in_range, int_array, positive_int
from .. import init
from ..attention.beam import beam_search
from ..attention.positions import SinusoidalPositions
from ..attention.transformer import TransformerDecoderLayer, TransformerEncoderLayer
from ..case import Case
from ..checks import check_axis, check_rank
from ..linear.embedding import Embedding
from ..linear.tied import TiedLinear
from ..module import Array, Module
from ..noise.dropout import Dropout
from ..normalization.statistics import LayerNorm
from ..registry import register
from .language import word_table


@register("nn.zoo.Transformer")
class Transformer(Module):
    """Translate a sequence into another: encoder and decoder of attention layers.

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int > 0
        Number of ids on both sides; 0 is padding, behind the sequence.
    features : int > 0, even
        Features of a word.
    heads : int > 0, divides `features`
        Independent looks of each attention.
    layers : int > 0
        Layers of the encoder, and of the decoder.
    hidden : int > 0
        Width inside of their perceptrons.
    p : float in [0, 1)
        Dropout behind the words and in the layers.
    norm_first : bool
        Whether normalisation comes before attentions and perceptrons, and once more behind all.
    shared : bool
        Whether both sides share the table of words; the vocabularies must be of one size then.
    rng : Generator, int or None
        Where the first weights are drawn from; None takes fresh entropy.

    Shapes
    ------
    source : (batch, source time) integers in [0, source_vocabulary)
    target : (batch, target time) integers in [0, target_vocabulary): the words before those that
        are to be told, so the first one is a mark of the beginning
    output : (batch, target time, target_vocabulary) logits

    Raises
    ------
    ArgumentError : a size is out of range.
    ShapeError : in `call`, source or target have not two axes, or other numbers of rows.
    DataError : in `call`, an id is out of range.

    Notes
    -----
    The sizes by default are those of the paper's base model; its words and scores share a table,
    and with `norm_first=False`, too, all is as there. Same as BigDL `Transformer` (0.13) for
    translation, PyTorch `Transformer` with its embeddings. Train it with
    `criterion.TimeDistributed(CrossEntropy(ignore_index=0))`. Source: Vaswani et al. 2017.

    Examples
    --------
    >>> model = Transformer(20, 30, 8, 2, 1, 16, rng=0)
    >>> source = np.array([[5, 7, 9], [4, 0, 0]])
    >>> model(source, np.array([[1, 2], [1, 3]])).shape
    (2, 2, 30)
    >>> words, scores = model.decode(source, 4, begin=1, end=2, beams=3)
    >>> words.shape, scores.shape
    ((2, 3, 4), (2, 3))
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Transformer(7, 6, 4, 2, 1, 6, p=0.2, rng=rng),
            inputs=((3, 5), (3, 4)),
            integers=((1, 7), (0, 6)),
            output=(3, 4, 6),
            wrong=((3, 5), (2, 4)),
            wrong_axis=0,
            stochastic=True,
            # 1e-4: normalisations, where the variance is a difference of large sums.
            tolerance=1e-4,
        ),
        Case(
            lambda rng: Transformer(
                5, 5, 4, 2, 1, 6, p=0.0, norm_first=False, shared=True, rng=rng
            ),
            inputs=((2, 3), (2, 4)),
            integers=((1, 5), (0, 5)),
            output=(2, 4, 5),
            tolerance=1e-4,
        ),
    )

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        features: int = 512,
        heads: int = 8,
        layers: int = 6,
        hidden: int = 2048,
        *,
        p: float = 0.1,
        norm_first: bool = True,
        shared: bool = False,
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        rng, layers = init.generator(rng), positive_int("layers", layers)
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        self.norm_first = boolean("norm_first", norm_first)
        self.features = positive_int("features", features)
        self.target = word_table(target_vocabulary, features, rng)
        if boolean("shared", shared):
            if source_vocabulary != target_vocabulary:
                raise ArgumentError(
                    "vocabularies must be of one size to share a table; got "
                    f"{source_vocabulary} and {target_vocabulary}."
                )
            self.source: Embedding = self.target
        else:
            self.source = word_table(source_vocabulary, features, rng)
        self.positions = SinusoidalPositions(features)
        self.dropout = Dropout(p)
        options: dict[str, Any] = {"hidden": hidden, "p": p, "activation": "relu"}
        options |= {"norm_first": self.norm_first, "rng": rng}
        self.encoder = [TransformerEncoderLayer(features, heads, **options) for _ in range(layers)]
        self.decoder = [TransformerDecoderLayer(features, heads, **options) for _ in range(layers)]
        self.norm1 = self.norm2 = None
        if self.norm_first:
            self.norm1, self.norm2 = LayerNorm(features), LayerNorm(features)
        self.scores = TiedLinear(self.target, bias=False)

    def call(self, source: Any, target: Any) -> Any:
        """Give the scores of all words at each step, told the words before."""
        for ids in (source, target):
            check_rank(ids, "(batch, time)", 2)
        check_axis(target, 0, source.shape[0], "rows of the source")
        memory, lengths = self.encode(source)
        x = self._words(self.target, target)
        for layer in self.decoder:
            x = layer(x, memory, lengths)
        return self.scores(x if self.norm2 is None else self.norm2(x))

    def encode(self, source: Any) -> tuple[Any, Any]:
        """Read the source; give what the decoder looks at, and its lengths."""
        lengths = ops.sum(ops.cast(ops.not_equal(source, 0), "int64"), 1)
        lengths = ops.maximum(lengths, 1)  # a row of padding has one word of it
        x = self._words(self.source, source)
        for layer in self.encoder:
            x = layer(x, lengths)[0]
        return (x if self.norm1 is None else self.norm1(x)), lengths

    def decode(
        self,
        source: Any,
        steps: int,
        *,
        begin: int = 1,
        end: int = 2,
        beams: int = 4,
        alpha: float = 0.6,
    ) -> tuple[Array, Array]:
        """Translate by beam search; see `nn.beam_search` for arguments and results.

        Parameters
        ----------
        source : (batch, source time) integers
        steps, begin, end, beams, alpha
            Of the search.
        """
        ids, steps = int_array("source", source), positive_int("steps", steps)
        with using(training=False):
            memory, lengths = self.encode(as_value(ids))
            kept = [layer.memory_attention.remember(memory) for layer in self.decoder]
            caches = [layer.attention.first_cache(len(ids), steps) for layer in self.decoder]
            waves = self.positions(as_value(np.zeros((1, steps, self.features), "f4")))

            def step(words: Any, state: Any, place: Any) -> tuple[Any, Any]:
                caches, kept, lengths = state
                x = ops.multiply(self.target(words), math.sqrt(self.features))
                x = ops.expand_dims(
                    ops.add(x, ops.take(waves, ops.reshape(place, (1,)), 1)[:, 0]), 1
                )
                after = []
                for layer, cache, seen in zip(self.decoder, caches, kept, strict=True):
                    x, cache = layer.step(x, cache, place, seen, lengths)
                    after.append(cache)
                x = x if self.norm2 is None else self.norm2(x)
                return ops.squeeze(self.scores(x), 1), (after, kept, lengths)

            state = caches, kept, lengths
            found = beam_search(
                step, state, len(ids), steps, begin=begin, end=end, beams=beams, alpha=alpha
            )
        return tuple(np.asarray(x.data) for x in found)  # type: ignore[return-value]

    def _words(self, table: Embedding, ids: Any) -> Any:
        """Give the words' vectors with their positions."""
        x = ops.multiply(table(ids), math.sqrt(self.features))
        return self.dropout(self.positions(x))
