"""The order of rows: which rows make up a global batch, and which of them a rank takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError

Indices = NDArray[np.int64]


class Share(Sequence[tuple[int, Indices]]):
    """The rows of a rank, or of everybody, in one global batch: a list of (partition, indices).

    An `EpochOrder` makes it of one array of row numbers; the list is made for whoever asks for it,
    so that what a batch costs does not grow with the partitions.

    Parameters
    ----------
    parts : list of (int, 1-D int64 array)
        Rows in the order of their global positions, grouped by partition.
    sample_index : int
        Global position, within the batch, of the first of these rows.
    length : int or None
        What rows of varying length are padded to, the same for all ranks; None: of one length.

    Attributes
    ----------
    numbers : 1-D int array or None
        The same rows, numbered through all partitions; None if the share was made of parts.
    held, upcoming : tuples of int, or None
        Partitions that this reader needs until its next ones, and those; None where all stay.
    """

    numbers: Indices | None = None
    held: tuple[int, ...] | None = None
    upcoming: tuple[int, ...] = ()
    _starts: Indices

    def __init__(
        self,
        parts: Sequence[tuple[int, Indices]],
        sample_index: int = 0,
        length: int | None = None,
    ) -> None:
        self._parts: list[tuple[int, Indices]] | None = validate.several(
            "parts", parts, "a list of (partition, indices)"
        )
        self.sample_index = sample_index
        self.length = length

    @classmethod
    def of_numbers(cls, numbers: Indices, starts: Indices, sample_index: int = 0) -> Share:
        """Make a share of row numbers; `starts` holds that of each partition's first row."""
        share = cls.__new__(cls)
        share.numbers, share._starts, share._parts = numbers, starts, None
        share.sample_index, share.length = sample_index, None
        return share

    @property
    def rows(self) -> int:
        """Number of rows."""
        if self.numbers is not None:
            return len(self.numbers)
        return sum(len(indices) for _, indices in self.parts)

    @property
    def parts(self) -> list[tuple[int, Indices]]:
        """The rows as a list of (partition, indices)."""
        if self._parts is None and self.numbers is not None:
            partitions = np.searchsorted(self._starts, self.numbers, side="right") - 1
            indices = self.numbers - self._starts[partitions]
            firsts = np.flatnonzero(np.diff(partitions, prepend=-1)).tolist()
            stops = [*firsts[1:], len(partitions)]
            self._parts = [
                (int(partitions[a]), indices[a:b]) for a, b in zip(firsts, stops, strict=False)
            ]
        return self._parts or []

    def __len__(self) -> int:
        return len(self.parts)

    @overload
    def __getitem__(self, at: int) -> tuple[int, Indices]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, Indices]]: ...
    def __getitem__(self, at: int | slice) -> Any:
        return self.parts[at]

    def __repr__(self) -> str:
        return repr(self.parts)


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
        self._starts: Indices = np.cumsum([0, *self.partition_sizes], dtype=np.int64)
        self._places = self._grouped()
        self._epochs: dict[tuple[int, int, int], Indices] = {}
        self._known_owner: tuple[Any, Indices] | None = None
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
        return self._share(epoch, self._slots(k), 0, 0, len(self.partition_sizes))

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
        slots = self._slots(k)
        if owner is None:
            low, high = (len(slots) * r // size for r in (rank, rank + 1))
            first, last = 0, len(self.partition_sizes)
        else:
            first, last = self._owned(owner, size).searchsorted([rank, rank + 1]).tolist()
            low, high = slots.searchsorted(self._starts[[first, last]]).tolist()
        return self._share(epoch, slots[low:high], low, first, last)

    def _bounds(self, k: int) -> tuple[int, int]:
        if not 0 <= validate.integer("k", k) < self.steps_per_epoch:
            raise ArgumentError(
                f"EpochOrder: k must be a batch number in [0, {self.steps_per_epoch}); got {k}."
            )
        start = k * self.batch_size
        return start, min(start + self.batch_size, self.rows)

    def _merge(self) -> Indices | None:
        """Return which row of the permuted partitions has each place; None if there is only one."""
        used = [n for n in self.partition_sizes if n]
        if len(used) == 1:
            return None
        return np.argsort(np.concatenate([(np.arange(n) + 0.5) / n for n in used]), kind="stable")

    def _grouped(self) -> NDArray[np.integer[Any]] | None:
        """Return the same, in each batch partition by partition."""
        places = self._merge()
        if places is None:
            return None
        if self.rows < 1 << 31:
            places = places.astype(np.int32)
        whole = self.rows // self.batch_size * self.batch_size
        places[:whole].reshape(-1, self.batch_size).sort(axis=1)
        places[whole:].sort()
        return places

    def _slots(self, k: int) -> NDArray[np.integer[Any]]:
        """Return the places of batch `k` among the rows of the permuted partitions, increasing."""
        start, stop = self._bounds(k)
        return np.arange(start, stop) if self._places is None else self._places[start:stop]

    def _share(
        self, epoch: int, slots: NDArray[np.integer[Any]], sample_index: int, first: int, last: int
    ) -> Share:
        """Return the rows at some places, all of them of the partitions from first to last."""
        order = self._permuted(epoch, first, last)
        numbers = slots.astype(np.int64, copy=False)
        if order is not None:
            numbers = order[numbers - self._starts[first] if first else numbers]
        return Share.of_numbers(numbers, self._starts, sample_index)

    def _permuted(self, epoch: int, first: int, last: int) -> Indices | None:
        """Return the rows' numbers, those of each partition permuted; None: as they are."""
        if not self._permutes:
            return None
        key = (epoch if self.shuffle else 0, first, last)
        order = self._epochs.get(key)
        if order is None:
            parts = [
                self._permutation(epoch, p) + self._starts[p]
                for p in range(first, last)
                if self.partition_sizes[p]
            ]
            order = parts[0] if len(parts) == 1 else np.concatenate([self._starts[:0], *parts])
            with self._lock:  # keep this epoch and the one before
                for old in [o for o in self._epochs if not key[0] - 1 <= o[0] <= key[0]]:
                    self._epochs.pop(old)
                self._epochs[key] = order
        return order

    @property
    def _permutes(self) -> bool:
        """Whether rows come in another order than they lie in."""
        return self.shuffle

    def _permutation(self, epoch: int, partition: int) -> Indices:
        return permutation(self.seed, epoch, partition, self.partition_sizes[partition])

    def _owned(self, owner: Sequence[int], size: int) -> Indices:
        """Return the ranks of all partitions; they are looked at once."""
        known = self._known_owner
        if known is None or known[0] is not owner:
            ranks = validate.integers("owner", owner)
            self._check_owner(ranks, size)
            known = self._known_owner = (owner, np.array(ranks, np.int64))
        return known[1]

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
        state["_epochs"], state["_known_owner"] = {}, None
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
