"""Normalisation."""

from __future__ import annotations

from sandbox.lib import nn

from .pairs import Arrays, Pair


def statistics(state: Arrays) -> Arrays:
    """Rename the running variance."""
    return {name.replace("variance", "var"): array for name, array in state.items()}


PAIRS = [
    Pair(
        "nn.BatchNorm, training",
        lambda: nn.BatchNorm(3),
        lambda torch: torch.nn.BatchNorm2d(3),
        ((4, 3, 2, 5),),
        convert=statistics,
        training=True,
    ),
    Pair(
        "nn.BatchNorm, inference",
        lambda: nn.BatchNorm(3),
        lambda torch: torch.nn.BatchNorm1d(3),
        ((4, 3),),
        convert=statistics,
    ),
    Pair(
        "nn.LayerNorm",
        lambda: nn.LayerNorm((3, 4)),
        lambda torch: torch.nn.LayerNorm((3, 4)),
        ((2, 5, 3, 4),),
    ),
]
