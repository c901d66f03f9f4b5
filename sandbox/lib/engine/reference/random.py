"""Dropout; its numbers follow the random contract of `engine.random`."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..errors import EngineError
from ..random import RandomKey, dropout_mask

Array = NDArray[Any]


def dropout(
    x: Array, *, p: float, path: str, random: RandomKey | None = None
) -> tuple[Array, Array]:
    """Return x times the mask, and the mask (already scaled by 1/(1-p))."""
    if random is None:
        raise EngineError(
            f"dropout at {path!r} must get a RandomKey(seed, step, sample_index); got none."
        )
    mask = dropout_mask(x.shape, p, path, random, x.dtype)
    return x * mask, mask
