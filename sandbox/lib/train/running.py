"""Metrics of the running epoch: their sums travel with the loss in every iteration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import Loss

if TYPE_CHECKING:
    from ..metrics import Metric

__all__ = ["RunningMetrics"]

_LARGEST = 64  # numbers; a longer state is not summed in every iteration, one of 0 never
_KEEP = 0.9  # of the older batches' sums from one batch to the next


class RunningMetrics:
    """Those metrics whose state is small, each with its place in the vector that all ranks sum.

    Parameters
    ----------
    metrics : sequence of Metric
        Of the run. The loss is left out, the vector holds it already.
    start : int
        Where in the vector the first one's sums begin; `stop` is where the last one's end.

    Examples
    --------
    >>> from sandbox.lib.metrics import Top1
    >>> running = RunningMetrics([Top1()], start=3)
    >>> vector = np.zeros(running.stop)
    >>> running.put(vector, np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    >>> sums = running.zeros()
    >>> running.add(sums, vector)
    >>> running.figures(sums)
    {'top1': 0.5}
    >>> running.fade(sums, np.array([0, 0, 0, 2, 2.0]))  # a batch that is all right
    >>> round(running.figures(sums)["top1"], 3)
    0.763
    """

    def __init__(self, metrics: Sequence[Metric], start: int) -> None:
        self._places: list[tuple[Metric, slice]] = []
        for metric in metrics:
            size = metric.zero().size
            whole_loss = isinstance(metric, Loss) and metric.at is None
            if metric.while_training and 0 < size <= _LARGEST and not whole_loss:
                self._places.append((metric, slice(start, start + size)))
                start += size
        self.stop = start

    def zeros(self) -> dict[str, NDArray[np.float64]]:
        """Return the sums of an epoch that begins, by name."""
        return {metric.name: metric.zero() for metric, _ in self._places}

    def put(self, vector: NDArray[np.float64], output: Any, target: Any) -> None:
        """Add a batch's sums to what stands in their places."""
        for metric, place in self._places:
            vector[place] += metric.update(*metric.pick(output, target))

    def add(self, sums: dict[str, NDArray[np.float64]], total: NDArray[np.float64]) -> None:
        """Add what all ranks have put to the sums of the epoch."""
        for metric, place in self._places:
            sums[metric.name] += total[place]

    def fade(self, sums: dict[str, NDArray[np.float64]], total: NDArray[np.float64]) -> None:
        """Add what all ranks have put to sums in which older batches count less and less."""
        for metric, place in self._places:
            sums[metric.name] = _KEEP * sums[metric.name] + total[place]

    def figures(self, sums: dict[str, NDArray[np.float64]]) -> dict[str, float]:
        """Return the figures that sums stand for, those that are one number."""
        results = {metric.name: metric.result(sums[metric.name]) for metric, _ in self._places}
        return {name: float(value) for name, value in results.items() if np.ndim(value) == 0}
