"""The state of a run as one file: packed in memory first, written so that a crash leaves it whole.

A checkpoint is a safetensors file. Its tensors are named by what they are
(`parameter/conv1.weight`, `buffer/...`, `slot/momentum/conv1.weight`, `history/loss`), so they do
not depend on the number of ranks; its metadata hold one JSON text and a digest over everything.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from .tensors import Reader, write

__all__ = ["Checkpoint", "pack", "unpack"]


@dataclass
class Checkpoint:
    """What a packed state holds.

    Parameters
    ----------
    meta : dict
        Step, epoch, position, seed, fingerprints, the optimiser's config, ... as JSON data.
    tensors : dict of arrays
        Parameters, buffers and optimiser slots by name.
    """

    meta: dict[str, Any]
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Iterations done."""
        return int(self.meta["step"])

    def group(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the tensors whose names begin with `prefix/`, without it."""
        n = len(prefix) + 1
        return {k[n:]: v for k, v in self.tensors.items() if k.startswith(prefix + "/")}


# Bytes -----------------------------------------------------------------------------------------


def pack(meta: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], kind: str) -> bytes:
    """Return the bytes of a safetensors file that holds the tensors and the JSON data.

    Parameters
    ----------
    meta : dict
        Plain data. Numbers that JSON does not know (NaN, infinity) are kept.
    tensors : dict of arrays
        Any dtype of safetensors.
    kind : "checkpoint" or "model"
        What the reader must ask for.

    Examples
    --------
    >>> import numpy as np
    >>> data = pack({"step": 3}, {"parameter/w": np.ones(2, "f4")}, "checkpoint")
    >>> unpack(data, "checkpoint").step
    3
    """
    file = io.BytesIO()
    write(file, meta, tensors, kind)
    return file.getvalue()


def unpack(data: bytes, kind: str, place: str = "the checkpoint") -> Checkpoint:
    """Read what `pack` made; any damage raises.

    Raises
    ------
    CheckpointError : truncated, changed, of another kind or of a newer version; names the place.
    """
    reader = Reader(io.BytesIO(data), kind, place)
    return Checkpoint(reader.meta, {name: reader.read(name) for name in reader.places})
