"""The layers of `layers`: ours beside PyTorch's, and the shapes they are called with.

Both are made by functions of a module: ours of `sandbox.lib.nn`, theirs of `torch.nn`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

IMAGE, WIDE, TEXT, ROWS = (32, 32, 28, 28), (16, 16, 56, 56), (32, 64, 128), (512, 1024)
VOLUME, LINE = (2, 16, 8, 28, 28), (16, 64, 200)


@dataclass(frozen=True)
class Layer:
    """A layer; with `below`, its inputs are whole numbers below it."""

    name: str
    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    shapes: tuple[tuple[int, ...], ...]
    below: int = 0


def same(name: str, *shapes: tuple[int, ...], **names: Any) -> Layer:
    """Return a layer that takes no arguments and has one name on both sides, or `theirs`."""
    theirs = names.get("theirs", name)
    return Layer(name, lambda nn: getattr(nn, name)(), lambda nn: getattr(nn, theirs)(), shapes)


def both(name: str, what: str, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Layer:
    """Return a layer that has one name and takes the same arguments on both sides."""

    def make(nn: Any) -> Any:
        return getattr(nn, name)(*args, **kwargs)

    return Layer(f"{name}, {what}", make, make, (shape,))


LAYERS = [
    # -- linear and embedding
    Layer("Linear", lambda nn: nn.Linear(1024, 512), lambda nn: nn.Linear(1024, 512), (ROWS,)),
    both("Linear", "over time", TEXT, 128, 256),
    Layer(
        "Bilinear",
        lambda nn: nn.Bilinear(32, 32, 64),
        lambda nn: nn.Bilinear(32, 32, 64),
        ((512, 32), (512, 32)),
    ),
    Layer(
        "CosineSimilarity",
        lambda nn: nn.Sequential(nn.Dot(normalize=True), nn.Reshape(())),
        lambda nn: nn.CosineSimilarity(),
        (ROWS, ROWS),
    ),
    Layer(
        "PairwiseDistance",
        lambda nn: nn.Sequential(nn.PairwiseDistance(), nn.Reshape(())),
        lambda nn: nn.PairwiseDistance(),
        (ROWS, ROWS),
    ),
    Layer(
        "EmbeddingBag",
        lambda nn: nn.EmbeddingBag(10_000, 64),
        lambda nn: nn.EmbeddingBag(10_000, 64, mode="sum"),
        ((512, 20),),
        below=10_000,
    ),
    Layer(
        "EmbeddingBag, mean",
        lambda nn: nn.EmbeddingBag(10_000, 64, mode="mean"),
        lambda nn: nn.EmbeddingBag(10_000, 64, mode="mean"),
        ((512, 20),),
        below=10_000,
    ),
    Layer(
        "Embedding",
        lambda nn: nn.Embedding(10_000, 64),
        lambda nn: nn.Embedding(10_000, 64),
        ((64, 100),),
        below=10_000,
    ),
    # -- convolution
    both("Conv1d", "3", LINE, 64, 64, 3, padding=1),
    both("Conv1d", "5, stride 2", LINE, 64, 128, 5, stride=2, padding=2),
    both("Conv2d", "3x3", IMAGE, 32, 64, 3, padding=1),
    both("Conv2d", "3x3, stride 2", IMAGE, 32, 64, 3, stride=2, padding=1),
    both("Conv2d", "7x7, stride 2, of colours", (8, 3, 112, 112), 3, 64, 7, stride=2, padding=3),
    both("Conv2d", "1x1", IMAGE, 32, 64, 1),
    both("Conv2d", "3x3, same", IMAGE, 32, 32, 3, padding="same"),
    both("Conv2d", "3x3, 4 groups", IMAGE, 32, 64, 3, padding=1, groups=4),
    both("Conv2d", "3x3, depthwise", IMAGE, 32, 32, 3, padding=1, groups=32),
    both("Conv2d", "3x3, depthwise, stride 2", IMAGE, 32, 64, 3, stride=2, padding=1, groups=32),
    both("Conv2d", "3x3, dilated", IMAGE, 32, 32, 3, padding=2, dilation=2),
    Layer(
        "SeparableConv2d, 3x3",
        lambda nn: nn.SeparableConv2d(32, 64, 3, padding=1),
        lambda nn: nn.Sequential(
            nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False), nn.Conv2d(32, 64, 1)
        ),
        (IMAGE,),
    ),
    both("Conv3d", "3x3x3", VOLUME, 16, 32, 3, padding=1),
    both("Conv3d", "3x3x3, of one channel", (2, 1, 16, 32, 32), 1, 16, 3, padding=1),
    both("Conv3d", "3x3x3, stride 2", VOLUME, 16, 32, 3, stride=2, padding=1),
    both("Conv3d", "1x1x1", VOLUME, 16, 32, 1),
    both("Conv3d", "3x3x3, depthwise", VOLUME, 16, 16, 3, padding=1, groups=16),
    both("ConvTranspose1d", "4, stride 2", LINE, 64, 32, 4, stride=2, padding=1),
    both("ConvTranspose2d", "4x4, stride 2", IMAGE, 32, 16, 4, stride=2, padding=1),
    both("ConvTranspose2d", "2x2, stride 2", IMAGE, 32, 16, 2, stride=2),
    both("ConvTranspose3d", "2x2x2, stride 2", (2, 16, 8, 14, 14), 16, 8, 2, stride=2),
    # -- pooling
    Layer("MaxPool2d", lambda nn: nn.MaxPool2d(2), lambda nn: nn.MaxPool2d(2), (WIDE,)),
    Layer("AvgPool2d", lambda nn: nn.AvgPool2d(2), lambda nn: nn.AvgPool2d(2), (WIDE,)),
    # -- normalisation and noise
    Layer("BatchNorm", lambda nn: nn.BatchNorm(32), lambda nn: nn.BatchNorm2d(32), (IMAGE,)),
    Layer("LayerNorm", lambda nn: nn.LayerNorm(128), lambda nn: nn.LayerNorm(128), (TEXT,)),
    Layer("BatchNorm, series", lambda nn: nn.BatchNorm(64), lambda nn: nn.BatchNorm1d(64), (LINE,)),
    Layer(
        "BatchNorm, volumes", lambda nn: nn.BatchNorm(16), lambda nn: nn.BatchNorm3d(16), (VOLUME,)
    ),
    Layer("GroupNorm", lambda nn: nn.GroupNorm(8, 32), lambda nn: nn.GroupNorm(8, 32), (IMAGE,)),
    Layer("GroupNorm, 1", lambda nn: nn.GroupNorm(1, 16), lambda nn: nn.GroupNorm(1, 16), (WIDE,)),
    Layer(
        "InstanceNorm, series",
        lambda nn: nn.InstanceNorm(64),
        lambda nn: nn.InstanceNorm1d(64),
        (LINE,),
    ),
    Layer(
        "InstanceNorm",
        lambda nn: nn.InstanceNorm(32, affine=True),
        lambda nn: nn.InstanceNorm2d(32, affine=True),
        (IMAGE,),
    ),
    Layer(
        "InstanceNorm, volumes",
        lambda nn: nn.InstanceNorm(16),
        lambda nn: nn.InstanceNorm3d(16),
        (VOLUME,),
    ),
    Layer("RMSNorm", lambda nn: nn.RMSNorm(128), lambda nn: nn.RMSNorm(128), (TEXT,)),
    Layer(
        "LocalResponseNorm",
        lambda nn: nn.LocalResponseNorm(5),
        lambda nn: nn.LocalResponseNorm(5),
        (IMAGE,),
    ),
    Layer(
        "Normalize",
        lambda nn: nn.Normalize(),
        lambda nn: nn.functional.normalize,
        (IMAGE,),
    ),
    same("Dropout", ROWS),
    Layer("Dropout1d", lambda nn: nn.SpatialDropout(), lambda nn: nn.Dropout1d(), (LINE,)),
    Layer("Dropout2d", lambda nn: nn.SpatialDropout(), lambda nn: nn.Dropout2d(), (IMAGE,)),
    Layer("Dropout3d", lambda nn: nn.SpatialDropout(), lambda nn: nn.Dropout3d(), (VOLUME,)),
    same("AlphaDropout", ROWS),
    Layer(
        "FeatureAlphaDropout",
        lambda nn: nn.AlphaDropout(whole_channels=True),
        lambda nn: nn.FeatureAlphaDropout(),
        (IMAGE,),
    ),
    # -- activations
    same("ReLU", IMAGE),
    same("ReLU6", IMAGE),
    same("LeakyReLU", IMAGE),
    same("ELU", IMAGE),
    same("SELU", IMAGE),
    same("PReLU", IMAGE),
    same("Sigmoid", IMAGE),
    same("Tanh", IMAGE),
    same("GELU", IMAGE),
    same("SiLU", IMAGE),
    same("Mish", IMAGE),
    same("Softplus", IMAGE),
    same("Softsign", IMAGE),
    same("LogSigmoid", IMAGE),
    same("HardTanh", IMAGE, theirs="Hardtanh"),
    same("HardSigmoid", IMAGE, theirs="Hardsigmoid"),
    same("HardSwish", IMAGE, theirs="Hardswish"),
    same("CELU", IMAGE),
    same("RReLU", IMAGE),
    same("GLU", IMAGE),
    same("TanhShrink", IMAGE, theirs="Tanhshrink"),
    same("HardShrink", IMAGE, theirs="Hardshrink"),
    same("SoftShrink", IMAGE, theirs="Softshrink"),
    Layer(
        "CELU, 0.5",
        lambda nn: nn.CELU(0.5),
        lambda nn: nn.CELU(0.5),
        (IMAGE,),
    ),
    Layer("PReLU of channels", lambda nn: nn.PReLU(32), lambda nn: nn.PReLU(32), (IMAGE,)),
    Layer(
        "Threshold",
        lambda nn: nn.Threshold(0.1, -1.0),
        lambda nn: nn.Threshold(0.1, -1.0),
        (IMAGE,),
    ),
    Layer("Softmin", lambda nn: nn.Softmin(), lambda nn: nn.Softmin(-1), (ROWS,)),
    Layer("Softmax2d", lambda nn: nn.Softmax(), lambda nn: nn.Softmax2d(), (IMAGE,)),
    Layer("Softmax", lambda nn: nn.Softmax(), lambda nn: nn.Softmax(-1), (ROWS,)),
    Layer("LogSoftmax", lambda nn: nn.LogSoftmax(), lambda nn: nn.LogSoftmax(-1), (ROWS,)),
    # -- recurrent
    Layer(
        "LSTM",
        lambda nn: nn.LSTM(64, 128),
        lambda nn: nn.LSTM(64, 128, batch_first=True),
        ((32, 50, 64),),
    ),
    Layer(
        "GRU",
        lambda nn: nn.GRU(64, 128),
        lambda nn: nn.GRU(64, 128, batch_first=True),
        ((32, 50, 64),),
    ),
    Layer(
        "RNN",
        lambda nn: nn.RNN(64, 128),
        lambda nn: nn.RNN(64, 128, batch_first=True),
        ((32, 50, 64),),
    ),
    # -- attention
    Layer(
        "TransformerEncoderLayer",
        lambda nn: nn.TransformerEncoderLayer(128, 4, hidden=256, p=0.0),
        lambda nn: nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True),
        (TEXT,),
    ),
]
