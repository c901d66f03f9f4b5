"""Gradient descent on one weight: the line it draws, its loss curve, a step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from .assets import bundle
from .figures import _tidy
from .live import LiveWidget
from .picture import BLUE, ORANGE, Picture, new_figure

__all__ = ["DescentExplorer"]


class DescentExplorer(LiveWidget):
    """Fit y = w x by gradient descent, one press of a button after the other.

    loss(w) = mean (w x - y)^2, slope(w) = mean 2 x (w x - y), and a step is w - rate slope.
    Works without a kernel too.

    Parameters
    ----------
    x, y : (rows,) floats
        The examples; rounded to hundredths.
    weight : float
        To begin with.
    rate : float >= 0
        The learning rate to begin with.

    Raises
    ------
    ValueError : x and y are not two lists of the same length with at least one example.

    Notes
    -----
    The slope and the rate are rounded to hundredths before they are used, so that the step shown
    adds up to the last digit.

    Examples
    --------
    >>> descent = DescentExplorer([1, 2], [2, 4], weight=0.0, rate=0.1)
    >>> descent.loss(), descent.slope()
    (10.0, -10.0)
    >>> descent.step()
    >>> descent.weight, round(descent.loss(), 2)
    (1.0, 2.5)
    """

    _esm = bundle("descent.js")
    table = traitlets.Bytes(help="float32: x, y").tag(sync=True)
    path = traitlets.List(traitlets.Float(), help="weights so far, the present one last").tag(
        sync=True
    )
    rate = traitlets.Float().tag(sync=True)

    def __init__(
        self, x: ArrayLike, y: ArrayLike, *, weight: float = 0.0, rate: float = 0.1
    ) -> None:
        super().__init__()
        inputs, targets = (np.round(np.asarray(v, np.float64), 2) for v in (x, y))
        if inputs.ndim != 1 or inputs.shape != targets.shape or not len(inputs):
            raise ValueError(
                "DescentExplorer: `x` and `y` must be two lists of the same length; got shapes"
                f" {inputs.shape} and {targets.shape}."
            )
        self._x, self._y = inputs, targets
        self.table = np.column_stack([inputs, targets]).astype(np.float32).tobytes()
        self.path, self.rate = [float(weight)], float(rate)
        self.summary = f"One weight, {len(inputs)} examples, a step of gradient descent at a time."

    @property
    def weight(self) -> float:
        """The present weight."""
        return float(self.path[-1])

    def loss(self, weight: float | None = None) -> float:
        """Return the mean squared error at a weight, the present one by default."""
        w = self.weight if weight is None else weight
        return float(np.mean((w * self._x - self._y) ** 2))

    def slope(self) -> float:
        """Return the slope of the loss at the present weight, in hundredths."""
        return round(float(np.mean(2 * self._x * (self.weight * self._x - self._y))), 2)

    def step(self) -> None:
        """Move the weight once against its slope."""
        self.path = [*self.path, round(self.weight - round(self.rate, 2) * self.slope(), 4)]

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Draw the examples with the line, and the loss curve with the way so far."""
        figure = new_figure(8.6, 2.9)
        left, right = figure.subplots(1, 2)
        _tidy(left, f"y = {self.weight:g} x")
        left.scatter(self._x, self._y, color=BLUE, s=18)
        ends = np.array([min(self._x.min(), 0), self._x.max()])
        left.plot(ends, self.weight * ends, color=ORANGE)
        best = float(self._x @ self._y / max(self._x @ self._x, 1e-9))
        reach = max(1.2 * max(abs(w - best) for w in self.path), 0.5)
        grid = np.linspace(best - reach, best + reach, 101)
        _tidy(right, "loss over the weight")
        right.plot(grid, self._curve(grid), color=BLUE)
        right.plot(self.path, self._curve(np.array(self.path)), "-o", color=ORANGE, markersize=4)
        text = f"After {len(self.path) - 1} steps the weight is {self.weight:g}, "
        return Picture(figure, f"{text}the loss {self.loss():.4g}.")

    def _curve(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.mean((weights[:, None] * self._x - self._y) ** 2, axis=1)
