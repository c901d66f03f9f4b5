"""How data sets get to the ranks: the object in Spark's closure, its rows beside it.

Large arrays of the driver lie in a file of its private folder, which ranks on the same machine map.
Where they cannot read it, Spark's broadcast brings the bytes, in pieces: any executor can ask for
them, also one that comes later. Rows of DataFrames and RDDs come as blocks in a rank's own input.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ...core.errors import DataError, SandboxError
from ...data import Dataset
from ...engine.spool import PrivateFolder
from ..errors import SparkSetupError
from .dataset import SparkDataset
from .loading import Frame, FrameRows, Loader
from .packed import small_batches
from .room import memory_share, spark_folders
from .sessions import own_session
from .travel import pack, unpack

__all__ = ["Handle", "NotReadable", "Storage", "open_inputs"]

logger = logging.getLogger("sandbox.spark")
_PREFIX = "sandbox-arrays-"
_ALIGN = 64
_PIECE = 64 << 20  # bytes of a broadcast: Java holds one whole, and its memory is small


class NotReadable(SandboxError, RuntimeError):  # noqa: N818 - a question to the driver
    """A rank cannot read the driver's files; the driver ships them and tries again."""


@dataclass
class Handle:
    """A data set without its rows, and where a rank finds these.

    Parameters
    ----------
    dataset : bytes
        Packed, large arrays left out.
    spans : list of (start, bytes)
        Where these lie in the file.
    path, nonce : str
        The driver's file, and what its folder holds to prove that it is the same folder.
    frame : Frame, optional
        The rows come through the task's own input.
    pieces : list of broadcasts
        The file, cut; empty where ranks map it. They travel beside the handle.
    """

    dataset: bytes
    spans: list[tuple[int, int]] = field(default_factory=list)
    path: str = ""
    nonce: str = ""
    frame: Frame | None = None
    pieces: list[Any] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "pieces": []}

    def open(self) -> Dataset:
        """Return the data set with its arrays; of a frame without rows."""
        beside: list[Any] = []
        if self.spans:
            memory = memoryview(self._file())
            beside = [memory[start : start + size] for start, size in self.spans]
        dataset: Dataset = unpack(self.dataset, beside)
        return dataset

    def _file(self) -> mmap.mmap:
        """Return the file's bytes, mapped."""
        if self.pieces:
            return _joined([Path(piece._path) for piece in self.pieces])
        path = Path(self.path)
        try:
            if (path.parent / "nonce").read_text() == self.nonce:
                return _map(path)
        except OSError:
            pass
        raise NotReadable(f"{path} of the driver cannot be read here.")


def open_inputs(
    handles: Sequence[Handle | None],
    rank: int,
    batches: Iterable[Any],
    *,
    memory: int | None,
    ranks_here: int,
    tell: Callable[[float, str], object] | None = None,
) -> list[Dataset | None]:
    """Return the data sets of a rank, having read its input to the end, as Spark expects.

    Parameters
    ----------
    handles : list of Handle or None
    rank : int
    batches : Arrow batches
        The task's own input.
    memory : int or None
        Bytes of memory for rows; None: this rank's part of half of the host's, or container's.
    ranks_here : int
        How many ranks share the host.
    tell : callable(share, text), optional
        Hears how much has come, and how fast, if it takes long.
    """
    opened: list[Any] = [None if handle is None else handle.open() for handle in handles]
    found = [(k, handle.frame) for k, handle in enumerate(handles) if handle and handle.frame]
    loader = Loader(
        [frame for _, frame in found],
        rank,
        budget=memory_share(ranks_here) if memory is None else memory,
        folders=spark_folders(),
        tell=tell,
        decoders={frame.tag: opened[k].decode for k, frame in found},
    )
    loader.read(batches)
    for k, frame in found:
        opened[k] = FrameRows(frame, opened[k], loader.pair(frame.tag), rank)
    return opened


