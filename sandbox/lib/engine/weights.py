"""The one store of weights in the layouts kernels want, and of what is computed from constants.

A program prepares what stays the same from run to run: weights reordered into blocks, values that
depend on constants only. What is prepared from the same arrays in the same way is the same bytes,
so programs for other batch sizes and clones for other threads share it. Prepared blocks are never
written again: changed weights have a new version, under which new blocks are made while those of
the old version may still be read. They die with their last user.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakValueDictionary

from .steps import Array


class Version(Protocol):
    """A counter that moves when the numbers of an array change."""

    count: int


Versions = Mapping[str, Version]


class Prepared:
    """Blocks of bytes that one step made before the first run; read-only.

    `sources` keeps alive what the key in the store names: an address or an identity means
    something only as long as nothing else can have it.
    """

    __slots__ = ("__weakref__", "_done", "blocks", "sources")

    def __init__(self, sources: Any) -> None:
        self.blocks: Sequence[Array] | None = None
        self.sources = sources
        self._done = threading.Event()

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks."""
        return sum(block.nbytes for block in self.blocks or ())

    def finish(self, blocks: Sequence[Array] | None) -> None:
        """Hand the blocks out; None where making them failed."""
        for block in blocks or ():
            block.flags.writeable = False
        self.blocks = blocks
        self._done.set()

    def wait(self) -> Sequence[Array] | None:
        """Return the blocks as soon as their maker is through."""
        self._done.wait()
        return self.blocks


class WeightStore:
    """Prepared blocks by what they are made from and how; held by their users alone."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, Prepared] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, key: Hashable, sources: Any, make: Callable[[], Sequence[Array]]) -> Prepared:
        """Return what is prepared under this key; the first to ask makes it, others wait.

        Parameters
        ----------
        key : hashable
            Equal keys must stand for equal bytes.
        sources : object
            Kept as long as the blocks are.
        make : function of () -> sequence of arrays
            Called outside of the store's lock.
        """
        while True:
            with self._lock:
                found = self._known.get(key)
                is_maker = found is None
                if found is None:
                    found = self._known[key] = Prepared(sources)
            if is_maker:
                self._make(key, found, make)
                return found
            if found.wait() is not None:
                return found

    def _make(self, key: Hashable, prepared: Prepared, make: Callable[[], Sequence[Array]]) -> None:
        blocks = None
        try:
            blocks = make()
        finally:
            if blocks is None:
                with self._lock:
                    self._known.pop(key, None)
            prepared.finish(blocks)

    @property
    def nbytes(self) -> int:
        """Bytes of all blocks that are in use."""
        with self._lock:
            return sum(prepared.nbytes for prepared in list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def forget(self) -> None:
        """Start anew; users keep what they have."""
        self._known = WeakValueDictionary()
        self._lock = threading.Lock()


STORE = WeightStore()
if hasattr(os, "register_at_fork"):
    # A thread that is making blocks while the process forks does not exist in the child.
    os.register_at_fork(after_in_child=STORE.forget)
