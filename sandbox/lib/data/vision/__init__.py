"""Pictures: decoding, random changes, normalisation, with boxes. See README.md."""

from __future__ import annotations

from ...engine import names as _names
from .base import ImageTransform
from .box_crops import CropToBox, RandomIoUCrop
from .boxes import ClipBoxes, DenormalizeBoxes, NormalizeBoxes
from .codec import Decode, FromPixels
from .color import (
    Brightness,
    ChannelShuffle,
    Contrast,
    Grayscale,
    Hue,
    Saturation,
    SwapChannels,
)
from .crops import (
    CenterCrop,
    FixedCrop,
    RandomCrop,
    RandomResizedCrop,
)
from .dataset import PictureDataset
from .effects import GaussianBlur, GaussianNoise, Lighting
from .flips import HorizontalFlip, RandomRotation, VerticalFlip
from .folder import ImageFolder
from .jitter import ColorJitter
from .margins import Expand, FillRegion, Pad, RandomErasing
from .picture import Picture, box_overlaps
from .pipeline import OneOf, Pipeline, RandomApply, RandomOrder
from .resize import RandomResize, Resize, ResizeShorter
from .tensor import ChannelNormalize, ChannelsLast, PixelNormalize, ToFloat, ToTensor

__all__ = [
    "Brightness",
    "CenterCrop",
    "ChannelNormalize",
    "ChannelShuffle",
    "ChannelsLast",
    "ClipBoxes",
    "ColorJitter",
    "Contrast",
    "CropToBox",
    "Decode",
    "DenormalizeBoxes",
    "Expand",
    "FillRegion",
    "FixedCrop",
    "FromPixels",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "HorizontalFlip",
    "Hue",
    "ImageFolder",
    "ImageTransform",
    "Lighting",
    "NormalizeBoxes",
    "OneOf",
    "Pad",
    "Picture",
    "PictureDataset",
    "Pipeline",
    "PixelNormalize",
    "RandomApply",
    "RandomCrop",
    "RandomErasing",
    "RandomIoUCrop",
    "RandomOrder",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "Resize",
    "ResizeShorter",
    "Saturation",
    "SwapChannels",
    "ToFloat",
    "ToTensor",
    "VerticalFlip",
    "box_overlaps",
]

_names.suggest(__name__)
