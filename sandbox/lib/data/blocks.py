"""An order for data larger than memory: blocks at random, the rows of some mixed at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import ArgumentError
from .order import EpochOrder, Indices, Share, permutation


@dataclass(frozen=True, eq=False)
class _Window:
    """The rows of some blocks in the order of the epoch.

    Parameters
    ----------
    first : int
        Place of its first row among all rows of the epoch.
    blocks : (blocks,) ints, increasing
    numbers : (rows,) ints
        Row numbers.
    turns : (rows,) ints
        The place of each row's block in `blocks`.
    """

    first: int
    blocks: Indices
    numbers: Indices
    turns: NDArray[np.int32]


class BlockOrder(EpochOrder):
    """Shuffle blocks anew each epoch, and the rows of a few blocks among each other.

    Partitions are the blocks: pieces of files that are read in one go. Each epoch deals them, in an
    order drawn from PCG64((seed, epoch, number of blocks)), to windows of about `window` blocks.
    The rows of a window are mixed as `EpochOrder` mixes all rows: those of a block by PCG64((seed,
    epoch, block)), blocks merged in proportion. One window follows the other; this sequence of rows
    is cut into batches. With one window this is the order of `EpochOrder`, row by row.

    A row of a window is thus equally likely to be in any of its batches, and which blocks meet in a
    window is new each epoch. Memory holds the rows' numbers of a few windows, never of an epoch.

    Within a batch rows stand by the place of their block in its window, so rank r of N reads about
    the r-th part of each window's blocks, and batches do not depend on the number of ranks.

    Parameters
    ----------
    partition_sizes : sequence of int >= 0
        Rows of each block.
    batch_size : int > 0
        Rows of a global batch.
    window : int > 0
        Blocks that are mixed at once.
    seed, shuffle, drop_last
        As of `EpochOrder`. Without shuffle the windows are runs of blocks in their own order, and
        rows of a block stay in theirs.

    Raises
    ------
    ArgumentError : owners of blocks are given: these are read by all ranks.

    Examples
    --------
    >>> order = BlockOrder([2, 2, 2, 2], 2, window=2, seed=0)
    >>> [order.batch(0, k).parts for k in range(2)]
    [[(1, array([1])), (3, array([1]))], [(1, array([0])), (3, array([0]))]]
    >>> order.batch(0, 0).held, order.batch(0, 0).upcoming
    ((1, 3), (0, 2))
    """

    def __init__(
        self,
        partition_sizes: Sequence[int],
        batch_size: int,
        *,
        window: int,
        seed: int,
        shuffle: bool = True,
        drop_last: bool = False,
    ) -> None:
        self.window = validate.positive_int("window", window)
        super().__init__(
            partition_sizes, batch_size, seed=seed, shuffle=shuffle, drop_last=drop_last
        )
        self._used = np.flatnonzero(np.asarray(self.partition_sizes, np.int64))
        self._plans: dict[int, tuple[list[Indices], Indices]] = {}
        self._windows: dict[tuple[int, int], _Window] = {}
        self._parts: dict[tuple[int, int, int, int], tuple[int, ...]] = {}

    def batch(self, epoch: int, k: int) -> Share:
        """Return the rows of global batch `k` of an epoch."""
        return self.share(epoch, k, 0, 1)

    def share(
        self, epoch: int, k: int, rank: int, size: int, owner: Sequence[int] | None = None
    ) -> Share:
        """Return the rows that `rank` takes of batch `k`; with the blocks it is to hold for them.

        `held` are its blocks of the batch's windows, `upcoming` those of the window after them.
        """
        validate.positive_int("size", size)
        if not 0 <= validate.non_negative_int("rank", rank) < size:
            raise ArgumentError(f"BlockOrder: rank must be in [0, {size}); got {rank}.")
        validate.non_negative_int("epoch", epoch)
        if owner is not None:
            raise ArgumentError("BlockOrder: blocks are read by all ranks; got owners of them.")
        start, stop = self._bounds(k)
        starts = self._plan(epoch)[1]
        first, last = (
            int(np.searchsorted(starts, place, side="right")) - 1 for place in (start, stop - 1)
        )
        numbers = self._rows(epoch, start, stop, range(first, last + 1))
        low, high = (len(numbers) * r // size for r in (rank, rank + 1))
        share = Share.of_numbers(numbers[low:high], self._starts, low)
        held = [self._mine(epoch, w, rank, size) for w in range(first, last + 1)]
        share.held = tuple(sorted({block for blocks in held for block in blocks}))
        if first == last:  # else the window after the first has just begun to be read
            following = (epoch, last + 1) if last + 1 < len(starts) - 1 else (epoch + 1, 0)
            share.upcoming = self._mine(*following, rank, size)
        return share

    def _rows(self, epoch: int, start: int, stop: int, windows: range) -> Indices:
        """Return the rows of some places of an epoch, in the order of a batch."""
        numbers, turns = [], []
        for w in windows:
            window = self._window(epoch, w)
            here = slice(max(0, start - window.first), stop - window.first)
            numbers.append(window.numbers[here])
            turns.append((window.turns[here] + 0.5) / len(window.blocks))
        order = np.argsort(np.concatenate(turns), kind="stable")
        found: Indices = np.concatenate(numbers)[order]
        if len(windows) == 1:
            return found
        # Two windows may have blocks at the same place: keep the rows of each together.
        parts = np.searchsorted(self._starts, found, side="right")
        _, first = np.unique(parts, return_index=True)
        turn_of = np.zeros(len(self._starts) + 1, np.int64)
        turn_of[parts[first]] = first
        return found[np.argsort(turn_of[parts], kind="stable")]

    def _plan(self, epoch: int) -> tuple[list[Indices], Indices]:
        """Return the blocks of each window, and the place of each window's first row."""
        epoch = epoch if self.shuffle else 0
        plan = self._plans.get(epoch)
        if plan is None:
            count = len(self._used)
            blocks = self._used
            if self.shuffle:
                blocks = blocks[permutation(self.seed, epoch, len(self.partition_sizes), count)]
            many = -(-count // self.window)
            windows = [
                np.sort(blocks[count * w // many : count * (w + 1) // many]) for w in range(many)
            ]
            sizes = np.asarray(self.partition_sizes, np.int64)
            starts = np.cumsum([0, *(int(sizes[window].sum()) for window in windows)])
            plan = (windows, starts)
            with self._lock:
                for old in [e for e in self._plans if not epoch - 1 <= e <= epoch + 1]:
                    self._plans.pop(old)
                self._plans[epoch] = plan
        return plan

    def _window(self, epoch: int, w: int) -> _Window:
        """Return the rows of a window, mixed."""
        epoch = epoch if self.shuffle else 0
        window = self._windows.get((epoch, w))
        if window is None:
            windows, starts = self._plan(epoch)
            blocks = windows[w]
            sizes = [self.partition_sizes[b] for b in blocks]
            keys = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])
            order = np.argsort(keys, kind="stable")
            numbers = np.concatenate([self._block(epoch, int(b)) for b in blocks])
            turns = np.repeat(np.arange(len(blocks), dtype=np.int32), sizes)
            window = _Window(int(starts[w]), blocks, numbers[order], turns[order])
            with self._lock:
                while len(self._windows) > 3:
                    self._windows.pop(next(iter(self._windows)))
                self._windows[epoch, w] = window
        return window

    def _block(self, epoch: int, block: int) -> Indices:
        rows = self.partition_sizes[block]
        order = permutation(self.seed, epoch, block, rows) if self.shuffle else np.arange(rows)
        numbers: Indices = order + self._starts[block]
        return numbers

    def _mine(self, epoch: int, w: int, rank: int, size: int) -> tuple[int, ...]:
        """Return the blocks of a window that have rows in a rank's shares."""
        epoch = epoch if self.shuffle else 0
        if size == 1:
            return tuple(self._plan(epoch)[0][w].tolist())
        key = (epoch, w, rank, size)
        mine = self._parts.get(key)
        if mine is None:
            window = self._window(epoch, w)
            batches = (np.arange(len(window.numbers)) + window.first) // self.batch_size
            order = np.lexsort((window.turns, batches))
            counts = np.unique(batches, return_counts=True)[1]
            within = np.concatenate([np.arange(n) / n for n in counts])
            # Of a batch that reaches into the next window this is about where its rows will be.
            chosen = (within >= rank / size - 1e-9) & (within < (rank + 1) / size)
            mine = tuple(window.blocks[np.unique(window.turns[order[chosen]])].tolist())
            with self._lock:
                while len(self._parts) > 8:
                    self._parts.pop(next(iter(self._parts)))
                self._parts[key] = mine
        return mine

    def _grouped(self) -> None:
        """Return nothing: places of all rows are not kept."""

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_plans": {}, "_windows": {}, "_parts": {}}


__all__ = ["BlockOrder"]
