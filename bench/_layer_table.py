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
    """A layer; with `below`, its inputs are whole numbers below it.

    `noise` does nothing in inference, so only training is compared.
    """

    name: str
    ours: Callable[[Any], Any]
    theirs: Callable[[Any], Any]
    shapes: tuple[tuple[int, ...], ...]
    below: int = 0
    noise: bool = False


def same(name: str, *shapes: tuple[int, ...], **names: Any) -> Layer:
    """Return a layer that takes no arguments and has one name on both sides, or `theirs`."""
    theirs = names.pop("theirs", name)
    both_sides = (lambda nn: getattr(nn, name)(), lambda nn: getattr(nn, theirs)())
    return Layer(name, *both_sides, shapes, **names)


def both(name: str, what: str, shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Layer:
    """Return a layer that has one name and takes the same arguments on both sides."""

    def make(nn: Any) -> Any:
        return getattr(nn, name)(*args, **kwargs)

    return Layer(f"{name}, {what}", make, make, (shape,))


def framed(
    axes: int, shape: tuple[int, ...], mode: str = "constant", theirs: str = "ZeroPad"
) -> Layer:
    """Return a padding by 2 on each side."""
    return Layer(
        f"Pad{axes}d, {mode}",
        lambda nn: getattr(nn, f"Pad{axes}d")(2, mode=mode),
        lambda nn: getattr(nn, f"{theirs}{axes}d")(2),
        (shape,),
    )


def resized(name: str, shape: tuple[int, ...], ours: Callable[[Any], Any], **theirs: Any) -> Layer:
    """Return a resizing; theirs is `Upsample` with these arguments."""
    return Layer(name, ours, lambda nn: nn.Upsample(**theirs), (shape,))


def _there_and_back(nn: Any, down: Any) -> Any:
    """Return a module that pools and puts the maxima back."""
    up = nn.MaxUnpool2d(2)

    class Both(nn.Module):
        def call(self, x: Any) -> Any:
            """Pool and put back."""
            return up(*down(x))

        forward = call

    return Both()


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
    both("MaxPool1d", "2", LINE, 2),
    both("MaxPool2d", "2x2", WIDE, 2),
    both("MaxPool2d", "3x3, stride 2", WIDE, 3, stride=2, padding=1),
    both("MaxPool2d", "3x3, dilated", WIDE, 3, stride=1, padding=1, dilation=2),
    both("MaxPool3d", "2x2x2", VOLUME, 2),
    both("AvgPool1d", "2", LINE, 2),
    both("AvgPool2d", "2x2", WIDE, 2),
    both("AvgPool2d", "3x3, stride 2, ceil", WIDE, 3, stride=2, padding=1, ceil_mode=True),
    both("AvgPool3d", "2x2x2", VOLUME, 2),
    both("AdaptiveAvgPool1d", "7", LINE, 7),
    both("AdaptiveAvgPool2d", "7x7", WIDE, 7),
    both("AdaptiveAvgPool2d", "5x5 of unlike windows", WIDE, 5),
    both("AdaptiveAvgPool3d", "4x7x7", VOLUME, (4, 7, 7)),
    both("AdaptiveMaxPool1d", "50", LINE, 50),
    both("AdaptiveMaxPool2d", "7x7", WIDE, 7),
    both("AdaptiveMaxPool2d", "5x5 of unlike windows", WIDE, 5),
    both("AdaptiveMaxPool3d", "4x7x7", VOLUME, (4, 7, 7)),
    Layer(
        "GlobalAvgPool2d",
        lambda nn: nn.GlobalAvgPool2d(keep_axes=True),
        lambda nn: nn.AdaptiveAvgPool2d(1),
        (WIDE,),
    ),
    Layer(
        "MaxPool2d, then MaxUnpool2d",
        lambda nn: _there_and_back(nn, nn.MaxPool2d(2, return_index=True)),
        lambda nn: _there_and_back(nn, nn.MaxPool2d(2, return_indices=True)),
        (WIDE,),
    ),
    # -- maps of another size
    framed(1, LINE),
    framed(2, WIDE),
    framed(3, VOLUME),
    framed(2, WIDE, "reflect", "ReflectionPad"),
    framed(2, WIDE, "replicate", "ReplicationPad"),
    framed(2, WIDE, "circular", "CircularPad"),
    resized("Upsample, repeated", IMAGE, lambda nn: nn.Upsample(2), scale_factor=2),
    resized("Upsample, repeated, of volumes", VOLUME, lambda nn: nn.Upsample(2), scale_factor=2),
    resized(
        "Upsample, linear",
        IMAGE,
        lambda nn: nn.Upsample(2, mode="linear"),
        scale_factor=2,
        mode="bilinear",
    ),
    resized(
        "Resize, corners aligned",
        IMAGE,
        lambda nn: nn.Resize((42, 42), coordinates="align_corners"),
        size=(42, 42),
        mode="bilinear",
        align_corners=True,
    ),
    resized(
        "Resize, cubic",
        IMAGE,
        lambda nn: nn.Resize((42, 42), mode="cubic"),
        size=(42, 42),
        mode="bicubic",
    ),
    resized(
        "Resize, linear, of series",
        LINE,
        lambda nn: nn.Resize(300),
        size=300,
        mode="linear",
    ),
    both("PixelShuffle", "2", IMAGE, 2),
    both("PixelUnshuffle", "2", IMAGE, 2),
    both("ChannelShuffle", "4", IMAGE, 4),
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
    same("Dropout", ROWS, noise=True),
    Layer(
        "Dropout1d", lambda nn: nn.SpatialDropout(), lambda nn: nn.Dropout1d(), (LINE,), noise=True
    ),
    Layer(
        "Dropout2d", lambda nn: nn.SpatialDropout(), lambda nn: nn.Dropout2d(), (IMAGE,), noise=True
    ),
    Layer(
        "Dropout3d",
        lambda nn: nn.SpatialDropout(),
        lambda nn: nn.Dropout3d(),
        (VOLUME,),
        noise=True,
    ),
    same("AlphaDropout", ROWS, noise=True),
    Layer(
        "FeatureAlphaDropout",
        lambda nn: nn.AlphaDropout(whole_channels=True),
        lambda nn: nn.FeatureAlphaDropout(),
        (IMAGE,),
        noise=True,
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
        "LSTM, 2 layers both ways",
        lambda nn: nn.LSTM(64, 128, num_layers=2, bidirectional=True),
        lambda nn: nn.LSTM(64, 128, num_layers=2, bidirectional=True, batch_first=True),
        ((32, 50, 64),),
    ),
    Layer(
        "TransformerEncoderLayer",
        lambda nn: nn.TransformerEncoderLayer(128, 4, hidden=256, p=0.0),
        lambda nn: nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True),
        (TEXT,),
    ),
]
