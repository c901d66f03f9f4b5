"""Static pictures: matplotlib figures drawn without pyplot, safe on any thread.

What a saved notebook shows when no kernel is there, and what a notebook shows on its own:
filters, feature maps, digits, a confusion matrix.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from .picture import BLUE, EDGE, GREEN, GRID, INK, ON_DATA, ORANGE, SOFT, TICK, Picture, new_figure
from .state import CurveState, format_score, score_label, summary, table, validation_table

__all__ = [
    "Picture",
    "confusion_matrix",
    "curves_picture",
    "digits",
    "feature_maps_picture",
    "filters_picture",
    "side_by_side",
]

RANKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_READ = 10.5  # points of titles: on a projector the pictures shrink to six tenths
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
WEIGHTS = LinearSegmentedColormap.from_list(
    "weights", ["#0b4f8a", "#5aa2d6", "#f6f6f4", "#f0a05a", "#a8460a"]
)


def _tidy(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold", color=INK)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(TICK)
    axes.tick_params(labelsize=8, color=TICK, labelcolor=SOFT)


# Curves ------------------------------------------------------------------------------------------


def smooth(values: NDArray[Any], alpha: float = 0.1) -> NDArray[np.float64]:
    """Return the exponential running mean, started so that early values are not pulled to 0."""
    out = np.empty(len(values))
    mean = weight = 0.0
    for i, value in enumerate(np.asarray(values, np.float64)):
        if not math.isnan(value):
            mean = (1 - alpha) * mean + alpha * value
            weight = (1 - alpha) * weight + alpha
        out[i] = mean / weight if weight else math.nan
    return out


def curves_picture(state: CurveState) -> Picture:
    """Draw loss, score, learning rate and images/s of each rank."""
    names, points = table(state)
    column = dict(zip(names, points.T, strict=True))
    checks = validation_table(state)
    figure = new_figure(9.2, 5.2)
    title = textwrap.fill(summary(state), 118)
    figure.suptitle(title, fontsize=8.5, color=SOFT, x=0.01, ha="left")
    style = "--o" if len(checks) <= 25 else "--"
    loss, score, rate, speed = figure.subplots(2, 2).flat
    step = column["step"]

    _tidy(loss, "Loss")
    loss.plot(step, column["loss"], color=BLUE, alpha=0.25, linewidth=1)
    loss.plot(step, smooth(column["loss"]), color=BLUE, linewidth=1.8, label="training (smoothed)")
    if np.isfinite(checks[:, 3]).any():
        loss.plot(checks[:, 0], checks[:, 3], style, color=ORANGE, markersize=4, label="validation")
    if (column["loss"] > 0).any():
        loss.set_yscale("log")

    label = score_label(state)
    _tidy(score, label[:1].upper() + label[1:])
    score.plot(step, column["recent"], color=BLUE, linewidth=1.8, label="training (last steps)")
    if np.isfinite(checks[:, 2]).any():
        score.plot(
            checks[:, 0], checks[:, 2], style, color=ORANGE, markersize=4, label="validation"
        )
        score.annotate(
            format_score(state, float(checks[-1, 2])), checks[-1, [0, 2]], (-4, -12),
            textcoords="offset points", ha="right", fontsize=8.5, color=ORANGE, fontweight="bold",
        )  # fmt: skip
    seen = column["recent"][np.isfinite(column["recent"])]
    if len(seen) and label == "accuracy":
        score.set_ylim(max(0.0, min(0.9, float(np.quantile(seen, 0.04)))), 1.002)
        score.yaxis.set_major_formatter(lambda y, _: f"{y * 100:g} %")

    _tidy(rate, "Learning rate")
    rate.plot(step, column["learning_rate"], color=GREEN, linewidth=1.8)
    rate.set_ylim(bottom=0)
    rate.set_xlabel("step", fontsize=8, color=SOFT)

    _tidy(speed, f"{state.unit.capitalize()} per second")
    for k, rank in enumerate(state.ranks):
        speed.plot(
            step, smooth(column[f"rate:{rank}"]), color=RANKS[k % len(RANKS)], linewidth=1.5,
            linestyle=DASHES[k % len(DASHES)],
            label=f"rank {rank}" if rank.isdigit() else f"{rank} of the ranks",
        )  # fmt: skip
    if len(state.ranks) != 1:
        speed.plot(step, smooth(column["rate"]), color=SOFT, linewidth=1.8, label="all")
    speed.set_ylim(bottom=0)
    speed.yaxis.set_major_formatter(lambda y, _: f"{y:,.0f}")
    speed.set_xlabel("step", fontsize=8, color=SOFT)
    for axes in (loss, score, speed):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7.5, frameon=False)
    return Picture(figure, summary(state))


# Images ------------------------------------------------------------------------------------------


def _image(axes: Any, image: NDArray[Any], title: str = "", *, color: str = INK,
           **kwargs: Any) -> Any:  # fmt: skip
    shown = axes.imshow(image, interpolation="none", **kwargs)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(EDGE)
    if title:
        axes.set_title(title, fontsize=_READ, color=color, pad=3)
    return shown


def _grid(count: int, columns: int, size: float, extra: float = 0.0) -> tuple[Figure, list[Any]]:
    columns = max(1, min(columns, count))
    rows = max(1, math.ceil(count / columns))
    figure = new_figure(columns * size, rows * (size + 0.26) + extra)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in axes[count:]:
        empty.set_axis_off()
    return figure, axes


def tiles(weight: NDArray[Any], limit: int = 64) -> NDArray[Any]:
    """Return a convolution's weights (O, I, kh, kw), or a matrix, as a list of 2-D tiles."""
    array = np.asarray(weight, np.float32)
    if array.ndim < 3:
        return np.atleast_2d(array)[None]
    return array.reshape(-1, *array.shape[-2:])[:limit]


