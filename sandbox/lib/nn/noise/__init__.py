"""Noise in training: dropout and its kin."""

from __future__ import annotations

from .dropout import Dropout

__all__ = [
    "Dropout",
]
