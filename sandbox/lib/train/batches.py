"""The rows of one rank in every global batch, and the next batch read ahead where that pays."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import DataError
from ..data import DataSpec
from ..data.order import EpochOrder, Share, owners
from ..engine.oplist import Spec
from ..engine.random import RandomKey
from .group import Group

__all__ = ["Batch", "Batches", "rows_at_once"]

_PROBES = 12  # batches that are timed before deciding about reading ahead
_WORTH = 0.04  # share of an iteration that reading must take to be worth a thread,
_LEAST = 4e-4  # and seconds of a batch: handing over between threads costs about 1e-4
_MANY_ROWS, _MANY_NUMBERS = 256, 1 << 16  # of a batch of inference


@dataclass
class Batch:
    """One rank's share of a global batch. Its arrays are used again two batches later.

    Parameters
    ----------
    inputs, target : arrays or trees of arrays, or None
        None where this rank has no row of the batch.
    rows : int
        Rows of this share.
    parts : Share
        Where they come from.
    sample_index : int
        Position of the first row in the global batch.
    before : int
        Rows of `parts` that come before these.
    """

    inputs: Any
    target: Any
    rows: int
    parts: Share
    sample_index: int
    before: int = 0

    def pieces(self, count: int) -> list[Batch]:
        """Cut it into about so many batches, of one size but for the last; as views."""
        if count == 1:
            return [self]
        return [
            Batch(
                _rows(self.inputs, a, b),
                _rows(self.target, a, b),
                b - a,
                self.parts,
                self.sample_index + a,
                self.before + a,
            )
            for a, b in _cuts(self.rows, count)
        ]

    def place(self, row: int) -> tuple[int, int]:
        """Return partition and index of a row of this share."""
        row += self.before
        for partition, indices in self.parts:
            if row < len(indices):
                return partition, int(indices[row])
            row -= len(indices)
        raise IndexError(row)

    def check(self) -> None:
        """Raise at the first row whose input or target holds NaN or infinity."""
        for name, part in (("input", self.inputs), ("target", self.target)):
            if isinstance(part, np.ndarray):
                _check_finite(name, part)
                continue
            arrays, form = tree.flatten(part)
            for path, array in zip(form.paths, arrays, strict=True):
                _check_finite(tree.place(name, path), array)


def _rows(arrays: Any, start: int, stop: int) -> Any:
    return tree.map(lambda array: array[start:stop], arrays)


def _cuts(rows: int, count: int) -> list[tuple[int, int]]:
    size = -(-rows // count)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)] if rows else []


def _check_finite(name: str, array: NDArray[Any]) -> None:
    # The sum is no number if one element is not: one pass without a temporary.
    if array.dtype.kind != "f" or np.isfinite(array.sum()):
        return
    wrong = ~np.isfinite(array.reshape(len(array), -1))
    rows = wrong.any(axis=1)
    if rows.any():
        row = int(rows.argmax())
        value = array[row].reshape(-1)[wrong[row]][0]
        raise DataError(
            f"{name} must hold finite numbers; got {value} in row {row}."
            " Remove such rows or fill the gaps (data.check() lists the first one)."
        )


class Batches:
    """Reads a dataset in the order of an `EpochOrder`.

    Parameters
    ----------
    data, order : dataset, EpochOrder
        What is read in which order.
    group : Group
        Whose share of the rows: that of its rank.
    spare : bool
        Whether a core is free for a reading thread. Without one it reads ahead only where
        reading mostly waits (for a disk, a decompressor of another process).
    pieces : int
        In how many pieces a batch is run, for `shapes`.
    """

    def __init__(
        self,
        data: Any,
        order: EpochOrder,
        group: Group,
        *,
        spare: bool = False,
        pieces: int = 1,
    ) -> None:
        self.data = data
        self.order = order
        self.group = group
        self.spare = spare
        self.pieces = pieces
        self._rooms: list[_Room | None] = [None, None]
        self._turn = 0
        self.owner: list[int] | None = None
        if group.size > 1 and not data.shared:
            given = getattr(data, "owner", None)
            self.owner = owners(data.partition_sizes, group.size) if given is None else list(given)
        self.ahead: ThreadPoolExecutor | None = None
        self._next: tuple[int, int, Future[Batch]] | None = None
        self._probes = 0
        self._read = self._cpu = 0.0
        self._began = 0.0

    def share(self, epoch: int, k: int) -> Share:
        """Return which rows of batch k are this rank's."""
        return self.order.share(epoch, k, self.group.rank, self.group.size, self.owner)

    def shapes(self) -> list[tuple[DataSpec, int]]:
        """Return the forms of what this rank runs at once: one row's, and how many rows."""
        found: list[tuple[DataSpec, int]] = []
        for k in self.order.typical():
            parts = self.share(0, k)
            for start, stop in _cuts(parts.rows, self.pieces):
                form = (self.data.batch_spec(parts), stop - start)
                if form not in found:  # a tree of specs may not be hashed
                    found.append(form)
        return found

    def read(self, epoch: int, k: int) -> Batch:
        """Read this rank's share of batch k."""
        parts = self.share(epoch, k)
        rows = parts.rows
        if not rows:
            return Batch(None, None, 0, parts, parts.sample_index)
        key = RandomKey(self.order.seed, epoch * self.order.steps_per_epoch + k, parts.sample_index)
        room = self._room(self.data.batch_spec(parts), rows)
        inputs, target = self.data.batch(parts, out=room, random=key)
        return Batch(inputs, target, rows, parts, parts.sample_index)

    def _room(self, spec: DataSpec, rows: int) -> tuple[Any, Any]:
        """Return arrays to read into: of two, those that the batch before does not live in."""
        self._turn ^= 1
        kept = self._rooms[self._turn]
        if kept is None or kept.rows < rows or kept.spec != spec:
            kept = self._rooms[self._turn] = _Room(spec, rows)
        return kept.first(rows)

    def get(self, epoch: int, k: int) -> Batch:
        """Return this rank's share of batch k, and begin to read the batch after it."""
        if self.ahead is not None:
            return self._from_ahead(epoch, k)
        if self._probes == _PROBES:
            return self.read(epoch, k)
        start, cpu = time.perf_counter(), time.thread_time()
        batch = self.read(epoch, k)
        self._probe(start, time.perf_counter() - start, time.thread_time() - cpu)
        return batch

    def _probe(self, start: float, seconds: float, cpu: float) -> None:
        """Decide after some batches whether to read ahead. It changes times only, no numbers."""
        self._probes += 1
        if self._probes == 3:  # the first ones compile programs and warm caches
            self._began = start
        if self._probes >= 3:
            self._read += seconds
            self._cpu += cpu
        if self._probes == _PROBES:
            whole = time.perf_counter() - self._began
            waits = self._cpu < 0.5 * self._read
            counted = _PROBES - 2
            worth = self._read > max(_WORTH * whole, _LEAST * counted)
            if worth and (self.spare or waits):
                self.ahead = ThreadPoolExecutor(1, thread_name_prefix="sandbox-read")

    def _from_ahead(self, epoch: int, k: int) -> Batch:
        waiting = self._next
        self._next = None
        if waiting is not None and waiting[:2] == (epoch, k):
            batch = waiting[2].result()
        else:
            batch = self.read(epoch, k)
        following = (epoch, k + 1) if k + 1 < self.order.steps_per_epoch else (epoch + 1, 0)
        if self.ahead is not None:
            self._next = (*following, self.ahead.submit(self.read, *following))
        return batch

    def close(self) -> None:
        """End the reading thread."""
        if self.ahead is not None:
            self.ahead.shutdown(wait=True, cancel_futures=True)
            self.ahead = None


class _Room:
    """Arrays for a batch of up to so many rows, in the structure of a data set's rows."""

    def __init__(self, spec: DataSpec, rows: int) -> None:
        self.spec, self.rows = spec, rows
        self._alone = isinstance(spec.x, Spec) and isinstance(spec.y, Spec)
        self._arrays = tree.map(lambda s: np.empty((rows, *s.shape), s.dtype), tuple(spec))

    def first(self, rows: int) -> tuple[Any, Any]:
        """Return the first rows of all arrays."""
        if self._alone:
            x, y = self._arrays
            return x[:rows], y[:rows]
        part: tuple[Any, Any] = _rows(self._arrays, 0, rows)
        return part


def rows_at_once(numbers: int, *, least: int) -> int:
    """Return how many rows inference takes at once, from how many numbers a row holds.

    Many small rows at once are faster than few. Large ones gain nothing and take memory: 256 texts
    of 1,000 words in 128 features are 130 MB for each layer.
    """
    return max(least, min(_MANY_ROWS, _MANY_NUMBERS // max(1, numbers)))
