"""Joined maps that their makers write in place: no step copies what lies there already.

Where all axes in front of the joined one have size 1 (one image, channels outermost or in blocks),
each part is a run of bytes of the whole. Kernels refuse parts with gaps between their rows, so
larger batches are joined by a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

from .blueprint import Allocation, Step, Tensor
from .placement import ALIGNMENT


def write_in_place(steps: Sequence[Step]) -> list[Step]:
    """Return the steps without the copies that are not needed; parts get their places."""
    uses = _Uses(steps)
    return [
        step
        for position, step in enumerate(steps)
        if step.name != "concat" or not _place(step, position, uses)
    ]


class _Uses:
    """At which steps each piece of memory is written, and read for the last time."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.writes: dict[Allocation, list[int]] = {}
        self.last_read: dict[Allocation, int] = {}
        for position, step in enumerate(steps):
            for tensor in step.reads:
                self.last_read[tensor.allocation] = position
            for allocation in step.made:
                self.writes.setdefault(allocation, []).append(position)


def _place(step: Step, position: int, uses: _Uses) -> bool:
    """Give the parts their places in the whole, if every one can lie there."""
    whole = step.writes[0]
    parts = [tensor.allocation for tensor in step.reads]
    first, *later = uses.writes[whole.allocation]
    if (
        step.primitive is None
        or whole.allocation.kind != "arena"
        or first != position
        or len({*parts, whole.allocation}) != len(parts) + 1
        or not _is_outermost(whole, _axis(step))
        or sum(part.nbytes for part in parts) != whole.allocation.nbytes
    ):
        return False
    offset = 0
    places = []
    for part in parts:
        is_free = part.kind == "arena" and part.whole is None and part in uses.writes
        if not is_free or offset % ALIGNMENT or max(uses.writes[part]) > position:
            return False
        if later and uses.last_read[part] >= later[0]:
            return False
        places.append(offset)
        offset += part.nbytes
    for part, offset in zip(parts, places, strict=True):
        part.whole, part.offset = whole.allocation, offset
        uses.last_read[whole.allocation] = max(
            uses.last_read.get(whole.allocation, position), uses.last_read[part]
        )
    return True


def _is_outermost(tensor: Tensor, axis: int) -> bool:
    """Return whether steps along an axis are the longest: its slices are runs of bytes."""
    layout = tensor.layout
    if layout is None or layout.name == "opaque":
        return False
    dims, _, strides, _, blocks = layout.key
    others = [strides[k] for k, size in enumerate(dims) if k != axis and size > 1]
    return max(others, default=0) < strides[axis] and all(k == axis for _, k in blocks)


def _axis(step: Step) -> int:
    """Return the axis along which the parts are joined."""
    shapes = [tensor.shape for tensor in step.reads]
    result = step.writes[0].shape
    return next((k for k, size in enumerate(result) if shapes[0][k] != size), 0)
