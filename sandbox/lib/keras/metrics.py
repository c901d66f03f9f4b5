"""Metrics by Keras's names: those of `sandbox.lib.metrics`, and three that compare otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics as core
from ..core.errors import ArgumentError
from ..metrics import Metric
from ..metrics.metric import ratio
from .losses import Loss

__all__ = ["BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy", "get"]

Array = NDArray[Any]


class _Share(Metric):
    """Base: what share of the numbers counted is right."""

    def result(self, state: Array) -> float:
        """Return the share."""
        return ratio(state[0], state[1])


class BinaryAccuracy(_Share):
    """Share of the numbers that lie on the right side of a threshold.

    Parameters
    ----------
    threshold : float, default=0.5

    Examples
    --------
    >>> BinaryAccuracy()(np.array([[0.2], [0.9]]), np.array([[1], [1]]))
    0.5
    """

    def __init__(self, name: str | None = "binary_accuracy", threshold: float = 0.5) -> None:
        super().__init__(name=name)
        self.threshold = threshold

    def update(self, output: Array, target: Array) -> Array:
        """Return (right ones, all)."""
        right = (np.asarray(output) > self.threshold) == (np.asarray(target) > 0.5)
        return np.array([right.sum(), right.size], np.float64)


class CategoricalAccuracy(_Share):
    """Share of rows whose highest output is where the one-hot target is highest."""

    def __init__(self, name: str | None = "categorical_accuracy") -> None:
        super().__init__(name=name)

    def update(self, output: Array, target: Array) -> Array:
        """Return (right ones, all)."""
        right = np.argmax(output, axis=-1) == np.argmax(target, axis=-1)
        return np.array([right.sum(), right.size], np.float64)


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """Share of rows whose highest output is that of their class number."""

    def __init__(self, name: str | None = "sparse_categorical_accuracy") -> None:
        super().__init__(name=name)

    def update(self, output: Array, target: Array) -> Array:
        """Return (right ones, all)."""
        right = np.argmax(output, axis=-1) == np.asarray(target)
        return np.array([right.sum(), right.size], np.float64)


_NAMES: dict[str, Callable[..., Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "mean_squared_error": core.MSE,
    "mean_absolute_error": core.MAE,
    "mean_absolute_percentage_error": core.MAPE,
    "root_mean_squared_error": core.RMSE,
    "auc": core.AUC,
}
_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "rmse": "root_mean_squared_error",
    "AUC": "auc",
}


def get(identifier: Any, loss: Loss) -> Metric:
    """Return a metric for a name or itself; "accuracy" is the one that goes with the loss.

    Raises
    ------
    ArgumentError : there is none of this name.
    """
    if isinstance(identifier, Metric):
        return identifier
    if identifier in ("accuracy", "acc"):
        if loss.target == "labels":
            return SparseCategoricalAccuracy(name=str(identifier))
        if loss.target == "shares":
            return CategoricalAccuracy(name=str(identifier))
        logits = type(loss.criterion).__name__ == "BCEWithLogits"
        return BinaryAccuracy(name=str(identifier), threshold=0.0 if logits else 0.5)
    name = _SHORT.get(identifier, identifier) if isinstance(identifier, str) else None
    if name in _NAMES:
        return _NAMES[name](name=identifier)
    raise ArgumentError(
        f"a metric must be one of accuracy, {', '.join([*_NAMES, *_SHORT])} or an object of "
        f"keras.metrics or sandbox.lib.metrics; got {identifier!r}."
    )
