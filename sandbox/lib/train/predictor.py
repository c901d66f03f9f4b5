"""A model put to use in this process: outputs for arrays, metrics over data sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import engine, nn
from ..core import validate as check
from ..core.errors import DataError
from ..criterion import Criterion
from ..data import Dataset
from ..metrics import Metric
from .batches import rows_at_once
from .group import SingleGroup
from .job import TrainJob
from .programs import Programs
from .triggers import Never
from .validation import validate

__all__ = ["Predictor"]


class Predictor:
    """Runs a model forward with compiled programs; it follows the model's weights.

    Parameters
    ----------
    model : Module
        What is run.
    criterion : Criterion
        For the metrics that need it.
    batch_size : int > 0
        Rows that are run at once, more if they are small.
    threads : int > 0
        Cores.
    precision : "f32" or "bf16"
        Of what is multiplied and of activations.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: Criterion,
        *,
        batch_size: int,
        threads: int,
        precision: str = "f32",
    ) -> None:
        self.model = model
        self.criterion = criterion
        self.batch_size = batch_size
        self.threads = threads
        self._programs = Programs(model, criterion, None, threads=threads, precision=precision)

    def evaluate(self, data: Dataset, metrics: Sequence[Metric]) -> dict[str, Any]:
        """Return the metrics over a data set by name."""
        job = TrainJob(
            model=self.model,
            criterion=self.criterion,
            optimizer=None,
            data=data,
            end=Never(),
            batch_size=self.batch_size,
            validation=data,
            metrics=tuple(metrics),
            threads=self.threads,
        )
        with engine.threads.limit(self.threads):
            return validate(job, SingleGroup(), self._programs, _go_on) or {}

    def predict(self, x: ArrayLike, batch_size: int | None = None) -> NDArray[Any]:
        """Return the model's outputs for an array of inputs, one row each."""
        inputs = np.asarray(x)
        if inputs.ndim < 1:
            raise DataError(f"predict: `x` must have a row axis; got the single number {x!r}.")
        if inputs.dtype.kind == "f":
            inputs = inputs.astype(np.float32, copy=False)
        if batch_size is None:
            batch_size = rows_at_once(math.prod(inputs.shape[1:]), least=self.batch_size)
        size = check.positive_int("batch_size", batch_size)
        with engine.threads.limit(self.threads):
            if not len(inputs):
                return np.asarray(self.model(inputs))
            parts = [
                np.array(self._programs.predict(inputs[start : start + size]))
                for start in range(0, len(inputs), size)
            ]
        return np.concatenate(parts)


def _go_on(error: Exception | None) -> bool:
    if error is not None:
        raise error
    return False
