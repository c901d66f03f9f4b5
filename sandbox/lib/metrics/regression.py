"""Metrics of numbers: mean distance, and the share of the variance that is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import validate
from ..core.errors import DataError, ShapeError
from .metric import Metric, Sums, ratio

Numbers = NDArray[np.float64]


class MAE(Metric):
    """Mean distance between output and target, over all elements.

    Notes
    -----
    Same as BigDL `MAE` (0.13) and Keras `MeanAbsoluteError`.

    Examples
    --------
    >>> MAE()(np.array([1.0, 3.0]), [2.0, 3.0])
    0.5
    """

    takes_trees = False
    higher_is_better = False

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return (sum of distances, elements)."""
        o, t = matched(self.name, output, target)
        return np.array([self.distances(o, t).sum(), o.size], np.float64)

    def distances(self, output: Numbers, target: Numbers) -> Numbers:
        """Return the distance of each element."""
        return np.abs(output - target)

    def result(self, state: Sums) -> float:
        """Return the mean."""
        return ratio(state[0], state[1])


class MSE(MAE):
    """Mean squared distance between output and target, over all elements.

    Notes
    -----
    Same as Keras `MeanSquaredError` (the metric) and scikit-learn's mean_squared_error.

    Examples
    --------
    >>> MSE()(np.array([1.0, 5.0]), [2.0, 3.0])
    2.5
    """

    def distances(self, output: Numbers, target: Numbers) -> Numbers:
        """Return the squares."""
        return np.square(output - target)


class RMSE(MSE):
    """Root of the mean squared distance, in the target's unit.

    Notes
    -----
    Same as Keras `RootMeanSquaredError` and scikit-learn's root_mean_squared_error.

    Examples
    --------
    >>> RMSE()(np.array([2.0, 6.0, 2.0, 2.0]), [2.0, 2.0, 2.0, 2.0])
    2.0
    """

    def result(self, state: Sums) -> float:
        """Return the root of the mean."""
        return float(np.sqrt(super().result(state)))


class MAPE(MAE):
    """Mean distance in parts of the target, 0.1 for 10 %.

    Notes
    -----
    Same as scikit-learn's mean_absolute_percentage_error; Keras `MeanAbsolutePercentageError` is
    100 times this. Targets near 0 make it huge.

    Examples
    --------
    >>> MAPE()(np.array([1.0, 3.0]), [2.0, 4.0])
    0.375
    """

    def distances(self, output: Numbers, target: Numbers) -> Numbers:
        """Return the distances, each by the size of its target."""
        least = np.finfo(np.float64).eps
        found: Numbers = np.abs(output - target) / np.maximum(np.abs(target), least)
        return found


class R2(Metric):
    """Share of the targets' variance that is explained: 1 - sum (t - o)² / sum (t - mean t)².

    Parameters
    ----------
    outputs : int > 0
        Columns; the figure is the mean over them.

    Notes
    -----
    Same as Keras `R2Score` and scikit-learn's r2_score, but for targets that never change, where it
    is NaN. Sums of t and t² are kept, in double precision: targets far from 0 (mean over 10⁶
    deviations) lose digits; scale them first.

    Examples
    --------
    >>> round(R2()(np.array([2.5, 0.0, 2.0, 8.0]), [3.0, -0.5, 2.0, 7.0]), 3)
    0.949
    """

    takes_trees = False

    def __init__(self, outputs: int = 1, *, name: str | None = None) -> None:
        self.outputs = validate.positive_int("outputs", outputs)
        self.size = 1 + 3 * self.outputs
        super().__init__(name="r2" if name is None else name)

    def update(self, output: NDArray[Any], target: NDArray[Any]) -> Sums:
        """Return rows, and sums of t, t² and (t - o)² of each column."""
        o, t = matched(self.name, output, target)
        if o.size != len(o) * self.outputs:
            raise ShapeError(
                f"{self.name}: rows must have {self.outputs} outputs; got shape {output.shape}. "
                f"Use R2(outputs={o.size // max(1, len(o))})."
            )
        o, t = o.reshape(len(o), self.outputs), t.reshape(len(o), self.outputs)
        sums = (t.sum(0), np.square(t).sum(0), np.square(t - o).sum(0))
        return np.concatenate(([len(o)], *sums))

    def result(self, state: Sums) -> float:
        """Return the mean over the columns."""
        rows, sums = state[0], state[1:].reshape(3, self.outputs)
        if not rows:
            return float("nan")
        spread = sums[1] - sums[0] ** 2 / rows
        flat = spread <= 1e-12 * sums[1]
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = 1 - sums[2] / spread
        return float(np.where(flat, np.nan, shares).mean())

    def __repr__(self) -> str:
        return f"R2({self.outputs})"


def matched(
    place: str, output: NDArray[Any], target: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return output and target as doubles of one shape; a column of 1 may be left out."""
    shapes = [
        a.shape[:-1] if a.ndim > 1 and a.shape[-1] == 1 else a.shape for a in (output, target)
    ]
    if shapes[0] != shapes[1] or not shapes[0]:
        raise ShapeError(
            f"{place}: output and target must have one shape; got {output.shape} and "
            f"{target.shape}."
        )
    if target.dtype.kind not in "iubf":
        raise DataError(f"{place}: target must hold numbers; got dtype {target.dtype}.")
    return output.astype(np.float64).reshape(shapes[0]), target.astype(np.float64).reshape(
        shapes[0]
    )
