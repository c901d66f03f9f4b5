"""The ranks that train one model together, and the few verbs by which they exchange numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BucketLike", "Group", "SingleGroup", "Timings"]


class BucketLike(Protocol):
    """A range of a flat vector whose length the number of ranks divides."""

    @property
    def start(self) -> int:
        """First element."""

    @property
    def stop(self) -> int:
        """One past the last element."""


@dataclass
class Timings:
    """Seconds and bytes spent inside a group's verbs since the last `reset`.

    Parameters
    ----------
    wait : float
        Seconds spent until the other ranks were ready.
    exchange : float
        Seconds spent on moving and adding numbers.
    bytes : int
        Bytes this rank sent to others.
    """

    wait: float = 0.0
    exchange: float = 0.0
    bytes: int = 0

    def reset(self) -> None:
        """Start counting anew."""
        self.wait = 0.0
        self.exchange = 0.0
        self.bytes = 0


@runtime_checkable
class Group(Protocol):
    """What the training loop asks of the ranks' exchange.

    Every verb is collective: all ranks call the same verbs in the same order with vectors of the
    same length. Sums are taken in an order that the number of ranks fixes, so that the result does
    not depend on who arrives first: rank by rank in `reduce_scatter`, in pairs, pairs of pairs, and
    so on in `all_reduce`. Vectors given to `reduce_scatter` and `all_gather` were made by
    `allocate`, which lets an implementation keep them in shared memory.

    Others may read such a vector until they have begun the next verb: it is written to only after
    the next verb has returned.

    Notes
    -----
    Slice r of a bucket is `[start + r * n, start + (r + 1) * n)` with `n = (stop - start) // size`.
    """

    rank: int
    size: int
    timings: Timings

    def allocate(self, n: int) -> NDArray[np.float32]:
        """Return a zeroed vector of n floats, aligned to 64 bytes."""

    def reduce_scatter(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Put the sum over all ranks into this rank's slice of every bucket, in place.

        The rest of the vector is undefined afterwards.
        """

    def all_gather(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Fill every other slice of every bucket with its owner's numbers, in place."""

    def all_reduce(self, values: NDArray[np.float64], record: int = 0) -> NDArray[np.float64]:
        """Return the sum of a small vector over all ranks; `values` is kept.

        The last `record` numbers are not added: those of the rank whose first one is the largest
        are returned, on all ranks the same.
        """

    def broadcast(self, vector: NDArray[Any], root: int = 0) -> None:
        """Overwrite the vector on every rank by that of `root`, in place."""

    def barrier(self) -> None:
        """Wait until all ranks have come here."""


class SingleGroup:
    """A group of one rank: every verb is done before it begins.

    Examples
    --------
    >>> group = SingleGroup()
    >>> group.all_reduce(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def __init__(self) -> None:
        self.rank = 0
        self.size = 1
        self.timings = Timings()

    def allocate(self, n: int) -> NDArray[np.float32]:
        """Return a zeroed vector of n floats, aligned to 64 bytes."""
        raw = np.zeros(4 * n + 64, np.uint8)
        offset = -raw.ctypes.data % 64
        return raw[offset : offset + 4 * n].view(np.float32)

    def reduce_scatter(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Leave the vector as it is: it is the sum already."""

    def all_gather(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Leave the vector as it is: it is complete already."""

    def all_reduce(self, values: NDArray[np.float64], record: int = 0) -> NDArray[np.float64]:
        """Return the values themselves."""
        return values

    def broadcast(self, vector: NDArray[Any], root: int = 0) -> None:
        """Leave the vector as it is."""

    def barrier(self) -> None:
        """Go on at once."""
