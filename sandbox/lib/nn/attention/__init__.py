"""Attention and what Transformers are made of."""

from __future__ import annotations

from .multihead import MultiHeadAttention
from .transformer import PositionEmbedding, TransformerEncoderLayer

__all__ = [
    "MultiHeadAttention",
    "PositionEmbedding",
    "TransformerEncoderLayer",
]
