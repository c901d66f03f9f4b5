"""Criterions, as sums over the batch."""

from __future__ import annotations

from sandbox.lib import criterion

from .pairs import Pair

PAIRS = [
    Pair(
        "criterion.MSE, the mean over each row",
        lambda: criterion.MSE(),
        lambda torch: lambda y, t: torch.nn.functional.mse_loss(y, t, reduction="sum") / 3,
        ((4, 3), (4, 3)),
        constant=(1,),
    ),
    Pair(
        "criterion.CrossEntropy",
        lambda: criterion.CrossEntropy(),
        lambda torch: torch.nn.CrossEntropyLoss(reduction="sum"),
        ((5, 4), (5,)),
        integers={1: (0, 4)},
    ),
]
