"""Generators for initialisation and shuffling, and keys for dropout masks.

Nothing here has a global seed. The one default is the key of dropout in plain eager calls outside
of training: seed 0, and a step that each thread counts up from 0.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..engine import names as _names
from ..engine.random import RandomKey, dropout_mask
from .errors import ArgumentError

__all__ = ["RandomKey", "dropout_mask", "ensure_rng", "next_key", "rng"]


def rng(seed: int) -> np.random.Generator:
    """Return NumPy's PCG64 generator with a seed.

    Examples
    --------
    >>> int(rng(0).integers(100)) == int(rng(0).integers(100))
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ArgumentError(f"`seed` must be an int >= 0; got {seed!r}.")
    return np.random.Generator(np.random.PCG64(int(seed)))


def ensure_rng(value: Any) -> np.random.Generator:
    """Return a generator from a generator, a seed, or None (seed 0: always the same numbers)."""
    if isinstance(value, np.random.Generator):
        return value
    if value is None:
        return rng(0)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return rng(int(value))
    raise ArgumentError(f"`rng` must be a numpy.random.Generator, a seed or None; got {value!r}.")


class _Steps(threading.local):
    def __init__(self) -> None:
        self.count = 0


_STEPS = _Steps()


def next_key() -> RandomKey:
    """Return this thread's next default key: seed 0, steps 0, 1, 2 ..."""
    key = RandomKey(0, _STEPS.count, 0)
    _STEPS.count += 1
    return key


_names.suggest(__name__)
