"""The order of rows: which rows make up a global batch, and which of them a rank takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError

Indices = NDArray[np.int64]


class Share(list[tuple[int, Indices]]):
    """The rows of a rank, or of everybody, in one global batch: a list of (partition, indices).

    Parameters
    ----------
    parts : list of (int, 1-D int64 array)
        Rows in the order of their global positions, grouped by partition.
    sample_index : int
        Global position, within the batch, of the first of these rows.
    length : int or None
        What rows of varying length are padded to, the same for all ranks; None: of one length.
    """

    def __init__(
        self,
        parts: Sequence[tuple[int, Indices]],
        sample_index: int = 0,
        length: int | None = None,
    ) -> None:
        super().__init__(validate.several("parts", parts, "a list of (partition, indices)"))
        self.sample_index = sample_index
        self.length = length

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(len(indices) for _, indices in self)


class EpochOrder:
    """Shuffle rows anew each epoch and cut them into global batches, the same for any ranks.

    Each partition has its own permutation, drawn from PCG64((seed, epoch, partition)). Row number j
    of a permutation of n gets the key (j + 1/2) / n; all rows in the order of their keys (equal
    keys: of their partitions) are cut into batches, so each batch takes its proportional share of
    every partition. Within a batch, positions are counted partition by partition.

    Parameters
    ----------
    partition_sizes : sequence of int >= 0
        Rows of each partition.
    batch_size : int > 0
        Rows of a global batch; the last batch of an epoch may be smaller.
    seed : int >= 0
        Seed of all permutations.
    shuffle : bool
        False: the rows of each partition in their own order, every epoch the same.
    drop_last : bool
        Leave out a smaller last batch.

    Raises
    ------
    ArgumentError : a size is not a whole number in its range.
    DataError : there is no row, or with `drop_last` no full batch.

    Examples
    --------
    >>> order = EpochOrder([4, 2], 3, seed=0, shuffle=False)
    >>> order.steps_per_epoch
    2
    >>> order.batch(epoch=0, k=0)
    [(0, array([0, 1])), (1, array([0]))]
    >>> order.share(0, 1, rank=1, size=2, owner=[0, 1]).sample_index
    2
    """

    def __init__(
        self,
        partition_sizes: Sequence[int],
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.partition_sizes = _sizes(partition_sizes)
        self.batch_size = validate.positive_int("batch_size", batch_size)
        self.seed = validate.non_negative_int("seed", seed)
        self.shuffle = validate.boolean("shuffle", shuffle)
        self.drop_last = validate.boolean("drop_last", drop_last)
        self.rows = sum(self.partition_sizes)
        if not self.rows:
            raise DataError(
                f"EpochOrder: the data set must have at least one row; got "
                f"{len(self.partition_sizes)} partitions without rows."
            )
        full, rest = divmod(self.rows, self.batch_size)
        self.steps_per_epoch = full + (1 if rest and not drop_last else 0)
        if not self.steps_per_epoch:
            raise DataError(
                f"EpochOrder: the data set must fill one batch; got {self.rows} rows and "
                f"batch_size {self.batch_size} with drop_last. "
                "Use a smaller batch_size or drop_last=False."
            )
        self._merged = self._merge()
        self._permutations: dict[tuple[int, int], Indices | None] = {}
        self._lock = threading.Lock()

    def at(self, step: int) -> tuple[int, int]:
        """Return (epoch, number of the batch within it) of global step `step`."""
        return divmod(validate.non_negative_int("step", step), self.steps_per_epoch)

    def typical(self) -> list[int]:
        """Return numbers of batches of epoch 0 that have all the shapes there are."""
        return list(dict.fromkeys((0, self.steps_per_epoch - 1)))

    def batch(self, epoch: int, k: int) -> Share:
        """Return the rows of global batch `k` of an epoch."""
        validate.non_negative_int("epoch", epoch)
        start, stop = self._bounds(k)
        return Share(self._rows(epoch, start, stop))

    def share(
        self, epoch: int, k: int, rank: int, size: int, owner: Sequence[int] | None = None
    ) -> Share:
        """Return the rows that `rank` of `size` takes of global batch `k`, perhaps none.

        Without `owner` (every rank can read every row) these are the positions
        [B · rank // size, B · (rank + 1) // size) of the batch's B rows. With `owner`, the rank of
        each partition (ranks own consecutive partitions), they are the rows of its partitions.
        """
        validate.positive_int("size", size)
        if not 0 <= validate.non_negative_int("rank", rank) < size:
            raise ArgumentError(f"EpochOrder: rank must be in [0, {size}); got {rank}.")
        validate.non_negative_int("epoch", epoch)
        start, stop = self._bounds(k)
        parts = self._rows(epoch, start, stop)
        if owner is None:
            rows = stop - start
            return _cut(parts, rows * rank // size, rows * (rank + 1) // size)
        owner = validate.integers("owner", owner)
        self._check_owner(owner, size)
        before = sum(len(indices) for p, indices in parts if owner[p] < rank)
        return Share([(p, indices) for p, indices in parts if owner[p] == rank], before)

    def _bounds(self, k: int) -> tuple[int, int]:
        if not 0 <= validate.integer("k", k) < self.steps_per_epoch:
            raise ArgumentError(
                f"EpochOrder: k must be a batch number in [0, {self.steps_per_epoch}); got {k}."
            )
        start = k * self.batch_size
        return start, min(start + self.batch_size, self.rows)

    def _merge(self) -> NDArray[np.int32] | None:
        """Return the partition of each place in an epoch; None if there is only one."""
        used = [p for p, n in enumerate(self.partition_sizes) if n]
        if len(used) == 1:
            return None
        keys = np.concatenate(
            [(np.arange(self.partition_sizes[p]) + 0.5) / self.partition_sizes[p] for p in used]
        )
        owners = np.repeat(np.array(used, np.int32), [self.partition_sizes[p] for p in used])
        return owners[np.argsort(keys, kind="stable")]

    def _rows(self, epoch: int, start: int, stop: int) -> list[tuple[int, Indices]]:
        if self._merged is None:
            partition = next(p for p, n in enumerate(self.partition_sizes) if n)
            return [(partition, self._places(epoch, partition, start, stop))]
        before = self._counts(start)
        after = before + np.bincount(self._merged[start:stop], minlength=len(self.partition_sizes))
        return [
            (int(p), self._places(epoch, int(p), int(before[p]), int(after[p])))
            for p in np.flatnonzero(after > before)
        ]

    def _counts(self, start: int) -> NDArray[np.int64]:
        """Return how many rows of each partition come before place `start`."""
        if not hasattr(self, "_starts"):
            counts = np.zeros((self.steps_per_epoch, len(self.partition_sizes)), np.int64)
            for k in range(1, self.steps_per_epoch):
                place = slice((k - 1) * self.batch_size, k * self.batch_size)
                counts[k] = counts[k - 1] + np.bincount(
                    self._merged[place],  # type: ignore[index]
                    minlength=len(self.partition_sizes),
                )
            self._starts = counts
        return self._starts[start // self.batch_size]  # type: ignore[no-any-return]

    def _places(self, epoch: int, partition: int, start: int, stop: int) -> Indices:
        if not self.shuffle:
            return np.arange(start, stop)
        key = (epoch, partition)
        order = self._permutations.get(key)
        if order is None:
            order = permutation(self.seed, epoch, partition, self.partition_sizes[partition])
            with self._lock:  # keep this epoch and the one before
                for old in [o for o in self._permutations if not epoch - 1 <= o[0] <= epoch]:
                    self._permutations.pop(old)
                self._permutations[key] = order
        return order[start:stop]

    def _check_owner(self, owner: Sequence[int], size: int) -> None:
        if len(owner) != len(self.partition_sizes):
            raise ArgumentError(
                f"EpochOrder: owner must name a rank for each of {len(self.partition_sizes)} "
                f"partitions; got {len(owner)}."
            )
        if any(not 0 <= o < size for o in owner) or any(
            b < a for a, b in zip(owner, list(owner)[1:], strict=False)
        ):
            raise ArgumentError(
                f"EpochOrder: owner must be ranks below {size} that never decrease, since ranks "
                f"own consecutive partitions; got {list(owner)}."
            )

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_permutations"] = {}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


def _sizes(partition_sizes: Sequence[int]) -> tuple[int, ...]:
    return validate.integers("partition_sizes", partition_sizes, "a list of ints >= 0", 0)


def permutation(seed: int, epoch: int, partition: int, n: int) -> Indices:
    """Return the permutation of n rows: ranks of n raw draws of PCG64((seed, epoch, partition)).

    Raw draws, unlike `Generator.permutation`, are the same in every version of NumPy.
    """
    for name, value in (("seed", seed), ("epoch", epoch), ("partition", partition), ("n", n)):
        validate.non_negative_int(name, value)
    draws = np.random.PCG64([seed, epoch, partition]).random_raw(n)
    return np.argsort(draws, kind="stable" if n < 4096 else None).astype(np.int64, copy=False)


def owners(partition_sizes: Sequence[int], size: int) -> list[int]:
    """Return a rank for each partition: consecutive partitions, rows spread as evenly as they go.

    Partition p goes to the rank in whose part of all rows its middle lies.

    Examples
    --------
    >>> owners([10, 10, 10, 10], 2)
    [0, 0, 1, 1]
    """
    validate.positive_int("size", size)
    partition_sizes = _sizes(partition_sizes)
    total = max(1, sum(partition_sizes))
    ranks, before = [], 0
    for n in partition_sizes:
        ranks.append(min(size - 1, (2 * before + n) * size // (2 * total)))
        before += n
    return ranks


def _cut(parts: list[tuple[int, Indices]], start: int, stop: int) -> Share:
    kept, before = [], 0
    for partition, indices in parts:
        low, high = max(start - before, 0), min(stop - before, len(indices))
        if low < high:
            kept.append((partition, indices[low:high]))
        before += len(indices)
    return Share(kept, start)
