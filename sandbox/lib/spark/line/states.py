"""States and weights between driver and ranks: as files where both reach them, else by the line.

A small state travels as bytes, with the events. A large one lies in files, in the driver's private
folder or the user's store. Ranks that see the driver's folder (it holds a nonce), and all ranks for
a URL, write and read there by themselves; only names and digests travel. Other ranks send their
shards in pieces, straight into files of the driver, and ask for the parts they need.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ...engine.files import locate, write_atomic
from ...engine.remote import RemotePath
from ...train.checkpoint import PackedState, StateFile
from ...train.job import StatePlaces, TrainJob
from ...train.tensors import write
from ...train.triggers import Progress, Trigger
from ..errors import ExchangeError
from . import messages as wire

if TYPE_CHECKING:
    from ..exchange.group import Group
    from .caller import Line

__all__ = ["Desk", "RecoveryPoints", "nonce", "settle", "state_distance", "told", "weights_file"]

PIECE = 1 << 20  # bytes of a shard in one frame
_BY_LINE = "line:"
_NONCE = "nonce"


class RecoveryPoints(Trigger):
    """Fires when the user's own trigger does, and often enough to lose little with a worker.

    The distance between two states grows with the run (up to sixteen times `base`), so that what
    is lost stays below about a tenth of the run and packing costs little. The first state comes
    after one step: it fixes the kernel plan for whatever happens later.
    """

    def __init__(self, asked: Trigger | None, base: int) -> None:
        self.asked = asked
        self.base = base
        self.wanted = False

    def __call__(self, progress: Progress) -> bool:
        """Answer, and remember whether the user's trigger wanted it."""
        self.wanted = self.asked is not None and bool(self.asked(progress))
        distance = self.base
        while distance * 20 <= progress.step and distance < self.base * 16:
            distance *= 2
        return self.wanted or progress.step == 1 or progress.step % distance == 0


def state_distance(model: Any) -> int:
    """Return the iterations between two states, by the size of the model.

    Examples
    --------
    >>> from sandbox.lib import nn
    >>> state_distance(nn.Linear(1000, 1000, rng=0))
    110
    """
    return 100 + sum(int(p.data.size) for _, p in model.named_parameters()) // 100_000


def told(state: PackedState | None) -> Any:
    """Return a state as it is told on the line: bytes, or where it lies."""
    return {"place": state.place} if isinstance(state, StateFile) else state


# The driver's side -------------------------------------------------------------------------------


@contextlib.contextmanager
def weights_file(job: TrainJob) -> Iterator[StateFile | None]:
    """Give a file of the model's numbers, from which rank 0 takes them, as long as this lasts.

    None where they travel in the model (its states are small), or a state is there to begin from.
    """
    if job.places is None or job.start is not None:
        yield None
        return
    path = Path(job.places.spool) / f"weights-{secrets.token_hex(8)}.safetensors"
    tensors = {f"parameter/{name}": p.data for name, p in job.model.named_parameters()}
    tensors |= {f"buffer/{name}": b.data for name, b in job.model.named_buffers()}
    write_atomic(path, lambda file: write(file, {}, tensors, "checkpoint"), sync=False)
    try:
        yield StateFile(path)
    finally:
        path.unlink(missing_ok=True)


def nonce(places: StatePlaces | None) -> str:
    """Leave a number in the private folder by which a rank knows that it sees the same one."""
    if places is None:
        return ""
    drawn = secrets.token_hex(32)
    (Path(places.spool) / _NONCE).write_text(drawn)
    return drawn


