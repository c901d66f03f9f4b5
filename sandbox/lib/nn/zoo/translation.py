"""From sequence to sequence: an encoder, a decoder that begins where it ends, attention."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import Value, ops, using
from ...core.errors import ShapeError
from ...core.validate import boolean, in_range, int_array, positive_int
from .. import init
from ..case import Case
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..module import Array, Module
from ..noise.dropout import Dropout
from ..recurrent.layers import LSTM
from ..registry import register


@register("nn.zoo.Seq2Seq")
class Seq2Seq(Module):
    """Translate a sequence into another: encoder and decoder LSTM with global attention.

    e, state = encoder(source), d = decoder(target from state)
    a[t] = sum_s softmax_s(d[t] · w · e[s]) · e[s], y[t] = v · tanh(u · [d[t], a[t]] + b)

    Parameters
    ----------
    source_vocabulary, target_vocabulary : int > 0
        Number of ids on both sides; 0 is padding, behind the sequence.
    features : int > 0
        Features of a word.
    hidden : int > 0
        Features of the states.
    num_layers : int > 0
        LSTM layers of encoder and decoder.
    attention : bool
        Whether the decoder looks back at all states of the encoder; else it knows the last one.
    p : float in [0, 1)
        Dropout behind the words, between the layers and before the scores.
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
    ArgumentError : a size is not positive.
    ShapeError : in `call`, source or target have not two axes, or other numbers of rows.
    DataError : in `call`, an id is out of range.

    Notes
    -----
    Like BigDL `Seq2seq` (Analytics Zoo): there without attention. Train it with
    `criterion.TimeDistributed(CrossEntropy(ignore_index=0))`. Source: Sutskever et al. 2014;
    attention: Luong, Pham, Manning 2015, global, score "general".

    Examples
    --------
    >>> model = Seq2Seq(20, 30, features=8, hidden=12, rng=0)
    >>> source = np.array([[5, 7, 9], [4, 0, 0]])
    >>> model(source, np.array([[1, 2], [1, 3]])).shape
    (2, 2, 30)
    >>> model.decode(source, 4, begin=1).shape
    (2, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Seq2Seq(7, 6, features=3, hidden=4, rng=rng),
            inputs=((3, 5), (3, 4)),
            integers=((0, 7), (0, 6)),
            output=(3, 4, 6),
            wrong=((3, 5), (2, 4)),
            sizes=("7 -> 3", "6 -> 3"),
        ),
        Case(
            lambda rng: Seq2Seq(5, 5, features=2, hidden=3, num_layers=2, attention=False, rng=rng),
            inputs=((2, 3), (2, 4)),
            integers=((0, 5), (0, 5)),
            output=(2, 4, 5),
        ),
    )

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        *,
        features: int = 128,
        hidden: int = 256,
        num_layers: int = 1,
        attention: bool = True,
        p: float = 0.0,
        rng: init.Rng = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        rng = init.generator(rng)
        self.attention = boolean("attention", attention)
        self.p = in_range("p", p, 0.0, 1.0, closed="left")
        layers: dict[str, Any] = {"num_layers": num_layers, "dropout": p, "return_state": True}
        self.source = Embedding(
            source_vocabulary, features, padding_index=0, with_lengths=True, rng=rng
        )
        self.encoder = LSTM(features, hidden, **layers, rng=rng)
        self.target = Embedding(target_vocabulary, features, padding_index=0, rng=rng)
        self.decoder = LSTM(features, hidden, **layers, rng=rng)
        self.dropout = Dropout(p)
        self.query = self.combine = None
        if self.attention:
            self.query = Linear(hidden, hidden, bias=False, rng=rng)
            self.combine = Linear(2 * hidden, hidden, rng=rng)
        self.scores = Linear(hidden, positive_int("target_vocabulary", target_vocabulary), rng=rng)

    def call(self, source: Any, target: Any) -> Any:
        """Give the scores of all words at each step, told the words before."""
        for what, ids in (("source", source), ("target", target)):
            if len(ids.shape) != 2 or ids.shape[0] != source.shape[0]:
                raise ShapeError(
                    f"{what} must have 2 axes (batch, time) and as many rows as the source; got "
                    f"shape {ids.shape}."
                )
        encoded, lengths, state = self.encode(source)
        return self.tell(target, encoded, lengths, state)[0]

    def encode(self, source: Any) -> tuple[Any, Any, Any]:
        """Give the encoder's states at all steps, the lengths, and its last state."""
        vectors, lengths = self.source(source)
        encoded, state = self.encoder(self.dropout(vectors), lengths)
        return encoded, lengths, state

    def tell(self, target: Any, encoded: Any, lengths: Any, state: Any) -> tuple[Any, Any]:
        """Give the scores behind each of the target's words, and the decoder's state."""
        decoded, state = self.decoder(self.dropout(self.target(target)), None, state)
        if self.query is not None and self.combine is not None:
            query, keys = (_one_head(x) for x in (self.query(decoded), encoded))
            seen = ops.attention(query, keys, keys, lengths, scale=1.0)
            both = ops.concat([decoded, ops.reshape(seen, decoded.shape)], 2)
            decoded = ops.tanh(self.combine(both))
        return self.scores(self.dropout(decoded)), state

    def decode(self, source: Any, steps: int, *, begin: int = 1, end: int | None = None) -> Array:
        """Translate: the likeliest word at each step, told the ones that were found before.

        Parameters
        ----------
        source : (batch, source time) integers
        steps : int > 0
            How many words to find.
        begin : int > 0
            The mark of the beginning.
        end : int > 0, optional
            The mark of the end: behind it there are zeros.

        Returns
        -------
        (batch, steps) int64
        """
        ids = int_array("source", source)
        steps, begin = positive_int("steps", steps), positive_int("begin", begin)
        if end is not None:
            end = positive_int("end", end)
        with using(training=False):
            encoded, lengths, state = self.encode(Value(ids))

            def body(carry: Any, _: None) -> tuple[Any, Any]:
                word, state = carry
                scores, state = self.tell(word, encoded, lengths, state)
                found = ops.arg_max(scores, 2)
                if end is not None:
                    over = ops.logical_or(ops.equal(word, end), ops.equal(word, 0))
                    found = ops.where(over, ops.multiply(found, 0), found)
                return (found, state), ops.reshape(found, (found.shape[0],))

            first = (Value(np.full((len(ids), 1), begin)), state)
            words = ops.scan(body, first, length=steps, axis=1)[1]
        return np.asarray(words.data)


def _one_head(x: Any) -> Any:
    """Give (batch, time, features) as one head's."""
    return ops.reshape(x, (x.shape[0], 1, *x.shape[1:]))