def filters_picture(
    name: str, before: NDArray[Any], now: NDArray[Any], *, steps: tuple[int, int] = (0, 0)
) -> Picture:
    """Draw the filters of a layer before, now, and the difference, in three rows."""
    a, b = tiles(before, 24), tiles(now, 24)
    columns = len(a)
    figure = new_figure(max(1.05 * columns + 0.9, 5), 3.6)
    figure.suptitle(
        f"{name} {tuple(now.shape)}: filters before and after", fontsize=9.5, x=0.01, ha="left",
        color=INK, fontweight="bold",
    )  # fmt: skip
    axes = figure.subplots(3, columns, squeeze=False)
    top = float(np.nanmax(np.abs([a, b]))) or 1.0
    change = float(np.nanmax(np.abs(b - a))) or 1.0
    rows = ((f"step {steps[0]}", a, top), (f"step {steps[1]}", b, top), ("change", b - a, change))
    for row, (label, images, bound) in zip(axes, rows, strict=True):
        for i, (cell, image) in enumerate(zip(row, images, strict=True)):
            title = str(i) if row is axes[0] else ""
            shown = _image(cell, image, title, cmap=WEIGHTS, vmin=-bound, vmax=bound)
        row[0].set_ylabel(label, fontsize=8, color=SOFT)
        bar = figure.colorbar(
            shown, ax=list(row), fraction=0.03, pad=0.01, ticks=[-bound, 0, bound]
        )
        bar.ax.set_yticklabels([f"{-bound:.2f}", "0", f"{bound:.2f}"], fontsize=7)
        bar.outline.set_visible(False)
    moved = float(np.linalg.norm(now - before) / (np.linalg.norm(before) or 1))
    text = (
        f"{name}, shape {tuple(now.shape)}: the filters at step {steps[0]}, at step {steps[1]} and"
        f" their difference; the change is {moved:.0%} of the size at the start."
    )
    return Picture(figure, text.replace("%", " %"))


def feature_maps_picture(
    image: NDArray[Any], layers: Sequence[tuple[str, NDArray[Any]]], *, text: str = ""
) -> Picture:
    """Draw an image and, row by row, what each layer makes of it: maps (C, H, W) or vectors."""
    width = 8.6
    # A row of few maps gets larger ones; a row of numbers one flat axis.
    columns = [min(max(len(maps), 9), 16) if maps.ndim == 3 else 1 for _, maps in layers]
    heights = [0.8 * width / n + 0.05 if n > 1 else 0.85 for n in (9, *columns)]
    figure = new_figure(width + 0.8, sum(heights) + 0.5)
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    _image(figure.add_subplot(rows[0].subgridspec(1, 9)[0, 0]), image, "input", cmap="gray")
    for row, count, (name, maps) in zip(range(1, len(heights)), columns, layers, strict=True):
        label = f"{name}\n" + "×".join(map(str, maps.shape))
        cells = rows[row].subgridspec(1, count)
        if maps.ndim == 3:
            top = float(np.abs(maps).max()) or 1.0
            for i, one in enumerate(maps[:count]):
                axes = figure.add_subplot(cells[0, i])
                _image(axes, one, cmap=WEIGHTS, vmin=-top, vmax=top)
                if i == 0:
                    axes.set_ylabel(label, fontsize=9.5, rotation=0, ha="right", va="center")
        else:
            axes = figure.add_subplot(cells[0, 0])
            axes.bar(range(len(maps)), maps, color=np.where(maps < 0, BLUE, ORANGE), width=0.9)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=9)
            if len(maps) <= 10:
                axes.set_xticks(range(len(maps)))
            axes.set_ylabel(label, fontsize=9.5, rotation=0, ha="right", va="center")
    shapes = "; ".join(f"{name} {tuple(maps.shape)}" for name, maps in layers)
    return Picture(figure, text or f"What each layer makes of the image: {shapes}.")