class Desk:
    """Takes and gives what lies in files, for ranks that do not see them.

    Parameters
    ----------
    start, weights : what ranks begin with.
    spool : the driver's private folder, where shards that come by the line are written.
    """

    def __init__(
        self, start: PackedState | None, weights: StateFile | None = None, spool: str = ""
    ) -> None:
        self.latest = start
        self._begun = start
        self._weights, self._spool = weights, spool
        self._lock = threading.Lock()
        self._halves: dict[tuple[Any, str], BinaryIO] = {}

    def begin(self) -> None:
        """Let a generation start from the newest state."""
        self._begun = self.latest

    def offer(self) -> bytes:
        """Return what a rank of this generation begins with."""
        weights = None if self._begun is not None else self._weights
        return wire.encode({"start": told(self._begun), "weights": told(weights)})

    def take(self, value: Any) -> PackedState | None:
        """Return the state that a rank told of; its files go with it if they lie in the spool."""
        if not isinstance(value, dict):
            return None if value is None else bytes(value)
        place = str(value["place"])
        if place.startswith(_BY_LINE):
            place = str(self._inside(place.rpartition("/")[2]))
        if isinstance(self.latest, StateFile) and self.latest.place == place:
            return self.latest  # its files go with one object
        state = StateFile(place)
        return state.own() if self._spool and Path(place).parent == Path(self._spool) else state

    def put(self, who: Any, payload: bytes | bytearray) -> bool:
        """Write a piece of a shard; returns whether it was the last one."""
        piece = wire.decode(payload)
        key = (who, str(piece["name"]))
        path = self._inside(key[1])
        half = path.with_name(f".{path.name}.{id(who):x}.tmp")
        with self._lock:
            if key not in self._halves:
                self._halves[key] = half.open("wb")
            file = self._halves[key]
            if piece["end"]:
                del self._halves[key]
        file.write(piece["data"])
        if piece["end"]:
            file.close()
            half.replace(path)
        return bool(piece["end"])

    def drop(self, who: Any) -> None:
        """Forget what a rank that is gone has not sent to its end."""
        with self._lock:
            mine = [key for key in self._halves if key[0] is who]
            files = [self._halves.pop(key) for key in mine]
        for file in files:
            file.close()
            with contextlib.suppress(OSError):
                os.unlink(file.name)

    def get(self, payload: bytes | bytearray) -> bytes:
        """Return bytes of a file that ranks begin with; of size -1 its length.

        Raises
        ------
        ExchangeError : it is none of those.
        """
        asked = wire.decode(payload)
        known = [
            str(path)
            for state in (self._begun, self._weights)
            if isinstance(state, StateFile)
            for path in state.files()
        ]
        if asked["place"] not in known:
            raise ExchangeError(f"a rank asked for {asked['place']!r}, which is none of its files.")
        with locate(asked["place"]).open("rb") as file:
            if asked["size"] < 0:
                return str(file.seek(0, 2)).encode()
            file.seek(asked["offset"])
            return bytes(file.read(asked["size"]))

    def _inside(self, name: str) -> Path:
        if not self._spool or Path(name).name != name or not name.startswith("state-"):
            raise ExchangeError(f"a shard must have a name of its own; got {name!r}.")
        return Path(self._spool) / name


# A rank's side -----------------------------------------------------------------------------------


def settle(job: TrainJob, line: Line, group: Group, drawn: str) -> None:
    """Give a job what it begins with, and places that this rank and all others reach. Collective.

    Parameters
    ----------
    job : changed in place.
    line, group : to the driver and to the others.
    drawn : what `nonce` left in the driver's folder.
    """
    offer = line.fetch()
    near = True
    if job.places is not None:
        try:
            near = (Path(job.places.spool) / _NONCE).read_text() == drawn
        except OSError:
            near = False
        near = bool(group.all_reduce(np.array([float(near)]))[0] == group.size)
        kept = locate(job.places.kept) if job.places.kept else None
        if not near:
            spool: Any = _LinePath(line, "")
            stays = job.places.kept if isinstance(kept, RemotePath) else ""
            job.places = replace(job.places, spool=spool, kept=stays)
    job.start = _heard(offer["start"], line, near)
    job.weights = _heard(offer["weights"], line, near)


def _heard(value: Any, line: Line, near: bool) -> PackedState | None:
    if not isinstance(value, dict):
        return None if value is None else bytes(value)
    place = str(value["place"])
    if near or isinstance(locate(place), RemotePath):
        return StateFile(place)
    return StateFile(place, partial(_LineFile, line))


class _LinePath(RemotePath):
    """The driver's private folder, or a file in it, to which shards are sent."""

    def __init__(self, line: Line, name: str) -> None:
        super().__init__(_BY_LINE, f"/{name}")
        self._line = line

    @property
    def parent(self) -> _LinePath:
        return _LinePath(self._line, "")

    def __truediv__(self, name: str) -> _LinePath:
        return _LinePath(self._line, name)

    def write(self, data: bytes | Callable[[BinaryIO], object]) -> None:
        """Send a file, piece by piece; it is there once all of it is."""
        if not callable(data):
            content = data
            data = lambda file: file.write(content)  # noqa: E731
        sender = _Sender(self._line, self.name)
        data(sender)  # type: ignore[arg-type]
        sender.end()


class _Sender:
    """What a writer writes to: pieces are put together and sent."""

    def __init__(self, line: Line, name: str) -> None:
        self._line, self._name = line, name
        self._pieces = bytearray()

    def write(self, data: Any) -> int:
        self._pieces += data
        if len(self._pieces) >= PIECE:
            self._line.put({"name": self._name, "end": False, "data": self._pieces})
            self._pieces = bytearray()
        return len(data)

    def end(self) -> None:
        self._line.put({"name": self._name, "end": True, "data": self._pieces})


class _LineFile:
    """A file of the driver, read in parts."""

    def __init__(self, line: Line, place: str) -> None:
        self._line, self._place = line, place
        self._size = int(line.get({"place": place, "offset": 0, "size": -1}))
        self._at = 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int, /) -> bytes:
        data = self._line.get({"place": self._place, "offset": self._at, "size": size})
        self._at += len(data)
        return bytes(data)

    def readinto(self, memory: Any, /) -> int:
        data = self.read(len(memory))
        memory[: len(data)] = data
        return len(data)
