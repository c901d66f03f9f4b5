"""Static pictures of tables of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .picture import EDGE, INK, ON_DATA, SOFT, Picture, new_figure

__all__ = ["heat_map"]


def heat_map(
    values: ArrayLike,
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    title: str = "",
    digits: int = 0,
) -> Picture:
    """Draw a table of numbers; the larger, the darker.

    Parameters
    ----------
    values : array of shape (rows, columns)
        Finite numbers.
    rows, columns : sequence
        What the lines and columns are called.
    title : str
        What the numbers are.
    digits : int, default=0
        Behind the point.
    """
    table = np.asarray(values, np.float64)
    if table.shape != (len(rows), len(columns)) or not table.size:
        raise ValueError(
            f"heat_map: values must have shape {(len(rows), len(columns))}, one for each name; got "
            f"{table.shape}."
        )
    figure = new_figure(0.72 * table.shape[1] + 1.8, 0.46 * table.shape[0] + 1.0)
    axes = figure.subplots()
    low, high = float(table.min()), float(table.max())
    middle = low + 0.6 * (high - low)
    axes.imshow(table, cmap="Blues", aspect="auto", vmin=low, vmax=max(high * 1.1, low + 1e-9))
    for (row, column), value in np.ndenumerate(table):
        axes.text(
            column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=9,
            color="white" if value > middle else ON_DATA,
        )  # fmt: skip
    axes.set_xticks(range(len(columns)), [str(name) for name in columns], fontsize=9, color=SOFT)
    axes.set_yticks(range(len(rows)), [str(name) for name in rows], fontsize=9, color=SOFT)
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.spines[:].set_color(EDGE)
    axes.tick_params(length=0)
    places = [np.unravel_index(k, table.shape) for k in (table.argmin(), table.argmax())]
    told = [f"{table[at]:.{digits}f} ({rows[at[0]]}, {columns[at[1]]})" for at in places]
    return Picture(figure, f"{title or 'A table'}: from {told[0]} to {told[1]}.")
