"""A still picture: an SVG that follows the page's theme, and a PNG for where none is shown."""

from __future__ import annotations

import base64
import html
import io
import re
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["BLUE", "EDGE", "GREEN", "INK", "ON_DATA", "ORANGE", "SOFT", "Picture", "new_figure"]

# Okabe and Ito's colours: told apart by colour-blind readers, helped by dashes and markers.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, SOFT, EDGE, GRID, TICK = "#24292f", "#57606a", "#d0d7de", "#e7e9ec", "#b6bcc4"
ON_DATA = "#1f2328"  # on what is coloured by its values: the same in every theme
# What a dark page shows instead. Colours of data (images, maps of weights) stay as they are.
_DARK = {
    INK: "#e6e9ec", SOFT: "#a3acb5", EDGE: "#3a4149", GRID: "#2b3036", TICK: "#59636e",
    BLUE: "#56b4e9", ORANGE: "#f0a05a", GREEN: "#2fc49a", "#000000": "#e6e9ec",
}  # fmt: skip
_DPI = 144
_COLOUR = re.compile("|".join(_DARK))
# An image takes the scheme of the element that shows it, and that one JupyterLab's or VS Code's.
_STYLE = (
    '<style>[data-jp-theme-light="false"] img.sbx-picture, .vscode-dark img.sbx-picture'
    "{color-scheme:dark}</style>"
)
_drawing = threading.Lock()  # a figure has one canvas at a time


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, made without pyplot: safe on any thread."""
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")


class Picture:
    """A picture with its text alternative; a notebook shows it as it is.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Laid out here, drawn when somebody looks.
    text : str
        What the picture tells, for readers who do not see it.
    """

    def __init__(self, figure: Figure, text: str) -> None:
        self.text = text
        width, height = figure.get_size_inches() * 96
        self.size = {"width": round(width), "height": round(height)}
        self._figure = figure
        for axes in figure.axes:
            axes.patch.set_visible(False)  # the figure's ground is the page's
        with _drawing:
            FigureCanvasAgg(figure)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # once is enough for both

    @cached_property
    def png(self) -> bytes:
        """The picture on white, with its text in it."""
        buffer = io.BytesIO()
        with _drawing:
            FigureCanvasAgg(self._figure).print_png(buffer, metadata={"Description": self.text})
        return buffer.getvalue()

    @cached_property
    def svg(self) -> bytes:
        """The picture without a ground, in colours that follow a light or a dark scheme."""
        buffer = io.BytesIO()
        with _drawing:
            self._figure.patch.set_visible(False)
            FigureCanvasSVG(self._figure).print_svg(
                buffer, metadata={"Date": None, "Creator": None, "Description": self.text}
            )
            self._figure.patch.set_visible(True)
        head, rest = buffer.getvalue().decode().split("<defs>", 1)
        return f"{head}{_themes()}<defs>{_COLOUR.sub(_named, rest)}".encode()

    def html(self) -> str:
        """Return the picture as an element that any page shows."""
        data = base64.b64encode(self.svg).decode("ascii")
        width, height = self.size["width"], self.size["height"]
        return (
            f'{_STYLE}<img class="sbx-picture" alt="{html.escape(self.text)}" width="{width}"'
            f' height="{height}" style="max-width:100%;height:auto"'
            f' src="data:image/svg+xml;base64,{data}">'
        )

    def save(self, path: str | Path) -> Path:
        """Write the PNG and return its path."""
        Path(path).write_bytes(self.png)
        return Path(path)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data = {"text/html": self.html(), "image/png": self.png, "text/plain": self.text}
        return data, {"image/png": self.size}

    def __repr__(self) -> str:
        return self.text


def _named(match: re.Match[str]) -> str:
    return f"var(--c{list(_DARK).index(match[0])})"


def _themes() -> str:
    """Return the colours by name, for both schemes; what names none, such as text, is ink."""
    light = "".join(f"--c{k}:{one};" for k, one in enumerate(_DARK))
    dark = "".join(f"--c{k}:{one};" for k, one in enumerate(_DARK.values()))
    return (
        f"<style>svg{{{light}fill:var(--c0)}}"
        f"@media (prefers-color-scheme: dark){{svg{{{dark}}}}}</style>"
    )
