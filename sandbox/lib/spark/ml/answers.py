"""What becomes of a network's outputs: the columns of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import DoubleType, StringType, StructField

__all__ = ["ClassAnswers", "probabilities"]


@dataclass(frozen=True)
class ClassAnswers:
    """Scores, probabilities, the class and its label of each row; without a name none comes.

    Parameters
    ----------
    raw, probability, prediction, label : str
        Names of columns.
    gives : "logits", "probabilities" or "logarithms"
        What the outputs are: (rows, classes), or (rows, 1) of the second of two classes.
    thresholds : sequence of float, optional
        The class of the largest probability / threshold is chosen.
    labels : sequence of str, optional
        What the classes are called, for `label`.
    """

    raw: str
    probability: str
    prediction: str
    label: str = ""
    gives: str = "logits"
    thresholds: Sequence[float] | None = None
    labels: Sequence[str] | None = None

    def fields(self) -> list[StructField]:
        """Return the columns."""
        kinds = (
            (self.raw, VectorUDT()),
            (self.probability, VectorUDT()),
            (self.prediction, DoubleType()),
            (self.label, StringType()),
        )
        return [StructField(name, kind, nullable=False) for name, kind in kinds if name]

    def columns(self, outputs: Any) -> dict[str, NDArray[Any]]:
        """Return the columns of a batch of outputs."""
        raw, share = probabilities(outputs, self.gives)
        chosen = share if self.thresholds is None else _over(share, np.array(self.thresholds))
        best = chosen.argmax(axis=1)
        made: dict[str, NDArray[Any]] = {
            self.raw: raw,
            self.probability: share,
            self.prediction: best.astype(np.float64),
        }
        if self.label and self.labels is not None:
            made[self.label] = np.array(self.labels, dtype=object)[best]
        return {name: column for name, column in made.items() if name}


def _over(share: NDArray[Any], thresholds: NDArray[Any]) -> NDArray[Any]:
    """Return probability / threshold; above a threshold of 0 everything is infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[Any] = np.nan_to_num(share / thresholds, nan=0.0, posinf=np.inf)
    return found


def probabilities(outputs: Any, gives: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scores and probabilities (rows, classes) of outputs, in double precision.

    One output of a row is that of the second of two classes, whose scores are -z and z.

    Examples
    --------
    >>> raw, share = probabilities(np.zeros((1, 1), "f4"), "logits")
    >>> share
    array([[0.5, 0.5]])
    """
    found = np.asarray(outputs, np.float64)
    found = found.reshape(len(found), -1)
    if gives == "logits":
        if found.shape[1] == 1:
            share = 1 / (1 + np.exp(-np.abs(found)))
            share = np.where(found < 0, 1 - share, share)
            return np.concatenate((-found, found), axis=1), np.concatenate((1 - share, share), 1)
        odds = np.exp(found - found.max(axis=1, keepdims=True))
        return found, odds / odds.sum(axis=1, keepdims=True)
    share = np.exp(found) if gives == "logarithms" else found
    if found.shape[1] == 1:
        share = np.concatenate((1 - share, share), axis=1)
    if gives == "logarithms" and found.shape[1] > 1:
        return found, share
    with np.errstate(divide="ignore"):
        return np.log(share), share
