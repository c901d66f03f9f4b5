"""Pictures of a search: its trials as lines across parallel axes, the learning-rate finder."""

from __future__ import annotations

from typing import Any

from ..lib.core import validate
from .picture import BLUE, EDGE, GRID, INK, ORANGE, SOFT, TICK, Picture, new_figure

__all__ = ["learning_rate_curve", "parallel_coordinates"]


def parallel_coordinates(found: Any) -> Picture:
    """Draw the trials of a search as lines, across an axis for each name and one for the score.

    Parameters
    ----------
    found : Found
        What `tune.search` returns.

    Returns
    -------
    Picture
        The best trial thick and orange, the best quarter blue; its text tells the same in words.
    """
    if not hasattr(found, "coordinates"):
        raise validate.refuse("found", "what tune.search returns", found)
    told = found.coordinates()
    count = len(told.axes)
    figure = new_figure(max(1.9 * count, 5.0), 3.9)
    axes = figure.subplots()
    best = max(1, len(told.lines) // 4)
    for place, line in reversed(list(enumerate(told.lines))):  # the best on top
        if place == 0:
            style: dict[str, Any] = {"color": ORANGE, "linewidth": 2.6, "marker": "o", "zorder": 4}
        elif place < best:
            style = {"color": BLUE, "linewidth": 1.3, "alpha": 0.8, "zorder": 3}
        else:
            style = {"color": TICK, "linewidth": 0.8, "alpha": 0.6, "zorder": 2}
        axes.plot(range(count), line, **style)
    for k, ticks in enumerate(told.ticks):
        axes.axvline(k, color=EDGE, linewidth=1.2, zorder=1)
        last = k == count - 1
        for place, label in ticks:
            axes.plot([k - 0.015, k + 0.015], [place, place], color=TICK, linewidth=1, zorder=1)
            axes.annotate(
                label, (k, place), (6 if last else -6, 0), textcoords="offset points",
                ha="left" if last else "right", va="center", fontsize=8, color=SOFT, zorder=5,
            )  # fmt: skip
    names = [*told.axes[:-1], f"{told.metric}\n({'more' if told.maximise else 'less'} is better)"]
    axes.set_xticks(range(count), names, fontsize=9, color=INK)
    axes.set_yticks([])
    axes.set_xlim(-0.35, count - 1 + 0.35)
    axes.set_ylim(-0.05, 1.05)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    title = f"{len(told.lines)} trials: the best one, the best quarter, the others"
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", color=INK)
    return Picture(figure, told.text())


def learning_rate_curve(found: Any) -> Picture:
    """Draw what a learning-rate finder has seen: the loss against the rate.

    Parameters
    ----------
    found : LearningRates
        What `learning_rate_finder` returns.
    """
    if not hasattr(found, "smoothed"):
        raise validate.refuse("found", "what learning_rate_finder returns", found)
    figure = new_figure(6.4, 3.4)
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=BLUE, alpha=0.3, linewidth=1, label="each batch")
    axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=1.8, label="smoothed")
    axes.set_xscale("log")
    if found.losses.size:
        low, high = float(found.smoothed.min()), float(found.smoothed[0])
        room = max(high - low, 0.05 * abs(high), 1e-6)
        axes.set_ylim(low - 0.3 * room, high + 0.8 * room)
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color=ORANGE, linewidth=1.8, linestyle="--")
        axes.annotate(
            f"suggestion {found.suggestion:.2g}", (found.suggestion, 0.95), (-6, 0),
            xycoords=("data", "axes fraction"), textcoords="offset points", ha="right",
            va="center", fontsize=8.5, color=ORANGE, fontweight="bold",
        )  # fmt: skip
    axes.set_xlabel("learning rate", fontsize=8.5, color=SOFT)
    axes.set_ylabel("loss", fontsize=8.5, color=SOFT)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(TICK)
    axes.tick_params(labelsize=8, color=TICK, labelcolor=SOFT)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    return Picture(figure, found.text())
