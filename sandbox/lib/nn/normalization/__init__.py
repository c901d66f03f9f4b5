"""Normalisation: by statistics of the batch, of a row, of neighbours, by the length."""

from __future__ import annotations

from .group import GroupNorm, InstanceNorm, RMSNorm
from .length import Normalize, NormalizeScale
from .local import ContrastiveNorm, DivisiveNorm, LocalResponseNorm, SubtractiveNorm
from .statistics import BatchNorm, LayerNorm

__all__ = [
    "BatchNorm",
    "ContrastiveNorm",
    "DivisiveNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "LocalResponseNorm",
    "Normalize",
    "NormalizeScale",
    "RMSNorm",
    "SubtractiveNorm",
]
