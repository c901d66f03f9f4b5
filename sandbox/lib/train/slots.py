"""The optimiser's vectors of a rank: its slices of what the flat parameters hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..core.errors import CheckpointError
from .shards import part_name, read_part

if TYPE_CHECKING:
    from ..core import FlatParameters
    from .group import Group

__all__ = ["Slots"]


class Slots:
    """The optimiser's vectors for this rank's slices of the flat parameters.

    Parameters
    ----------
    optimizer, flat, group
        Whose slots, of which parameters, of which rank.
    """

    def __init__(self, optimizer: Any, flat: FlatParameters, group: Group) -> None:
        self.flat = flat
        self.group = group
        self.ranges = _joined(flat.slice(group.rank))
        made = optimizer.init_slice(sum(stop - start for start, stop in self.ranges))
        dtype = flat.values.dtype
        self.state = {name: vector.astype(dtype, copy=False) for name, vector in made.items()}
        self.views: list[dict[str, NDArray[Any]]] = []
        at = 0
        for start, stop in self.ranges:
            end = at + stop - start
            self.views.append({name: vector[at:end] for name, vector in self.state.items()})
            at = end
        self._scratch: NDArray[Any] | None = None

    def gather(self) -> dict[str, NDArray[Any]]:
        """Return every slot of every parameter by name. Collective; the arrays are copies."""
        found = {}
        for name in self.state:
            for parameter, array in self.whole(name, self.flat.views).items():
                found[f"slot/{name}/{parameter}"] = array
        return found

    def whole(self, slot: str, parameters: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Return one slot of some parameters by name. Collective; the arrays are copies."""
        if self._scratch is None:
            bytes_each = self.flat.values.itemsize
            floats = self.group.allocate(self.flat.values.size * bytes_each // 4)
            self._scratch = floats.view(self.flat.values.dtype)
        vector = self._scratch
        for (start, stop), view in zip(self.ranges, self.views, strict=True):
            vector[start:stop] = view[slot]
        self.group.all_gather(vector, self.flat.buckets)
        found = {}
        for parameter in parameters:
            start, stop, shape = self.flat.views[parameter]
            found[parameter] = vector[start:stop].reshape(shape).copy()
        self.group.barrier()  # others read this vector until they have begun another verb
        return found

    def parts(self) -> dict[str, NDArray[Any]]:
        """Return what this rank holds, as views, by the names that shards have for it."""
        pieces = list(_pieces(self.flat, self.ranges))
        found: dict[str, NDArray[Any]] = {}
        for name, vector in self.state.items():
            for parameter, a, b, at in pieces:
                view, part = self.flat.views[parameter], vector[at : at + b - a]
                key = part_name(f"slot/{name}/{parameter}", a, b, view)
                found[key] = part.reshape(view.shape) if key[-1] != "]" else part
            if self.group.rank == 0:  # what has no element lies in no slice
                empty = [p for p, view in self.flat.views.items() if view.start == view.stop]
                found |= {
                    f"slot/{name}/{p}": vector[:0].reshape(self.flat.views[p].shape) for p in empty
                }
        return found

    def part_names(self, rank: int) -> list[str]:
        """Return the names of another rank's `parts`."""
        pieces = list(_pieces(self.flat, _joined(self.flat.slice(rank))))
        return [
            part_name(f"slot/{name}/{parameter}", a, b, self.flat.views[parameter])
            for name in self.state
            for parameter, a, b, _ in pieces
        ]

    def load(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take this rank's slices out of a checkpoint's tensors, whoever wrote it."""
        for name, vector in self.state.items():
            for parameter in self.flat.views:
                if f"slot/{name}/{parameter}" not in tensors:
                    raise CheckpointError(
                        f"checkpoint: must hold slot/{name}/{parameter}; it does not."
                    )
            vector[:] = 0.0
            for parameter, a, b, at in _pieces(self.flat, self.ranges):
                read_part(tensors, f"slot/{name}/{parameter}", a, vector[at : at + b - a])


def _pieces(
    flat: FlatParameters, ranges: list[tuple[int, int]]
) -> Iterator[tuple[str, int, int, int]]:
    """Give the pieces of parameters that lie in ranges of the flat vector.

    Yields
    ------
    (parameter, first element, one past the last, where it is in the ranges put together)
    """
    views = sorted((view.start, view.stop, name) for name, view in flat.views.items())
    k = at = 0
    for start, stop in ranges:
        while k < len(views) and views[k][1] <= start:
            k += 1
        j = k
        while j < len(views) and views[j][0] < stop:
            first, last, name = views[j]
            a, b = max(first, start), min(last, stop)
            if a < b:
                yield name, a - first, b - first, at + a - start
            j += 1
        at += stop - start


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join slices that touch: one rank alone has one slice, the whole vector."""
    joined: list[tuple[int, int]] = []
    for start, stop in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
