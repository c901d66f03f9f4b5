"""The opponent's networks, built as ours; `torch_side.take_weights` starts them alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from . import subjects


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


class _Bottleneck(nn.Module):
    def __init__(self, before: int, inside: int, stride: int) -> None:
        super().__init__()
        after = 4 * inside
        self.body = nn.Sequential(
            *_normed(before, inside, 1),
            *_normed(inside, inside, 3, stride),
            *_normed(inside, after, 1)[:2],
        )
        self.shortcut: nn.Module | None = None
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(*_normed(before, after, 1, stride)[:2])

    def forward(self, x: Any) -> Any:
        return torch.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def _normed(
    before: int,
    after: int,
    size: int,
    stride: int = 1,
    groups: int = 1,
    epsilon: float = 1e-5,
    activation: type[nn.Module] = nn.ReLU,
) -> list[nn.Module]:
    """Build convolution, batch norm and activation."""
    conv = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after, epsilon), activation(inplace=True)]


def resnet50() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.resnet50`."""
    layers: list[nn.Module] = [*_normed(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    before = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(_Bottleneck(before, 64 << stage, 2 if stage and not block else 1))
            before = 256 << stage
    return nn.Sequential(*layers, *_judge(before))


def _judge(before: int, classes: int = 1000) -> list[nn.Module]:
    """Build the mean over the image and the classifier."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)]


class _Inverted(nn.Module):
    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = expansion * before
        layers = _normed(before, inside, 1, activation=nn.ReLU6) if expansion > 1 else []
        layers += _normed(inside, inside, 3, stride, groups=inside, activation=nn.ReLU6)
        self.body = nn.Sequential(*layers, *_normed(inside, after, 1)[:2])
        self.adds = stride == 1 and before == after

    def forward(self, x: Any) -> Any:
        return self.body(x) + x if self.adds else self.body(x)


def mobilenet_v2() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.mobilenet_v2`, without dropout."""
    layers = _normed(3, 32, 3, 2, activation=nn.ReLU6)
    before = 32
    for expansion, after, blocks, first in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for block in range(blocks):
            layers.append(_Inverted(before, after, expansion, 1 if block else first))
            before = after
    return nn.Sequential(*layers, *_normed(320, 1280, 1, activation=nn.ReLU6), *_judge(1280))


class _Fire(nn.Module):
    def __init__(self, before: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeezed, 1)
        self.one = nn.Conv2d(squeezed, 4 * squeezed, 1)
        self.three = nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.one(x)), torch.relu(self.three(x))], 1)


def squeezenet() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.squeezenet`, without dropout."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 2), nn.ReLU()]
    before = 64
    for number, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if number in (2, 4, 6):
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        layers.append(_Fire(before, squeezed))
        before = 8 * squeezed
    last = [nn.Conv2d(before, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *last)


class _Inception(nn.Module):
    def __init__(self, before: int, sizes: Sequence[int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, behind = sizes

        def conv(*arguments: int) -> list[nn.Module]:
            return _normed(*arguments, epsilon=1e-3)

        self.branches = nn.ModuleList(
            [
                nn.Sequential(*conv(before, one, 1)),
                nn.Sequential(*conv(before, reduce3, 1), *conv(reduce3, three, 3)),
                nn.Sequential(*conv(before, reduce5, 1), *conv(reduce5, five, 3)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv(before, behind, 1)),
            ]
        )

    def forward(self, x: Any) -> Any:
        return torch.cat([branch(x) for branch in self.branches], 1)


def googlenet() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.googlenet`, without dropout."""

    def pool(size: int) -> nn.Module:
        return nn.MaxPool2d(size, 2, ceil_mode=True)

    layers: list[nn.Module] = [*_normed(3, 64, 7, 2, epsilon=1e-3), pool(3)]
    layers += _normed(64, 64, 1, epsilon=1e-3) + _normed(64, 192, 3, epsilon=1e-3) + [pool(3)]
    before = 192
    for sizes in (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        3,
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        2,
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    ):
        if isinstance(sizes, int):
            layers.append(pool(sizes))
        else:
            layers.append(_Inception(before, sizes))
            before = sizes[0] + sizes[2] + sizes[4] + sizes[5]
    return nn.Sequential(*layers, *_judge(before))


def vgg16() -> nn.Sequential:
    """Build the network of `sandbox.lib.nn.zoo.vgg16`, without dropout."""
    layers: list[nn.Module] = []
    before = 3
    for after, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(before, after, 3, 1, 1), nn.ReLU()]
            before = after
        layers.append(nn.MaxPool2d(2))
    sizes = (512 * 49, 4096, 4096, 1000)
    return nn.Sequential(*layers, nn.Flatten(), *_perceptron(sizes))


class _EncoderLayer(nn.Module):
    def __init__(self, features: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(features)
        self.query = nn.Linear(features, features)
        self.key = nn.Linear(features, features, bias=False)
        self.value = nn.Linear(features, features)
        self.out = nn.Linear(features, features)
        self.norm2 = nn.LayerNorm(features)
        self.fc1, self.fc2 = nn.Linear(features, hidden), nn.Linear(hidden, features)

    def forward(self, x: Any, mask: Any) -> Any:
        y = self.norm1(x)
        q, k, v = (
            layer(y).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    """The network of `sandbox.lib.nn.zoo.transformer_classifier`, without dropout."""

    def __init__(self, vocabulary: int, length: int = 512, layers: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 128, padding_idx=0)
        self.positions = nn.Embedding(length, 128)
        self.layers = nn.ModuleList(_EncoderLayer(128, 4, 512) for _ in range(layers))
        self.norm = nn.LayerNorm(128)
        self.fc = nn.Linear(128, 2)

    def forward(self, ids: Any) -> Any:
        """Give the logits; padding is neither looked at nor counted."""
        there = ids != 0
        x = self.embedding(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x, there[:, None, None])
        weight = there.to(x.dtype)[:, :, None]
        return self.fc(self.norm((x * weight).sum(1) / weight.sum(1)))


def _reader() -> nn.Module:
    return Reader(nn.LSTM, 100, 128, subjects.WORDS)


TWINS = {
    "lenet": lenet5,
    "resnet20": resnet20,
    "resnet50": resnet50,
    "mobilenet_v2": mobilenet_v2,
    "squeezenet": squeezenet,
    "googlenet": googlenet,
    "vgg16": vgg16,
    "text_cnn": lambda: TextCnn(subjects.WORDS),
    "lstm": _reader,
    "transformer": lambda: Transformer(subjects.WORDS),
    "fraud": fraud_mlp,
}
