"""Data sets of arrays in memory, and the checks of what users hand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import DataError
from ..engine.oplist import Spec
from .dataset import Array, Dataset, DataSpec, Pair, TransformLike, shown


class ArrayDataset(Dataset):
    """Two NumPy arrays (or what becomes one): x and y, one row each.

    Parameters
    ----------
    x : array of shape (rows, ...)
        Numbers of any dtype.
    y : array of shape (rows,) or (rows, ...)
        Integer class labels, or float targets.
    transform, dtype
        See `Dataset`.

    Raises
    ------
    DataError : no rows, x and y of different lengths, not numbers.

    Examples
    --------
    >>> from sandbox.lib.data import ArrayDataset, transforms
    >>> data = ArrayDataset(np.eye(3, dtype="u1") * 255, [2, 1, 0],
    ...                     transform=transforms.Normalize(1 / 255))
    >>> data.rows(0, [2, 0])
    (array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32), array([0, 2]))
    """

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self.x, self.y = checked_pair(x, y, type(self).__name__)
        if not len(self.x):
            raise DataError("ArrayDataset: the data set must have at least one row; got 0.")

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition with all rows."""
        return (len(self.x),)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return _spec_of((self.x, self.y))

    def load(self, partition: int) -> Pair:
        """Return the arrays."""
        self._check_partition(partition)
        return self.x, self.y


class PartitionedDataset(Dataset):
    """Pairs of arrays, each a partition that one rank owns.

    Parameters
    ----------
    parts : list of (x, y)
        Any sizes, empty ones too; rows of one shape and dtype.
    transform, dtype
        See `Dataset`.

    Raises
    ------
    DataError : no rows at all, rows of different shapes, x and y of different lengths; or rows are
        asked for that `only` has taken away.

    Examples
    --------
    >>> data = PartitionedDataset([(np.ones((3, 2)), [0, 1, 0]), (np.zeros((1, 2)), [1])])
    >>> data.partition_sizes
    (3, 1)
    >>> data.batch([(0, [1]), (1, [0])])[1]
    array([1, 1])
    """

    shared = False

    def __init__(
        self,
        parts: Sequence[tuple[ArrayLike, ArrayLike]],
        *,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        name = type(self).__name__
        self.parts: list[Pair | None] = [
            checked_pair(x, y, f"{name}: partition {i}") for i, (x, y) in enumerate(parts)
        ]
        self._sizes = tuple(len(part[0]) for part in self.parts if part is not None)
        if not sum(self._sizes):
            raise DataError(
                f"{name}: the data set must have at least one row; "
                f"got {len(self._sizes)} partitions without rows."
            )
        first = next(i for i, n in enumerate(self._sizes) if n)
        self._stored = _spec_of(self.parts[first])  # type: ignore[arg-type]
        for i, part in enumerate(self.parts):
            if part is not None and len(part[0]) and _spec_of(part) != self._stored:
                raise DataError(
                    f"{name}: rows of partition {i} must be like those of partition {first} "
                    f"{_describe(self._stored)}; got {_describe(_spec_of(part))}."
                )

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition, also of those that are not held here."""
        return self._sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return self._stored

    def only(self, partitions: Iterable[int]) -> PartitionedDataset:
        """Return a data set of the same shape that holds the arrays of these partitions only."""
        kept = set(partitions)
        other = object.__new__(type(self))
        other.__setstate__(self.__getstate__())
        other.parts = [part if i in kept else None for i, part in enumerate(self.parts)]
        return other

    def load(self, partition: int) -> Pair:
        """Return the arrays of a partition."""
        self._check_partition(partition)
        part = self.parts[partition]
        if part is None:
            held = [i for i, p in enumerate(self.parts) if p is not None]
            raise DataError(
                f"{type(self).__name__}: partition must be one held here {held}; got {partition}, "
                "whose rows another rank owns."
            )
        return part

    def check(self, *, classes: int | None = None) -> None:
        """Look at all rows held here; see `Dataset.check`."""
        held = PartitionedDataset.__new__(type(self))
        held.__setstate__(self.__getstate__())
        held._sizes = tuple(
            n if part is not None else 0 for n, part in zip(self._sizes, self.parts, strict=True)
        )
        Dataset.check(held, classes=classes)


def as_dataset(data: Any, *, transform: TransformLike = None) -> Dataset:
    """Return `data` if it is a `Dataset`, or make one from a pair (x, y).

    Examples
    --------
    >>> as_dataset((np.zeros((2, 3)), [0, 1]))
    ArrayDataset(2 rows, x (3) float64, y () int64)
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, tuple | list) and len(data) == 2:
        return ArrayDataset(data[0], data[1], transform=transform)
    raise DataError(
        f"as_dataset: data must be a Dataset or a pair (x, y); got {type(data).__name__}. "
        "Spark DataFrames and RDDs go through the Spark backend."
    )


def checked_pair(x: ArrayLike, y: ArrayLike, place: str) -> Pair:
    """Return x and y as arrays of numbers with the same number of rows, or raise `DataError`."""
    a, b = numbers(x, f"{place}: x"), numbers(y, f"{place}: y")
    if a.ndim < 1 or b.ndim < 1:
        name, scalar = ("x", a) if a.ndim < 1 else ("y", b)
        raise DataError(f"{place}: {name} must have a row axis; got the single number {scalar}.")
    if len(a) != len(b):
        raise DataError(
            f"{place}: x and y must have the same number of rows; got {len(a)} and {len(b)} "
            f"(shapes {shown(a.shape)} and {shown(b.shape)})."
        )
    return a, b


def numbers(values: ArrayLike, place: str) -> Array:
    """Return an array of integers, booleans or floats, or raise `DataError`."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(
            f"{place} must be an array of numbers; got rows of different lengths ({error}). "
            "Pad them to one length."
        ) from None
    if array.dtype.kind in "iubf":
        return array
    cure = {
        "O": "Convert its columns to numbers first.",
        "U": "Map text to class numbers, e.g. np.unique(y, return_inverse=True)[1].",
        "S": "Map text to class numbers, e.g. np.unique(y, return_inverse=True)[1].",
        "c": "Take its absolute value or its real part.",
        "M": "Turn dates into numbers first.",
    }.get(array.dtype.kind, "")
    sample = f", first value {array.flat[0]!r}" if array.size else ""
    raise DataError(f"{place} must be numbers; got dtype {array.dtype}{sample}. {cure}".rstrip())


def _spec_of(pair: Pair) -> DataSpec:
    return DataSpec(*(Spec(tuple(a.shape[1:]), a.dtype.name) for a in pair))


def _describe(spec: DataSpec) -> str:
    return f"(x {shown(spec.x.shape)} {spec.x.dtype}, y {shown(spec.y.shape)} {spec.y.dtype})"
