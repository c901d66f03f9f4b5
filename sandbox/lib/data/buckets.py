"""An order that puts rows of about the same length into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError
from .order import EpochOrder, Indices, Share, permutation


class BucketOrder(EpochOrder):
    """Shuffle rows anew each epoch, sort them by bucket of length, cut, and shuffle the batches.

    Within its bucket a row stands where `EpochOrder`'s permutation puts it: rows of a partition by
    PCG64((seed, epoch, partition)), partitions merged in proportion. The sorted rows are cut into
    batches; one that reaches over a border counts to the longer bucket. Batches then come in an
    order of their own, drawn from PCG64((seed, epoch, number of partitions)).

    Which lengths there are, and how many batches of each, is the same in every epoch: programs are
    made once. Batches do not depend on the number of ranks, and all ranks pad to the same length.

    Parameters
    ----------
    buckets : list of 1-D int arrays
        For each partition the number of each row's bucket.
    lengths : list of int > 0, increasing
        Length of the rows of each bucket.
    batch_size, seed, shuffle, drop_last
        As of `EpochOrder`. Without shuffle rows are sorted by bucket all the same.

    Raises
    ------
    ArgumentError : lengths do not increase.
    DataError : a row's bucket does not exist; no rows.

    Examples
    --------
    >>> order = BucketOrder([[1, 0, 0, 1]], [4, 9], 2, seed=0, shuffle=False)
    >>> [(order.batch(0, k)[0][1].tolist(), order.batch(0, k).length) for k in range(2)]
    [([1, 2], 4), ([0, 3], 9)]
    """

    def __init__(
        self,
        buckets: Sequence[ArrayLike],
        lengths: Sequence[int],
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.lengths = validate.integers("lengths", lengths, "a list of ints > 0", 1)
        if any(b <= a for a, b in zip(self.lengths, self.lengths[1:], strict=False)):
            raise ArgumentError(f"BucketOrder: lengths must increase; got {list(lengths)}.")
        self.buckets = [
            validate.int_array("buckets", rows)
            for rows in validate.several("buckets", buckets, "a list of ints for each partition")
        ]
        for partition, rows in enumerate(self.buckets):
            wrong = np.flatnonzero((rows < 0) | (rows >= len(self.lengths)))
            if wrong.size:
                raise DataError(
                    f"BucketOrder: buckets must be in [0, {len(self.lengths)}); got "
                    f"{rows[wrong[0]]} in partition {partition}, row {wrong[0]}."
                )
        super().__init__(
            [len(rows) for rows in self.buckets],
            batch_size,
            seed=seed,
            shuffle=shuffle,
            drop_last=drop_last,
        )
        counts = [np.bincount(rows, minlength=len(self.lengths)) for rows in self.buckets]
        self._ends = np.cumsum(np.sum(counts, axis=0))
        self._turns: dict[int, NDArray[np.int64]] = {}

    def typical(self) -> list[int]:
        """Return a batch of epoch 0 for each number of rows and length there is."""
        found: dict[tuple[int, int], int] = {}
        for k in range(self.steps_per_epoch):
            slot = self._slot(0, k)
            start, stop = self._bounds(slot)
            found.setdefault((stop - start, self._length(slot)), k)
        return list(found.values())

    def batch(self, epoch: int, k: int) -> Share:
        """Return the rows of global batch `k` of an epoch, with their length."""
        slot = self._slot(epoch, k)
        share = super().batch(epoch, slot)
        share.length = self._length(slot)
        return share

    def share(
        self, epoch: int, k: int, rank: int, size: int, owner: Sequence[int] | None = None
    ) -> Share:
        """Return the rows that `rank` takes of global batch `k`, with the batch's length."""
        slot = self._slot(epoch, k)
        share = super().share(epoch, slot, rank, size, owner)
        share.length = self._length(slot)
        return share

    def _slot(self, epoch: int, k: int) -> int:
        """Return which batch of the sorted rows is number `k` of this epoch."""
        self._bounds(k)
        if not self.shuffle:
            return k
        turns = self._turns.get(epoch)
        if turns is None:
            turns = permutation(self.seed, epoch, len(self.buckets), self.steps_per_epoch)
            with self._lock:
                for old in [e for e in self._turns if not epoch - 1 <= e <= epoch]:
                    self._turns.pop(old)
                self._turns[epoch] = turns
        return int(turns[k])

    def _length(self, slot: int) -> int:
        last = self._bounds(slot)[1] - 1
        return self.lengths[int(np.searchsorted(self._ends, last, side="right"))]

    def _merge(self) -> Indices | None:
        """Return which row of the sorted partitions has each place among all rows sorted."""
        used = [p for p, n in enumerate(self.partition_sizes) if n]
        if len(used) == 1:
            return None
        bucket, key, owner = [], [], []
        for p in used:
            counts = np.bincount(self.buckets[p], minlength=len(self.lengths))
            for b in np.flatnonzero(counts):
                n = int(counts[b])
                bucket.append(np.full(n, b))
                key.append((np.arange(n) + 0.5) / n)
                owner.append(np.full(n, p, np.int32))
        return np.lexsort((np.concatenate(owner), np.concatenate(key), np.concatenate(bucket)))

    @property
    def _permutes(self) -> bool:
        return True

    def _permutation(self, epoch: int, partition: int) -> Indices:
        rows = self.buckets[partition]
        if not self.shuffle:
            return np.argsort(rows, kind="stable").astype(np.int64, copy=False)
        drawn = permutation(self.seed, epoch, partition, len(rows))
        return drawn[np.argsort(rows[drawn], kind="stable")]

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_turns": {}}


