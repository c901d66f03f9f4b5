"""Data sets of arrays in memory, and the checks of what users hand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from .dataset import Dataset, DataSpec, Pair, TransformLike
from .trees import arrays, named, row_count, shown

_LOOK = 16  # items of a list that are looked at; rows are alike


class ArrayDataset(Dataset):
    """NumPy arrays (or what becomes them): x and y, one row each.

    Parameters
    ----------
    x : array of shape (rows, ...), or a tree of them
        Numbers of any dtype; a pandas DataFrame's columns side by side. Several inputs are a tuple
        `(ids, row)` or, by the names of the model's arguments, a dict.
    y : array of shape (rows,) or (rows, ...), or a tree of them
        Integer class labels, or float targets.
    transform, dtype
        See `Dataset`; in a tree integers stay integers.

    Raises
    ------
    DataError : no rows, arrays of different lengths, not numbers; names the array.

    Examples
    --------
    >>> from sandbox.lib.data import ArrayDataset, transforms
    >>> data = ArrayDataset(np.eye(3, dtype="u1") * 255, [2, 1, 0],
    ...                     transform=transforms.Normalize(1 / 255))
    >>> data.rows(0, [2, 0])
    (array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32), array([0, 2]))
    >>> several = ArrayDataset({"ids": [[1], [2]], "row": [[0.5], [1.5]]}, {"big": [0, 1]})
    >>> several.rows(0, [1])
    ({'ids': array([[2]]), 'row': array([[1.5]], dtype=float32)}, {'big': array([1])})
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        wanted = self.dtype if transform is None and isinstance(self.dtype, np.dtype) else None
        self.x, self.y = checked_pair(x, y, type(self).__name__, wanted)
        if not row_count(self.x):
            raise DataError("ArrayDataset: the data set must have at least one row; got 0.")
        self._check_settings()
        self.check_types(0)

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """One partition with all rows."""
        return (row_count(self.x),)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return _spec_of((self.x, self.y))

    def load(self, partition: int) -> Pair:
        """Return the arrays."""
        self._check_partition(partition)
        return self.x, self.y

    def held(self, partition: int) -> Any:
        """Return y."""
        self._check_partition(partition)
        return self.y


class PartitionedDataset(Dataset):
    """Pairs of arrays or trees of arrays, each a partition that one rank owns.

    Parameters
    ----------
    parts : list of (x, y)
        Any sizes, empty ones too; rows of one structure, shape and dtype.
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
        parts: Sequence[tuple[Any, Any]],
        *,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        name = type(self).__name__
        self.parts: list[Pair | None] = [
            checked_pair(x, y, f"{name}: partition {i}")
            for i, (x, y) in enumerate(map(_two, validate.several("parts", parts, _PARTS)))
        ]
        self._sizes = tuple(row_count(part[0]) for part in self.parts if part is not None)
        if not sum(self._sizes):
            raise DataError(
                f"{name}: the data set must have at least one row; "
                f"got {len(self._sizes)} partitions without rows."
            )
        first = next(i for i, n in enumerate(self._sizes) if n)
        self._stored = _spec_of(self.parts[first])  # type: ignore[arg-type]
        for i, part in enumerate(self.parts):
            if part is not None and row_count(part[0]) and _spec_of(part) != self._stored:
                raise DataError(
                    f"{name}: rows of partition {i} must be like those of partition {first} "
                    f"{_describe(self._stored)}; got {_describe(_spec_of(part))}."
                )
        self._check_settings()

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition, also of those that are not held here."""
        return self._sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return self._stored

    def only(self, partitions: Iterable[int]) -> PartitionedDataset:
        """Return a data set of the same shape that holds the arrays of these partitions only."""
        kept = set(validate.integers("partitions", partitions))
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

    def held(self, partition: int) -> Any:
        """Return y of a partition that is held here."""
        self._check_partition(partition)
        part = self.parts[partition]
        return None if part is None else part[1]

    def check(self, *, classes: Any = None) -> None:
        """Look at all rows held here; see `Dataset.check`."""
        held = PartitionedDataset.__new__(type(self))
        held.__setstate__(self.__getstate__())
        held._sizes = tuple(
            n if part is not None else 0 for n, part in zip(self._sizes, self.parts, strict=True)
        )
        Dataset.check(held, classes=classes)


_PARTS = "a list of pairs (x, y)"


def _two(part: Any) -> Pair:
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise validate.refuse("parts", _PARTS, part)
    return part[0], part[1]


def as_dataset(data: Any, *, transform: TransformLike = None) -> Dataset:
    """Return `data` if it is a `Dataset`, or make one from a pair (x, y) of arrays or trees.

    Examples
    --------
    >>> as_dataset((np.zeros((2, 3)), [0, 1]))
    ArrayDataset(2 rows, x (3) float64, y () int64)
    >>> as_dataset(((np.zeros((2, 3)), np.ones((2, 1), "u1")), {"class": [0, 1]}))
    ArrayDataset(2 rows, x ((3) float64, (1) uint8), y {class: () int64})
    """
    if isinstance(data, Dataset):
        return data
    return ArrayDataset(*as_pair(data), transform=transform)


