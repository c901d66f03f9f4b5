"""Normalisation."""

from __future__ import annotations

import math

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
    Pair(
        "nn.BatchNorm, training, series",
        lambda: nn.BatchNorm(3),
        lambda torch: torch.nn.BatchNorm1d(3),
        ((4, 3, 5),),
        convert=statistics,
        training=True,
    ),
    Pair(
        "nn.BatchNorm, training, volumes",
        lambda: nn.BatchNorm(3),
        lambda torch: torch.nn.BatchNorm3d(3),
        ((2, 3, 2, 3, 2),),
        convert=statistics,
        training=True,
    ),
    Pair(
        "nn.GroupNorm",
        lambda: nn.GroupNorm(2, 6),
        lambda torch: torch.nn.GroupNorm(2, 6),
        ((3, 6, 2, 4),),
    ),
    Pair(
        "nn.GroupNorm, not affine",
        lambda: nn.GroupNorm(3, 6, affine=False),
        lambda torch: torch.nn.GroupNorm(3, 6, affine=False),
        ((3, 6, 5),),
    ),
    *(
        Pair(
            f"nn.InstanceNorm, {count}d",
            lambda: nn.InstanceNorm(3, affine=True),
            lambda torch, count=count: getattr(torch.nn, f"InstanceNorm{count}d")(3, affine=True),
            ((2, 3, *(3, 2, 4)[:count]),),
        )
        for count in (1, 2, 3)
    ),
    Pair(
        "nn.InstanceNorm, not affine",
        lambda: nn.InstanceNorm(3),
        lambda torch: torch.nn.InstanceNorm2d(3),
        ((2, 3, 4, 2),),
    ),
    Pair(
        "nn.RMSNorm",
        lambda: nn.RMSNorm((3, 4), epsilon=1e-3),
        lambda torch: torch.nn.RMSNorm((3, 4), eps=1e-3),
        ((2, 5, 3, 4),),
    ),
    Pair(
        "nn.LocalResponseNorm",
        lambda: nn.LocalResponseNorm(3, alpha=0.5),
        lambda torch: torch.nn.LocalResponseNorm(3, alpha=0.5),
        ((2, 6, 3, 2),),
    ),
    Pair(
        "nn.LocalResponseNorm, even",
        lambda: nn.LocalResponseNorm(4, alpha=0.5, beta=0.6, k=2.0),
        lambda torch: torch.nn.LocalResponseNorm(4, alpha=0.5, beta=0.6, k=2.0),
        ((2, 7, 3),),
    ),
    *(
        Pair(
            f"nn.Normalize, p={p}",
            lambda p=p: nn.Normalize(p),
            lambda torch, p=p: lambda x: torch.nn.functional.normalize(x, p=p),
            ((3, 5, 2),),
        )
        for p in (1.0, 2.0, 3.0, math.inf)
    ),
]
