"""Ready networks that read step by step: a language model, the judgement of parsed sentences."""

from __future__ import annotations

from ...core.errors import ArgumentError
from ...core.validate import boolean, positive_int
from .. import init
from ..container.graph import Graph
from ..container.sequential import Sequential
from ..linear.dense import Linear
from ..linear.embedding import Embedding
from ..linear.tied import TiedLinear
from ..node import Input
from ..noise.dropout import Dropout
from ..recurrent.layers import LSTM
from ..recurrent.trees import BinaryTreeLSTM


def lstm_language_model(
    vocabulary: int,
    rng: init.Rng = None,
    *,
    features: int = 200,
    hidden: int = 200,
    layers: int = 2,
    p: float = 0.0,
    tied: bool = False,
) -> Sequential:
    """Build a network that tells after each word of a text which one comes next.

    Parameters
    ----------
    vocabulary : int > 0
        Number of words.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features, hidden : int > 0
        Features of a word, and of the state of each layer.
    layers : int > 0
        LSTM layers above each other.
    p : float in [0, 1)
        Dropout behind the words, between the layers and before the scores.
    tied : bool
        Whether the scores are made with the words' own vectors; `features` must be `hidden` then.

    Shapes
    ------
    input : (batch, time) integers in [0, vocabulary)
    output : (batch, time, vocabulary) logits; for `criterion.TimeDistributed(CrossEntropy())` with
        the words one step later as targets

    Raises
    ------
    ArgumentError : a size is not positive, or a tied model has `features` other than `hidden`.

    Notes
    -----
    Same as BigDL `PTBModel` (0.13). The sizes by default are those of the small model. Source:
    Zaremba, Sutskever, Vinyals 2014; tied: Press, Wolf 2017.

    Examples
    --------
    >>> import numpy as np
    >>> model = lstm_language_model(1000, 0, hidden=32, features=32, tied=True)
    >>> model(np.array([[5, 7, 9]])).shape
    (1, 3, 1000)
    """
    rng = init.generator(rng)
    features, hidden = positive_int("features", features), positive_int("hidden", hidden)
    if boolean("tied", tied) and features != hidden:
        raise ArgumentError(
            f"`features` must be `hidden` ({hidden}) in a tied model; got {features}."
        )
    words = Embedding(vocabulary, features, rng=rng)
    lstm = LSTM(features, hidden, num_layers=layers, dropout=p, rng=rng)
    model = Sequential(embedding=words)
    if p:
        model.append(Dropout(p), "dropout1")
    model.append(lstm, "lstm")
    if p:
        model.append(Dropout(p), "dropout2")
    scores = TiedLinear(words) if tied else Linear(hidden, vocabulary, rng=rng)
    return model.append(scores, "fc")


def tree_lstm_sentiment(
    vocabulary: int,
    classes: int,
    rng: init.Rng = None,
    *,
    features: int = 300,
    hidden: int = 150,
    p: float = 0.5,
) -> Graph:
    """Build a network that judges a parsed sentence by the root of its binary tree.

    Parameters
    ----------
    vocabulary : int > 0
        Number of words; 0 is padding.
    classes : int > 0
        Classes of a sentence.
    rng : Generator, int or None
        Where the first weights are drawn from.
    features, hidden : int > 0
        Features of a word, and of the state of a node.
    p : float in [0, 1)
        Dropout before the classifier.

    Shapes
    ------
    words : (batch, words) integers in [0, vocabulary)
    tree : (batch, nodes, 3) integers, see `BinaryTreeLSTM`: children before their parents
    lengths : (batch,) integers in [1, nodes]: nodes of each tree, the last of which is its root
    output : (batch, classes) logits

    Raises
    ------
    ArgumentError : a size is not positive.

    Notes
    -----
    Like BigDL `TreeLSTMSentiment` (0.13): that one judges every node. Source: Tai, Socher, Manning
    2015.

    Examples
    --------
    >>> import numpy as np
    >>> model = tree_lstm_sentiment(1000, 5, 0)
    >>> tree = np.array([[[-1, -1, 0], [-1, -1, 1], [0, 1, -1]]])
    >>> model(np.array([[5, 7]]), tree, np.array([3])).shape
    (1, 5)
    """
    rng = init.generator(rng)
    positive_int("classes", classes)
    words, tree, lengths = Input("words"), Input("tree"), Input("lengths")
    vectors = Embedding(vocabulary, features, padding_index=0, rng=rng, name="embedding")(words)
    reader = BinaryTreeLSTM(features, hidden, root_only=True, rng=rng, name="lstm")
    root = Dropout(p, name="dropout")(reader(vectors, tree, lengths))
    return Graph([words, tree, lengths], Linear(hidden, classes, rng=rng, name="fc")(root))
