"""The state of a run as one file: packed in memory first, written so that a crash leaves it whole.

A checkpoint is a safetensors file. Its tensors are named by what they are
(`parameter/conv1.weight`, `buffer/...`, `slot/momentum/conv1.weight`, `history/loss`), so they do
not depend on the number of ranks; its metadata hold one JSON text and a digest over everything.
"""

from __future__ import annotations

import io
import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..core import validate
from ..core.errors import CheckpointError
from ..engine.files import write_atomic
from .job import CheckpointPolicy
from .tensors import Reader, write
from .triggers import EveryEpoch, Trigger

__all__ = ["Checkpoint", "CheckpointStore", "Checkpoints", "pack", "unpack"]

_log = logging.getLogger("sandbox.train")
_log.addHandler(logging.NullHandler())


@dataclass
class Checkpoint:
    """What a packed state holds.

    Parameters
    ----------
    meta : dict
        Step, epoch, position, seed, fingerprints, the optimiser's config, ... as JSON data.
    tensors : dict of arrays
        Parameters, buffers and optimiser slots by name.
    """

    meta: dict[str, Any]
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Iterations done."""
        return int(self.meta["step"])

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the tensors whose names begin with `prefix/`, without it."""
        n = len(prefix) + 1
        return {k[n:]: v for k, v in self.tensors.items() if k.startswith(prefix + "/")}


# Bytes -----------------------------------------------------------------------------------------


def pack(meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], kind: str) -> bytes:
    """Return the bytes of a safetensors file that holds the tensors and the JSON data.

    Parameters
    ----------
    meta : dict
        Plain data. Numbers that JSON does not know (NaN, infinity) are kept.
    tensors : dict of arrays
        Any dtype of safetensors.
    kind : "checkpoint" or "model"
        What the reader must ask for.

    Examples
    --------
    >>> import numpy as np
    >>> data = pack({"step": 3}, {"parameter/w": np.ones(2, "f4")}, "checkpoint")
    >>> unpack(data, "checkpoint").step
    3
    """
    file = io.BytesIO()
    write(file, meta, tensors, kind)
    return file.getvalue()


def unpack(data: bytes, kind: str, place: str = "the checkpoint") -> Checkpoint:
    """Read what `pack` made; any damage raises.

    Raises
    ------
    CheckpointError : truncated, changed, of another kind or of a newer version; names the place.
    """
    reader = Reader(io.BytesIO(data), kind, place)
    return Checkpoint(reader.meta, {name: reader.read(name) for name in reader.places})


# Files -----------------------------------------------------------------------------------------


