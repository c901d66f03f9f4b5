"""Torch's random numbers: MT19937 with one 32-bit draw for each uniform number.

BigDL kept them, so a seed gives the first weights that it gave there.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.validate import integer

Array = NDArray[Any]
_WORD = 1 << 32


class TorchRandom:
    """Numbers of MT19937 in Torch's order (Matsumoto and Nishimura 1998).

    Examples
    --------
    >>> TorchRandom(100).uniform(0.1, 0.2, 2).round(4)
    array([0.1543, 0.1671])
    """

    def __init__(self, seed: int | None = None) -> None:
        self._waiting: tuple[float, float] | None = None
        self._state = np.random.RandomState() if seed is None else np.random.RandomState(0)
        if seed is not None:
            self.set_seed(seed)

    def set_seed(self, seed: int) -> None:
        """Begin anew; only the lowest 32 bits of the seed count."""
        self._state.seed(integer("seed", seed) % _WORD)
        self._waiting = None

    def words(self, count: int) -> Array:
        """Draw numbers of 32 bits."""
        return self._state.randint(0, _WORD, count, dtype=np.uint32)

    def uniform(self, low: float, high: float, count: int) -> Array:
        """Draw from [low, high), in float64."""
        return self.words(count) / _WORD * (high - low) + low

    def normal(self, mean: float, deviation: float, count: int) -> Array:
        """Draw by Box and Muller 1958: two uniform numbers give two, the second is kept."""
        parts = []
        if self._waiting is not None and count:
            parts.append(np.array([self._polar(*self._waiting, np.sin)]))
            self._waiting = None
        rest = count - sum(map(len, parts))
        x, y = self.uniform(0.0, 1.0, rest + rest % 2).reshape(-1, 2).T
        both = np.stack([self._polar(x, y, np.cos), self._polar(x, y, np.sin)], -1).reshape(-1)
        if rest % 2:
            self._waiting = float(x[-1]), float(y[-1])
        return np.concatenate([*parts, both[:rest]]) * deviation + mean

    @staticmethod
    def _polar(x: Any, y: Any, turn: Any) -> Any:
        return np.sqrt(-2 * np.log(1.0 - y)) * turn(2 * np.pi * x)


class _Own(threading.local):
    def __init__(self) -> None:
        self.random = TorchRandom()


_own = _Own()


def torch_random() -> TorchRandom:
    """Give this thread's generator, which `RNG().set_seed` seeds."""
    return _own.random
