"""Pooling: windows, and whole maps, become one number."""

from __future__ import annotations

from .average import AvgPool1d, AvgPool2d, AvgPool3d
from .maximum import MaxPool1d, MaxPool2d, MaxPool3d
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
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Pooling",
]
