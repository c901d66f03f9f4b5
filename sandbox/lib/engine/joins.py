"""Joined maps that their makers write in place: no step copies what lies there already.

Where all axes in front of the joined one have size 1 (one image, channels outermost or in blocks),
each part is a run of bytes of the whole. Kernels refuse parts with gaps between their rows, so
larger batches are joined by a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from .blueprint import Allocation, Step
from .placement import ALIGNMENT


def write_in_place(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without the copies that are not needed; parts get their places."""
    writes: dict[Allocation, list[int]] = {}
    for position, step in enumerate(steps):
        for allocation in step.made:
            writes.setdefault(allocation, []).append(position)
    return [
        step
        for position, step in enumerate(steps)
        if step.name != "concat" or not _place(step, position, writes)
    ]


def _place(step: Step, position: int, writes: dict[Allocation, list[int]]) -> bool:
    """Give the parts their places in the whole, if every one can lie there."""
    whole = step.writes[0]
    parts = [tensor.allocation for tensor in step.reads]
    if (
        step.primitive is None
        or whole.allocation.kind != "arena"
        or writes[whole.allocation] != [position]
        or len({*parts, whole.allocation}) != len(parts) + 1
        or any(size != 1 for size in whole.shape[: _axis(step)])
        or sum(part.nbytes for part in parts) != whole.allocation.nbytes
    ):
        return False
    offset = 0
    places = []
    for part in parts:
        is_free = part.kind == "arena" and part.whole is None and part in writes
        if not is_free or offset % ALIGNMENT or max(writes[part]) > position:
            return False
        places.append(offset)
        offset += part.nbytes
    for part, offset in zip(parts, places, strict=True):
        part.whole, part.offset = whole.allocation, offset
    return True


def _axis(step: Step) -> int:
    """Return the axis along which the parts are joined."""
    shapes = [tensor.shape for tensor in step.reads]
    result = step.writes[0].shape
    return next((k for k, size in enumerate(result) if shapes[0][k] != size), 0)
