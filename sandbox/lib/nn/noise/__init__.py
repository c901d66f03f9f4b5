"""Noise in training: dropout and its kin."""

from __future__ import annotations

from .dropout import AlphaDropout, Dropout, SpatialDropout
from .gaussian import GaussianDropout, GaussianNoise, GaussianSampler

__all__ = [
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "GaussianSampler",
    "SpatialDropout",
]
