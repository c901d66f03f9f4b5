"""Membership of a group: connections, who shares memory with whom, leaving, waiting with care."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ArgumentError
from ...engine.threads import cpu_count
from ...train.group import Timings
from ..errors import ExchangeError, ExchangeTimeout
from . import shm, tcp
from .door import Listener
from .mesh import Link, Mesh, build_mesh
from .slices import KIND, Control, rounds

__all__ = ["MODES", "NAMES", "Membership"]

logger = logging.getLogger("sandbox.spark")
logger.addHandler(logging.NullHandler())

MODES = ("auto", "shm", "tcp")
SPIN_S = 200e-6
LOWEST_RATE = 50e6  # bytes/s that the slowest of what a peer may do between two verbs reaches

OFFER, AGREE, REDUCE, GATHER, SMALL, BROADCAST, BARRIER = range(1, 8)
NAMES = {
    OFFER: "allocate",
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
        listener: Listener | None = None,
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
        self._rounds = rounds(rank, size)
        self._local: dict[int, Control] = {}
        self._mesh: Mesh | None = None
        if size > 1:
            own = listener or Listener(addresses[rank][0], addresses[rank][1])
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
        own, peers = self._share(Control.bytes_for(self.size), candidates, "the control segment")
        if own is not None and peers:
            self._control = Control(own, self.size)
            self._local = {r: Control(memory, self.size) for r, memory in sorted(peers.items())}
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
        """Make a segment, map those of all candidates, and keep those that all map of each other.

        Every rank hears who maps whom, so that all come to the same groups.
        """
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
        heard = self._ask(OFFER, offered)
        opened: dict[int, NDArray[np.uint8]] = {}
        if segment is not None:
            for rank in sorted(candidates):
                try:
                    opened[rank] = shm.open_segment(bytes(heard[rank]), size)
                except OSError as error:
                    logger.debug("rank %d: no memory shared with %d: %s", self.rank, rank, error)
        maps = np.zeros((self.size, self.size), bool)
        maps[self.rank, [self.rank, *opened]] = True
        said = np.packbits(maps[self.rank]).tobytes()
        for rank, word in self._ask(AGREE, said).items():
            maps[rank] = np.unpackbits(np.frombuffer(word, np.uint8), count=self.size)
        both = maps & maps.T
        together = np.flatnonzero(both[self.rank])
        if (both[together] != both[self.rank]).any():
            together = together[:0]
        peers = {rank: opened[rank] for rank in together.tolist() if rank != self.rank}
        own = segment.bytes() if segment is not None and peers else None
        if segment is not None:
            segment.seal()
        return own, peers

    def _note(self, text: str) -> None:
        self.notes.append(text)
        logger.warning(text)

    def _ask(self, kind: int, said: bytes) -> dict[int, bytearray]:
        """Exchange a few bytes of equal length with every peer."""
        heard = {rank: bytearray(len(said)) for rank in self._links}
        self._sequence += 1
        self._transfer(
            kind,
            {rank: [memoryview(said)] for rank in heard},
            {rank: [memoryview(word)] for rank, word in heard.items()},
        )
        return heard

    def _allow(self, size: int) -> None:
        """Wait longer from now on: a peer may be at work on this many bytes between two verbs."""
        self.deadline_s += size / LOWEST_RATE
        if self._mesh is not None:
            self._mesh.deadline_s = self.deadline_s

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

    def _step(self, kind: int, length: int = 0) -> None:
        """Take the next number; on shared memory, say that this rank has come so far."""
        self._sequence += 1
        if self._local:
            kinds = self._control.kinds
            KIND.pack_into(kinds[self._sequence % len(kinds)], 0, kind, length)
            self._control.counter.set(self._sequence)

    def _wait(self, kind: int, ranks: Iterable[int], length: int = 0, ahead: int = 0) -> None:
        """Wait until these ranks, which share memory, are where this rank is, or `ahead` of it."""
        sequence, begin = self._sequence + ahead, time.perf_counter()
        for rank in ranks:
            control = self._local[rank]
            if not control.counter.reached(sequence):
                until = time.monotonic() + self.deadline_s
                control.counter.wait(
                    sequence & 0xFFFFFFFF,
                    spin_s=self._spin_s,
                    check=partial(self._look_after, kind, rank, sequence, until),
                )
            got = KIND.unpack_from(control.kinds[sequence % len(control.kinds)])
            if got != (kind, length):
                raise ExchangeError(
                    f"{NAMES[kind]} {sequence}: {self._links[rank]} is in "
                    f"{NAMES.get(got[0], got[0])} with {got[1]} bytes, this rank sends {length}. "
                    "All ranks must call the same operations in the same order."
                )
        self.timings.wait += time.perf_counter() - begin

    def _meet(self, kind: int, near: Collection[int]) -> None:
        """Wait until these ranks, which share memory, have come here: round by round, in pairs.

        Takes as many steps as a sum over all ranks, whoever is near.
        """
        together = sorted((self.rank, *near))
        mine = rounds(together.index(self.rank), len(together))
        for partner, _, takes in mine:
            self._step(kind)
            if partner is not None and takes:
                self._wait(kind, [together[partner]])
        for _ in range(len(self._rounds) - len(mine)):
            self._step(kind)

    def _look_after(self, kind: int, awaited: int, sequence: int, until: float) -> None:
        """Raise if a peer is gone that has not done its part, or if the deadline is over."""
        what = f"rank {self.rank}: {NAMES[kind]}"
        if self._mesh is not None:
            for link in self._mesh.gone():
                # Who is not on this host may have done its part; whoever waits for it knows.
                control = self._local.get(link.rank)
                if control is not None and not control.counter.reached(sequence):
                    raise self._mesh.lost(link, what)
        if time.monotonic() > until:
            raise ExchangeTimeout(
                f"{what} {sequence}: {self._links[awaited]} did not come within "
                f"{self.deadline_s:g} s. The process hangs; a slow callback needs a larger "
                "deadline_s."
            )

    def _transfer(
        self,
        kind: int,
        sends: dict[int, list[memoryview]],
        receives: dict[int, list[memoryview]],
        ahead: int = 0,
    ) -> None:
        if self._mesh is not None and (sends or receives):
            waited, count = self._mesh.transfer(
                kind, self._sequence + ahead, sends, receives, f"rank {self.rank}: {NAMES[kind]}"
            )
            self.timings.wait += waited
            self.timings.bytes += count
