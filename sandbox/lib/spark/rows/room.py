"""Memory for a rank's rows, up to a budget; beyond it files without names in Spark's folders."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import DataError
from ...engine.oplist import Spec
from ..session.ended import memory_limit

__all__ = ["Room", "bytes_of", "make_rooms", "memory_share", "spark_folders"]

_SHARE = 0.5  # of the memory that may be used; Java, models and programs have the rest
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def bytes_of(name: str, given: Any) -> int:
    """Return a size in bytes from a number, or from text as Spark has it.

    Raises
    ------
    ArgumentError : it is neither.

    Examples
    --------
    >>> bytes_of("memory_per_rank", "512m"), bytes_of("memory_per_rank", 1000)
    (536870912, 1000)
    """
    if isinstance(given, str):
        found = re.fullmatch(r"\s*(\d+)\s*([bkmgt]?)b?\s*", given.lower())
        if found is None or not int(found[1]):
            raise validate.refuse(name, "bytes, or text such as '512m' or '2g'", given)
        return int(found[1]) * _UNITS[found[2]]
    return validate.positive_int(name, given)


def memory_share(ranks_here: int) -> int:
    """Return the bytes that rows of one rank may take where nothing else was said.

    Half of what the host or container may use, divided by the ranks on it.
    """
    import psutil

    there = int(psutil.virtual_memory().total)
    return int(_SHARE * min(there, memory_limit() or there)) // max(1, ranks_here)


def spark_folders() -> list[Path]:
    """Return Spark's folders for temporary files on this host, those with most room first."""
    given = [Path(p) for p in os.environ.get("SPARK_LOCAL_DIRS", "").split(",") if p]
    there = [path for path in given if path.is_dir()] or [Path(tempfile.gettempdir())]
    return sorted(there, key=lambda path: -shutil.disk_usage(path).free)


class Room:
    """An array of rows that are put into it in any order.

    Parameters
    ----------
    spec : Spec
        Of a row.
    rows : int
    file : open file, optional
        Where they go; without it they stay in memory.
    """

    def __init__(self, spec: Spec, rows: int, file: BinaryIO | None = None) -> None:
        self.spec, self.rows, self.file = spec, rows, file
        self._step = np.dtype(spec.dtype).itemsize * spec.size
        shape = (rows, *spec.shape)
        self._array = np.empty(shape, spec.dtype) if file is None else np.empty(0, spec.dtype)

    def put(self, at: int, values: NDArray[Any]) -> None:
        """Store rows of the spec's shape and dtype from row `at` on."""
        if self.file is None:
            self._array[at : at + len(values)] = values
        elif values.size:
            rest = np.ascontiguousarray(values).data.cast("B")
            place = at * self._step
            while rest:
                written = os.pwrite(self.file.fileno(), rest, place)
                rest, place = rest[written:], place + written

    def array(self) -> NDArray[Any]:
        """Return all rows. A file is mapped: its pages are the system's to drop and read again."""
        if self.file is not None:
            with self.file:
                memory = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
            self.file = None
            self._array = np.frombuffer(memory, self.spec.dtype).reshape(-1, *self.spec.shape)
        return self._array


def make_rooms(
    wanted: Sequence[tuple[Spec, int]], budget: int, folders: Sequence[Path]
) -> list[Room]:
    """Make rooms for arrays of so many rows: the smallest in memory, as far as the budget goes.

    A file is opened without a name, or loses it at once: nothing is left of a killed process.

    Parameters
    ----------
    wanted : list of (Spec, int)
        A row of each array, and how many.
    budget : int
        Bytes of memory for all of them.
    folders : list of Path
        Where files may lie; the first that takes one has it.

    Raises
    ------
    DataError : no folder has room for a file; names them and the cure.

    Examples
    --------
    >>> small, large = make_rooms([(Spec((), "int64"), 4), (Spec((2,), "float32"), 4)], 32,
    ...                           [Path(tempfile.gettempdir())])
    >>> small.file is None, large.file is None
    (True, False)
    >>> large.put(2, np.ones((2, 2), "f4"))
    >>> large.put(0, np.zeros((2, 2), "f4"))
    >>> large.array()[1:3].tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    sizes = [np.dtype(spec.dtype).itemsize * spec.size * rows for spec, rows in wanted]
    left, files = budget, set()
    for place in sorted(range(len(wanted)), key=sizes.__getitem__):
        if sizes[place] <= left:
            left -= sizes[place]
        else:
            files.add(place)
    return [
        Room(spec, rows, _file(sizes[place], folders) if place in files else None)
        for place, (spec, rows) in enumerate(wanted)
    ]


def _file(size: int, folders: Sequence[Path]) -> BinaryIO:
    """Open a file of so many bytes, all of which the disk has set aside."""
    said = []
    for folder in folders:
        try:
            file = tempfile.TemporaryFile(dir=folder, prefix="sandbox-rows-")  # noqa: SIM115
        except OSError as error:
            said.append(f"{folder}: {error.strerror}")
            continue
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            file.close()
            said.append(f"{folder}: {error.strerror}")
            continue
        return file
    raise DataError(
        f"{size / 1e6:.0f} MB of rows must be written to a disk of this host, beyond the memory "
        f"of a rank; got {'; '.join(said)}. Give spark.local.dir a disk with room, or "
        "SparkBackend more memory_per_rank or ranks."
    )
