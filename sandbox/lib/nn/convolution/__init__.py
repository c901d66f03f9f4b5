"""Convolutions: one filter over all places, and filters of their own at each place."""

from __future__ import annotations

from .base import Convolution
from .connected import ConvolutionMap
from .local import LocallyConnected1d, LocallyConnected2d
from .plain import Conv1d, Conv2d, Conv3d
from .separable import DepthwiseConv2d, SeparableConv1d, SeparableConv2d
from .transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .unfold import Fold, Unfold

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Convolution",
    "ConvolutionMap",
    "DepthwiseConv2d",
    "Fold",
    "LocallyConnected1d",
    "LocallyConnected2d",
    "SeparableConv1d",
    "SeparableConv2d",
    "Unfold",
]