class Storage:
    """The driver's side of the data sets of one run.

    Parameters
    ----------
    spark : SparkSession
        The user's.
    ranks : int
    """

    def __init__(self, spark: Any, ranks: int) -> None:
        self.spark, self.ranks = spark, ranks
        self._folder: PrivateFolder | None = None
        self._nonce = secrets.token_hex(32)
        self.handles: list[Handle] = []
        self._sources: list[SparkDataset] = []

    def handle(self, dataset: Dataset) -> Handle:
        """Prepare a data set; the first is that of the training."""
        if isinstance(dataset, SparkDataset):
            made = Handle(pack(dataset.light()), frame=dataset.frame(len(self.handles), self.ranks))
            self._sources.append(dataset)
        else:
            made = self._beside(dataset)
        self.handles.append(made)
        return made

    def _beside(self, dataset: Dataset) -> Handle:
        """Return a data set with its large arrays in a file."""
        arrays: list[memoryview] = []
        packed = pack(dataset, arrays.append)
        if not arrays:
            return Handle(packed)
        spans, end = [], 0
        for array in arrays:
            start = -(-end // _ALIGN) * _ALIGN
            spans.append((start, array.nbytes))
            end = start + array.nbytes
        path = self.folder() / f"{len(self.handles)}.arrays"
        try:
            with path.open("wb") as file:
                for (start, _), array in zip(spans, arrays, strict=True):
                    file.seek(start)
                    file.write(array)
        except OSError as error:
            raise DataError(
                f"{path.parent}: {end / 1e6:.0f} MB of arrays must be written for the ranks; got "
                f"{error}. Set TMPDIR to a folder with room."
            ) from error
        return Handle(packed, spans, str(path), self._nonce)

    def folder(self) -> Path:
        """Return the private folder, made on first use."""
        if self._folder is None:
            self._folder = PrivateFolder(_PREFIX)
            (self._folder.path / "nonce").write_text(self._nonce)
        return self._folder.path

    def notes(self) -> list[str]:
        """Return what a person should know of how rows are dealt."""
        return [
            f"{'validation' if handle.frame.tag else 'training'} rows are cut into "
            f"{len(handle.frame.sizes)} equal parts: the partitions of the source would give ranks "
            "more or less than their share"
            for handle in self.handles
            if handle.frame is not None and handle.frame.cut
        ]

    def table(self) -> Any:
        """Return the table whose partition r is the input of rank r."""
        from pyspark.sql import functions as f

        frames = [handle.frame for handle in self.handles if handle.frame is not None]
        if not frames:
            return own_session(self.spark).range(0, self.ranks, 1, self.ranks)
        tables = [
            source.packed().dealt(frame, self.ranks)
            for source, frame in zip(self._sources, frames, strict=True)
        ]
        table = tables[0]
        for other in tables[1:]:
            table = table.unionByName(other)
        if hasattr(table, "repartitionById"):
            return small_batches(table.repartitionById(self.ranks, f.col("rank")))
        key = f.element_at(self._keys(), f.col("rank") + 1)
        return small_batches(table.repartition(self.ranks, key))

    def _keys(self) -> Any:
        """Return a column with, for each rank, a number whose hash leads Spark to its partition."""
        from pyspark.sql import functions as f

        places = self.spark.range(0, 100 * self.ranks + 1000).select(
            f.col("id").cast("int").alias("key"),
            f.pmod(f.hash(f.col("id").cast("int")), f.lit(self.ranks)).alias("place"),
        )
        keys: dict[int, int] = {}
        for key, place in places.collect():
            keys.setdefault(place, key)
        return f.array(*[f.lit(keys[rank]) for rank in range(self.ranks)])

    def ship(self, context: Any) -> None:
        """Let Spark bring the files to hosts that cannot read the folder.

        Raises
        ------
        SparkSetupError : Spark encrypts its files, and ranks could not map them.
        """
        if context._encryption_enabled:
            raise SparkSetupError(
                "spark.io.encryption.enabled=true: arrays cannot be sent to the hosts. Write them "
                "to files that all hosts read (Parquet, IDX), or give a DataFrame."
            )
        for handle in self.handles:
            if handle.spans and not handle.pieces:
                handle.pieces = _broadcasts(context, Path(handle.path))

    def close(self) -> None:
        """Remove the files; ranks that still map them keep their memory."""
        for handle in self.handles:
            for piece in handle.pieces:
                with contextlib.suppress(Exception):  # the session may be gone
                    piece.destroy()
            handle.pieces = []
        if self._folder is not None:
            self._folder.close()
            self._folder = None


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _joined(paths: list[Path]) -> mmap.mmap:
    """Return the bytes of some files, one after the other, mapped."""
    if len(paths) == 1:
        return _map(paths[0])
    with tempfile.TemporaryFile(dir=spark_folders()[0], prefix="sandbox-arrays-") as whole:
        for path in paths:
            with path.open("rb") as file:
                shutil.copyfileobj(file, whole, 1 << 20)
        whole.flush()
        return mmap.mmap(whole.fileno(), 0, access=mmap.ACCESS_READ)


def _broadcasts(context: Any, path: Path) -> list[Any]:
    """Return broadcasts of the bytes of a file, whose ends on the hosts are plain files."""
    from pyspark.core.broadcast import Broadcast

    class Piece(Broadcast):  # type: ignore[type-arg]
        def dump(self, value: tuple[int, int], f: BinaryIO) -> None:
            start, stop = value
            with f, path.open("rb") as file:
                file.seek(start)
                while start < stop and (some := file.read(min(1 << 20, stop - start))):
                    f.write(some)
                    start += len(some)

    registry, size = context._pickled_broadcast_vars, path.stat().st_size
    cuts = range(0, size, _PIECE)
    return [Piece(context, (start, min(start + _PIECE, size)), registry) for start in cuts]
