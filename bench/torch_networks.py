"""The opponent's networks, built as ours; `torch_side.take_weights` starts them alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn


def lenet5() -> nn.Sequential:
    """Build LeNet-5 as `sandbox.lib.nn.zoo.lenet5` does."""
    return _digits(((6, 5), (16, 5)), (256, 120, 84, 10))


def fast_mnist() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.fast_mnist`."""
    return _digits(((16, 5), (32, 3)), (800, 256, 10))


def _digits(convs: Sequence[tuple[int, int]], sizes: Sequence[int]) -> nn.Sequential:
    """Build convolutions (channels, kernel), each with ReLU and pooling, and a perceptron."""
    layers: list[nn.Module] = []
    before = 1
    for after, kernel in convs:
        layers += [nn.Conv2d(before, after, kernel), nn.ReLU(), nn.MaxPool2d(2)]
        before = after
    return nn.Sequential(*layers, nn.Flatten(), *_perceptron(sizes))


def _perceptron(sizes: Sequence[int]) -> list[nn.Module]:
    """Build linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return layers[:-1]


class _Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module | None = None
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Any) -> Any:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.shortcut is None else self.shortcut(x)))


def resnet20() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.resnet20`."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    before = 16
    for stage in range(3):
        for block in range(3):
            after = 16 << stage
            layers.append(_Block(before, after, 2 if stage and not block else 1))
            before = after
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*layers)


def vgg() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.vgg`, without dropout."""
    layers: list[nn.Module] = []
    before = 3
    for after in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(before, after, 3, 1, 1), nn.ReLU()]
            before = after
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), *_perceptron((256 * 16, 256, 10)))


def fraud_mlp() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.fraud_mlp`."""
    return nn.Sequential(*_perceptron((29, 64, 32, 2)))


class WideAndDeep(nn.Module):
    """The network of `sandbox.lib.nn.zoo.wide_and_deep`."""

    def __init__(self, total: int, fields: int, numbers: int, classes: int, hidden: Any) -> None:
        super().__init__()
        self.wide = nn.EmbeddingBag(total, classes, mode="sum")
        self.embedding = nn.Embedding(total, 8)
        self.deep = nn.Sequential(*_perceptron((fields * 8 + numbers, *hidden, classes)))

    def forward(self, ids: Any, row: Any) -> Any:
        """Add up both parts."""
        deep = torch.cat([self.embedding(ids).flatten(1), row], 1)
        return self.wide(ids) + self.deep(deep)


class Reader(nn.Module):
    """Reads a sequence with an LSTM or GRU and judges by its last state.

    As `sandbox.lib.nn.zoo.lstm_sentiment` and `gru_sentiment` without dropout; with no vocabulary
    the input is vectors.
    """

    def __init__(
        self, kind: type[nn.LSTM] | type[nn.GRU], features: int, hidden: int, vocabulary: int = 0
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, features, padding_idx=0) if vocabulary else None
        self.reader = kind(features, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 2)

    def forward(self, x: Any) -> Any:
        """Give the logits."""
        if self.embedding is not None:
            x = self.embedding(x)
        return self.fc(self.reader(x)[0][:, -1])


class TextCnn(nn.Module):
    """The network of `sandbox.lib.nn.zoo.text_cnn`, without dropout."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 128, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(128, 128, width) for width in (3, 4, 5))
        self.fc = nn.Linear(3 * 128, 2)

    def forward(self, ids: Any) -> Any:
        """Give the logits."""
        series = self.embedding(ids).transpose(1, 2)
        return self.fc(torch.cat([torch.relu(conv(series)).max(2)[0] for conv in self.convs], 1))
