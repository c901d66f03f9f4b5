"""A network for time series: what comes next, and so what is out of the ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError
from ...core.validate import integers, positive_int
from .. import init
from ..container.sequential import Sequential
from ..linear.dense import Linear
from ..noise.dropout import Dropout
from ..recurrent.layers import LSTM


def anomaly_detector(
    features: int,
    rng: init.Rng = None,
    *,
    hidden: Sequence[int] = (8, 32, 15),
    p: float = 0.2,
) -> Sequential:
    """Build a network that tells the next value of a series; a large error is an anomaly.

    Parameters
    ----------
    features : int > 0
        Numbers at each time.
    rng : Generator, int or None
        Where the first weights are drawn from.
    hidden : sequence of int > 0
        Widths of the LSTM layers above each other.
    p : float in [0, 1)
        Dropout behind each of them.

    Shapes
    ------
    input : (batch, time, features) float32
    output : (batch, 1), the value one step later; for `criterion.MSE`

    Raises
    ------
    ArgumentError : there is no width, or a size is not positive.

    Notes
    -----
    Same as Analytics Zoo's `AnomalyDetector`, sizes by default included. Source of the method:
    Malhotra et al. 2015, "Long Short Term Memory Networks for Anomaly Detection in Time Series".

    Examples
    --------
    >>> import numpy as np
    >>> anomaly_detector(3, 0)(np.zeros((2, 24, 3), "f4")).shape
    (2, 1)
    """
    hidden = integers("hidden", hidden, "a list of ints > 0", 1)
    if not hidden:
        raise ArgumentError("`hidden` must name at least one width; got none.")
    before, rng = positive_int("features", features), init.generator(rng)
    modules: dict[str, Any] = {}
    for number, width in enumerate(hidden, start=1):
        last = number == len(hidden)
        modules[f"lstm{number}"] = LSTM(before, width, return_sequences=not last, rng=rng)
        modules[f"dropout{number}"] = Dropout(p)
        before = width
    modules["fc"] = Linear(before, 1, rng=rng)
    return Sequential(**modules)
