"""Data sets: rows in partitions, handed out as float32 batches."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import DataError
from ..engine.oplist import Spec
from .order import EpochOrder
from .sources import Provenance
from .transforms import Apply, Transform

Array = NDArray[Any]
Pair = tuple[Array, Array]
TransformLike = Transform | Callable[[Array], Array] | None


class DataSpec(NamedTuple):
    """Shape and dtype of one row of the batches: `x` and `y`, without the batch axis."""

    x: Spec
    y: Spec


class Dataset(ABC):
    """Rows in numbered partitions.

    A subclass tells `partition_sizes`, and gives the stored arrays of a partition in `load`. All
    else is done here: picking rows, the transform, float32, checks.

    Parameters
    ----------
    transform : Transform or function of a batch, optional
        Applied to the picked rows of x.
    dtype : numpy dtype or None
        Of the batches' x; None leaves what the transform gives (ids for an embedding).

    Notes
    -----
    y comes as int64 where labels are stored as integers or booleans, else as float32.
    """

    shared: bool = True
    """Whether every rank can read every row; else ranks own partitions."""
    provenance: Provenance | None = None
    """Where the rows come from, if a loader of a known set made them."""

    def __init__(self, *, transform: TransformLike = None, dtype: Any = np.float32) -> None:
        if transform is not None and not isinstance(transform, Transform):
            if not callable(transform):
                raise DataError(
                    f"{type(self).__name__}: transform must be a Transform or a function of a "
                    f"batch; got {transform!r}."
                )
            transform = Apply(transform)
        self.transform = transform
        self.dtype = None if dtype is None else np.dtype(dtype)
        self._local = threading.local()

    @property
    @abstractmethod
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition."""

    @abstractmethod
    def load(self, partition: int) -> Pair:
        """Return (x, y) of a partition as stored, read at most once in a process."""

    @abstractmethod
    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row, without reading the rows."""

    def __len__(self) -> int:
        return sum(self.partition_sizes)

    @property
    def spec(self) -> DataSpec:
        """Shape and dtype of one row of the batches."""
        x, y = self.stored()
        shape, dtype = x.shape, np.dtype(x.dtype)
        if self.transform is not None:
            shape, dtype = self.transform.shape(shape), self.transform.dtype(dtype)
        return DataSpec(
            Spec(tuple(shape), (self.dtype or dtype).name),
            Spec(y.shape, _target_dtype(np.dtype(y.dtype)).name),
        )

    def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> EpochOrder:
        """Return which rows make up the global batches; another class may sort by length."""
        return EpochOrder(self.partition_sizes, batch_size, seed=seed, shuffle=shuffle)

    def batch_spec(self, parts: Iterable[tuple[int, ArrayLike]]) -> DataSpec:
        """Return shape and dtype of one row of this batch; `spec`, unless lengths vary."""
        return self.spec

    def rows(
        self,
        partition: int,
        indices: ArrayLike,
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return the batch (x, y) of some rows of one partition, as new arrays or in `out`.

        Parameters
        ----------
        partition : int
            Number of the partition.
        indices : 1-D ints
            Rows of it, in any order, from 0.
        out : (x, y), optional
            Arrays of the right shape and dtype that take the result.
        random : RandomKey, optional
            For transforms that augment; its `sample_index` is the position of the first row.
        """
        x, y = self.load(partition)
        picked = np.asarray(indices)
        if picked.size == 0:
            picked = picked.astype(np.int64)
        self._check_indices(partition, picked, len(x))
        out_x, out_y = out if out is not None else (None, None)
        if out_y is None:
            out_y = np.empty((picked.size, *y.shape[1:]), _target_dtype(y.dtype))
        np.copyto(out_y, np.take(y, picked, axis=0, mode="clip"), casting="unsafe")
        if self.transform is None and x.dtype == (self.dtype or x.dtype):
            if out_x is None:
                out_x = np.empty((picked.size, *x.shape[1:]), x.dtype)
            np.take(x, picked, axis=0, out=out_x, mode="clip")
            return out_x, out_y
        raw = self._scratch(picked.size, x)
        np.take(x, picked, axis=0, out=raw, mode="clip")
        made = raw
        if self.transform is not None:
            made = self.transform(raw, out=out_x, random=random)
        if out_x is not None:
            if made is not out_x:
                np.copyto(out_x, made, casting="unsafe")
            return out_x, out_y
        if made.dtype != (self.dtype or made.dtype):
            return made.astype(self.dtype), out_y
        return (made.copy() if np.may_share_memory(made, raw) else made), out_y

    def batch(
        self,
        parts: Iterable[tuple[int, ArrayLike]],
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return the rows of several partitions as one batch (what `EpochOrder` hands out)."""
        parts = list(parts)
        if len(parts) == 1:
            return self.rows(*parts[0], out=out, random=random)
        sizes = [np.size(indices) for _, indices in parts]
        if out is None:
            spec = self.spec
            out = (
                np.empty((sum(sizes), *spec.x.shape), spec.x.dtype),
                np.empty((sum(sizes), *spec.y.shape), spec.y.dtype),
            )
        start = 0
        for (partition, indices), size in zip(parts, sizes, strict=True):
            here = slice(start, start + size)
            key = random
            if random is not None and start:  # draws belong to positions in the global batch
                key = replace(random, sample_index=random.sample_index + start)
            self.rows(partition, indices, out=(out[0][here], out[1][here]), random=key)
            start += size
        return out

    def check(self, *, classes: int | None = None) -> None:
        """Look at all rows; raise `DataError` at the first NaN or infinity, or bad label.

        Parameters
        ----------
        classes : int, optional
            If given, y must hold integers in [0, classes).
        """
        for partition, size in enumerate(self.partition_sizes):
            if not size:
                continue
            x, y = self.load(partition)
            place = f"partition {partition}, " if len(self.partition_sizes) > 1 else ""
            self._check_finite("x", x, place)
            self._check_finite("y", y, place)
            if classes is not None:
                self._check_labels(y, classes, place)

    def column_name(self, index: tuple[int, ...]) -> str:
        """Return how errors call a place within a row."""
        return str(index[0]) if len(index) == 1 else shown(index)

    def _check_finite(self, name: str, array: Array, place: str, chunk: int = 4096) -> None:
        if array.dtype.kind != "f":
            return
        for start in range(0, len(array), chunk):
            part = array[start : start + chunk]
            if np.isfinite(part).all():
                continue
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(part))[0])
            column = f", column {self.column_name(where[1:])}" if len(where) > 1 else ""
            raise DataError(
                f"{self}: {name} must hold finite numbers; got {part[where]} in {place}row "
                f"{start + where[0]}{column}. Remove such rows or fill the gaps."
            )

    def _check_labels(self, y: Array, classes: int, place: str) -> None:
        if y.dtype.kind == "f" and not np.array_equal(y, np.floor(y)):
            row = int(np.flatnonzero(y.ravel() != np.floor(y.ravel()))[0])
            raise DataError(
                f"{self}: labels must be integers; got {y.ravel()[row]} in {place}row {row}. "
                "For a regression leave out `classes` and use MSE."
            )
        if y.dtype.kind == "f":
            raise DataError(
                f"{self}: labels must be integers; got dtype {y.dtype}. Use y.astype('int64')."
            )
        wrong = (y < 0) | (y >= classes)
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            raise DataError(
                f"{self}: labels must be in [0, {classes}); got {y[wrong][0]} in {place}row {row}. "
                "Labels count from 0."
            )

    def _check_indices(self, partition: int, picked: Array, size: int) -> None:
        if picked.ndim != 1 or picked.dtype.kind not in "iu":
            raise DataError(
                f"{self}: indices must be 1-D integers; got {picked.dtype} of shape {picked.shape}."
            )
        if picked.size and (picked.min() < 0 or picked.max() >= size):
            bad = picked[(picked < 0) | (picked >= size)][0]
            raise DataError(
                f"{self}: indices must be in [0, {size}) for partition {partition}; got {bad}."
            )

    def _check_partition(self, partition: int) -> None:
        if not 0 <= partition < len(self.partition_sizes):
            raise DataError(
                f"{self}: partition must be in [0, {len(self.partition_sizes)}); got {partition}."
            )

    def _scratch(self, rows: int, like: Array) -> Array:
        """Return this thread's reusable array for picked rows, before the transform."""
        kept: Array | None = getattr(self._local, "picked", None)
        if (
            kept is None
            or len(kept) < rows
            or kept.dtype != like.dtype
            or kept.shape[1:] != like.shape[1:]
        ):
            kept = self._local.picked = np.empty((rows, *like.shape[1:]), like.dtype)
        return kept[:rows]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def __repr__(self) -> str:
        x, y = self.stored()
        return (
            f"{type(self).__name__}({len(self)} rows, x {shown(x.shape)} {x.dtype}, "
            f"y {shown(y.shape)} {y.dtype})"
        )

    __str__ = __repr__


class FileDataset(Dataset):
    """Base of data sets in files: read on first use, once in a process, never pickled."""

    def __init__(self, *, transform: TransformLike = None, dtype: Any = np.float32) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self._arrays: dict[int, Pair] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def read(self, partition: int) -> Pair:
        """Read the arrays of a partition."""

    def load(self, partition: int) -> Pair:
        """Return the arrays of a partition, reading them on first use."""
        pair = self._arrays.get(partition)
        if pair is None:
            self._check_partition(partition)
            with self._lock:
                if partition not in self._arrays:
                    self._arrays[partition] = self.read(partition)
                pair = self._arrays[partition]
        return pair

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_lock"]
        state["_arrays"] = {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = threading.Lock()


def _target_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32 if dtype.kind == "f" else np.int64)


def shown(shape: Sequence[int]) -> str:
    """Return a shape or index as text."""
    return f"({', '.join(map(str, shape))})"
