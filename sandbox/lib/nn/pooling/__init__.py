"""Pooling: windows, and whole maps, become one number."""

from __future__ import annotations

from .windows import AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, GlobalPooling, MaxPool2d, Pooling

__all__ = [
    "AvgPool2d",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "GlobalPooling",
    "MaxPool2d",
    "Pooling",
]
