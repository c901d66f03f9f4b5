"""The opponent's networks, started from the weights of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


def lenet5() -> nn.Sequential:
    """Build LeNet-5 as `sandbox.lib.nn.zoo.lenet5` does."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def fast_mnist() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.fast_mnist`."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


def take_weights(theirs: nn.Module, ours: Any) -> nn.Module:
    """Copy the weights of one of our models, parameter by parameter in order."""
    mine = [np.array(parameter.data) for _, parameter in ours.named_parameters()]
    with torch.no_grad():
        for parameter, values in zip(theirs.parameters(), mine, strict=True):
            parameter.copy_(torch.from_numpy(values.reshape(tuple(parameter.shape))))
    return theirs


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
    layers += [nn.Flatten(), nn.Linear(256 * 16, 256), nn.ReLU(), nn.Linear(256, 10)]
    return nn.Sequential(*layers)


def fraud_mlp() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.fraud_mlp`."""
    return nn.Sequential(
        nn.Linear(29, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2)
    )


class WideAndDeep(nn.Module):
    """The network of `sandbox.lib.nn.zoo.wide_and_deep`."""

    def __init__(self, total: int, fields: int, numbers: int, classes: int, hidden: Any) -> None:
        super().__init__()
        self.wide = nn.EmbeddingBag(total, classes, mode="sum")
        self.embedding = nn.Embedding(total, 8)
        layers: list[nn.Module] = []
        before = fields * 8 + numbers
        for width in hidden:
            layers += [nn.Linear(before, width), nn.ReLU()]
            before = width
        self.deep = nn.Sequential(*layers, nn.Linear(before, classes))

    def forward(self, ids: Any, row: Any) -> Any:
        """Add up both parts."""
        deep = torch.cat([self.embedding(ids).flatten(1), row], 1)
        return self.wide(ids) + self.deep(deep)
