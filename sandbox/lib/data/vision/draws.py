"""Random numbers of one picture: words of the stream that belongs to its global position."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...engine.random import RandomKey, raw_draws

__all__ = ["MIDDLE", "Draws"]

_UNIT = 2.0**-32


class Draws:
    """Hands out the random numbers of one picture, one 32-bit word for each.

    Without words every number is the middle of its range and what happens by chance does not: then
    a random crop is one of the centre, and the same transforms prepare pictures for evaluation.

    Parameters
    ----------
    words : (n,) uint32, optional
        What is handed out, in order.

    Examples
    --------
    >>> draws = Draws(np.array([0, 1 << 31, 1 << 30], "u4"))
    >>> draws.uniform(-1.0, 1.0), draws.integer(1, 6), draws.chance(0.5)
    (-1.0, 4, True)
    >>> MIDDLE.uniform(-1.0, 1.0), MIDDLE.integer(1, 5), MIDDLE.chance(0.5), MIDDLE.chance(1)
    (0.0, 3, False, True)
    """

    __slots__ = ("_at", "_words")

    def __init__(self, words: NDArray[np.uint32] | None = None) -> None:
        self._words = None if words is None else words.tolist()
        self._at = 0

    @classmethod
    def of_rows(cls, rows: int, words: int, random: RandomKey | None, name: str) -> list[Draws]:
        """Return what each of some consecutive rows of a global batch draws from."""
        if random is not None and not isinstance(random, RandomKey):
            cure = "Its seed alone? RandomKey(seed=...), of sandbox.lib.core.random."
            raise validate.refuse("random", "a RandomKey or None", random, cure)
        if random is None or not words:
            return [MIDDLE] * rows
        return [cls(row) for row in raw_draws((rows, words), f"data.vision.{name}", random)]

    def __bool__(self) -> bool:
        """Tell whether these are random numbers."""
        return self._words is not None

    def _word(self) -> int:
        words: list[int] = self._words  # type: ignore[assignment]  # callers have looked
        self._at += 1
        return words[self._at - 1]

    def uniform(self, low: float, high: float) -> float:
        """Return a number from [low, high)."""
        if self._words is None:
            return (low + high) / 2
        return low + (high - low) * (self._word() * _UNIT)

    def integer(self, low: int, high: int) -> int:
        """Return one of low ... high; the high half of word x range, so without modulo's bias."""
        if self._words is None:
            return (low + high) // 2
        return low + ((self._word() * (high - low + 1)) >> 32)

    def chance(self, p: float) -> bool:
        """Return True with probability p."""
        if self._words is None:
            return p >= 1.0
        return self._word() * _UNIT < p

    def normal(self) -> float:
        """Return a number of mean 0 and variance 1, of two words (Box, Muller 1958)."""
        if self._words is None:
            return 0.0
        radius = math.sqrt(-2.0 * math.log(1.0 - self._word() * _UNIT))
        return radius * math.cos(2.0 * math.pi * (self._word() * _UNIT))

    def order(self, count: int) -> list[int]:
        """Return 0 ... count - 1 in random order, of count - 1 words (Durstenfeld 1964)."""
        places = list(range(count))
        if self._words is not None:
            for last in range(count - 1, 0, -1):
                other = self.integer(0, last)
                places[last], places[other] = places[other], places[last]
        return places

    def generator(self) -> Any:
        """Return a Generator for as many numbers as a picture has pixels, of four words; or None.

        It is seeded by what is drawn here, so these numbers, too, belong to the picture's position.
        """
        if self._words is None:
            return None
        key = sum(self._word() << (32 * place) for place in range(4))
        return np.random.Generator(np.random.Philox(key=key))

    def take(self, count: int) -> Draws:
        """Return the next words as draws of their own."""
        if self._words is None:
            return self
        part = object.__new__(Draws)
        part._words, part._at = self._words[self._at : self._at + count], 0
        self._at += count
        return part


MIDDLE = Draws()
"""Draws nothing: the middle of each range."""
