"""Convolutions over one to three axes, transposed, depthwise and separable."""

from __future__ import annotations

from sandbox.lib import nn

from .pairs import Pair


def _both(name, inputs, *args, **kwargs) -> Pair:
    """Give the pair of a class that PyTorch calls the same, with the same arguments."""
    kind = name.split(",")[0].removeprefix("nn.")
    return Pair(
        name,
        lambda: getattr(nn, kind)(*args, **kwargs),
        lambda torch: getattr(torch.nn, kind)(*args, **kwargs),
        (inputs,),
    )


def _separable(torch, axes, depthwise, pointwise):
    conv = getattr(torch.nn, f"Conv{axes}d")
    channels, inner, size, more = depthwise

    class Separable(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.depthwise = conv(channels, inner, size, groups=channels, bias=False, **more)
            self.pointwise = conv(inner, pointwise, 1)

        def forward(self, x):
            return self.pointwise(self.depthwise(x))

    return Separable()


PAIRS = [
    _both("nn.Conv1d", (2, 3, 8), 3, 4, 3),
    _both(
        "nn.Conv1d, strided, dilated, grouped, padded",
        (2, 4, 9),
        4, 6, 3, stride=2, dilation=2, groups=2, padding=2, bias=False,
    ),
    _both("nn.Conv1d, same", (2, 3, 7), 3, 2, 4, padding="same", dilation=2),
    _both("nn.Conv2d", (2, 3, 6, 5), 3, 4, (3, 2)),
    _both(
        "nn.Conv2d, strided, dilated, grouped, padded",
        (2, 4, 7, 6),
        4, 6, 3, stride=(2, 1), dilation=(1, 2), groups=2, padding=(1, 2),
    ),
    _both("nn.Conv2d, same", (2, 3, 5, 6), 3, 2, (4, 3), padding="same", bias=False),
    _both("nn.Conv2d, depthwise", (2, 4, 5, 5), 4, 8, 3, groups=4, padding=1),
    _both("nn.Conv3d", (2, 2, 3, 5, 4), 2, 3, (2, 3, 2)),
    _both(
        "nn.Conv3d, strided, dilated, grouped, padded",
        (1, 4, 4, 5, 6),
        4, 6, 2, stride=(1, 2, 2), dilation=(2, 1, 2), groups=2, padding=(1, 0, 1),
    ),
    _both("nn.Conv3d, depthwise", (2, 3, 4, 4, 5), 3, 3, (3, 2, 3), padding=1, groups=3),
    _both("nn.Conv3d, same", (1, 2, 3, 4, 4), 2, 2, (3, 2, 3), padding="same"),
    _both("nn.ConvTranspose1d", (2, 3, 5), 3, 4, 3),
    _both(
        "nn.ConvTranspose1d, strided, dilated, grouped, padded",
        (2, 4, 4),
        4, 6, 3, stride=3, dilation=2, groups=2, padding=1, output_padding=2,
    ),
    _both("nn.ConvTranspose2d", (2, 3, 4, 3), 3, 2, (2, 3), bias=False),
    _both(
        "nn.ConvTranspose2d, strided, dilated, grouped, padded",
        (2, 4, 3, 4),
        4, 6, 3, stride=(2, 3), dilation=(1, 2), groups=2, padding=(1, 2), output_padding=(1, 0),
    ),
    _both("nn.ConvTranspose3d", (2, 2, 2, 3, 3), 2, 3, 2),
    _both(
        "nn.ConvTranspose3d, strided, dilated, grouped, padded",
        (1, 4, 2, 3, 2),
        4, 2, (2, 3, 2), stride=(1, 2, 2), dilation=(1, 1, 2), groups=2, padding=(0, 1, 1),
        output_padding=(0, 1, 0),
    ),
    Pair(
        "nn.DepthwiseConv2d",
        lambda: nn.DepthwiseConv2d(3, (3, 2), multiplier=2, stride=2, padding=1),
        lambda torch: torch.nn.Conv2d(3, 6, (3, 2), stride=2, padding=1, groups=3),
        ((2, 3, 5, 6),),
    ),
    Pair(
        "nn.SeparableConv1d",
        lambda: nn.SeparableConv1d(3, 4, 3, multiplier=2, dilation=2, padding="same"),
        lambda torch: _separable(torch, 1, (3, 6, 3, {"dilation": 2, "padding": "same"}), 4),
        ((2, 3, 7),),
    ),
    Pair(
        "nn.SeparableConv2d",
        lambda: nn.SeparableConv2d(3, 4, 3, stride=2, padding=1),
        lambda torch: _separable(torch, 2, (3, 3, 3, {"stride": 2, "padding": 1}), 4),
        ((2, 3, 6, 5),),
    ),
    _both("nn.Unfold", (2, 3, 5, 6), (2, 3), stride=(2, 1), padding=1, dilation=(1, 2)),
    _both("nn.Fold", (2, 12, 10), (4, 5), (2, 3), stride=(2, 1), padding=(0, 1)),
]  # fmt: skip
