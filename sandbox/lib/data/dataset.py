"""Data sets: rows in partitions, handed out as batches of arrays or of trees of arrays."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import tree, validate
from ..core.errors import DataError
from ..engine.oplist import Spec
from . import checks, conversion
from .casting import cast
from .conversion import Rule, as_dtypes, as_transforms, input_spec, take_target, target_type
from .order import EpochOrder, Share
from .sets.sources import Provenance
from .transforms import Transform, into
from .trees import named, row_count, shown, spread

Array = NDArray[Any]
Pair = tuple[Any, Any]
"""x and y: arrays, or trees of arrays."""
TransformLike = Transform | Callable[[Array], Array] | Mapping[str, Any] | Sequence[Any] | None


class DataSpec(NamedTuple):
    """Shape and dtype of one row of the batches: `x` and `y`, without the batch axis.

    Each is a `Spec`, or a tree of them.
    """

    x: Any
    y: Any


_PARTS = "a list of pairs (partition, indices)"


def _part(part: Any) -> tuple[int, ArrayLike]:
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise validate.refuse("parts", _PARTS, part)
    return part[0], part[1]


def _pair(out: Any) -> Pair:
    if not isinstance(out, tuple) or len(out) != 2:
        raise validate.refuse("out", "a pair (x, y) of arrays", out)
    return out


class Dataset(ABC):
    """Rows in numbered partitions.

    A subclass tells `partition_sizes`, and gives the stored arrays of a partition in `load`. All
    else is done here: picking rows, the transform, float32, checks.

    Parameters
    ----------
    transform : Transform or function of a batch, or a tree of them, optional
        Applied to the picked rows of x; where x is a tree, to the arrays it names:
        `{"image": Normalize(1 / 255)}`.
    dtype : numpy dtype or None, or a tree of them
        Of the batches' x; None leaves what the transform gives (ids for an embedding). In a tree
        one dtype is that of the arrays of floats, and integers and booleans stay what they are;
        `{"image": np.float32}` turns them, too.

    Notes
    -----
    x and y are arrays or trees of arrays (`core.tree`). A tree x is what a model is called with: a
    tuple by place, a dict by name; a list is one argument. Every array of y comes as int64 where
    integers or booleans are stored, else as float32.

    Numbers keep their value: an integer that the batches' dtype cannot hold, or a float that is out
    of its range, is refused with its row (`casting`). Floats are rounded as their dtype says.
    """

    shared: bool = True
    """Whether every rank can read every row; else ranks own partitions."""
    provenance: Provenance | None = None
    """Where the rows come from, if a loader of a known set made them."""

    def __init__(self, *, transform: TransformLike = None, dtype: Any = np.float32) -> None:
        self.transform = as_transforms(transform, type(self).__name__)
        self.dtype = as_dtypes(dtype)
        self._local = threading.local()
        self._planned: tuple[Any, list[Rule]] | None = None
        self._known: tuple[Any, DataSpec] | None = None
        self._classes: Any = False
        self._fitting: set[int] = set()  # partitions whose numbers the batches' dtypes hold

    def of_classes(self, classes: Any) -> Dataset:
        """Return the same rows, with labels stored as floats (0.0, 1.0) taken as class numbers.

        Parameters
        ----------
        classes : bool, or a tree of bool like y
            Which arrays of y are labels of classes.
        """
        y = self.stored().y
        try:
            said = spread(classes, y, "classes")
        except DataError:  # y is another tree: training tells what the criterion wants
            return self
        if not any(
            one is True and not spec.shape and np.dtype(spec.dtype).kind == "f"
            for spec, (one, _) in zip(tree.leaves(y), said, strict=True)
        ):
            return self
        other = object.__new__(type(self))  # what is open or read already is shared
        other.__dict__.update(self.__dict__)
        other._classes, other._known, other._fitting = classes, None, set()
        return other

    def are_classes(self) -> list[bool]:
        """Return for each array of y whether its floats are class numbers."""
        y = self.stored().y
        said = spread(self._classes, y, "classes")
        return [
            one is True and not spec.shape
            for spec, (one, _) in zip(tree.leaves(y), said, strict=True)
        ]

    @property
    @abstractmethod
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition."""

    @abstractmethod
    def load(self, partition: int) -> Pair:
        """Return (x, y) of a partition as stored, read at most once in a process.

        Arrays or trees of arrays, each with one row for every row of the partition.
        """

    @abstractmethod
    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row, without reading the rows."""

    def __len__(self) -> int:
        return sum(self.partition_sizes)

    @property
    def spec(self) -> DataSpec:
        """Shape and dtype of one row of the batches."""
        stored = self.stored()
        key = (stored, self.transform, self.dtype)
        if self._known is None or self._known[0] != key:
            x, y = stored
            if isinstance(x, Spec):
                made = input_spec(x, self.transform, self.dtype)
            else:
                columns = self.rules(x)
                specs = [input_spec(c.spec, c.transform, c.dtype) for c in columns]
                made = tree.flatten(x)[1].unflatten(specs)
            specs, form = tree.flatten(y)
            goals = [
                Spec(s.shape, target_type(s.dtype, is_class).name)
                for s, is_class in zip(specs, self.are_classes(), strict=True)
            ]
            self._known = (key, DataSpec(made, form.unflatten(goals)))
        return self._known[1]

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

        Both have the structure of what `load` gives.

        Parameters
        ----------
        partition : int
            Number of the partition.
        indices : 1-D ints
            Rows of it, in any order, from 0.
        out : (x, y), optional
            Arrays (trees of arrays) of the right shape and dtype that take the result.
        random : RandomKey, optional
            For transforms that augment; its `sample_index` is the position of the first row.
        """
        x, y = self.load(partition)
        picked = validate.array("indices", indices)
        if picked.size == 0:
            picked = picked.astype(np.int64)
        self.check_types(partition)
        self._check_indices(partition, picked, row_count(x))
        return self._pick(x, y, picked, out, random)

    def _pick(self, x: Any, y: Any, picked: Array, out: Pair | None, random: Any) -> Pair:
        """Return rows of (trees of) arrays as a batch."""
        out_x, out_y = (None, None) if out is None else _pair(out)
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            target = take_target(y, picked, out_y, self._classes is True)
            return self._take(x, picked, self.transform, self.dtype, out_x, random), target
        xs, form = tree.flatten(x)
        ys, target_form = tree.flatten(y)
        rooms = [None] * len(xs) if out is None else _leaves_like(out_x, form, "x")
        goals = [None] * len(ys) if out is None else _leaves_like(out_y, target_form, "y")
        made = [
            self._take(array, picked, column.transform, column.dtype, room, random, place)
            for place, (array, column, room) in enumerate(
                zip(xs, self.rules(self.stored().x), rooms, strict=True)
            )
        ]
        goal = [
            take_target(array, picked, room, is_class)
            for array, room, is_class in zip(ys, goals, self.are_classes(), strict=True)
        ]
        return form.unflatten(made), target_form.unflatten(goal)

    def _take(
        self,
        x: Array,
        picked: Array,
        transform: Transform | None,
        dtype: np.dtype[Any] | None,
        out: Array | None,
        random: Any,
        place: int = 0,
    ) -> Array:
        """Return rows of one array of x, changed as its transform and dtype want it."""
        if transform is None and x.dtype == (dtype or x.dtype):
            if out is not None and (out.dtype != x.dtype or out.shape[1:] != x.shape[1:]):
                return into(np.take(x, picked, axis=0, mode="clip"), out)
            if out is None:
                out = np.empty((picked.size, *x.shape[1:]), x.dtype)
            np.take(x, picked, axis=0, out=out, mode="clip")
            return out
        raw = self._scratch(picked.size, x, place)
        np.take(x, picked, axis=0, out=raw, mode="clip")
        made = raw
        if transform is not None:
            made = transform(raw, out=out, random=random)
            wanted = dtype if out is None else out.dtype
            if made is not out and wanted is not None and made.dtype != wanted:
                name = f"{type(self).__name__}: x after {transform!r}"
                made = cast(made, wanted, name, rows=picked)
        if out is not None:
            return out if made is out else into(made, out)
        if made.dtype != (dtype or made.dtype):
            return made.astype(dtype)  # `check_types` has looked at the numbers
        return made.copy() if np.may_share_memory(made, raw) else made

    def _check_settings(self) -> None:
        """Refuse transforms and dtypes of arrays that x does not have."""
        x, name = self.stored().x, type(self).__name__
        spread(self.transform, x, f"{name}: transform")
        spread(self.dtype, x, f"{name}: dtype")

    def rules(self, x: Any) -> list[Rule]:
        """Return what becomes of each array of a stored tree x."""
        key = (x, self.transform, self.dtype)
        if self._planned is None or self._planned[0] != key:
            columns = conversion.rules(x, self.transform, self.dtype, type(self).__name__)
            self._planned = (key, columns)
        return self._planned[1]

    def batch(
        self,
        parts: Iterable[tuple[int, ArrayLike]],
        *,
        out: Pair | None = None,
        random: Any = None,
    ) -> Pair:
        """Return the rows of several partitions as one batch (what `EpochOrder` hands out)."""
        held = self.together() if isinstance(parts, Share) else None
        if held is not None and isinstance(parts, Share) and parts.numbers is not None:
            (x, y), first = held
            with suppress(DataError):  # which is raised below, with partition and row
                return self._pick(x, y, parts.numbers - first, out, random)
        parts = [_part(part) for part in validate.several("parts", parts, _PARTS)]
        if len(parts) == 1:
            return self.rows(*parts[0], out=out, random=random)
        sizes = [np.size(indices) for _, indices in parts]
        if out is None:
            spec, total = self.spec, sum(sizes)
            out = (
                tree.map(lambda s: np.empty((total, *s.shape), s.dtype), spec.x),
                tree.map(lambda s: np.empty((total, *s.shape), s.dtype), spec.y),
            )
        start = 0
        for (partition, indices), size in zip(parts, sizes, strict=True):
            here = slice(start, start + size)
            key = random
            if random is not None and start:  # draws belong to positions in the global batch
                key = replace(random, sample_index=random.sample_index + start)
            room = tuple(tree.map(lambda array, here=here: array[here], part) for part in out)
            self.rows(partition, indices, out=room, random=key)
            start += size
        return out

    def together(self) -> tuple[Pair, int] | None:
        """Return all rows held here as one (x, y), and the number of their first row.

        None, as here, if each partition is read by itself: then a batch costs more the more
        partitions it has rows of.
        """
        return None

    def check(self, *, classes: Any = None) -> None:
        """Look at all rows; raise `DataError` at the first NaN or infinity, or bad label.

        Parameters
        ----------
        classes : int or a tree of int and None, optional
            If given, y must hold integers in [0, classes): every array of it, or those that a tree
            such as `{"digit": 10}` names.
        """
        checks.check_rows(self, classes)

    def check_types(self, partition: int) -> None:
        """Look once whether the batches' dtypes can hold what a partition stores.

        Raises
        ------
        DataError : a number would change; names the row and the column.
        """
        if partition not in self._fitting:
            checks.check_types(self, partition)
            self._fitting.add(partition)

    def held(self, partition: int) -> Any:
        """Return y of a partition as stored if it is at hand in this process, else None."""
        return None

    def held_target(self, partition: int) -> Any:
        """Return y of a partition as it comes in the batches, None where it is not at hand.

        Raises
        ------
        DataError : a number would change; names the row.
        """
        return checks.held_target(self, partition)

    def called(self, side: str, path: str) -> str:
        """Return how errors call an array of x or y."""
        return named(side, path)

    def may_be_cut(self, sizes: Sequence[int]) -> bool:
        """Tell whether ranks may see these rows in partitions of such sizes."""
        return tuple(sizes) == tuple(self.partition_sizes)

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row."""
        inside = f" of partition {partition}" if len(self.partition_sizes) > 1 else ""
        return f"row {row}{inside}"

    def column_names(self) -> Sequence[str]:
        """Return the names of the columns of x, if its columns have names."""
        return ()

    def column_name(self, index: tuple[int, ...]) -> str:
        """Return how errors call a place within a row."""
        return str(index[0]) if len(index) == 1 else f"({', '.join(map(str, index))})"

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
        if not 0 <= validate.integer("partition", partition) < len(self.partition_sizes):
            raise DataError(
                f"{self}: partition must be in [0, {len(self.partition_sizes)}); got {partition}."
            )

    def _scratch(self, rows: int, like: Array, place: int = 0) -> Array:
        """Return this thread's reusable array for picked rows, before the transform."""
        rooms: dict[int, Array] | None = getattr(self._local, "picked", None)
        if rooms is None:
            rooms = self._local.picked = {}
        kept = rooms.get(place)
        if (
            kept is None
            or len(kept) < rows
            or kept.dtype != like.dtype
            or kept.shape[1:] != like.shape[1:]
        ):
            kept = rooms[place] = np.empty((rows, *like.shape[1:]), like.dtype)
        return kept[:rows]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def __repr__(self) -> str:
        x, y = self.stored()
        return f"{type(self).__name__}({len(self)} rows, x {shown(x)}, y {shown(y)})"

    __str__ = __repr__


def _leaves_like(out: Any, form: tree.Structure, what: str) -> list[Any]:
    leaves, its = tree.flatten(out)
    if its != form:
        raise DataError(f"out: {what} must be a tree like {form}; got {its}.")
    return leaves
