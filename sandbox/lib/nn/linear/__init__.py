"""Linear layers, embeddings, factors and shifts."""

from __future__ import annotations

from .dense import Linear
from .embedding import Embedding
from .scale import AddConstant, MultiplyConstant, Scale

__all__ = [
    "AddConstant",
    "Embedding",
    "Linear",
    "MultiplyConstant",
    "Scale",
]
