"""The checkpoints of a folder, on a disk or behind a URL: their names, and which of them stay."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from ..core import validate
from ..core.errors import CheckpointError
from ..engine.files import Place, locate, write_atomic
from .checkpoint import Checkpoint, unpack
from .job import CheckpointPolicy
from .triggers import EveryEpoch, Trigger

__all__ = ["CheckpointStore", "Checkpoints"]

_log = logging.getLogger("sandbox.train")
_log.addHandler(logging.NullHandler())


class Checkpoints:
    """Where and how often a run keeps its state: what `Trainer(checkpoint=...)` takes.

    Parameters
    ----------
    folder : path or URL
        Made if it is not there. `hdfs://`, `s3a://` or `s3://`: a folder that all hosts reach.
    every : Trigger, default=EveryEpoch()
        When to write.
    keep : int > 0, default=3
        Checkpoints of a run that stay; older ones of it are removed, but for the best one of a run
        with an early stop (`CheckpointStore.best`).
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, every: Trigger | None = None, keep: int = 3
    ) -> None:
        self.folder = locate(validate.path_like("folder", folder))
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


class _Name(NamedTuple):
    """What a file's name tells."""

    number: int
    mark: str  # what is the run's alone; earlier versions had none
    step: int
    best: bool

    @property
    def run(self) -> str:
        return f"run{self.number:04d}{self.mark}"


