"""The base of data sets that lie in files."""

from __future__ import annotations

import threading
from abc import abstractmethod
from typing import Any

import numpy as np

from .dataset import Dataset, Pair, TransformLike

__all__ = ["FileDataset"]


class FileDataset(Dataset):
    """Base of data sets in files: read on first use, once in a process, never pickled."""

    def __init__(self, *, transform: TransformLike = None, dtype: Any = np.float32) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self._arrays: dict[int, Pair] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def read(self, partition: int) -> Pair:
        """Read the arrays of a partition."""

    def load(self, partition: int) -> Pair:
        """Return the arrays of a partition, reading them on first use."""
        pair = self._arrays.get(partition)
        if pair is None:
            self._check_partition(partition)
            with self._lock:
                if partition not in self._arrays:
                    self._arrays[partition] = self.read(partition)
                pair = self._arrays[partition]
        return pair

    def held(self, partition: int) -> Any:
        """Return y of a partition that has been read."""
        self._check_partition(partition)
        pair = self._arrays.get(partition)
        return None if pair is None else pair[1]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        del state["_lock"]
        state["_arrays"] = {}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = threading.Lock()
