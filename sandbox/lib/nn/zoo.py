"""Ready models: the networks of the tutorials and of the speed tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.errors import ArgumentError
from ..core.validate import integers
from ..engine import names as _names
from . import init
from .activation import ReLU
from .containers import Sequential
from .convolution import Conv1d, Conv2d
from .dropout import Dropout
from .embedding import Embedding
from .graph import Graph
from .image_models import resnet as resnet
from .image_models import resnet20 as resnet20
from .image_models import vgg as vgg
from .linear import Linear
from .merge import Concat
from .node import Input
from .normalization import BatchNorm
from .pooling import GlobalAvgPool2d, MaxPool2d
from .recurrent import GRU, LSTM
from .sequence import GlobalMaxOverTime, Transpose
from .shape import Flatten
from .tabular import fraud_mlp as fraud_mlp
from .tabular import offsets as offsets
from .tabular import wide_and_deep as wide_and_deep


def lenet5(rng: init.Rng = None) -> Sequential:
    """Build LeNet-5 for digits, with ReLU and max pooling.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.

    Shapes
    ------
    input : (batch, 1, 28, 28) float32
    output : (batch, 10) logits

    Notes
    -----
    44,426 parameters. Source: LeCun et al. 1998, with ReLU and max pooling as is usual today.

    Examples
    --------
    >>> import numpy as np
    >>> model = lenet5(0)
    >>> model(np.zeros((2, 1, 28, 28), "f4")).shape
    (2, 10)
    >>> model.conv1
    Conv2d(1 -> 6, 5x5)
    """
    rng = init.generator(rng)
    return Sequential(
        conv1=Conv2d(1, 6, 5, rng=rng),
        relu1=ReLU(),
        pool1=MaxPool2d(2),
        conv2=Conv2d(6, 16, 5, rng=rng),
        relu2=ReLU(),
        pool2=MaxPool2d(2),
        flatten=Flatten(),
        fc1=Linear(256, 120, rng=rng),
        relu3=ReLU(),
        fc2=Linear(120, 84, rng=rng),
        relu4=ReLU(),
        fc3=Linear(84, 10, rng=rng),
    )


def fast_mnist(rng: init.Rng = None) -> Sequential:
    """Build the network that learns MNIST to 99 % in the shortest time.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.

    Shapes
    ------
    input : (batch, 1, 28, 28) float32
    output : (batch, 10) logits

    Notes
    -----
    Its recipe: SGD with Nesterov momentum 0.9, batch 128, one-cycle schedule up to 0.12, 2 epochs.

    Examples
    --------
    >>> import numpy as np
    >>> fast_mnist(0)(np.zeros((2, 1, 28, 28), "f4")).shape
    (2, 10)
    """
    rng = init.generator(rng)
    return Sequential(
        conv1=Conv2d(1, 16, 5, rng=rng),
        relu1=ReLU(),
        pool1=MaxPool2d(2),
        conv2=Conv2d(16, 32, 3, rng=rng),
        relu2=ReLU(),
        pool2=MaxPool2d(2),
        flatten=Flatten(),
        fc1=Linear(800, 256, rng=rng),
        relu3=ReLU(),
        fc2=Linear(256, 10, rng=rng),
    )


def cifar_net(rng: init.Rng = None) -> Sequential:
    """Build a small network for colour images with batch norm and dropout.

    Parameters
    ----------
    rng : Generator, int or None
        Where the first weights are drawn from.

    Shapes
    ------
    input : (batch, 3, 32, 32) float32
    output : (batch, 10) logits

    Notes
    -----
    Three stages of convolution, batch norm, ReLU and pooling, as in Simonyan, Zisserman 2015 but
    small, and a mean over the image before the classifier (Lin et al. 2014).

    Examples
    --------
    >>> import numpy as np
    >>> cifar_net(0)(np.zeros((2, 3, 32, 32), "f4")).shape
    (2, 10)
    """
    rng = init.generator(rng)
    modules: dict[str, Any] = {}
    channels = 3
    for stage, width in enumerate((32, 64, 128), start=1):
        # No bias: the batch norm behind it would take it away again.
        modules[f"conv{stage}"] = Conv2d(channels, width, 3, padding=1, bias=False, rng=rng)
        modules[f"bn{stage}"] = BatchNorm(width)
        modules[f"relu{stage}"] = ReLU()
        if stage < 3:
            modules[f"pool{stage}"] = MaxPool2d(2)
        channels = width
    modules["pool3"] = GlobalAvgPool2d()
    modules["dropout"] = Dropout(0.25)
    modules["fc"] = Linear(channels, 10, rng=rng)
    return Sequential(**modules)


def mlp(sizes: Sequence[int], rng: init.Rng = None) -> Sequential:
    """Build a multi-layer perceptron: linear layers with ReLU between them.

    Parameters
    ----------
    sizes : sequence of int, at least two
        Features of the input, of the hidden layers and of the output.
    rng : Generator, int or None
        Where the first weights are drawn from.

    Shapes
    ------
    input : (batch, ...) float32, sizes[0] elements per row
    output : (batch, sizes[-1])

    Raises
    ------
    ArgumentError : there are fewer than two sizes, or one is not positive.

    Examples
    --------
    >>> mlp((784, 100, 10), 0)
    Sequential(
      flatten: Flatten()
      fc1: Linear(784 -> 100)
      relu1: ReLU()
      fc2: Linear(100 -> 10)
    )
    """
    rng = init.generator(rng)
    if not isinstance(sizes, tuple | list) or len(sizes) < 2:
        raise ArgumentError(f"`sizes` must hold input and output at least; got {sizes!r}.")
    modules: dict[str, Any] = {"flatten": Flatten()}
    for layer in range(1, len(sizes)):
        modules[f"fc{layer}"] = Linear(sizes[layer - 1], sizes[layer], rng=rng)
        if layer < len(sizes) - 1:
            modules[f"relu{layer}"] = ReLU()
    return Sequential(**modules)


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


_names.suggest(__name__)