class CheckpointStore:
    """The checkpoint files of one folder, `run<number>-<mark>-step<number>.safetensors`.

    The one with the best score of a run that has an early stop is called `...best.safetensors`, and
    stays. The mark is drawn for each run: trainers that share a folder leave each other's files
    alone.

    A run that starts anew counts the runs up, so that its first files are newer than the last
    ones of the run before, whatever their steps.

    Examples
    --------
    >>> import tempfile
    >>> from sandbox.lib.train.checkpoint import pack
    >>> store = CheckpointStore(tempfile.mkdtemp(), keep=2)
    >>> for step in (1, 2, 3):
    ...     path = store.save(pack({"step": step}, {}, "checkpoint"), step)
    >>> [file.name.partition("-step")[2] for file in store.files()]
    ['00000002.safetensors', '00000003.safetensors']
    """

    _name = re.compile(r"run(\d{4,})(-[0-9a-f]{8})?-step(\d{8,})(\.best)?\.safetensors")

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3) -> None:
        self.folder = locate(validate.path_like("folder", folder))
        self.keep = validate.positive_int("keep", keep)
        self.run: str | None = None
        self._seen: set[str] = set()  # of this run: what a run that went back has overtaken

    # What is there ----------------------------------------------------------------------------

    def files(self) -> list[Place]:
        """List the checkpoints, oldest first, damaged ones too.

        Raises
        ------
        CheckpointError : the folder cannot be looked into: no such bucket, no right to.
        """
        found = []
        try:
            for path in self.folder.iterdir():
                name = self._parse(path)
                if name is not None:
                    found.append((name, path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise CheckpointError(
                f"{self.folder}: must be a folder for checkpoints; got {error}."
            ) from error
        return [path for _, path in sorted(found, key=lambda pair: pair[0])]

    def _parse(self, path: Place) -> _Name | None:
        match = self._name.fullmatch(path.name)
        if match is None:
            return None
        return _Name(int(match[1]), match[2] or "", int(match[3]), match[4] is not None)

    def _of_run(self, run: str | None) -> list[tuple[_Name, Place]]:
        named = [(self._parse(path), path) for path in self.files()]
        return [(name, path) for name, path in named if name is not None and name.run == run]

    def best(self) -> Place | None:
        """Return the best checkpoint of the newest run that has one."""
        return next((path for path in reversed(self.files()) if ".best." in path.name), None)

    def beside(self, path: str | os.PathLike[str], step: int) -> Place | None:
        """Return the checkpoint of a step of the run that a file of this folder belongs to."""
        mine = self._parse(locate(path))
        if mine is None:
            return None
        return next((found for name, found in self._of_run(mine.run) if name.step == step), None)

    def latest(
        self, fits: Callable[[Checkpoint], object] = lambda checkpoint: None
    ) -> tuple[Place, bytes] | None:
        """Return the newest checkpoint that is whole and fits, and its bytes.

        Parameters
        ----------
        fits : function of (Checkpoint), optional
            Raises `CheckpointError` for one that belongs to another trainer of this folder.

        Raises
        ------
        CheckpointError : there are some, and none fits; what `fits` says to the newest. Damaged
            ones give a warning and are left out.
        """
        refused: CheckpointError | None = None
        for path in reversed(self.files()):
            try:
                data = self.read(path)
            except CheckpointError as error:
                _log.warning("skipped a damaged checkpoint: %s", error)
                continue
            try:
                fits(unpack(data, "checkpoint", str(path)))
            except CheckpointError as error:
                refused = refused or error
                continue
            return path, data
        if refused is not None:
            raise refused
        return None

    @staticmethod
    def read(path: str | os.PathLike[str]) -> bytes:
        """Return the bytes of a checkpoint file after checking them.

        Raises
        ------
        CheckpointError : there is none, or it is damaged.
        """
        try:
            data = locate(path).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path}: must be a checkpoint file; got {error}.") from None
        unpack(data, "checkpoint", str(path))
        return data

    # Runs and their files ---------------------------------------------------------------------

    def new_run(self) -> None:
        """Let the next `save` begin a new run."""
        names = [name for name in map(self._parse, self.files()) if name is not None]
        number = max((name.number for name in names), default=-1) + 1
        self.run, self._seen = f"run{number:04d}-{secrets.token_hex(4)}", set()

    def go_on(self, path: str | os.PathLike[str] | None) -> None:
        """Let the next `save` go on with the run of this file, or begin one if it is of none."""
        name = None if path is None else self._parse(locate(path))
        if name is None:
            self.new_run()
            return
        self.run = name.run
        self._seen = {found.name for _, found in self._of_run(name.run)}

    def save(self, data: bytes, step: int, *, best: bool = False) -> Place:
        """Write a packed state; of this run the last `keep` and the best ones stay."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.run is None:
                files = self.files()
                self.go_on(files[-1] if files else None)
            mark = ".best" if best else ""
            path = self.folder / f"{self.run}-step{step:08d}{mark}.safetensors"
            write_atomic(path, data)
        except OSError as error:
            raise CheckpointError(
                f"{self.folder}: a checkpoint of {len(data)} bytes must be written there; got"
                f" {error}. Free space or give another folder."
            ) from error
        with suppress(OSError):
            if best:
                self._unmark(path)
            self._tidy(path)
        return path

    def _unmark(self, best: Place) -> None:
        """Make the best one so far of this run a file like the others."""
        for name, path in self._of_run(self.run):
            if name.best and path.name != best.name:
                plain = path.with_name(path.name.replace(".best.", "."))
                path.replace(plain)  # type: ignore[arg-type]  # both are of one kind
                self._seen.add(plain.name)

    def _tidy(self, newest: Place) -> None:
        """Remove what is old, what a run that went back overtakes, leftovers of killed writers."""
        self._seen.add(newest.name)
        mine = self._of_run(self.run)
        at = next((k for k, (_, path) in enumerate(mine) if path.name == newest.name), len(mine))
        old = [path for name, path in mine[: max(0, at + 1 - self.keep)] if not name.best]
        overtaken = [path for _, path in mine[at + 1 :] if path.name in self._seen]
        for path in [*old, *overtaken, *self._leftovers()]:
            with suppress(OSError):
                path.unlink()

    def _leftovers(self) -> Iterator[Place]:
        """Find what killed writers left on a disk: those of this host that are gone."""
        pattern = re.compile(self._name.pattern.join((r"\.", r"\.(.+)\.(\d+)\.tmp")))
        for path in self.folder.iterdir():
            match = pattern.fullmatch(path.name)
            if match and match[5] == socket.gethostname() and not _alive(int(match[6])):
                yield path


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
