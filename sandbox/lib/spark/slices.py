"""What the exchange is made of: a rank's control segment, how a bucket is cut, sums in order."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import shm

CHUNK = 1 << 15  # floats summed at a time: 128 KB stay in a core's cache

# A rank's control segment: the counter, what each of the last two operations is, their payloads.
_COUNTER, _KINDS, _PAYLOADS = 0, 64, 128
SLOT = 32768
CONTROL_BYTES = _PAYLOADS + 2 * SLOT
KIND = struct.Struct("<II")


class Control:
    """The view of one rank's control segment."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self.counter = shm.Counter(memory[_COUNTER : _COUNTER + 64])
        self.kinds = memory[_KINDS : _KINDS + 2 * KIND.size].data
        self.slots = [
            memory[_PAYLOADS + i * SLOT : _PAYLOADS + (i + 1) * SLOT].view(np.float64)
            for i in (0, 1)
        ]


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
