"""Weights over time: first, newest and evenly spread frames, in half precision and bounded.

Pure functions, as in `state.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "SnapshotState", "add_snapshot", "frame_limit"]


class Frame(NamedTuple):
    """The watched weights after `step` iterations; `arrival` counts the snapshots."""

    arrival: int
    step: int
    values: NDArray[np.float16]


@dataclass(frozen=True)
class SnapshotState:
    """The first, the newest and evenly spread frames between, at most `limit` of them."""

    frames: tuple[Frame, ...] = ()
    limit: int = 96
    every: int = 1
    arrivals: int = 0


def frame_limit(size: int, *, budget: int = 1 << 20) -> int:
    """Return how many frames of `size` float16 values are kept: about a megabyte, 3 to 96."""
    return int(min(96, max(3, budget // max(2 * size, 1))))


def add_snapshot(state: SnapshotState, step: int, values: NDArray[Any]) -> SnapshotState:
    """Return the state with one more frame; when it is full, every second frame is let go.

    Examples
    --------
    >>> state = SnapshotState(limit=4)
    >>> for step in range(10):
    ...     state = add_snapshot(state, step, np.zeros(3))
    >>> [frame.step for frame in state.frames]
    [0, 4, 8, 9]
    """
    top = float(np.finfo(np.float16).max)
    frames = [frame for frame in state.frames if frame.step < step]
    if not frames:
        state = replace(state, every=1, arrivals=0)
    if frames and frames[-1].arrival % state.every and len(frames) > 1:
        frames.pop()
    small = np.clip(values, -top, top).astype(np.float16)
    frames.append(Frame(state.arrivals, step, small))
    every = state.every
    if len(frames) > state.limit:
        every *= 2
        last = len(frames) - 1
        frames = [f for i, f in enumerate(frames) if not f.arrival % every or i in (0, last)]
    return replace(state, frames=tuple(frames), every=every, arrivals=state.arrivals + 1)