def digits(
    images: ArrayLike,
    titles: Sequence[str] = (),
    *,
    columns: int = 8,
    wrong: bool | ArrayLike = False,
    size: float = 1.05,
) -> Picture:
    """Draw images (N, H, W) in a grid, each with its title above.

    Parameters
    ----------
    images : array of shape (N, H, W)
        Black is 0.
    titles : sequence of str
        One for each image, or none.
    columns : int, default=8
        Images in a row.
    wrong : bool, or one for each image, default=False
        Mark these: a frame and a title in the warning colour.
    size : float, default=1.05
        Side of an image in inches.
    """
    array = np.asarray(images)
    figure, axes = _grid(len(array), columns, size)
    marked = np.broadcast_to(np.asarray(wrong, bool), len(array))
    for i, image in enumerate(array):
        color = ORANGE if marked[i] else INK
        _image(axes[i], image, titles[i] if len(titles) else "", color=color, cmap="gray")
        if marked[i]:
            axes[i].spines[:].set(color=ORANGE, linewidth=2.5)
    told = f"{len(array)} images" + (": " + ", ".join(titles) if titles else ".")
    if marked.any() and not marked.all() and len(titles):
        told += f"; wrong: {', '.join(np.asarray(titles)[marked].tolist())}"
    return Picture(figure, told)


def side_by_side(image: NDArray[Any], kernel: NDArray[Any], result: NDArray[Any]) -> Picture:
    """Draw an image, a filter and what the filter makes of the image."""
    figure = new_figure(6.6, 2.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=[3, 1.4, 3])
    _image(left, image, "image", cmap="gray")
    top = float(np.abs(kernel).max()) or 1.0
    _image(middle, kernel, "filter", cmap=WEIGHTS, vmin=-top, vmax=top)
    for (row, column), weight in np.ndenumerate(kernel):
        color = "white" if abs(weight) > 0.7 * top else ON_DATA
        middle.text(column, row, f"{weight:g}", ha="center", va="center", fontsize=8, color=color)
    top = float(np.abs(result).max()) or 1.0
    _image(right, result, "result", cmap=WEIGHTS, vmin=-top, vmax=top)
    return Picture(figure, f"A filter {np.round(kernel, 2).tolist()} over an image.")


def confusion_matrix(matrix: ArrayLike, names: Sequence[str] = ()) -> Picture:
    """Draw counts [true class, predicted class]; colour shows the mistakes only.

    Parameters
    ----------
    matrix : array of shape (classes, classes)
        Row = true class, column = predicted class.
    names : sequence of str
        Names of the classes, their numbers by default.
    """
    counts = np.asarray(matrix).astype(int)
    classes = list(names) or [str(i) for i in range(len(counts))]
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    figure = new_figure(0.52 * len(counts) + 1.2, 0.46 * len(counts) + 1.1)
    axes = figure.subplots()
    axes.imshow(mistakes, cmap="Oranges", vmax=max(int(mistakes.max() * 1.8), 1))
    for (row, column), count in np.ndenumerate(counts):
        hit = row == column
        axes.text(
            column, row, f"{count}" if count else "·", ha="center", va="center", fontsize=8,
            color="#5a636d" if hit else ON_DATA, fontweight="normal" if hit else "bold",
        )  # fmt: skip
    axes.set_xticks(range(len(classes)), classes, fontsize=8)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.set_xlabel("the network says", fontsize=8.5)
    axes.set_ylabel("it is", fontsize=8.5)
    axes.spines[:].set_color(EDGE)
    axes.tick_params(length=0)
    worst = np.unravel_index(np.argmax(mistakes), mistakes.shape)
    text = f"{int(np.trace(counts))} of {int(counts.sum())} right"
    if mistakes.any():
        text += f"; most often {classes[worst[0]]} was taken for {classes[worst[1]]}"
        text += f" ({int(mistakes[worst])} times)"
    return Picture(figure, text + ".")
