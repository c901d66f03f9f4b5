"""One neuron by hand: two inputs, two weights, a bias, and what it makes of the plane."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from .assets import bundle
from .figures import WEIGHTS, _tidy
from .live import LiveWidget
from .picture import BLUE, ORANGE, SOFT, Picture, new_figure

__all__ = ["NeuronExplorer"]


class NeuronExplorer(LiveWidget):
    """Set the weights and the bias of a neuron until it tells two kinds of points apart.

    Its answer, max(0, w1 x1 + w2 x2 + b), colours the plane. Works without a kernel too.

    Parameters
    ----------
    points : (rows, 2) floats
        Where the points lie; best between -1 and 1. Rounded to hundredths, so that the sums shown
        add up.
    labels : (rows,) ints of 0 and 1
        Their kind: the neuron shall answer above 0 to kind 1 only.
    weights : 3 floats
        w1, w2 and the bias to begin with.

    Raises
    ------
    ValueError : the points have not two columns, or not a label each.

    Examples
    --------
    >>> neuron = NeuronExplorer([[0, 1], [1, 0]], [0, 1], weights=(1, -1, 0))
    >>> neuron.answer([[1, 0.5], [0, 1]]).tolist(), neuron.right()
    ([0.5, 0.0], 2)
    """

    _esm = bundle("neuron.js")
    table = traitlets.Bytes(help="float32: x1, x2, label").tag(sync=True)
    weights = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(
        self, points: ArrayLike, labels: ArrayLike, weights: ArrayLike = (1.0, 0.0, 0.0)
    ) -> None:
        super().__init__()
        x, y = np.asarray(points, np.float64), np.asarray(labels).reshape(-1)
        if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(y):
            raise ValueError(
                "NeuronExplorer: `points` must have shape (rows, 2) with a label for each row; got"
                f" {x.shape} and {len(y)} labels."
            )
        start = np.asarray(weights, np.float64).reshape(-1)
        if len(start) != 3:
            raise ValueError(
                f"NeuronExplorer: `weights` must be w1, w2 and the bias; got {len(start)} numbers."
            )
        x = np.round(x, 2)
        self._points, self._labels = x, y
        self.table = np.column_stack([x, y]).astype(np.float32).tobytes()
        self.weights = start.tolist()
        self.summary = f"A neuron with two inputs and {len(y)} points to tell apart."

    def answer(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return what the neuron answers to some points."""
        w1, w2, bias = self.weights
        x = np.asarray(points, np.float64)
        return np.maximum(0, x[:, 0] * w1 + x[:, 1] * w2 + bias)

    def right(self) -> int:
        """Return how many points are told apart rightly."""
        return int(np.sum((self.answer(self._points) > 0) == (self._labels == 1)))

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Draw the plane, coloured by the answer, with the points."""
        side = np.linspace(-1.2, 1.2, 97)
        grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        answer = self.answer(grid).reshape(len(side), -1)
        figure = new_figure(4.4, 3.6)
        axes = figure.subplots()
        w1, w2, bias = self.weights
        _tidy(axes, f"max(0, {w1:g} · x1 {_signed(w2)} · x2 {_signed(bias)})")
        axes.grid(visible=False)
        axes.set_xlabel("input x1", fontsize=8, color=SOFT)
        axes.set_ylabel("input x2", fontsize=8, color=SOFT)
        top = float(answer.max()) or 1.0
        axes.imshow(
            answer, origin="lower", extent=(-1.2, 1.2, -1.2, 1.2), cmap=WEIGHTS, vmin=-top, vmax=top
        )
        for kind, color, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
            chosen = self._points[self._labels == kind]
            axes.scatter(*chosen.T, color=color, marker=marker, s=22, edgecolor="white", lw=0.5)
        text = f"A neuron with weights {w1:g}, {w2:g} and bias {bias:g}: {self.right()} of"
        return Picture(figure, f"{text} {len(self._labels)} points right.")


def _signed(value: float) -> str:
    """Write a number that is added, its sign apart."""
    return f"{'-' if value < 0 else '+'} {abs(value):g}"
