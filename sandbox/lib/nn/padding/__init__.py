"""Maps of another size: padded, cropped, resized, shuffled."""

from __future__ import annotations

from .frame import Crop1d, Crop2d, Crop3d, Pad1d, Pad2d, Pad3d
from .resize import Resize, Upsample
from .shuffle import ChannelShuffle, PixelShuffle, PixelUnshuffle

__all__ = [
    "ChannelShuffle",
    "Crop1d",
    "Crop2d",
    "Crop3d",
    "Pad1d",
    "Pad2d",
    "Pad3d",
    "PixelShuffle",
    "PixelUnshuffle",
    "Resize",
    "Upsample",
]
