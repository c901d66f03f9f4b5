"""Attention and what Transformers are made of."""

from __future__ import annotations

from .beam import beam_search
from .multihead import MultiHeadAttention
from .perceptron import FeedForward
from .positions import PositionEmbedding, RotaryPositions, SinusoidalPositions
from .scored import AdditiveAttention, DotAttention
from .transformer import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    "AdditiveAttention",
    "DotAttention",
    "FeedForward",
    "MultiHeadAttention",
    "PositionEmbedding",
    "RotaryPositions",
    "SinusoidalPositions",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "beam_search",
]
