"""What the exchange is made of: control segments, rounds in pairs, cut buckets, sums in order."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import shm

CHUNK = 1 << 15  # floats summed at a time: 128 KB stay in a core's cache

# A rank's control segment: the counter of its steps, then a slot for each of its last steps: what
# it was, and the numbers given to a partner.
_COUNTER = 64
SLOT = 16384
KIND = struct.Struct("<II")
_HEAD = 64


class Control:
    """The view of one rank's control segment.

    Parameters
    ----------
    memory : 1-D uint8 array of `bytes_for(size)`
        The segment.
    size : int > 0
        Ranks of the group.
    """

    def __init__(self, memory: NDArray[np.uint8], size: int) -> None:
        self.counter = shm.Counter(memory[:_COUNTER])
        rest = memory[_COUNTER:].reshape(_slots(size), _HEAD + SLOT)
        self.kinds = [slot[: KIND.size].data for slot in rest]
        self.numbers = [slot[_HEAD:].view(np.float64) for slot in rest]

    @staticmethod
    def bytes_for(size: int) -> int:
        """Return the length of the segment of a rank of `size`."""
        return _COUNTER + _slots(size) * (_HEAD + SLOT)


def _slots(size: int) -> int:
    """Return how many steps a rank may be ahead of a partner that still reads: those of two verbs.

    A verb takes at most one step more than it has rounds, and ends on no rank before it has begun
    on all.
    """
    return 2 * (len(rounds(0, size)) + 1)


def rounds(rank: int, size: int) -> list[tuple[int | None, bool, bool]]:
    """Return whom a rank meets, round by round, for all to know the sum of all: log2(size) rounds.

    With 2^k ranks each one swaps its sum with rank XOR 1, XOR 2, XOR 4, ...; ranks beyond the
    largest 2^k give their numbers to a partner before, and hear the sum from it afterwards. So the
    sum is ((0+1)+(2+3))+((4+5)+(6+7)) on every rank, bit for bit, since a + b = b + a.

    Returns
    -------
    list of (partner or None, gives, takes)
        As many on every rank; None: nothing to do in this round.

    Notes
    -----
    Recursive doubling: Thakur, Rabenseifner, Gropp (2005), "Optimization of collective
    communication operations in MPICH", section 4.

    Examples
    --------
    >>> rounds(1, 4)
    [(0, True, True), (3, True, True)]
    >>> rounds(0, 3), rounds(2, 3)
    ([(2, False, True), (1, True, True), (2, True, False)], [(0, True, False), \
(None, False, False), (0, False, True)])
    """
    whole = 1 << (size.bit_length() - 1)
    doubling = [1 << k for k in range(whole.bit_length() - 1)]
    if rank >= whole:
        idle: list[tuple[int | None, bool, bool]] = [(None, False, False)] * len(doubling)
        return [(rank - whole, True, False), *idle, (rank - whole, False, True)]
    found: list[tuple[int | None, bool, bool]] = [(rank ^ bit, True, True) for bit in doubling]
    if size == whole:
        return found
    beyond = rank + whole if rank + whole < size else None
    return [(beyond, False, beyond is not None), *found, (beyond, beyond is not None, False)]


def family(rank: int, size: int, root: int) -> tuple[int | None, list[int]]:
    """Return from whom a rank hears what `root` tells, and to whom it passes that on.

    A binomial tree; who has most to pass on hears it first.

    Examples
    --------
    >>> family(0, 6, root=0), family(4, 6, root=0)
    ((None, [4, 2, 1]), (0, [5]))
    """
    place = (rank - root) % size
    reach = place & -place or 1 << (size - 1).bit_length()
    bits = [1 << k for k in reversed(range(reach.bit_length() - 1))]
    children = [(place + bit + root) % size for bit in bits if place + bit < size]
    return ((place - reach + root) % size if place else None), children


def join(total: NDArray[Any], theirs: NDArray[Any], record: int, *, first: bool) -> None:
    """Add `theirs` to `total`, but for the last `record` numbers: of these keep the larger one's.

    `first` tells whose is kept where both are as large.
    """
    sums = total.size - record
    total[:sums] += theirs[:sums]
    if record and (theirs[sums] > total[sums] or (theirs[sums] == total[sums] and not first)):
        total[sums:] = theirs[sums:]


@dataclass(frozen=True)
class Cut:
    """How one bucket is divided."""

    start: int
    length: int

    def of(self, rank: int) -> slice:
        """Return the slice that a rank owns."""
        return slice(self.start + rank * self.length, self.start + (rank + 1) * self.length)


def as_bytes(array: NDArray[Any]) -> memoryview:
    """Return the array's memory as bytes to send or to fill."""
    return array.reshape(-1).view(np.uint8).data


def add_in_order(parts: list[NDArray[np.float32]], rank: int) -> None:
    """Overwrite `parts[rank]` by the sum of all parts, added from the first to the last."""
    own = parts[rank]
    scratch = np.empty(min(own.size, CHUNK), np.float32)
    for at in range(0, own.size, CHUNK):
        piece = slice(at, min(at + CHUNK, own.size))
        out = own[piece]
        if rank > 1:
            before = scratch[: out.size]
            np.add(parts[0][piece], parts[1][piece], out=before)
            for other in range(2, rank):
                before += parts[other][piece]
            np.add(before, out, out=out)
        elif rank == 1:
            np.add(parts[0][piece], out, out=out)
        for other in range(rank + 1, len(parts)):
            out += parts[other][piece]
