"""Normalisation by statistics of the batch, the row or the channel."""

from __future__ import annotations

from .statistics import BatchNorm, LayerNorm

__all__ = [
    "BatchNorm",
    "LayerNorm",
]
