"""Linear layers, embeddings, factors and shifts."""

from __future__ import annotations

from sandbox.lib import nn

from .pairs import Pair

PAIRS = [
    Pair(
        "nn.Linear",
        lambda: nn.Linear(5, 3),
        lambda torch: torch.nn.Linear(5, 3),
        ((4, 5),),
    ),
    Pair(
        "nn.Linear without bias",
        lambda: nn.Linear(5, 3, bias=False),
        lambda torch: torch.nn.Linear(5, 3, bias=False),
        ((4, 5),),
    ),
    Pair(
        "nn.Embedding",
        lambda: nn.Embedding(7, 3),
        lambda torch: torch.nn.Embedding(7, 3),
        ((2, 4),),
        integers={0: (0, 7)},
    ),
]
