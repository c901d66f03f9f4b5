"""Memory of the engine: aligned arrays, workspaces, a pool that blocks return to."""

from __future__ import annotations

import ctypes
import threading
from functools import lru_cache
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np

from .placement import ALIGNMENT
from .steps import Array

POOLED_FROM = 16 << 10  # smaller arrays are NumPy's own business
POOL_LIMIT = 512 << 20  # bytes kept for reuse


def aligned(nbytes: int) -> Array:
    """Return zeroed bytes at an aligned address."""
    raw = np.zeros(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class WorkspaceUser(Protocol):
    """What uses a workspace and can move with it."""

    def leave(self) -> None:
        """Forget the present memory."""


class Workspace:
    """Memory of programs that never run at the same time: as much as the largest of them needs.

    When it grows, all of them leave what they had: programs for 24 lengths of texts, met in any
    order, would else keep up to three times the memory of the longest.
    """

    __slots__ = ("__weakref__", "_users", "memory", "used")

    def __init__(self, nbytes: int = 0) -> None:
        self.memory = aligned(nbytes)
        self.used = nbytes
        self._users: WeakSet[WorkspaceUser] = WeakSet()

    def admit(self, user: WorkspaceUser, nbytes: int) -> None:
        """Have room for one more program."""
        self.used = max(self.used, nbytes)
        if self.memory.nbytes < nbytes:
            for other in list(self._users):
                other.leave()
            # Twice: longer texts may follow. Pages that are never touched cost nothing.
            self.memory = aligned(2 * nbytes)
        self._users.add(user)


class _Lease:
    """What makes the owner of a pooled array's memory give the block back when it dies."""

    block: tuple[int, Array] | None = None
    pool: Pool | None = None

    def __del__(self) -> None:
        if self.pool is not None and self.block is not None:
            self.pool.give(self.block)


@lru_cache(maxsize=1024)
def _lease_type(nbytes: int) -> Any:
    """Return a ctypes array type of this size; NumPy keeps such a base alive as it is.

    A base which is itself a NumPy array would be replaced by the array that owns the memory.
    """
    fields = {"_type_": ctypes.c_char, "_length_": nbytes}
    return type("Lease", (_Lease, ctypes.Array), fields)


class Pool:
    """Blocks of memory in size classes; the classes are an eighth of a power of two apart."""

    def __init__(self, limit: int = POOL_LIMIT) -> None:
        self._free: dict[int, list[tuple[int, Array]]] = {}
        self._limit = limit
        self._held = 0
        self._lock = threading.RLock()  # an array may die while this thread holds it

    @property
    def held(self) -> int:
        """Bytes waiting for reuse."""
        return self._held

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an uninitialised array whose memory returns to the pool."""
        kind = np.dtype(dtype)
        nbytes = kind.itemsize
        for size in shape:
            nbytes *= size
        if nbytes < POOLED_FROM:
            return np.empty(shape, kind)
        rounded = size_class(nbytes)
        block = None
        with self._lock:
            blocks = self._free.get(rounded)
            if blocks:
                block = blocks.pop()
                self._held -= rounded
        if block is None:
            memory = aligned(rounded)
            block = (memory.ctypes.data, memory)
        lease = _lease_type(rounded).from_address(block[0])
        lease.block, lease.pool = block, self
        return np.ndarray(shape, kind, lease)

    def give(self, block: tuple[int, Array]) -> None:
        """Take a block (address and bytes) back, unless enough are held."""
        size = block[1].nbytes
        with self._lock:
            if self._held + size <= self._limit:
                self._free.setdefault(size, []).append(block)
                self._held += size

    def clear(self) -> None:
        """Free all blocks that wait for reuse."""
        with self._lock:
            self._free.clear()
            self._held = 0


def size_class(nbytes: int) -> int:
    """Return the size a request is rounded up to."""
    step = max(1 << (nbytes.bit_length() - 4), ALIGNMENT)
    return -(-nbytes // step) * step


pool = Pool()
