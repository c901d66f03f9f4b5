"""Sequences of ids as a data set, in batches of about the same length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import validate
from ..core.errors import ArgumentError, DataError
from ..engine.oplist import Spec
from .buckets import BucketOrder, bucket_lengths
from .casting import check_fit
from .conversion import take_target, target_type
from .dataset import Array, Dataset, DataSpec, Pair
from .order import Share
from .text.encoder import TextEncoder
from .trees import numbers


class SequenceDataset(Dataset):
    """Sequences of ids with a label each, padded with 0 to the length of their batch.

    A batch holds rows of about the same length (`BucketOrder`), and is padded to one of a few
    lengths that are fixed from the beginning: for each of them one program is made. x is (rows,
    length) int32; where a sequence ends, zeros follow, so its length is the count of ids > 0.

    Parameters
    ----------
    rows : list of 1-D ints
        The sequences, ids > 0; padding is added here.
    y : array of shape (rows,) or (rows, ...)
        Integer class labels, or float targets.
    ids : int > 1, optional
        Number of ids, of a vocabulary: larger ones are refused.
    buckets : int > 0, or list of int > 0
        How many lengths are used at most, or these lengths themselves.
    max_length : int > 0, optional
        Longer sequences are refused; cut them before.
    dtype : numpy dtype
        Of the batches' x.

    Raises
    ------
    DataError : a sequence is empty, too long, not 1-D or holds ids that cannot be; no rows, or not
        a label for each. Names row, value and cure.

    Examples
    --------
    >>> data = SequenceDataset([[5, 6], [7, 8, 9], [4]], [0, 1, 0], buckets=[2, 4])
    >>> data.batch([(0, [0, 2])])
    (array([[5, 6],
           [4, 0]], dtype=int32), array([0, 0]))
    """

    def __init__(
        self,
        rows: Sequence[ArrayLike],
        y: ArrayLike,
        *,
        ids: int | None = None,
        buckets: int | Sequence[int] = 6,
        max_length: int | None = None,
        dtype: Any = np.int32,
    ) -> None:
        super().__init__(dtype=None if dtype is None else validate.number_dtype("dtype", dtype))
        self.y = numbers(y, "SequenceDataset: y")
        rows = validate.several("rows", rows, "a list of sequences")
        if not self.y.ndim:
            raise DataError(f"SequenceDataset: y must have a row axis; got {self.y}.")
        if len(rows) != len(self.y):
            raise DataError(
                "SequenceDataset: there must be a label for each sequence; got "
                f"{len(rows)} sequences and {len(self.y)} labels."
            )
        if not len(rows):
            raise DataError("SequenceDataset: the data set must have at least one row; got 0.")
        size = np.iinfo(np.int32).max if ids is None else validate.positive_int("ids", ids)
        self._check_axes(rows)
        self.lengths = np.array([np.size(row) for row in rows], np.int64)
        self._check_lengths(max_length)
        flat = np.concatenate([numbers(row, "SequenceDataset: rows").reshape(-1) for row in rows])
        self.starts = np.concatenate(([0], np.cumsum(self.lengths)))
        self._check_ids(flat, size)
        self.flat = flat.astype(np.uint16 if size <= 1 << 16 else np.int32)
        if isinstance(buckets, int):
            self.sizes = bucket_lengths(self.lengths, buckets=buckets, longest=max_length)
        else:
            self.sizes = sorted(set(validate.integers("buckets", buckets, "ints > 0", 1)))
            if not self.sizes or self.sizes[-1] < self.lengths.max():
                raise DataError(
                    f"SequenceDataset: buckets must reach the longest sequence of "
                    f"{self.lengths.max()} (row {int(self.lengths.argmax())}); got {self.sizes}."
                )
        self.check_types(0)

    @classmethod
    def of_texts(
        cls, texts: Iterable[str], y: ArrayLike, encoder: TextEncoder, **options: Any
    ) -> SequenceDataset:
        """Encode texts; `options` are those of the class."""
        validate.instance("encoder", encoder, TextEncoder)
        return cls(encoder.encode(texts), y, ids=len(encoder.vocabulary), **options)

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition with all rows."""
        return (len(self.y),)

    def stored(self) -> DataSpec:
        """Return the form of one row, at its longest."""
        y = Spec(tuple(self.y.shape[1:]), self.y.dtype.name)
        return DataSpec(Spec((self.sizes[-1],), (self.dtype or np.dtype(np.int32)).name), y)

    def load(self, partition: int) -> Pair:
        """Return all rows, padded to the longest length."""
        self._check_partition(partition)
        return self._padded(np.arange(len(self.y)), self.sizes[-1]), self.y

    def held(self, partition: int) -> Any:
        """Return the labels."""
        self._check_partition(partition)
        return self.y

    def check_types(self, partition: int) -> None:
        """Look once whether the batches' dtypes can hold ids and labels."""
        if partition not in self._fitting:
            name = type(self).__name__
            is_class = self.are_classes()[0]
            check_fit(self.y, target_type(self.y.dtype, is_class), f"{name}: y")
            check_fit(
                self.flat.max(keepdims=True), self.dtype or np.int32, f"{name}: the largest id"
            )
            self._fitting.add(partition)

    def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> BucketOrder:
        """Return an order that sorts by length; without shuffle too."""
        bucket = np.searchsorted(self.sizes, self.lengths)
        return BucketOrder([bucket], self.sizes, batch_size, seed=seed, shuffle=shuffle)

    def batch_spec(self, parts: Iterable[tuple[int, ArrayLike]]) -> DataSpec:
        """Return the form of one row of this batch."""
        spec = self.spec
        return DataSpec(Spec((self._length(parts),), spec.x.dtype), spec.y)

    def rows(
        self,
        partition: int,
        indices: ArrayLike,
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return some rows, padded to the length of `out` or, without it, of their batch."""
        return self.batch([(partition, indices)], out=out, random=random)

    def batch(
        self,
        parts: Iterable[tuple[int, ArrayLike]],
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return rows as one batch, padded to what the order says (`Share.length`)."""
        parts = parts if isinstance(parts, Share) else list(parts)
        picked = self._picked(parts)
        x = None if out is None else out[0]
        x = self._padded(picked, self._length(parts) if x is None else x.shape[1], x)
        self.check_types(0)
        y = None if out is None else out[1]
        return x, take_target(self.y, picked, y, self.are_classes()[0])

    def _picked(self, parts: Iterable[tuple[int, ArrayLike]]) -> NDArray[np.int64]:
        found = [np.zeros(0, np.int64)]
        for partition, indices in parts:
            self._check_partition(partition)
            rows = np.asarray(indices)
            if rows.size:
                self._check_indices(partition, rows, len(self.y))
                found.append(rows.astype(np.int64, copy=False))
        return np.concatenate(found)

    def _length(self, parts: Iterable[tuple[int, ArrayLike]]) -> int:
        known = getattr(parts, "length", None)
        if known is not None:
            return int(known)
        longest = int(self.lengths[self._picked(parts)].max(initial=1))
        return self.sizes[int(np.searchsorted(self.sizes, longest))]

    def _padded(self, picked: Array, length: int, out: Array | None = None) -> Array:
        if out is None:
            out = np.empty((picked.size, length), self.dtype or np.int32)
        lengths = self.lengths[picked]
        if lengths.max(initial=0) > length:
            row = int(picked[lengths.argmax()])
            raise DataError(
                f"{self}: rows must be padded to at least {lengths.max()} (row {row}); got "
                f"{length}. Batch with the data set's own order."
            )
        place = np.arange(length)
        inside = place < lengths[:, None]
        out[...] = 0
        out[inside] = self.flat[(self.starts[picked][:, None] + place)[inside]]
        return out

    def _check_axes(self, rows: Sequence[ArrayLike]) -> None:
        for row, ids in enumerate(rows):
            if np.ndim(ids) != 1:
                raise DataError(
                    "SequenceDataset: sequences must be 1-D, one id after the other; got shape "
                    f"{np.shape(ids)} in row {row}. Several numbers a step? use an ArrayDataset of "
                    "padded rows (rows, length, numbers)."
                )

    def _check_lengths(self, max_length: int | None) -> None:
        if not self.lengths.all():
            row = int(self.lengths.argmin())
            raise DataError(
                f"SequenceDataset: sequences must have at least one id; got none in row {row}. "
                "Drop it, or encode with TextEncoder(empty='unknown')."
            )
        if max_length is None:
            return
        if self.lengths.max() > validate.positive_int("max_length", max_length):
            row = int((self.lengths > max_length).argmax())
            raise DataError(
                f"SequenceDataset: sequences must have at most {max_length} ids; got "
                f"{self.lengths[row]} in row {row}. Cut them: TextEncoder(max_length={max_length})."
            )

    def _check_ids(self, flat: Array, size: int) -> None:
        wrong = None
        if flat.dtype.kind not in "iu":
            raise DataError(f"SequenceDataset: ids must be integers; got dtype {flat.dtype}.")
        if flat.min() < 1 or flat.max() >= size:
            wrong = int(((flat < 1) | (flat >= size)).argmax())
            row = int(np.searchsorted(self.starts, wrong, side="right")) - 1
            cure = (
                "0 is padding and is added here"
                if flat[wrong] == 0
                else "encode with the vocabulary that the model was made for"
            )
            raise DataError(
                f"SequenceDataset: ids must be in [1, {size}); got {flat[wrong]} in row {row}, "
                f"position {wrong - int(self.starts[row])}: {cure}."
            )

    def __repr__(self) -> str:
        return (
            f"SequenceDataset({len(self.y)} rows, lengths {self.lengths.min()} to "
            f"{self.lengths.max()} in buckets {self.sizes})"
        )

    __str__ = __repr__


def sequence_lengths(x: ArrayLike, *, padding: int = 0) -> NDArray[np.int64]:
    """Return the lengths of padded rows: up to the last id that is not padding.

    Examples
    --------
    >>> sequence_lengths([[5, 6, 0], [7, 0, 0], [0, 0, 0]])
    array([2, 1, 0])
    """
    ids = validate.numbers("x", x)
    validate.integer("padding", padding)
    if ids.ndim != 2:
        raise ArgumentError(f"`x` must have shape (rows, length); got {ids.shape}.")
    real = ids != padding
    return np.where(real.any(1), ids.shape[1] - real[:, ::-1].argmax(1), 0).astype(np.int64)


__all__ = ["SequenceDataset", "sequence_lengths"]
