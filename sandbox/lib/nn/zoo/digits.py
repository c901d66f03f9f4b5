"""Ready networks for digits: LeNet-5, one that learns them fast, and a perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from .. import init
from ..activation.elementwise import ReLU
from ..container.sequential import Sequential
from ..convolution.plain import Conv2d
from ..linear.dense import Linear
from ..pooling import MaxPool2d
from ..shape.views import Flatten


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
