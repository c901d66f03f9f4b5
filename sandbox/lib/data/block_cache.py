"""Pieces of files in memory: as many as fit, and those that are needed now and next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..core import tree

__all__ = ["BlockCache"]


class BlockCache:
    """Holds what was read of some blocks, and reads those ahead that are told to it.

    Up to `budget` bytes stay, the longest unused go first. What `expect` names stays in any case,
    and no more than that is read ahead, so that a reader slower than the disk is not flooded.

    Parameters
    ----------
    read : function of int
        Reads a block: a tree of arrays.
    budget : int
        Bytes that may stay.

    Examples
    --------
    >>> import numpy as np
    >>> cache = BlockCache(lambda block: np.full(1000, block), budget=20_000)
    >>> cache.expect((0, 1), (2,))
    >>> [int(cache.get(block)[0]) for block in (0, 1, 2, 0)], cache.reads
    ([0, 1, 2, 0], 3)
    """

    def __init__(self, read: Callable[[int], Any], budget: int) -> None:
        self._read, self.budget = read, budget
        self._lock = threading.Lock()
        self._blocks: dict[int, Future[Any]] = {}  # the longest unused first
        self._sizes: dict[int, int] = {}
        self._wanted: frozenset[int] = frozenset()
        self._expected: tuple[Any, Any] | None = None
        self._reader: ThreadPoolExecutor | None = None
        self.reads = 0

    def get(self, block: int) -> Any:
        """Return a block, read now if it is not there."""
        with self._lock:
            found = self._blocks.pop(block, None)
            mine = found is None
            if found is None:
                found = Future()
                self.reads += 1
            self._blocks[block] = found
        if mine:
            self._fill(block, found)
        return found.result()

    def held(self, block: int) -> Any:
        """Return a block that is there, else None."""
        found = self._blocks.get(block)
        return found.result() if found is not None and found.done() else None

    def expect(self, held: Iterable[int], upcoming: Iterable[int]) -> None:
        """Keep some blocks, begin to read those that are not there, and let others go."""
        if (held, upcoming) == self._expected:
            return
        self._expected = (held, upcoming)
        following = list(upcoming)
        self._wanted = frozenset(held) | frozenset(following)
        self._drop()
        with self._lock:
            begun = []
            for block in following:
                if block not in self._blocks:
                    self._blocks[block] = Future()
                    self.reads += 1
                    begun.append((block, self._blocks[block]))
            if begun and self._reader is None:
                self._reader = ThreadPoolExecutor(1, thread_name_prefix="sandbox-blocks")
        for block, place in begun:
            if self._reader is not None:
                self._reader.submit(self._fill, block, place)

    def _fill(self, block: int, place: Future[Any]) -> None:
        try:
            made = self._read(block)
        except BaseException as error:
            with self._lock:
                self._blocks.pop(block, None)  # who asks again reads again
            place.set_exception(error)
            return
        with self._lock:
            self._sizes[block] = sum(array.nbytes for array in tree.leaves(made))
        place.set_result(made)
        self._drop()

    def _drop(self) -> None:
        """Let blocks go that nobody waits for, until the rest is within the budget."""
        with self._lock:
            whole = sum(self._sizes.values())
            for block in list(self._blocks):
                if whole <= self.budget:
                    break
                if block in self._wanted or block not in self._sizes:
                    continue
                whole -= self._sizes.pop(block)
                del self._blocks[block]

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks that are there."""
        return sum(self._sizes.values())