def as_pair(data: Any) -> Pair:
    """Return x and y of a pair (x, y), or raise `DataError`, also for a list of rows (x, y).

    Examples
    --------
    >>> as_pair([(np.ones(3), 0), (np.zeros(3), 1)])
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: as_dataset: data must be a Dataset or a pair (x, y) of \
arrays; got a list of 2 rows (x, y). Make arrays of them: x, y = map(np.stack, zip(*rows)). \
Several inputs and targets are a tuple: ((a, b), (c, d)).
    """
    if isinstance(data, tuple | list) and _are_rows(data):
        raise DataError(
            "as_dataset: data must be a Dataset or a pair (x, y) of arrays; got a list of "
            f"{len(data)} rows (x, y). Make arrays of them: x, y = map(np.stack, zip(*rows)). "
            "Several inputs and targets are a tuple: ((a, b), (c, d))."
        )
    if isinstance(data, tuple | list) and len(data) == 2:
        return data[0], data[1]
    got = f"{type(data).__module__.partition('.')[0]} {type(data).__name__}".removeprefix(
        "builtins "
    )
    if isinstance(data, tuple | list):
        got += f" of {len(data)}. Several inputs are one x: ((a, b), y)"
    if hasattr(data, "mapInArrow") or hasattr(data, "mapPartitionsWithIndex"):
        got += ". Give the Trainer backend=SparkBackend(...), or the data as SparkDataset(...)"
    elif hasattr(data, "iloc"):
        got += ". Give a pair of its columns: (table[['a', 'b']], table['label'])"
    raise DataError(f"as_dataset: data must be a Dataset or a pair (x, y); got {got}.")


def _are_rows(data: Any) -> bool:
    """Tell a list of rows (x, y) from a pair of lists, of which y is one label or each a tuple."""
    some = data[:_LOOK]
    if not some or not all(isinstance(item, tuple | list) and len(item) == 2 for item in some):
        return False
    if all(_is_single(y) for _, y in some):
        return not all(_is_single(x) for x, _ in some)  # ([0, 1], [1, 0]) is a pair
    return isinstance(data, list) and all(isinstance(item, tuple) for item in some)


def _is_single(value: Any) -> bool:
    """Tell one number or text from rows."""
    return isinstance(value, Number | str) or getattr(value, "shape", None) == ()


def checked_pair(x: Any, y: Any, place: str, dtype: np.dtype[Any] | None = None) -> Pair:
    """Return x and y as (trees of) arrays of numbers of the same rows, or raise `DataError`.

    Tables of integers and floats in x become one array of `dtype`.
    """
    pair = arrays(x, f"{place}: x", dtype), arrays(y, f"{place}: y")
    _check_stacked(x, *pair, place)
    found = []
    for name, part in zip("xy", pair, strict=True):
        leaves, form = tree.flatten(part)
        if not leaves:
            raise DataError(f"{place}: {name} must hold at least one array; got {part!r}.")
        found += [(named(name, p), a) for p, a in zip(form.paths, leaves, strict=True)]
    for name, array in found:
        if array.ndim < 1:
            raise DataError(f"{place}: {name} must have a row axis; got the single number {array}.")
    name, first = found[0]
    for other, array in found[1:]:
        if len(array) != len(first):
            raise DataError(
                f"{place}: {name} and {other} must have the same number of rows; got {len(first)} "
                f"and {len(array)} (shapes {_shape(first)} and {_shape(array)}).{_cure(x, y)}"
            )
    return pair


def _check_stacked(given: Any, x: Any, y: Any, place: str) -> None:
    """Refuse lists of numbers that may be rows as well as inputs: as many of them as rows.

    With more rows than inputs one of the two does not fit, and is refused by its length.
    """
    if not isinstance(given, tuple | list) or not isinstance(x, np.ndarray) or x.ndim < 3:
        return
    rows = {len(array) for array in tree.leaves(y) if array.ndim}
    if len(x) > 1 and rows == {len(x)} == {x.shape[1]}:
        raise DataError(
            f"{place}: x must be one array of rows or a tuple of arrays, one for each input; got "
            f"{len(x)} lists of {x.shape[1]} lists with {len(x)} rows of y, which may be either. "
            "Write np.asarray(x) for rows, (np.asarray(a), np.asarray(b)) for inputs."
        )


def _cure(x: Any, y: Any) -> str:
    if isinstance(x, list | tuple) or isinstance(y, list | tuple):
        return " A list of arrays is several inputs; make one array of rows with np.stack(rows)."
    return ""


def _shape(array: NDArray[Any]) -> str:
    return f"({', '.join(map(str, array.shape))})"


def _spec_of(pair: Pair) -> DataSpec:
    x, y = (_row(p) if isinstance(p, np.ndarray) else tree.map(_row, p) for p in pair)
    return DataSpec(x, y)


def _row(array: NDArray[Any]) -> Spec:
    return Spec(tuple(array.shape[1:]), array.dtype.name)


def _describe(spec: DataSpec) -> str:
    return f"(x {shown(spec.x)}, y {shown(spec.y)})"