def bucket_lengths(
    lengths: ArrayLike, *, buckets: int = 6, multiple: int = 8, longest: int | None = None
) -> list[int]:
    """Return the lengths to which sequences are padded: as few as asked for, least padding in all.

    Parameters
    ----------
    lengths : 1-D ints
        Of the sequences; longer ones than `longest` count as that long.
    buckets : int > 0
        How many lengths at most. Each one is a program of its own to make.
    multiple : int > 0
        Lengths are multiples of it (but for `longest`).
    longest : int > 0, optional
        No length above this.

    Examples
    --------
    >>> bucket_lengths([3, 5, 7, 30, 31, 64], buckets=2)
    [8, 64]
    >>> bucket_lengths([3, 5, 7, 30, 31, 64], buckets=3)
    [8, 32, 64]
    """
    validate.positive_int("buckets", buckets)
    unit = validate.positive_int("multiple", multiple)
    given = np.maximum(validate.int_array("lengths", lengths), 1)
    if not given.size:
        raise DataError("bucket_lengths: lengths must hold at least one sequence; got none.")
    rounded = -(-given // unit) * unit
    if longest is not None:
        rounded = np.minimum(rounded, validate.positive_int("longest", longest))
    sizes, counts = np.unique(rounded, return_counts=True)
    before = np.concatenate(([0], np.cumsum(counts)))
    # best[k][j]: least cost of the first j sizes in k buckets, the last of which ends at size j
    many = min(buckets, len(sizes))
    best = np.full(len(sizes) + 1, np.inf)
    best[0] = 0
    cuts = np.zeros((many, len(sizes) + 1), np.int64)
    for k in range(many):
        following = np.full(len(sizes) + 1, np.inf)
        for j in range(1, len(sizes) + 1):
            costs = best[:j] + (before[j] - before[:j]) * sizes[j - 1]
            cuts[k, j] = int(np.argmin(costs))
            following[j] = costs[cuts[k, j]]
        best = following
    found, j = [], len(sizes)
    for k in range(many - 1, -1, -1):
        found.append(int(sizes[j - 1]))
        j = int(cuts[k, j])
    return sorted(set(found))
