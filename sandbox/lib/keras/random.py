"""Where first weights are drawn from: one generator per thread, set by `set_random_seed`."""

from __future__ import annotations

import threading

import numpy as np

from ..core.validate import non_negative_int


class _Now(threading.local):
    generator: np.random.Generator | None = None
    seed = 0


_now = _Now()


def set_random_seed(seed: int) -> None:
    """Draw the first weights of layers built from now on, in this thread, from this seed.

    The order of rows and dropout masks of `fit` follow it as well.
    """
    _now.seed = non_negative_int("seed", seed)
    _now.generator = np.random.default_rng(seed)


def generator() -> np.random.Generator | None:
    """Give the generator in use; None for fresh entropy."""
    return _now.generator


def current_seed() -> int:
    """Give the seed of rows and masks."""
    return _now.seed
