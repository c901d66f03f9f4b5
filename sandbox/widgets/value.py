"""A slider over one value: what a function of the reader makes of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import traitlets

from .assets import bundle
from .live import LiveWidget
from .picture import INK, Picture, new_figure

__all__ = ["ValueExplorer"]


class ValueExplorer(LiveWidget):
    """Move a slider over some values; a function says or draws what becomes of each.

    The function is called when the slider gets to a value, once for each value. It needs the
    kernel: a page made by `to_html`, and a saved notebook, show the value chosen last.

    Parameters
    ----------
    function : callable(value) -> str or Picture
        What to show; a text keeps its lines.
    values : sequence
        The places of the slider.
    name : str
        What the values are, with their unit.
    start : value, optional
        The one to begin with; the first by default.

    Raises
    ------
    ValueError : there are no values, or `start` is none of them.
    TypeError : the function returns neither a text nor a picture.

    Examples
    --------
    >>> squares = ValueExplorer(lambda side: f"{side * side} pixels", [28, 200], "side")
    >>> squares.place = 1
    >>> squares.text
    '40000 pixels'
    """

    _esm = bundle("value.js")
    name = traitlets.Unicode(help="what the values are").tag(sync=True)
    names = traitlets.List(traitlets.Unicode(), help="the values as text").tag(sync=True)
    place = traitlets.Int(help="number of the value chosen").tag(sync=True)
    text = traitlets.Unicode(help="what the function says").tag(sync=True)
    svg = traitlets.Bytes(help="what the function draws, or nothing").tag(sync=True)
    width = traitlets.Int(help="of the drawing, in pixels of the page").tag(sync=True)
    error = traitlets.Unicode(help="why the function failed").tag(sync=True)
    shown = traitlets.Int(-1, help="number of the value that is shown").tag(sync=True)

    def __init__(
        self,
        function: Callable[[Any], str | Picture],
        values: Sequence[Any],
        name: str,
        *,
        start: Any = None,
    ) -> None:
        super().__init__()
        self._values = list(values)
        if not self._values:
            raise ValueError("ValueExplorer: `values` must hold at least one value; got none.")
        if start is not None and start not in self._values:
            raise ValueError(f"ValueExplorer: `start` must be one of the values; got {start!r}.")
        self._function = function
        self._made: dict[int, str | Picture] = {}
        self.name = name
        self.names = [_text(value) for value in self._values]
        self.live = True
        self.place = 0 if start is None else self._values.index(start)
        self._show(self._make(self.place))  # the first value may fail in the reader's face
        self.observe(self._moved, "place")

    @property
    def value(self) -> Any:
        """The value chosen."""
        return self._values[self.place]

    def _make(self, place: int) -> str | Picture:
        if place not in self._made:
            made = self._function(self._values[place])
            if not isinstance(made, str | Picture):
                raise TypeError(
                    "ValueExplorer: the function must return a text or a Picture; got"
                    f" {type(made).__name__}."
                )
            self._made[place] = made
        return self._made[place]

    def _show(self, made: str | Picture) -> None:
        """Write the result in one message: the view is drawn when `shown` changes."""
        with self.hold_sync():
            if isinstance(made, Picture):
                self.text, self.svg, self.width = made.text, made.svg, made.size["width"]
            else:
                self.text, self.svg, self.width = made, b"", 0
            self.summary = f"{self.name} {self.names[self.place]}: {self.text}"
            self.error, self.shown = "", self.place

    def _moved(self, change: Any) -> None:
        """Show another value; a failure goes to the reader, who moved the slider."""
        try:
            self._show(self._make(self.place))
        except Exception as error:
            with self.hold_sync():
                self.error = str(error) or type(error).__name__
                self.shown = self.place

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Return the function's picture, or draw its text."""
        made = self._make(self.place)
        if isinstance(made, Picture):
            return made
        lines = [
            part
            for line in made.splitlines()
            for part in textwrap.wrap(line, 96, drop_whitespace=False) or [""]
        ]
        figure = new_figure(8.6, 0.35 + 0.2 * len(lines))
        title = f"{self.name}: {self.names[self.place]}"
        figure.text(0.01, 0.99, title, fontsize=9, fontweight="bold", va="top", color=INK)
        figure.text(
            0.01,
            0.02,
            "\n".join(lines),
            fontsize=9,
            family="monospace",
            va="bottom",
            color=INK,
        )
        return Picture(figure, self.summary)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
