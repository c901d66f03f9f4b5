"""Which parameters lie where in a slice of the flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Segment(NamedTuple):
    """The part of one parameter that lies in a slice."""

    layer: int
    start: int
    stop: int


class Layers(NamedTuple):
    """The parameters of a model by name, and which part of each lies in one slice.

    Parameters
    ----------
    names : tuple of str
        All parameters of the model, the same on all ranks.
    segments : tuple of Segment(layer, start, stop)
        Those of this slice in its order, counted from its start. What lies between is padding.

    Examples
    --------
    >>> Layers.of({"fc.bias": (0, 3), "fc.weight": (16, 28)}, 2, 20).segments
    (Segment(layer=0, start=0, stop=1), Segment(layer=1, start=14, stop=18))
    """

    names: tuple[str, ...]
    segments: tuple[Segment, ...]

    @classmethod
    def of(cls, views: Mapping[str, Any], start: int, stop: int) -> Layers:
        """Cut the slice [start, stop) out of a vector of `views`: name -> (start, stop, ...)."""
        found = []
        for layer, view in enumerate(views.values()):
            first, last = max(view[0], start), min(view[1], stop)
            if first < last:
                found.append(Segment(layer, first - start, last - start))
        return cls(tuple(views), tuple(sorted(found, key=lambda segment: segment.start)))

    @classmethod
    def one(cls, size: int) -> Layers:
        """Return the layers of a slice that is one parameter."""
        return cls(("parameters",), (Segment(0, 0, size),))

    def within(self, start: int, stop: int) -> Layers:
        """Return the layers of a part of the slice."""
        return Layers(
            self.names,
            tuple(
                Segment(layer, max(a, start) - start, min(b, stop) - start)
                for layer, a, b in self.segments
                if max(a, start) < min(b, stop)
            ),
        )
