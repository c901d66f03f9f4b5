"""Ready networks for texts: convolution, LSTM, GRU, Transformer encoder."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.errors import ArgumentError
from ...core.validate import integers, positive_int
from .. import init
from ..activation.elementwise import ReLU
from ..attention.positions import PositionEmbedding
from ..attention.transformer import TransformerEncoderLayer
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..convolution.plain import Conv1d
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..node import Input
from ..noise.dropout import Dropout
from ..normalization.statistics import LayerNorm
from ..recurrent.layers import GRU, LSTM
from ..recurrent.time import GlobalMaxOverTime, GlobalMeanOverTime
from ..shape.views import Transpose
from ..table.merge import Concat


def text_cnn(
    vocabulary: int,
    classes: int,
    rng: init.Rng = None,
    *,
    features: int = 128,
    filters: int = 128,
    widths: Sequence[int] = (3, 4, 5),
    p: float = 0.5,
) -> Graph:
    """Build a convolutional network for texts: filters over words, the maximum over time.

    Parameters
    ----------
    vocabulary : int > 0
        Number of ids; 0 is padding.
    classes : int > 0
        Classes of a text.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features : int > 0
        Features of a word.
    filters : int > 0
        Filters of each width.
    widths : sequence of int > 0
        How many words a filter sees.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary), time at least the largest width
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : there is no width, or a size is not positive.

    Notes
    -----
    Source: Kim 2014.

    Examples
    --------
    >>> import numpy as np
    >>> model = text_cnn(1000, 2, 0)
    >>> model(np.ones((3, 20), "i8")).shape
    (3, 2)
    """
    widths = integers("widths", widths, "a list of ints > 0", 1)
    if not widths:
        raise ArgumentError("`widths` must hold at least one int > 0; got none.")
    rng = init.generator(rng)
    ids = Input("ids")
    words = Embedding(vocabulary, features, padding_index=0, rng=rng, name="embedding")(ids)
    series = Transpose((0, 2, 1), name="turn")(words)
    found = []
    for width in widths:
        conv = Conv1d(features, filters, width, rng=rng, name=f"conv{width}")
        peak = GlobalMaxOverTime(axis=2, name=f"max{width}")
        found.append(peak(ReLU(name=f"relu{width}")(conv(series))))
    joined = Concat(name="join")(*found) if len(found) > 1 else found[0]
    kept = Dropout(p, name="dropout")(joined)
    return Graph(ids, Linear(filters * len(widths), classes, rng=rng, name="fc")(kept))


def lstm_sentiment(
    vocabulary: int,
    classes: int,
    rng: init.Rng = None,
    *,
    features: int = 100,
    hidden: int = 128,
    bidirectional: bool = False,
    p: float = 0.3,
) -> Sequential:
    """Build a network that reads a text word by word with an LSTM and judges by its last state.

    Parameters
    ----------
    vocabulary : int > 0
        Number of ids; 0 is padding, behind the text.
    classes : int > 0
        Classes of a text.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features, hidden : int > 0
        Features of a word, and of the state.
    bidirectional : bool
        Whether to read backwards as well.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary)
    output : (batch, classes) logits

    Examples
    --------
    >>> lstm_sentiment(1000, 2, 0)
    Sequential(
      embedding: Embedding(1000 -> 100, padding_index=0, with_lengths=True)
      lstm: LSTM(100 -> 128, return_sequences=False)
      dropout: Dropout(0.3)
      fc: Linear(128 -> 2)
    )
    """
    return _sentiment(LSTM, vocabulary, classes, rng, features, hidden, bidirectional, p)


def gru_sentiment(
    vocabulary: int,
    classes: int,
    rng: init.Rng = None,
    *,
    features: int = 100,
    hidden: int = 128,
    bidirectional: bool = False,
    p: float = 0.3,
) -> Sequential:
    """Build a network that reads a text word by word with a GRU and judges by its last state.

    Parameters
    ----------
    vocabulary : int > 0
        Number of ids; 0 is padding, behind the text.
    classes : int > 0
        Classes of a text.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features, hidden : int > 0
        Features of a word, and of the state.
    bidirectional : bool
        Whether to read backwards as well.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary)
    output : (batch, classes) logits

    Examples
    --------
    >>> import numpy as np
    >>> gru_sentiment(1000, 2, 0)(np.array([[5, 7, 0]])).shape
    (1, 2)
    """
    return _sentiment(GRU, vocabulary, classes, rng, features, hidden, bidirectional, p)


def _sentiment(
    kind: type[LSTM] | type[GRU],
    vocabulary: int,
    classes: int,
    rng: init.Rng,
    features: int,
    hidden: int,
    bidirectional: bool,
    p: float,
) -> Sequential:
    rng = init.generator(rng)
    embedding = Embedding(vocabulary, features, padding_index=0, with_lengths=True, rng=rng)
    reader = kind(features, hidden, bidirectional=bidirectional, return_sequences=False, rng=rng)
    return (
        Sequential(embedding=embedding)
        .append(reader, kind.__name__.lower())
        .append(Dropout(p), "dropout")
        .append(Linear(reader.out_features, classes, rng=rng), "fc")
    )


def transformer_classifier(
    vocabulary: int,
    classes: int,
    rng: init.Rng = None,
    *,
    length: int = 512,
    features: int = 128,
    heads: int = 4,
    layers: int = 4,
    hidden: int = 512,
    p: float = 0.1,
) -> Sequential:
    """Build a Transformer encoder that judges a text by the mean of its words.

    Parameters
    ----------
    vocabulary : int > 0
        Number of ids; 0 is padding, behind the text.
    classes : int > 0
        Classes of a text.
    rng : Generator, int or None
        Where the first weights are drawn from.
    length : int > 0
        Longest text, in words.
    features : int > 0
        Features of a word.
    heads : int > 0, divides `features`
        Independent looks of each attention.
    layers, hidden : int > 0
        Encoder layers, and the width inside of their perceptrons.
    p : float in [0, 1)
        Dropout in the layers and before the classifier.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary), time at most `length`
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : a size is not positive, or `heads` does not divide `features`.

    Notes
    -----
    Learnt positions; normalisation before attention and perceptron (Xiong et al. 2020), and once
    behind the mean. Source: Vaswani et al. 2017, its encoder.

    Examples
    --------
    >>> import numpy as np
    >>> model = transformer_classifier(1000, 2, 0, features=16, layers=1, hidden=32)
    >>> text = np.array([[5, 7, 9]])
    >>> model(text).shape
    (1, 2)
    >>> bool(np.allclose(model(text), model(np.array([[5, 7, 9, 0, 0]])), atol=1e-6))
    True
    """
    rng = init.generator(rng)
    model = Sequential(
        embedding=Embedding(vocabulary, features, padding_index=0, with_lengths=True, rng=rng),
        positions=PositionEmbedding(length, features, rng=rng),
    )
    for number in range(1, positive_int("layers", layers) + 1):
        layer = TransformerEncoderLayer(features, heads, hidden=hidden, p=p, rng=rng)
        model.append(layer, f"layer{number}")
    model.append(GlobalMeanOverTime(), "mean").append(LayerNorm(features), "norm")
    return model.append(Dropout(p), "dropout").append(Linear(features, classes, rng=rng), "fc")
