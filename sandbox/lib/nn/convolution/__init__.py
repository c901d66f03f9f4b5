"""Convolutions: one filter over all places."""

from __future__ import annotations

from .plain import Conv1d, Conv2d, Convolution
from .transposed import ConvTranspose2d

__all__ = [
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Convolution",
]