class Checkpoints:
    """Where and how often a run keeps its state: what `Trainer(checkpoint=...)` takes.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    every : Trigger, default=EveryEpoch()
        When to write.
    keep : int > 0, default=3
        Files that stay; older ones are removed, but for the best one of each run with an early
        stop (`CheckpointStore.best`).
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, every: Trigger | None = None, keep: int = 3
    ) -> None:
        self.folder = Path(validate.path_like("folder", folder))
        self.every = EveryEpoch() if every is None else every
        if not isinstance(self.every, Trigger):
            raise validate.refuse("every", "a Trigger", every, "For example: EverySteps(100).")
        self.keep = validate.positive_int("keep", keep)

    def policy(self) -> CheckpointPolicy:
        """Return what the training loop needs to know."""
        return CheckpointPolicy(self.every)

    def store(self) -> CheckpointStore:
        """Return the files."""
        return CheckpointStore(self.folder, keep=self.keep)


class CheckpointStore:
    """The checkpoint files of one folder, `run<number>-step<number>.safetensors`.

    The one with the best score of a run that has an early stop is called
    `run<number>-step<number>.best.safetensors`, and stays.

    A run that starts anew counts the runs up, so that its first files are newer than the last
    ones of the run before, whatever their steps.

    Examples
    --------
    >>> import tempfile
    >>> store = CheckpointStore(tempfile.mkdtemp(), keep=2)
    >>> for step in (1, 2, 3):
    ...     path = store.save(pack({"step": step}, {}, "checkpoint"), step)
    >>> [file.name for file in store.files()]
    ['run0000-step00000002.safetensors', 'run0000-step00000003.safetensors']
    """

    _name = re.compile(r"run(\d{4,})-step(\d{8,})(\.best)?\.safetensors")

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3) -> None:
        self.folder = Path(validate.path_like("folder", folder))
        self.keep = validate.positive_int("keep", keep)
        self.run: int | None = None

    def files(self) -> list[Path]:
        """List the checkpoints, oldest first, damaged ones too."""
        found = []
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                match = self._name.fullmatch(path.name)
                if match:
                    found.append((int(match[1]), int(match[2]), path))
        return [path for _, _, path in sorted(found)]

    def new_run(self) -> None:
        """Let the next `save` begin a new run."""
        self.run = self._last_run() + 1

    def _last_run(self) -> int:
        files = self.files()
        return int(self._name.fullmatch(files[-1].name)[1]) if files else -1  # type: ignore[index]

    def best(self) -> Path | None:
        """Return the best checkpoint of the newest run that has one."""
        return next((path for path in reversed(self.files()) if self._is_best(path)), None)

    def beside(self, path: str | os.PathLike[str], step: int) -> Path | None:
        """Return the checkpoint of a step of the run that a file of this folder belongs to."""
        run = Path(path).name.partition("-")[0]
        wanted = re.compile(rf"{re.escape(run)}-step{step:08d}(\.best)?\.safetensors")
        return next((found for found in self.files() if wanted.fullmatch(found.name)), None)

    def _is_best(self, path: Path) -> bool:
        match = self._name.fullmatch(path.name)
        return match is not None and match[3] is not None

    def save(self, data: bytes, step: int, *, best: bool = False) -> Path:
        """Write a packed state and remove all but the last `keep` files and the best ones."""
        try:
            if self.run is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                self.run = max(0, self._last_run())
            self.folder.mkdir(parents=True, exist_ok=True)
            mark = ".best" if best else ""
            path = self.folder / f"run{self.run:04d}-step{step:08d}{mark}.safetensors"
            write_atomic(path, data)
            if best:
                self._unmark(path)
        except OSError as error:
            raise CheckpointError(
                f"{self.folder}: a checkpoint of {len(data)} bytes must be written there; got"
                f" {error}. Free space or give another folder."
            ) from error
        self._tidy(path)
        return path

    def _unmark(self, best: Path) -> None:
        """Make the best one so far of this run a file like the others."""
        run = best.name.partition("-")[0]
        for path in self.files():
            if path != best and self._is_best(path) and path.name.startswith(f"{run}-"):
                os.replace(path, path.with_name(path.name.replace(".best.", ".")))

    def _tidy(self, newest: Path) -> None:
        """Remove old files, those that a resumed run overtakes, and leftovers of killed writers."""
        files = self.files()
        at = files.index(newest) if newest in files else len(files) - 1
        old_ones = [path for path in files[: max(0, at + 1 - self.keep)] if not self._is_best(path)]
        for old in [*old_ones, *files[at + 1 :]]:
            with suppress(OSError):
                old.unlink()
        for leftover in self._leftovers():
            with suppress(OSError):
                leftover.unlink()

    def _leftovers(self) -> Iterator[Path]:
        pattern = re.compile(self._name.pattern.join((r"\.", r"\.(.+)\.(\d+)\.tmp")))
        for path in self.folder.iterdir():
            match = pattern.fullmatch(path.name)
            if match and match[4] == socket.gethostname() and not _alive(int(match[5])):
                yield path

    def latest(self) -> tuple[Path, bytes] | None:
        """Return the newest file that is whole, and its bytes; damaged ones give a warning."""
        for path in reversed(self.files()):
            try:
                return path, self.read(path)
            except CheckpointError as error:
                _log.warning("skipped a damaged checkpoint: %s", error)
        return None

    @staticmethod
    def read(path: str | os.PathLike[str]) -> bytes:
        """Return the bytes of a checkpoint file after checking them.

        Raises
        ------
        CheckpointError : there is none, or it is damaged.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path}: must be a checkpoint file; got {error}.") from None
        unpack(data, "checkpoint", str(path))
        return data


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
