"""Which parameters lie where in a slice of the flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Span(NamedTuple):
    """The part of one parameter that lies in a slice."""

    parameter: int
    start: int
    stop: int


class ParameterSpans(NamedTuple):
    """The parameters of a model by name, and which part of each lies in one slice.

    Parameters
    ----------
    names : tuple of str
        All parameters of the model, the same on all ranks.
    parts : tuple of Span(parameter, start, stop)
        Those of this slice in its order, counted from its start. What lies between is padding.
    shapes : tuple of tuples of int
        The whole parameters' shapes.

    Examples
    --------
    >>> spans = ParameterSpans.of({"fc.bias": (0, 3), "fc.weight": (16, 28, (3, 4))}, 2, 20)
    >>> spans.parts
    (Span(parameter=0, start=0, stop=1), Span(parameter=1, start=14, stop=18))
    >>> spans.shapes
    ((3,), (3, 4))
    """

    names: tuple[str, ...]
    parts: tuple[Span, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, views: Mapping[str, Any], start: int, stop: int) -> ParameterSpans:
        """Cut the slice [start, stop) out of `views`: name -> (start, stop) or with its shape."""
        found = []
        for parameter, view in enumerate(views.values()):
            first, last = max(view[0], start), min(view[1], stop)
            if first < last:
                found.append(Span(parameter, first - start, last - start))
        shapes = tuple(
            tuple(view[2]) if len(view) > 2 else (view[1] - view[0],) for view in views.values()
        )
        return cls(tuple(views), tuple(sorted(found, key=lambda span: span.start)), shapes)

    @classmethod
    def one(cls, size: int) -> ParameterSpans:
        """Return the spans of a slice that is one parameter."""
        return cls(("parameters",), (Span(0, 0, size),), ((size,),))

    def within(self, start: int, stop: int) -> ParameterSpans:
        """Return the spans of a part of the slice."""
        return ParameterSpans(
            self.names,
            tuple(
                Span(parameter, max(a, start) - start, min(b, stop) - start)
                for parameter, a, b in self.parts
                if max(a, start) < min(b, stop)
            ),
            self.shapes,
        )
