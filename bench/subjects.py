"""The networks of the speed tables on our side: how they are made, fed and trained.

The opponents' twins have the same names in `torch_networks.TWINS`. Nothing here imports PyTorch:
our side's processes hold none of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandbox.lib import nn
from sandbox.lib.nn import zoo

WORDS, TIME = 20_000, 200


@dataclass(frozen=True)
class Subject:
    """One network.

    Parameters
    ----------
    make : function
        Makes our model, without dropout: both sides could not draw the same masks.
    draw : function of (batch, Generator) -> tuple of arrays
        Draws the inputs of one batch.
    classes : int
        Labels are drawn from 0..classes-1.
    rate : float
        Learning rate, small enough that rounding does not grow in the steps that are compared.
    batches : tuple of int
        Of inference.
    training : int
        Batch of training.
    """

    make: Callable[[], Any]
    draw: Callable[[int, np.random.Generator], tuple[Any, ...]]
    classes: int
    rate: float
    batches: tuple[int, ...] = (1, 8)
    training: int = 8


def _floats(*shape: int) -> Callable[[int, np.random.Generator], tuple[Any, ...]]:
    return lambda batch, rng: (rng.standard_normal((batch, *shape), np.float32),)


def _ids(time: int) -> Callable[[int, np.random.Generator], tuple[Any, ...]]:
    """Draw texts without padding: the twins need not know where a text ends."""
    return lambda batch, rng: (rng.integers(1, WORDS, (batch, time)),)


LARGE = _floats(3, 224, 224)
SUBJECTS = {
    "lenet": Subject(lambda: zoo.lenet5(0), _floats(1, 28, 28), 10, 0.05, (1, 128), 128),
    "resnet20": Subject(lambda: zoo.resnet20(0), _floats(3, 32, 32), 10, 0.002, training=64),
    "resnet50": Subject(lambda: zoo.resnet50(0), LARGE, 1000, 1e-4),
    "mobilenet_v2": Subject(lambda: zoo.mobilenet_v2(0, p=0.0), LARGE, 1000, 1e-4),
    "squeezenet": Subject(lambda: zoo.squeezenet(0, p=0.0), LARGE, 1000, 1e-4),
    "googlenet": Subject(lambda: zoo.googlenet(0, p=0.0), LARGE, 1000, 1e-4),
    "vgg16": Subject(lambda: zoo.vgg16(0, p=0.0), LARGE, 1000, 1e-4),
    "text_cnn": Subject(lambda: zoo.text_cnn(WORDS, 2, 0, p=0.0), _ids(TIME), 2, 0.05, training=64),
    "lstm": Subject(
        lambda: zoo.lstm_sentiment(WORDS, 2, 0, p=0.0), _ids(TIME), 2, 0.05, training=64
    ),
    "transformer": Subject(
        lambda: zoo.transformer_classifier(WORDS, 2, 0, p=0.0), _ids(128), 2, 0.01, training=32
    ),
    "fraud": Subject(lambda: zoo.fraud_mlp(0), _floats(29), 2, 0.05, training=256),
}


def settled(model: Any) -> Any:
    """Give a model whose batch norms have statistics and factors as after some training.

    With mean 0 and deviation 1 a kernel that left them out would not be noticed.
    """
    rng = np.random.default_rng(1)
    for _, module in model.named_modules():
        if isinstance(module, nn.BatchNorm):
            size = module.num_features
            module.running_mean.set(rng.normal(0, 0.1, size).astype("f4"))
            module.running_variance.set(rng.uniform(0.5, 1.5, size).astype("f4"))
            module.weight.set(rng.uniform(0.5, 1.0, size).astype("f4"))
            module.bias.set(rng.normal(0, 0.1, size).astype("f4"))
    return model


def rows(name: str, batch: int) -> tuple[Any, ...]:
    """Draw a network's input: the same in every process."""
    return SUBJECTS[name].draw(batch, np.random.default_rng(0))


def batches(name: str, batch: int, count: int) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """Draw inputs and labels to train on: the same in every process."""
    subject, rng = SUBJECTS[name], np.random.default_rng(0)
    inputs = [subject.draw(batch, rng) for _ in range(count)]
    return inputs, [rng.integers(0, subject.classes, batch) for _ in range(count)]


def chosen(text: str, known: Any) -> list[str]:
    """Read an option like "resnet50,vgg16" or "all"; refuse names that are not known."""
    names = list(known) if text == "all" else text.split(",")
    for name in names:
        if name not in known:
            raise SystemExit(f"bench: a network must be one of {', '.join(known)}; got {name!r}.")
    return names
