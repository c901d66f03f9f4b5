"""Pooling: windows, whole maps and boxes become few numbers; feature pyramids."""

from __future__ import annotations

from .adaptive import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
from .average import AvgPool1d, AvgPool2d, AvgPool3d
from .kernel import KernelPooling
from .maximum import MaxPool1d, MaxPool2d, MaxPool3d
from .norm import LPPool1d, LPPool2d, LPPool3d
from .pyramid import FPN
from .regions import Pooler, RoIAlign, RoIPool
from .unpool import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d
from .whole import (
    GlobalAvgPool1d,
    GlobalAvgPool2d,
    GlobalAvgPool3d,
    GlobalMaxPool1d,
    GlobalMaxPool2d,
    GlobalMaxPool3d,
)
from .windows import GlobalPooling, Pooling

__all__ = [
    "FPN",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "GlobalPooling",
    "KernelPooling",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "Pooler",
    "Pooling",
    "RoIAlign",
    "RoIPool",
]
