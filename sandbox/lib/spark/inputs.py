"""How rows get to the ranks: arrays through files they map, paths as they are, frames by Spark."""

from __future__ import annotations

import copy
import logging
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree
from ..core.errors import DataError, SandboxError
from ..data import ArrayDataset, Dataset, PartitionedDataset
from .blocks import Frame, FrameRows, Rows
from .frames import SparkDataset

__all__ = ["Handle", "NotReadable", "Rows", "Storage"]

logger = logging.getLogger("sandbox.spark")
_PREFIX = "sandbox-arrays-"


class NotReadable(SandboxError, RuntimeError):  # noqa: N818 - a question to the driver
    """A rank cannot read the driver's files; the driver ships them and tries again."""


@dataclass
class Handle:
    """A data set without its arrays, and where a rank finds these.

    Parameters
    ----------
    dataset : the data set, its arrays taken out.
    files : per partition x and y with names of files for arrays; empty if the data set reads by
        itself.
    folder, nonce : where the driver wrote them, and what proves that it is the same folder.
    shipped : the files came with Spark's addFile.
    frame : the data set's rows come through the task's own input.
    """

    dataset: Any
    files: list[tuple[Any, Any]] = field(default_factory=list)
    folder: str = ""
    nonce: str = ""
    shipped: bool = False
    frame: Frame | None = None

    def open(self, rank: int, size: int, rows: Rows) -> Dataset:
        """Return the data set with the arrays this rank needs."""
        if self.frame is not None:
            return FrameRows(self.frame, self.dataset, rows.take(self.frame.tag), rank, size)
        dataset: Dataset = copy.copy(self.dataset)
        if not self.files:
            return dataset
        folder = self._folder()
        pairs = [tree.map(lambda name: _map(folder, name), pair) for pair in self.files]
        if isinstance(dataset, ArrayDataset):
            dataset.x, dataset.y = pairs[0]
        elif isinstance(dataset, PartitionedDataset):
            dataset.parts = list(pairs)
        return dataset

    def _folder(self) -> Path:
        if self.shipped:
            from pyspark import SparkFiles

            return Path(SparkFiles.get(tree.leaves(self.files[0])[0])).parent
        try:
            if (Path(self.folder) / "nonce").read_text() == self.nonce:
                return Path(self.folder)
        except OSError:
            pass
        raise NotReadable(f"{self.folder} of the driver cannot be read here.")


def _map(folder: Path, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    return np.asarray(array)


class Storage:
    """The driver's side: writes arrays into a private folder and removes it in the end."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._nonce = secrets.token_hex(32)
        self.handles: list[Handle] = []

    def handle(self, dataset: Dataset, ranks: int, tag: int) -> Handle:
        """Prepare a data set for `ranks` ranks; `tag` tells training (0) from validation (1)."""
        if isinstance(dataset, SparkDataset):
            made = Handle(dataset.light(), frame=dataset.frame(tag, ranks))
        elif type(dataset) is ArrayDataset:
            made = self._store(dataset, [(dataset.x, dataset.y)])
            made.dataset.x = made.dataset.y = None
        elif type(dataset) is PartitionedDataset and all(p is not None for p in dataset.parts):
            made = self._store(dataset, [part for part in dataset.parts if part is not None])
            made.dataset.parts = [None] * len(dataset.parts)
        else:
            made = Handle(dataset)
        self.handles.append(made)
        return made

    def _store(self, dataset: Dataset, pairs: list[tuple[Any, Any]]) -> Handle:
        folder = self.folder()
        names = []
        for number, pair in enumerate(pairs):
            stem = f"{len(self.handles)}-{number}-{secrets.token_hex(4)}"
            arrays, form = tree.flatten(pair)
            files = [f"{stem}-{place}.npy" for place in range(len(arrays))]
            names.append(form.unflatten(files))
            for name, array in zip(files, arrays, strict=True):
                try:
                    np.save(folder / name, np.ascontiguousarray(array), allow_pickle=False)
                except OSError as error:
                    raise DataError(
                        f"{folder}: {array.nbytes / 1e6:.0f} MB of arrays must be written for the "
                        f"ranks; got {error}. Set TMPDIR to a folder with room."
                    ) from error
        return Handle(copy.copy(dataset), names, str(folder), self._nonce)

    def folder(self) -> Path:
        """Return the private folder, made on first use."""
        if self._folder is None:
            _sweep()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
            (self._folder / "nonce").write_text(self._nonce)
        return self._folder

    def ship(self, context: Any) -> None:
        """Send the files to the hosts through Spark, for ranks that cannot read the folder."""
        for handle in self.handles:
            if handle.files and not handle.shipped:
                for name in tree.leaves(handle.files):
                    context.addFile(str(Path(handle.folder) / name))
                handle.shipped = True

    def close(self) -> None:
        """Remove the folder; ranks that still map its files keep their memory."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _sweep() -> None:
    """Remove folders of drivers that were killed before they could."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            mine = path.stat().st_uid == os.getuid()
        except OSError:
            continue
        if mine and pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(path, ignore_errors=True)
