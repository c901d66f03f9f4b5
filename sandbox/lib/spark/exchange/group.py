"""The exchange between ranks: reduce-scatter, all-gather and three small verbs over a full mesh.

It knows nothing of Spark. Ranks that share memory read each other's vectors in place; others send
slices over TCP; any mix works, because the order of every sum depends on the ranks alone, wherever
the numbers came from. Gradients are added rank by rank, in float32; the few numbers of `all_reduce`
in pairs, pairs of pairs, and so on, so that a rank talks with log2(size) others.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ArgumentError
from ...train.group import BucketLike
from .membership import BARRIER, BROADCAST, GATHER, REDUCE, SMALL, Membership
from .slices import SLOT, Cut, add_in_order, as_bytes, family, join

__all__ = ["Group"]

PIECE = 1 << 22  # bytes of a broadcast that are passed on at a time


@dataclass
class _Shared:
    """One allocated vector: where it lies here, and the same vector of each rank of this host."""

    address: int
    size: int
    peers: dict[int, NDArray[np.float32]]


class Group(Membership):
    """One rank's membership in the exchange.

    Parameters
    ----------
    rank, size : int
        Which member, of how many.
    addresses : list of (host, port)
        Where each rank listens, in rank order.
    token : bytes
        The secret of this job; whoever does not know it is refused.
    listener : Listener, optional
        The socket already bound to `addresses[rank]`; made here if missing.
    exchange : "auto", "shm" or "tcp"
        auto: shared memory between the ranks that share a host, TCP between the others.
        shm: an error if some pair of ranks cannot share memory.
    deadline_s : float, default=60
        How long any wait for another rank may take.
    threads : int, default=1
        Busy threads per rank; with more of them than cores a waiting rank does not spin.

    Raises
    ------
    ExchangeTimeout, PeerLost, AuthenticationError : name the rank and its address.

    Notes
    -----
    A vector given to `reduce_scatter`, `all_gather` or `broadcast` may be read by others until the
    next verb has begun on all ranks: write into it only after the return of the next verb. The
    training loop's order (reduce-scatter, all-reduce, update, all-gather) does so by itself.

    Examples
    --------
    >>> group = Group(0, 1, [("127.0.0.1", 0)], b"token")
    >>> group.all_reduce(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._vectors: list[_Shared] = []
        self._scratch = np.empty(0, np.float32)
        super().__init__(*arguments, **options)

    # -- the five verbs -----------------------------------------------------------------------

    def allocate(self, n: int) -> NDArray[np.float32]:
        """Return a zeroed vector of n floats, shared with the ranks of this host where possible.

        Collective: all ranks allocate the same lengths in the same order.
        """
        if n < 0:
            raise ArgumentError(f"allocate: `n` must not be negative; got {n}.")
        self._allow(4 * n)
        own: NDArray[np.uint8] | None = None
        peers: dict[int, NDArray[np.uint8]] = {}
        if self.size > 1:
            own, peers = self._share(max(4 * n, 4), set(self._local), f"a vector of {n} floats")
            self._require(set(peers))
        if own is None:
            raw = np.zeros(4 * n + 64, np.uint8)
            own = raw[-raw.ctypes.data % 64 :]
        vector = own[: 4 * n].view(np.float32)
        if peers and n:
            views = {rank: memory[: 4 * n].view(np.float32) for rank, memory in peers.items()}
            self._vectors.append(_Shared(vector.ctypes.data, vector.nbytes, views))
        return vector

    def reduce_scatter(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Put the sum over all ranks into this rank's slice of every bucket, in place."""
        if self._mesh is None:
            return
        begin, waited = time.perf_counter(), self.timings.wait
        cuts = self._cuts(vector, buckets)
        near = self._near(vector)
        far = [rank for rank in self._links if rank not in near]
        heard: dict[int, list[NDArray[np.float32]]] = {}
        if far:
            heard = self._scratch_slices(far, [cut.length for cut in cuts])
            self._transfer(
                REDUCE,
                {r: [as_bytes(vector[cut.of(r)]) for cut in cuts] for r in far},
                {r: [as_bytes(part) for part in heard[r]] for r in far},
                ahead=1,
            )
        self._meet(REDUCE, near)
        for index, cut in enumerate(cuts):
            mine = cut.of(self.rank)
            parts = [
                vector[mine]
                if rank == self.rank
                else (near[rank][mine] if rank in near else heard[rank][index])
                for rank in range(self.size)
            ]
            add_in_order(parts, self.rank)
        self._finish(begin, waited, 4 * len(near) * sum(cut.length for cut in cuts))

    def all_gather(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> None:
        """Fill every other slice of every bucket with its owner's numbers, in place."""
        if self._mesh is None:
            return
        begin, waited = time.perf_counter(), self.timings.wait
        cuts = self._cuts(vector, buckets)
        near = self._near(vector)
        far = [rank for rank in self._links if rank not in near]
        if far:
            mine = [as_bytes(vector[cut.of(self.rank)]) for cut in cuts]
            self._transfer(
                GATHER,
                {r: list(mine) for r in far},
                {r: [as_bytes(vector[cut.of(r)]) for cut in cuts] for r in far},
                ahead=1,
            )
        self._meet(GATHER, near)
        for rank, theirs in near.items():
            for cut in cuts:
                vector[cut.of(rank)] = theirs[cut.of(rank)]
        self._finish(begin, waited, 4 * len(near) * sum(cut.length for cut in cuts))

    def all_reduce(self, values: NDArray[np.float64], record: int = 0) -> NDArray[np.float64]:
        """Return the sum of a small vector over all ranks, in pairs of pairs; `values` is kept.

        The last `record` numbers are not added: those of the rank whose first one is the largest
        are returned.
        """
        values = np.ascontiguousarray(values, np.float64)
        if self._mesh is None:
            return values.copy()
        flat, room = values.reshape(-1), SLOT // 8
        last = max(flat.size - room, 0)
        parts = [self._all_reduce(flat[i : min(i + room, last)]) for i in range(0, last, room)]
        parts.append(self._all_reduce(flat[last:], record))
        return np.concatenate(parts).reshape(values.shape)

    def _all_reduce(
        self, values: NDArray[np.float64], record: int = 0, kind: int = SMALL
    ) -> NDArray[np.float64]:
        begin, waited = time.perf_counter(), self.timings.wait
        total = values.copy()
        for partner, gives, takes in self._rounds:
            near = partner in self._local
            if gives and near:
                numbers = self._control.numbers
                numbers[(self._sequence + 1) % len(numbers)][: total.size] = total
            self._step(kind, total.nbytes)
            if partner is None:
                continue
            theirs = np.empty(0 if near else total.size)
            if not near:
                self._transfer(
                    kind,
                    {partner: [as_bytes(total)]} if gives else {},
                    {partner: [as_bytes(theirs)]} if takes else {},
                )
            elif takes:
                self._wait(kind, [partner], total.nbytes)
                numbers = self._local[partner].numbers
                theirs = numbers[self._sequence % len(numbers)][: total.size]
            if takes and (gives or partner > self.rank):
                join(total, theirs, record, first=self.rank < partner)
            elif takes:
                total = theirs.copy()
        self._finish(begin, waited, 8 * total.size if self._local else 0)
        return total

    def broadcast(self, vector: NDArray[Any], root: int = 0) -> None:
        """Overwrite the vector on every rank by that of `root`, in place.

        Along a binomial tree: who has it passes it on, in pieces where it goes by TCP.
        """
        if self._mesh is None:
            return
        if not vector.flags.c_contiguous:
            raise ArgumentError("broadcast: `vector` must be contiguous; got a strided view.")
        self.barrier()  # nobody reads the old numbers any more
        begin, waited = time.perf_counter(), self.timings.wait
        near = self._near(vector) if vector.dtype == np.float32 else {}
        source, targets = family(self.rank, self.size, root)
        far = [rank for rank in targets if rank not in near]
        if source in near:
            self._wait(BROADCAST, [source], ahead=1)
            vector[...] = near[source].reshape(vector.shape)
        data = as_bytes(vector)
        for at in range(0, max(len(data), 1), PIECE):
            piece = data[at : at + PIECE]
            if source is not None and source not in near:
                self._transfer(BROADCAST, {}, {source: [piece]}, ahead=1)
            self._transfer(BROADCAST, {rank: [piece] for rank in far}, {}, ahead=1)
        self._step(BROADCAST)  # it is there: others of this host may copy it
        self._finish(begin, waited, 0)

    def barrier(self) -> None:
        """Wait until all ranks have come here."""
        if self._mesh is not None:
            self._all_reduce(np.empty(0), kind=BARRIER)

    # -- inside -------------------------------------------------------------------------------

    def _cuts(self, vector: NDArray[np.float32], buckets: Sequence[BucketLike]) -> list[Cut]:
        if vector.dtype != np.float32 or vector.ndim != 1 or not vector.flags.c_contiguous:
            raise ArgumentError(
                "the exchange's `vector` must be a contiguous 1-D float32 array; got "
                f"{vector.dtype} of shape {vector.shape}."
            )
        cuts = []
        for bucket in buckets:
            length = bucket.stop - bucket.start
            if length % self.size or not 0 <= bucket.start <= bucket.stop <= vector.size:
                raise ArgumentError(
                    f"a bucket must lie in the vector of {vector.size} and be divisible by "
                    f"{self.size} ranks; got [{bucket.start}, {bucket.stop})."
                )
            cuts.append(Cut(bucket.start, length // self.size))
        return cuts

    def _near(self, vector: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
        """Return the same part of the same vector on each rank of this host that shares it."""
        address = vector.ctypes.data
        for shared in self._vectors:
            if shared.address <= address and address + vector.nbytes <= (
                shared.address + shared.size
            ):
                first = (address - shared.address) // 4
                return {r: v[first : first + vector.size] for r, v in shared.peers.items()}
        return {}

    def _scratch_slices(
        self, ranks: list[int], lengths: list[int]
    ) -> dict[int, list[NDArray[np.float32]]]:
        total = len(ranks) * sum(lengths)
        if self._scratch.size < total:
            self._scratch = np.empty(total, np.float32)
        slices: dict[int, list[NDArray[np.float32]]] = {}
        at = 0
        for rank in ranks:
            slices[rank] = []
            for length in lengths:
                slices[rank].append(self._scratch[at : at + length])
                at += length
        return slices

    def _finish(self, begin: float, waited: float, shared: int) -> None:
        """Count what a verb took, and the bytes that went by shared memory."""
        spent = time.perf_counter() - begin
        self.timings.exchange += spent - (self.timings.wait - waited)
        self.timings.bytes += shared
