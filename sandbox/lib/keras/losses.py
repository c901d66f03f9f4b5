"""Losses by Keras's names: criterions of `sandbox.lib.criterion`, and targets in their form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import criterion
from ..core.errors import ArgumentError, ShapeError
from ..criterion import Criterion

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "Loss", "SparseCategoricalCrossentropy"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What is made small: a criterion of the core, and what kind of target it compares with.

    Parameters
    ----------
    name : str
        As Keras calls it.
    criterion : Criterion
    target : "numbers", "labels" or "shares"
        Numbers of the output's shape, class numbers, or a share of each class.
    """

    name: str
    criterion: Criterion
    target: str = "numbers"

    def fitted(self, shape: tuple[int | None, ...]) -> Criterion:
        """Return the criterion for outputs of this shape: classes are their last axis."""
        made = self.criterion
        if self.target != "numbers":  # the core has classes behind the batch
            for _ in shape[2:]:
                made = criterion.TimeDistributed(made)
        return made

    def prepared(self, target: Any, shape: tuple[int | None, ...]) -> Array:
        """Return a target in the form the criterion takes, for outputs of this shape.

        Raises
        ------
        ShapeError : it does not go with the output.
        """
        found = np.asarray(target)
        if self.target == "labels":
            if found.ndim == len(shape) and found.shape[-1] == 1:
                found = found.reshape(found.shape[:-1])
            if found.ndim != len(shape) - 1:
                raise ShapeError(
                    f"{self.name}: the target must be class numbers, one for each row; got shape "
                    f"{found.shape} for outputs {shape}. One-hot rows? "
                    "Use categorical_crossentropy."
                )
            return found
        if found.ndim == len(shape) - 1 and shape[-1] == 1:
            found = found[..., None]
        if self.target == "shares" and found.ndim != len(shape):
            raise ShapeError(
                f"{self.name}: the target must have a share for each class; got shape "
                f"{found.shape} for outputs {shape}. Class numbers? "
                "Use sparse_categorical_crossentropy."
            )
        return found.astype(np.float32) if found.dtype.kind != "f" else found


def BinaryCrossentropy(  # noqa: N802 - Keras's names
    from_logits: bool = False, label_smoothing: float = 0.0
) -> Loss:
    """Compare probabilities (or logits) of yes with 0 and 1."""
    if label_smoothing:
        raise ArgumentError("BinaryCrossentropy: `label_smoothing` must be 0; smooth the targets.")
    made = criterion.BCEWithLogits() if from_logits else criterion.BCE()
    return Loss("binary_crossentropy", made)


def CategoricalCrossentropy(  # noqa: N802
    from_logits: bool = False, label_smoothing: float = 0.0
) -> Loss:
    """Compare probabilities (or logits) of classes with one-hot rows, or softer ones."""
    kind = (
        criterion.CategoricalCrossEntropyWithLogits
        if from_logits
        else criterion.CategoricalCrossEntropy
    )
    return Loss("categorical_crossentropy", kind(label_smoothing=label_smoothing), "shares")


def SparseCategoricalCrossentropy(  # noqa: N802
    from_logits: bool = False, ignore_class: int | None = None
) -> Loss:
    """Compare probabilities (or logits) of classes with class numbers, from 0."""
    kind = criterion.CrossEntropy if from_logits else criterion.SparseCategoricalCrossEntropy
    return Loss("sparse_categorical_crossentropy", kind(ignore_index=ignore_class), "labels")


_MAKERS: dict[str, Callable[[], Loss]] = {
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_squared_error": lambda: Loss("mean_squared_error", criterion.MSE()),
    "mean_absolute_error": lambda: Loss("mean_absolute_error", criterion.MAE()),
    "mean_absolute_percentage_error": lambda: Loss(
        "mean_absolute_percentage_error", criterion.MeanAbsolutePercentage()
    ),
    "mean_squared_logarithmic_error": lambda: Loss(
        "mean_squared_logarithmic_error", criterion.MeanSquaredLogarithmic()
    ),
    "hinge": lambda: Loss("hinge", criterion.Hinge()),
    "squared_hinge": lambda: Loss("squared_hinge", criterion.Hinge(squared=True)),
    "huber": lambda: Loss("huber", criterion.Huber()),
    "log_cosh": lambda: Loss("log_cosh", criterion.LogCosh()),
}
_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "logcosh": "log_cosh",
    "MeanSquaredError": "mean_squared_error",
    "MeanAbsoluteError": "mean_absolute_error",
    "Huber": "huber",
}


def get(identifier: Any) -> Loss:
    """Return a loss for a name, a criterion of the core, or itself.

    Raises
    ------
    ArgumentError : there is none of this name.

    Examples
    --------
    >>> get("mse").criterion
    MSE()
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, Criterion):
        labels = identifier.takes_classes is True
        return Loss(type(identifier).__name__, identifier, "labels" if labels else "numbers")
    name = _SHORT.get(identifier, identifier) if isinstance(identifier, str) else None
    if name in _MAKERS:
        return _MAKERS[name]()
    if callable(identifier) and not isinstance(identifier, str):
        made = identifier()
        if isinstance(made, Loss):
            return made
    raise ArgumentError(
        f"`loss` must be one of {', '.join([*_MAKERS, *_SHORT])}, an object of keras.losses or a "
        f"criterion; got {identifier!r}."
    )
