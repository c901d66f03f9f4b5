"""Where the values of a run lie in one piece of memory: lives that overlap never share a byte.

Up to three plans are made and the smallest is taken. Two walk through the program as a memory
allocator would, forwards and backwards, in O(n log n). Where these need more than what lives at one
moment, the third places the largest values first, which is nearly always as small as can be but
compares all values that live together.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

ALIGNMENT = 64
PAIRS = 200_000  # of values that live together: "the largest first" takes a microsecond for each


class Life(NamedTuple):
    """How many bytes are needed, and the first and last step that uses them."""

    nbytes: int
    first: int
    last: int


def place(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Return an offset for each life, and the bytes needed in all.

    Parameters
    ----------
    lives : sequence of Life
        Their bytes are rounded up to whole cache lines.

    Examples
    --------
    >>> place([Life(100, 0, 1), Life(60, 1, 2), Life(128, 2, 3)])
    ([0, 128, 0], 192)
    """
    rounded = [Life(aligned_size(n), first, last) for n, first, last in lives]
    end = max((life.last for life in rounded), default=0)
    turned = [Life(n, end - last, end - first) for n, first, last in rounded]
    plans = [_walk(rounded), _walk(turned)]
    if min(total for _, total in plans) > least(rounded) and count_pairs(rounded) <= PAIRS:
        plans.append(_largest_first(rounded))
    return min(plans, key=lambda plan: plan[1])


def least(lives: Sequence[Life]) -> int:
    """Return how many bytes live at the fullest moment; no plan needs fewer."""
    changes: dict[int, int] = {}
    for nbytes, first, last in lives:
        changes[first] = changes.get(first, 0) + nbytes
        changes[last + 1] = changes.get(last + 1, 0) - nbytes
    now = most = 0
    for step in sorted(changes):
        now += changes[step]
        most = max(most, now)
    return most


def aligned_size(nbytes: int) -> int:
    """Return the size rounded up to whole cache lines."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


def count_pairs(lives: Sequence[Life]) -> int:
    """Return how many pairs live together at some step."""
    lasts = sorted(life.last for life in lives)
    apart = sum(bisect_left(lasts, life.first) for life in lives)
    return len(lives) * (len(lives) - 1) // 2 - apart


def _largest_first(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Place each at the lowest offset that is free during its whole life, the largest first."""
    offsets = [-1] * len(lives)
    total = 0
    together = _neighbours(lives)
    for i in sorted(range(len(lives)), key=lambda i: (-lives[i].nbytes, lives[i].first)):
        nbytes, offset = lives[i].nbytes, 0
        taken = [(offsets[j], lives[j].nbytes) for j in together[i] if offsets[j] >= 0]
        for start, size in sorted(taken):
            if offset + nbytes <= start:
                break
            offset = max(offset, start + size)
        offsets[i] = offset
        total = max(total, offset + nbytes)
    return offsets, total


def _neighbours(lives: Sequence[Life]) -> list[list[int]]:
    """Return for each life those that share a step with it."""
    together: list[list[int]] = [[] for _ in lives]
    active: list[int] = []
    for i in sorted(range(len(lives)), key=lambda i: lives[i].first):
        active = [j for j in active if lives[j].last >= lives[i].first]
        together[i] = active.copy()
        for j in active:
            together[j].append(i)
        active.append(i)
    return together


def _walk(lives: Sequence[Life]) -> tuple[list[int], int]:
    """Go through the steps; give each life the smallest free piece it fits in."""
    offsets = [0] * len(lives)
    free = _Free()
    ends: list[tuple[int, int]] = []
    for i in sorted(range(len(lives)), key=lambda i: (lives[i].first, -lives[i].nbytes)):
        nbytes, first, last = lives[i]
        while ends and ends[0][0] < first:
            _, j = heappop(ends)
            free.give(offsets[j], lives[j].nbytes)
        if nbytes:
            offsets[i] = free.take(nbytes)
            heappush(ends, (last, i))
    return offsets, free.top


class _Free:
    """Free pieces below `top`; neighbours are joined."""

    def __init__(self) -> None:
        self.top = 0
        self._sizes: dict[int, int] = {}  # by offset
        self._starts: dict[int, int] = {}  # by end
        self._sorted: list[tuple[int, int]] = []  # (size, offset)

    def take(self, nbytes: int) -> int:
        """Return the offset of a piece, cut off the smallest free one or put on top."""
        place = bisect_left(self._sorted, (nbytes, -1))
        if place < len(self._sorted):
            offset = self._sorted[place][1]
            size = self._remove(offset)
            if size > nbytes:
                self._add(offset + nbytes, size - nbytes)
            return offset
        offset = self._starts.get(self.top, self.top)
        if offset < self.top:
            self._remove(offset)
        self.top = offset + nbytes
        return offset

    def give(self, offset: int, nbytes: int) -> None:
        """Take a piece back."""
        if offset + nbytes in self._sizes:
            nbytes += self._remove(offset + nbytes)
        before = self._starts.get(offset)
        if before is not None:
            nbytes += self._remove(before)
            offset = before
        self._add(offset, nbytes)

    def _add(self, offset: int, nbytes: int) -> None:
        self._sizes[offset] = nbytes
        self._starts[offset + nbytes] = offset
        insort(self._sorted, (nbytes, offset))

    def _remove(self, offset: int) -> int:
        nbytes = self._sizes.pop(offset)
        del self._starts[offset + nbytes]
        self._sorted.pop(bisect_left(self._sorted, (nbytes, offset)))
        return nbytes
