"""The checkpoints of a folder, on a disk or behind a URL: their names, and which of them stay."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..core import validate
from ..core.errors import CheckpointError
from ..engine.files import Place, copy_file, locate, write_atomic
from ..engine.remote import RemotePath
from .checkpoint import Checkpoint, PackedState, StateFile, unpack
from .job import CheckpointPolicy
from .shards import INDEX, Tensors, read_index, shard_name, write_index
from .triggers import EveryEpoch, Trigger

__all__ = ["CheckpointStore", "Checkpoints"]

_log = logging.getLogger("sandbox.train")
_log.addHandler(logging.NullHandler())
_SMALL = 32 << 20  # bytes: a smaller checkpoint is held in memory
_FORSAKEN_S = 86400.0  # after which shards without an index are another run's no more


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

    Notes
    -----
    Like BigDL `Optimizer.set_checkpoint`, `OptimMethod.save` (0.13) and Keras `ModelCheckpoint`:
    one file holds model, optimiser state and history.
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

    _name = re.compile(
        r"run(\d{4,})(-[0-9a-f]{8})?-step(\d{8,})(\.best)?\.safetensors(?:\.index\.json)?"
    )
    _shard = re.compile(r"run(\d{4,})(-[0-9a-f]{8})?-step(\d{8,})-\d{5}-of-\d{5}\.safetensors")

    def __init__(self, folder: str | os.PathLike[str], *, keep: int = 3) -> None:
        self.folder = locate(validate.path_like("folder", folder))
        self.keep = validate.positive_int("keep", keep)
        self.run: str | None = None
        self._seen: set[str] = set()  # of this run: what a run that went back has overtaken

    @property
    def place(self) -> Place:
        """The folder as other processes find it."""
        return self.folder if isinstance(self.folder, RemotePath) else self.folder.absolute()

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
    ) -> tuple[Place, PackedState] | None:
        """Return the newest checkpoint that is whole and fits.

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
    def read(path: str | os.PathLike[str]) -> PackedState:
        """Return a checkpoint after checking it: the bytes of a small one, else what names it.

        Behind a URL a large one is looked at only: what is read of it is checked then.

        Raises
        ------
        CheckpointError : there is none, or it is damaged.
        """
        place = locate(path)
        state = StateFile(place)
        if not place.name.endswith(INDEX):
            try:
                with place.open("rb") as file:
                    data: bytes = file.read(_SMALL + 1)
            except OSError as error:
                raise CheckpointError(f"{path}: must be a checkpoint file; got {error}.") from None
            if len(data) <= _SMALL:
                unpack(data, "checkpoint", str(path))
                return data
        tensors = state.open().tensors
        if isinstance(tensors, Tensors) and isinstance(place, Path):
            tensors.check()
        return state

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

    def save(self, data: PackedState, step: int, *, best: bool = False) -> Place:
        """Write a packed state, or take in what the ranks wrote.

        Of this run the last `keep` and the best ones stay.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.run is None:
                files = self.files()
                self.go_on(files[-1] if files else None)
            mark = ".best" if best else ""
            stem = f"{self.run}-step{step:08d}"
            if isinstance(data, StateFile):
                path = self._adopt(data, stem, mark)
            else:
                path = self.folder / f"{stem}{mark}.safetensors"
                write_atomic(path, data)
        except OSError as error:
            size = f" of {len(data)} bytes" if isinstance(data, bytes) else ""
            raise CheckpointError(
                f"{self.folder}: a checkpoint{size} must be written there; got"
                f" {error}. Free space or give another folder."
            ) from error
        with suppress(OSError):
            if best:
                self._unmark(path)
            self._tidy(path)
        return path

    def _adopt(self, state: StateFile, stem: str, mark: str) -> Place:
        """Copy what does not lie in this folder yet, the index last."""
        place = locate(state.place)
        if place.parent == self.place:
            return self.folder / place.name
        path = self.folder / f"{stem}{mark}.safetensors"
        if not place.name.endswith(INDEX):
            copy_file(place, path)
            return path
        meta, weights = read_index(place.read_bytes(), str(place))
        ranks = len(meta["shards"])
        names = {old: shard_name(stem, k, ranks) for k, old in enumerate(meta["shards"])}
        for old, new in names.items():
            copy_file(place.with_name(old), self.folder / new)
        shards = {names[old]: digest for old, digest in meta.pop("shards").items()}
        path = self.folder / f"{path.name}{INDEX}"
        write_index(path, meta, shards, {name: names[old] for name, old in weights.items()})
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
        removed = {_stem(path) for path in (*old, *overtaken)}
        for path in list(self._without_index(removed, newest)):
            with suppress(OSError):
                path.unlink()

    def _without_index(self, removed: set[str], newest: Place) -> Iterator[Place]:
        """Find the shards of what was removed, and those that killed writers left.

        Of this run these are older than the newest checkpoint: ranks write ahead of what is heard
        of them here. Of another run, which may be writing, they are a day old.
        """
        there, at = {_stem(path) for path in self.files()}, self._parse(newest)
        for path in self.folder.iterdir():
            match = self._shard.fullmatch(path.name)
            if match is None or _stem(path) in there:
                continue
            mine = f"run{match[1]}{match[2] or ''}" == self.run
            if (
                _stem(path) in removed
                or (mine and at is not None and int(match[3]) < at.step)
                or (not mine and time.time() - _modified(path) > _FORSAKEN_S)
            ):
                yield path

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


def _stem(path: Place) -> str:
    """Return what the files of one checkpoint have in common."""
    return re.sub(r"(\.best)?(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$", "", path.name)


def _modified(path: Place) -> float:
    return path.modified() if isinstance(path, RemotePath) else path.stat().st_mtime
