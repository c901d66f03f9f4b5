"""How the ranks hand a state over: a small one as bytes of rank 0, a large one as files of all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import CheckpointError
from ..engine.files import Place, locate, write_atomic
from .checkpoint import PackedState, StateFile, pack
from .run_state import describe
from .shards import INDEX, owners, shard_name, write_index
from .tensors import write

if TYPE_CHECKING:
    from ..core import FlatParameters
    from .job import StatePlaces, TrainJob
    from .reports import Reports
    from .run_state import TrainState
    from .slots import Slots

__all__ = ["Packer"]

_DIGEST = 16


class _Target(NamedTuple):
    """Where a state is written: a folder, what names begin with, how the last file is marked."""

    folder: str
    stem: str
    mark: str = ""
    sync: bool = True


class Packer:
    """Hands over the states of a run.

    Parameters
    ----------
    job, flat, slots, reports : what a run consists of, on this rank.
    meet : raises a rank's error on all of them.
    """

    def __init__(
        self,
        job: TrainJob,
        flat: FlatParameters,
        slots: Slots,
        reports: Reports,
        meet: Callable[[Exception | None], None],
    ) -> None:
        self.job, self.flat, self.slots, self.reports = job, flat, slots, reports
        self.group, self._meet = slots.group, meet
        # About that of a packed state, the same on all ranks.
        size = flat.values.nbytes * (1 + len(slots.state)) + flat.buffers.nbytes
        places = job.places
        self._places = None if places is None or size < places.large else places
        self._made, self._mark = 0, ""

    def pack(
        self,
        state: TrainState,
        plan: str,
        total_steps: int | None,
        *,
        kept: bool = True,
        best: bool = False,
    ) -> PackedState | None:
        """Return the state on rank 0, None elsewhere. Collective.

        Parameters
        ----------
        state, plan, total_steps : where the run stands.
        kept : bool
            For the user's folder of checkpoints, if there is one; else only for this run.
        best : bool
            The best one so far.

        Raises
        ------
        CheckpointError : a rank cannot write into the user's folder; on all ranks.
        """
        meta: dict[str, Any] = {}
        history: dict[str, NDArray[Any]] = {}
        if self.group.rank == 0:
            told = self.reports.history
            meta = describe(self.job, state, self.slots, plan, told, total_steps)
            if self.job.checkpoint is None or self.job.checkpoint.history:
                history = {f"history/{k}": v for k, v in told.to_arrays().items()}
        if self._places is not None:
            step = f"step{state.progress.step:08d}"
            target = self._target(self._places, step, kept=kept, best=best)
            try:
                return self._write(meta, history, target)
            except CheckpointError as error:
                if target.sync:
                    raise
                text = f"{error} States are handed over in memory. TMPDIR names another folder."
                self.reports.log("warning", text)
                self._places = None
        return self._pack(meta, history)

    def _target(self, places: StatePlaces, step: str, *, kept: bool, best: bool) -> _Target:
        if kept and places.kept:
            mark = ".best" if best else ""
            return _Target(places.kept, f"{places.run}-{step}", mark, sync=True)
        if not self._mark:  # a name that no other start of these ranks has
            drawn = secrets.randbits(32) if self.group.rank == 0 else 0
            self._mark = f"{int(self.group.all_reduce(np.array([float(drawn)]))[0]):08x}"
        self._made += 1
        return _Target(places.spool, f"state-{self._mark}-{self._made}-{step}", "", sync=False)

    def _pack(self, meta: Mapping[str, Any], history: Mapping[str, NDArray[Any]]) -> bytes | None:
        gathered = self.slots.gather()
        if self.group.rank:
            return None
        return pack(meta, {**gathered, **self._whole(), **history}, "checkpoint")

    def _write(
        self, meta: Mapping[str, Any], history: Mapping[str, NDArray[Any]], target: _Target
    ) -> StateFile | None:
        """Write a file, or a shard of each rank and an index. Collective.

        Every rank writes the tensors that fall to it and its own slices of the slots: nothing is
        gathered, and nothing is copied as a whole.
        """
        group, slots, folder = self.group, self.slots, locate(target.folder)
        tensors, name = self._whole(), f"{target.stem}{target.mark}.safetensors"
        if group.size == 1:
            whole = {**tensors, **slots.parts(), **history}
            self._meet(_attempt(target, folder / name, meta, whole, "checkpoint")[1])
            return StateFile(folder / name)
        owner = owners({name: array.nbytes for name, array in tensors.items()}, group.size)
        mine = {name: array for name, array in tensors.items() if owner[name] == group.rank}
        mine |= {**slots.parts(), **history}
        names = [shard_name(target.stem, rank, group.size) for rank in range(group.size)]
        about = {"rank": group.rank, "ranks": group.size}
        digest, error = _attempt(target, folder / names[group.rank], about, mine, "shard")
        self._meet(error)
        digests = np.zeros((group.size, _DIGEST))
        digests[group.rank] = list(bytes.fromhex(digest))
        digests = group.all_reduce(digests.ravel()).reshape(digests.shape)
        error, index = None, folder / f"{name}{INDEX}"
        if group.rank == 0:
            weights = {name: names[rank] for name, rank in owner.items()}
            weights |= dict.fromkeys(history, names[0])
            for rank, shard in enumerate(names):
                weights |= dict.fromkeys(slots.part_names(rank), shard)
            found = [bytes(row.astype(np.uint8)).hex() for row in digests]
            shards = dict(zip(names, found, strict=True))
            try:
                write_index(index, meta, shards, weights, sync=target.sync)
            except OSError as caught:
                error = _unwritten(index, 0, caught)
        self._meet(error)
        return None if group.rank else StateFile(index)

    def _whole(self) -> dict[str, NDArray[Any]]:
        """Return what every rank has all of."""
        tensors: dict[str, NDArray[Any]] = {
            f"parameter/{name}": self.flat.value(name) for name in self.flat.names
        }
        buffers = self.job.model.named_buffers()
        return tensors | {f"buffer/{name}": buffer.data for name, buffer in buffers}


def _attempt(
    target: _Target,
    place: Place,
    meta: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    kind: str,
) -> tuple[str, CheckpointError | None]:
    """Write this rank's file; return its digest, or what went wrong: the others wait for this."""
    digest = "00" * _DIGEST

    def body(file: Any) -> None:
        nonlocal digest
        digest = write(file, meta, tensors, kind)

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, body, sync=target.sync)
    except OSError as error:
        return digest, _unwritten(place, sum(a.nbytes for a in tensors.values()), error)
    except CheckpointError as error:
        return digest, error
    return digest, None


def _unwritten(place: Place, size: int, error: OSError) -> CheckpointError:
    cure = "Free space or give another folder" if isinstance(place, Path) else "See to the store"
    return CheckpointError(
        f"{place.parent}: a checkpoint ({size} bytes of it by this rank) must be written there;"
        f" got {error}. {cure}."
    )
