"""Membership of a group: connections, who shares memory with whom, leaving, waiting with care."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError
from ..engine.threads import cpu_count
from ..train.group import Timings
from . import shm, tcp
from .errors import ExchangeError, ExchangeTimeout
from .mesh import Link, Mesh, build_mesh
from .slices import CONTROL_BYTES, Control

__all__ = ["MODES", "NAMES", "Membership", "Watch"]

logger = logging.getLogger("sandbox.spark")
logger.addHandler(logging.NullHandler())

MODES = ("auto", "shm", "tcp")
SPIN_S = 200e-6

SHARE, AGREE, REDUCE, GATHER, SMALL, BROADCAST, BARRIER = range(1, 8)
NAMES = {
    SHARE: "allocate",
    AGREE: "allocate",
    REDUCE: "reduce_scatter",
    GATHER: "all_gather",
    SMALL: "all_reduce",
    BROADCAST: "broadcast",
    BARRIER: "barrier",
}


class Membership:
    """One rank's connections to the others; `exchange.Group` adds the verbs."""

    def __init__(
        self,
        rank: int,
        size: int,
        addresses: Sequence[tcp.Address],
        token: bytes,
        *,
        listener: tcp.Listener | None = None,
        exchange: str = "auto",
        deadline_s: float = 60.0,
        threads: int = 1,
    ) -> None:
        if exchange not in MODES:
            raise ArgumentError(f"Group: `exchange` must be one of {MODES}; got {exchange!r}.")
        if size < 1 or not 0 <= rank < size or len(addresses) != size:
            raise ArgumentError(
                f"Group: `rank` must be in 0..size-1 with one address per rank; got rank {rank}, "
                f"size {size}, {len(addresses)} addresses."
            )
        self.rank = rank
        self.size = size
        self.exchange = exchange
        self.deadline_s = deadline_s
        self.timings = Timings()
        self.notes: list[str] = []
        self._sequence = 0
        self._local: dict[int, Control] = {}
        self._mesh: Mesh | None = None
        if size > 1:
            own = listener or tcp.Listener(addresses[rank][0], addresses[rank][1])
            try:
                self._mesh = build_mesh(rank, list(addresses), token, own, deadline_s=deadline_s)
            finally:
                own.close()
            self._share_host()
        all_run = (1 + len(self._local)) * threads <= cpu_count()
        self._spin_s = SPIN_S if all_run else 0.0

    # -- set-up -------------------------------------------------------------------------------

    def _share_host(self) -> None:
        reason = "exchange='tcp' was asked for" if self.exchange == "tcp" else shm.supported()
        candidates = set() if reason else set(self._links)
        own, peers = self._share(CONTROL_BYTES, candidates, "the control segment")
        if own is not None and peers:
            self._control = Control(own)
            self._local = {rank: Control(memory) for rank, memory in sorted(peers.items())}
        self._require(set(self._local), reason)

    def _require(self, shared: set[int], reason: str | None = None) -> None:
        missing = sorted(set(self._links) - shared)
        if self.exchange == "shm" and missing:
            raise ExchangeError(
                f"exchange='shm' must find all ranks in one host's memory; rank {self.rank} does "
                f"not share memory with {', '.join(str(self._links[r]) for r in missing)}"
                f"{f' ({reason})' if reason else ''}. Use exchange='auto'."
            )

    def _share(
        self, size: int, candidates: set[int], what: str
    ) -> tuple[NDArray[np.uint8] | None, dict[int, NDArray[np.uint8]]]:
        """Make a segment and map those of all candidates; keep the pairs where both succeeded."""
        segment: shm.Segment | None = None
        if candidates:
            try:
                segment = shm.Segment(size)
            except OSError as error:
                self._note(
                    f"rank {self.rank}: {size / 1e6:.1f} MB of shared memory refused for {what} "
                    f"({error.strerror}); exchanging by TCP"
                )
        offered = segment.announcement() if segment else shm.REFUSED
        heard = self._ask(SHARE, offered)
        opened: dict[int, NDArray[np.uint8]] = {}
        if segment is not None:
            for rank in sorted(candidates):
                try:
                    opened[rank] = shm.open_segment(bytes(heard[rank]), size)
                except OSError as error:
                    logger.debug("rank %d: no memory shared with %d: %s", self.rank, rank, error)
        answers = {rank: bytes([rank in opened]) for rank in self._links}
        agreed = self._ask(AGREE, answers)
        peers = {rank: memory for rank, memory in opened.items() if agreed[rank] == b"\x01"}
        own = segment.bytes() if segment is not None and peers else None
        if segment is not None:
            segment.seal()
        return own, peers

    def _note(self, text: str) -> None:
        self.notes.append(text)
        logger.warning(text)

    def _ask(self, kind: int, said: bytes | dict[int, bytes]) -> dict[int, bytearray]:
        """Exchange a few bytes of equal length with every peer."""
        ranks = list(self._links)
        words = {rank: said if isinstance(said, bytes) else said[rank] for rank in ranks}
        heard = {rank: bytearray(len(words[rank])) for rank in ranks}
        self._sequence += 1
        self._transfer(
            kind,
            {rank: [memoryview(words[rank])] for rank in ranks},
            {rank: [memoryview(heard[rank])] for rank in ranks},
        )
        return heard

    @property
    def _links(self) -> dict[int, Link]:
        return self._mesh.links if self._mesh else {}

    def describe(self) -> str:
        """Return how this rank reaches the others.

        Examples
        --------
        >>> from sandbox.lib.spark import Group
        >>> Group(0, 1, [("127.0.0.1", 0)], b"token").describe()
        'rank 0 of 1'
        """
        parts = [f"rank {self.rank} of {self.size}"]
        far = [str(link) for rank, link in self._links.items() if rank not in self._local]
        if self._local:
            parts.append(f"shared memory with rank {', '.join(map(str, self._local))}")
        if far:
            parts.append(f"TCP with {', '.join(far)}")
        return "; ".join(parts)

    # -- leaving ------------------------------------------------------------------------------

    def abort(self, reason: str) -> None:
        """Leave and tell the others why, so that their errors can say it."""
        if self._mesh is not None:
            self._mesh.abort(reason)
            self._mesh.close()

    def interrupt(self) -> None:
        """End the verb under way with an error; may be called from another thread."""
        if self._mesh is not None:
            self._mesh.interrupt()

    def close(self) -> None:
        """Close the connections; vectors live on as long as somebody holds them."""
        if self._mesh is not None:
            self._mesh.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is not None:
            self.abort(f"{kind.__name__}: {error}")
        self.close()

    # -- inside ------------------------------------------------------------------------------

    def _transfer(
        self, kind: int, sends: dict[int, list[memoryview]], receives: dict[int, list[memoryview]]
    ) -> None:
        if self._mesh is not None and (sends or receives):
            waited, count = self._mesh.transfer(
                kind, self._sequence, sends, receives, f"rank {self.rank}: {NAMES[kind]}"
            )
            self.timings.wait += waited
            self.timings.bytes += count


class Watch:
    """Asked while this rank waits on shared memory: are the peers alive, is there time left."""

    def __init__(self, group: Membership, control: Control, sequence: int, kind: int) -> None:
        self._group = group
        self._control = control
        self._sequence = sequence
        self._kind = kind
        self._until = time.monotonic() + group.deadline_s

    def __call__(self) -> None:
        """Raise if a peer is gone or the deadline is over."""
        group = self._group
        mesh = group._mesh
        what = f"rank {group.rank}: {NAMES[self._kind]}"
        if mesh is not None:
            gone = mesh.gone()
            # A peer that has done its part and left is no loss.
            if gone is not None and not self._control.counter.reached(self._sequence):
                raise mesh.lost(gone, what)
        if time.monotonic() > self._until:
            late = [
                str(group._links[rank])
                for rank, control in group._local.items()
                if not control.counter.reached(self._sequence)
            ]
            raise ExchangeTimeout(
                f"{what} {self._sequence}: {', '.join(late)} did not come within "
                f"{group.deadline_s:g} s. The process hangs; a slow callback needs a larger "
                "deadline_s."
            )
