"""Rare classes: weights for them, and what a threshold costs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import DataError


class Cost(NamedTuple):
    """One row of `threshold_costs`."""

    threshold: float
    cost: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


def threshold_costs(
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    false_positive: float | ArrayLike = 1.0,
    false_negative: float | ArrayLike = 10.0,
    thresholds: ArrayLike | None = None,
) -> list[Cost]:
    """Return what each threshold costs; `min(table, key=lambda row: row.cost)` is the best one.

    A row counts as positive where score >= threshold.

    Parameters
    ----------
    scores : (rows,) floats
        Probabilities, or any score that grows with them.
    labels : (rows,) ints of 0 and 1
        Truth.
    false_positive, false_negative : float or (rows,) floats
        Cost of one error; for each row if given so (a fraud costs its amount).
    thresholds : floats, optional
        Which thresholds. Default: all that make a difference, 200 at most, and infinity (nothing is
        positive).

    Raises
    ------
    DataError : lengths differ, NaN scores, labels other than 0 and 1, a cost below 0.

    Examples
    --------
    >>> for row in threshold_costs([0.1, 0.4, 0.8], [0, 1, 1], false_negative=5):
    ...     print(f"{row.threshold:.1f} {row.cost:.0f}")
    0.1 1
    0.4 0
    0.8 5
    inf 10
    """
    s, y = binary_pair(scores, labels, "threshold_costs")
    costs = [
        _costs(name, cost, s)
        for name, cost in (("false_positive", false_positive), ("false_negative", false_negative))
    ]
    order = np.argsort(-s, kind="stable")
    sorted_s, sorted_y = s[order], y[order].astype(bool)
    caught = np.concatenate(([0], np.cumsum(sorted_y)))
    wrong_cost = np.concatenate(([0.0], np.cumsum(np.where(sorted_y, 0, costs[0][order]))))
    saved = np.concatenate(([0.0], np.cumsum(np.where(sorted_y, costs[1][order], 0))))
    if thresholds is None:
        every = np.unique(s)
        if len(every) > 200:
            every = np.unique(np.quantile(every, np.linspace(0, 1, 200), method="nearest"))
        cuts = np.append(every, np.inf)
    else:
        cuts = validate.numbers("thresholds", thresholds).astype(np.float64).reshape(-1)
    taken = len(s) - np.searchsorted(sorted_s[::-1], cuts, side="left")
    positives = int(caught[-1])
    return [
        Cost(
            float(cut),
            float(wrong_cost[n] + saved[-1] - saved[n]),
            int(caught[n]),
            int(n - caught[n]),
            positives - int(caught[n]),
            len(s) - positives - int(n - caught[n]),
        )
        for cut, n in zip(cuts, taken, strict=True)
    ]


def _costs(name: str, cost: Any, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    found = validate.numbers(name, cost).astype(np.float64)
    if found.shape not in ((), scores.shape):
        raise validate.refuse(name, f"a number, or one for each of {scores.size} rows", cost)
    wrong = ~(found >= 0) | np.isinf(found)
    if wrong.any():
        row = int(wrong.argmax())
        got = f"{found.flat[row]:g}" + (f" in row {row}" if found.ndim else "")
        raise DataError(f"{name}: costs must be finite and at least 0; got {got}.")
    return np.broadcast_to(found, scores.shape)


def class_weights(
    labels: ArrayLike, *, classes: int | None = None, power: float = 1.0
) -> NDArray[np.float32]:
    """Return a weight for each class, larger for rarer ones: (rows / (classes · count))^power.

    Parameters
    ----------
    labels : ints from 0
        Of the training part.
    classes : int > 0, optional
        How many there are; the largest label tells by default.
    power : float in [0, 1]
        1 makes all classes count alike; 0.5 goes half of the way.

    Raises
    ------
    DataError : labels are not integers from 0, or a class has no row.

    Notes
    -----
    With power 1 the same as scikit-learn's class_weight="balanced".

    Examples
    --------
    >>> class_weights([0, 0, 0, 1])
    array([0.6666667, 2.       ], dtype=float32)
    """
    if type(labels).__module__.startswith("pyspark."):
        raise DataError(
            f"class_weights: `labels` must be numbers in this process; got a Spark "
            f"{type(labels).__name__}. Bring them here: df.select('label').toPandas()['label']."
        )
    y = validate.numbers("labels", labels)
    validate.in_range("power", power, 0, 1)
    if y.ndim != 1 or y.dtype.kind not in "iub" or not y.size:
        raise DataError(
            f"class_weights: labels must be a list of integers; got {y.dtype} of shape {y.shape}."
        )
    y = y.astype(np.int64)
    count = int(y.max()) + 1 if classes is None else validate.positive_int("classes", classes)
    if y.min() < 0 or y.max() >= count:
        row = int(((y < 0) | (y >= count)).argmax())
        raise DataError(
            f"class_weights: labels must be in [0, {count}); got {y[row]} in row {row}."
        )
    counts = np.bincount(y, minlength=count)
    if not counts.all():
        raise DataError(
            f"class_weights: each class must have rows; got none of class {int(counts.argmin())}."
        )
    weights: NDArray[np.float32] = ((len(y) / (count * counts)) ** power).astype(np.float32)
    return weights


def binary_pair(
    scores: ArrayLike, labels: ArrayLike, place: str
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return scores and 0/1 labels as vectors, checked."""
    s = validate.numbers("scores", scores).astype(np.float64).reshape(-1)
    y = validate.numbers("labels", labels).reshape(-1)
    if s.shape != y.shape or not s.size:
        raise DataError(
            f"{place}: there must be a label for each score; got {len(s)} and {len(y)}."
        )
    if np.isnan(s).any():
        raise DataError(f"{place}: scores must be numbers; got NaN in row {np.isnan(s).argmax()}.")
    wrong = ~np.isin(y, (0, 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{place}: labels must be 0 or 1; got {y[row]} in row {row}.")
    return s, y.astype(np.int64)
