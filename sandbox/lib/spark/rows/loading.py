"""A rank's rows of DataFrames and RDDs: blocks that stream in become one array for each leaf."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree
from ...core.errors import DataError
from ...data.casting import cast
from ...data.dataset import Dataset, DataSpec, Pair
from ...data.decoding import decoded
from ...data.order import owners
from ...data.progress import Meter
from ...engine.oplist import Spec
from .blocks import RAGGED, Form, Ragged
from .room import Room, make_rooms

__all__ = ["DEALT", "Frame", "FrameRows", "Loader", "deal"]

DEALT = ["tag", "partition", "first", "rows", "start", "form", "digest"]
FAIR = 1.1  # times its share of the rows that a rank may have by the source's own partitions
_TELL_S = 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """What ranks know of a DataFrame or RDD before its rows come.

    Parameters
    ----------
    tag : int
        0 for training, 1 for validation.
    sizes, owner : tuples of int
        Rows and rank of each partition, as the training sees them.
    form : Form
        Of a row as it is kept.
    starts, digests : (source partitions + 1,) and (source partitions,) ints
        Number of the first row of each partition of the source, and the digest of its bytes.
    cut : bool
        Whether the rows were cut anew, since the source's own partitions are uneven.
    """

    tag: int
    sizes: tuple[int, ...]
    owner: tuple[int, ...]
    form: Form
    starts: NDArray[np.int64]
    digests: NDArray[np.int64]
    cut: bool = False

    def bounds(self, rank: int) -> tuple[int, int]:
        """Return the numbers of the first row of a rank and of the one after its last."""
        owner, sizes = np.asarray(self.owner), np.asarray(self.sizes)
        low = int(sizes[owner < rank].sum())
        return low, low + int(sizes[owner == rank].sum())


def deal(sizes: Sequence[int], ranks: int) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Return sizes and owners of partitions for so many ranks, and whether rows were cut anew.

    The source's own partitions, if no rank has much more than its share and none has nothing; else
    as many consecutive ranges of rows as there are ranks.

    Examples
    --------
    >>> deal([50, 0, 52], 2)
    ((50, 0, 52), (0, 0, 1), False)
    >>> deal([90, 11], 2)
    ((50, 51), (0, 1), True)
    """
    owner = owners(sizes, ranks)
    loads = np.bincount(owner, weights=sizes, minlength=ranks)
    total = sum(sizes)
    if loads.min() > 0 and loads.max() <= FAIR * total / ranks:
        return tuple(sizes), tuple(owner), False
    ends = [total * rank // ranks for rank in range(ranks + 1)]
    return tuple(np.diff(ends).tolist()), tuple(range(ranks)), True


class Loader:
    """Takes blocks as they come and puts their rows where they belong.

    Parameters
    ----------
    frames : list of Frame
        Whose rows come.
    rank : int
    budget : int
        Bytes of memory for the rows of all of them.
    folders : list of Path
        Where rows beyond the budget go.
    tell : callable(share, text), optional
        Hears now and then how much has come, and how fast.
    decoders : dict of functions, optional
        By tag: what makes an array of the bytes of a row, where these vary in number.

    Raises
    ------
    DataError : the rows that come are not those that were counted.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        rank: int,
        *,
        budget: int,
        folders: Sequence[Path],
        tell: Callable[[float, str], object] | None = None,
        decoders: dict[int, Callable[[bytes], Any]] | None = None,
    ) -> None:
        self._decoders = decoders or {}
        self._frames = {frame.tag: frame for frame in frames}
        self._bounds = {tag: frame.bounds(rank) for tag, frame in self._frames.items()}
        self._got = dict.fromkeys(self._frames, 0)
        wanted: list[tuple[Spec, int]] = []
        for tag, frame in self._frames.items():
            low, high = self._bounds[tag]
            wanted += [(spec, high - low) for spec in frame.form.specs]
        rooms = iter(make_rooms(wanted, budget, folders))
        self._rooms: dict[int, list[Room]] = {
            tag: [next(rooms) for _ in frame.form.specs] for tag, frame in self._frames.items()
        }
        self._rows = sum(high - low for low, high in self._bounds.values())
        self._meter = Meter("loading rows")
        self._tell, self._told, self._said = tell, time.monotonic(), False

    def read(self, batches: Iterable[Any]) -> None:
        """Take all blocks of Arrow batches."""
        for batch in batches:
            if "data" not in batch.schema.names:
                continue  # the input of ranks that need none
            columns = [batch.column(name).to_pylist() for name in DEALT]
            data = batch.column("data")
            for i, block in enumerate(zip(*columns, strict=True)):
                self.take(*(*block, data[i].as_buffer()))
        if self._tell is not None and self._said:
            self._tell(1.0, self._meter.text(1.0))

    def take(
        self,
        tag: int,
        partition: int,
        first: int,
        rows: int,
        start: int,
        form: str,
        digest: int,
        data: Any,
    ) -> None:
        """Take one block: what this rank owns of its rows."""
        frame, (low, high) = self._frames[tag], self._bounds[tag]
        end = int(frame.starts[partition + 1])
        if start + rows > end or (start + rows == end and digest != frame.digests[partition]):
            raise _changed(f"partition {partition}")
        begin, stop = max(start, low), min(start + rows, high)
        if begin >= stop:
            return
        offset = 0
        names = frame.form.places(("x", "y"))
        specs = Form.from_json(form).specs
        for room, spec, name in zip(self._rooms[tag], specs, names, strict=True):
            mine = slice(begin - start, stop - start)
            place, number = f"partition {partition}: {name}", first + begin - start
            if spec.dtype == RAGGED:
                ragged = Ragged.read(data, rows, offset)
                offset += ragged.nbytes
                decode = self._decoders[tag]
                for k, row in enumerate(ragged[mine]):
                    made = decoded(decode, bytes(row), f"{place}, row {number + k}", room.spec)
                    room.put(begin - low + k, made[None])
                continue
            values = np.frombuffer(data, spec.dtype, rows * spec.size, offset)
            offset += values.nbytes
            values = values.reshape(rows, *room.spec.shape)[mine]
            numbers = np.arange(number, number + len(values))
            room.put(begin - low, cast(values, room.spec.dtype, place, rows=numbers))
        self._got[tag] += stop - begin
        self._meter.rows += stop - begin
        self._meter.nbytes += len(data)
        if self._tell is not None and time.monotonic() - self._told > _TELL_S:
            self._told, self._said = time.monotonic(), True
            share = sum(self._got.values()) / max(1, self._rows)
            self._tell(share, self._meter.text(share))

    def pair(self, tag: int) -> Pair:
        """Return x and y of a frame once all blocks have come."""
        frame, (low, high) = self._frames[tag], self._bounds[tag]
        if self._got[tag] != high - low:
            raise _changed(f"{high - low} rows were counted, {self._got[tag]} came, and they")
        arrays = [room.array() for room in self._rooms[tag]]
        x, y = tree.flatten(frame.form.x)[1], tree.flatten(frame.form.y)[1]
        return x.unflatten(arrays[: x.size]), y.unflatten(arrays[x.size :])


def _changed(what: str) -> DataError:
    return DataError(
        f"SparkDataset: {what} must be as when it was packed; got other rows: Spark has lost the "
        "packed ones (an executor, or clearCache()) and read the source again. Write it to "
        "files, or checkpoint() it, before training."
    )


class FrameRows(Dataset):
    """The partitions of a DataFrame or RDD that this rank owns: slices of one array for each leaf.

    Parameters
    ----------
    frame, like : Frame, Dataset
        What is known of the rows, and what becomes of them.
    pair : (x, y)
        All rows of this rank.
    rank : int
    """

    shared = False

    def __init__(self, frame: Frame, like: Dataset, pair: Pair, rank: int) -> None:
        super().__init__(transform=like.transform, dtype=like.dtype)
        self._classes = like._classes
        self._like = like
        self.frame = frame
        self.owner = list(frame.owner)
        self.pair = pair
        self._begin: dict[int, int] = {}
        self._first = frame.bounds(rank)[0]
        self._looked = False
        at = 0
        for partition, (size, owner) in enumerate(zip(frame.sizes, frame.owner, strict=True)):
            if owner == rank:
                self._begin[partition] = at
                at += size

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition, also of those that other ranks own."""
        return self.frame.sizes

    def stored(self) -> DataSpec:
        """Return shape and dtype of one stored row."""
        return DataSpec(self.frame.form.x, self.frame.form.y)

    def called(self, side: str, path: str) -> str:
        """Return how errors call an array of x or y."""
        return self._like.called(side, path)

    def place(self, partition: int, row: int) -> str:
        """Return how errors call a row: by the source's own partitions."""
        starts = self.frame.starts
        whole = sum(self.frame.sizes[:partition]) + row
        source = int(np.searchsorted(starts, whole, side="right")) - 1
        inside = f" of partition {source}" if len(starts) > 2 else ""
        return f"row {whole - starts[source]}{inside}"

    def check_types(self, partition: int) -> None:
        """Look at a partition once, as any data set; errors name the row of the source."""
        try:
            super().check_types(partition)
        except DataError as error:
            if not self.frame.cut:
                raise
            text = str(error).replace(f"partition {partition}, ", "")
            text = re.sub(r"row (\d+)", lambda m: self.place(partition, int(m[1])), text, count=1)
            raise DataError(text) from None

    def together(self) -> tuple[Pair, int]:
        """Return all rows of this rank, and the number of the first."""
        if not self._looked:
            for partition in self._begin:
                if self.frame.sizes[partition]:
                    self.check_types(partition)
            self._looked = True
        return self.pair, self._first

    def load(self, partition: int) -> Pair:
        """Return the arrays of a partition that is held here."""
        begin = self._begin.get(partition)
        if begin is None:
            raise DataError(
                f"FrameRows: partition must be one held here {sorted(self._begin)}; got "
                f"{partition}."
            )
        here = slice(begin, begin + self.frame.sizes[partition])
        x, y = self.pair
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            return x[here], y[here]
        return tree.map(lambda a: a[here], x), tree.map(lambda a: a[here], y)
