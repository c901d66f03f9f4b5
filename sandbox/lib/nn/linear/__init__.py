"""Linear layers, embeddings, sparse rows, factors and shifts."""

from __future__ import annotations

from .dense import Highway, Linear, Maxout
from .embedding import Embedding
from .scale import AddConstant, MultiplyConstant, Scale
from .similarity import Bilinear, Compared, Cosine, Euclidean
from .sparse import DenseToSparse, EmbeddingBag, SparseConcat, SparseLinear
from .tied import TiedLinear

__all__ = [
    "AddConstant",
    "Bilinear",
    "Compared",
    "Cosine",
    "DenseToSparse",
    "Embedding",
    "EmbeddingBag",
    "Euclidean",
    "Highway",
    "Linear",
    "Maxout",
    "MultiplyConstant",
    "Scale",
    "SparseConcat",
    "SparseLinear",
    "TiedLinear",
]
