"""A model put to use in this process: outputs for arrays, metrics over data sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engine, nn
from ..core import tree
from ..core import validate as check
from ..core.errors import ArgumentError, DataError, SandboxError
from ..criterion import Criterion
from ..data import Dataset, Preparation
from ..data.trees import arrays
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

    def predict(
        self, x: Any, batch_size: int | None = None, prepare: Preparation | None = None
    ) -> Any:
        """Return the model's outputs for an array or a tree of inputs, one row each.

        Rows are prepared as those of the training data, by `prepare`.
        """
        inputs = arrays(x, "predict: x")
        leaves, form = tree.flatten(inputs)
        if not leaves:
            raise DataError(f"predict: `x` must hold at least one array; got {x!r}.")
        for path, array in zip(form.paths, leaves, strict=True):
            if array.ndim < 1:
                name = f"`x` at {path!r}" if path else "`x`"
                raise DataError(
                    f"predict: {name} must have a row axis; got the single number {array}."
                )
            if len(array) != len(leaves[0]):
                raise DataError(
                    f"predict: all arrays of `x` must have the same number of rows; got "
                    f"{len(leaves[0])} in {form.paths[0]!r} and {len(array)} in {path!r}."
                )
        if batch_size is None:
            numbers = sum(math.prod(array.shape[1:]) for array in leaves)
            batch_size = rows_at_once(numbers, least=self.batch_size)
        size = check.positive_int("batch_size", batch_size)
        ready = _as_floats if prepare is None else prepare.fitted(inputs, "predict: x")
        rows = len(leaves[0])
        with engine.threads.limit(self.threads), _said_of(inputs):
            if not rows:
                return tree.map(np.asarray, tree.call(self.model, ready(inputs)))
            parts = [
                tree.map(
                    np.array,
                    self._programs.predict(ready(_cut(inputs, start, start + size), start)),
                )
                for start in range(0, rows, size)
            ]
        return tree.map(lambda *pieces: np.concatenate(pieces), *parts)

    def predict_rows(self, data: Dataset, batch_size: int | None = None) -> Any:
        """Return the model's outputs for the rows of a data set, in its order."""
        if batch_size is None:
            numbers = sum(spec.size for spec in tree.leaves(data.spec.x))
            batch_size = rows_at_once(numbers, least=self.batch_size)
        size = check.positive_int("batch_size", batch_size)
        with engine.threads.limit(self.threads):
            parts = [
                tree.map(np.array, self._programs.predict(data.batch([(partition, rows)])[0]))
                for partition, count in enumerate(data.partition_sizes)
                for rows in np.split(np.arange(count), range(size, count, size))
                if count
            ]
        return tree.map(lambda *pieces: np.concatenate(pieces), *parts)


@contextmanager
def _said_of(inputs: Any) -> Iterator[None]:
    """Say what a tuple is that a model does not take: mostly a pair with labels."""
    try:
        yield
    except (TypeError, SandboxError) as error:
        if not isinstance(inputs, tuple) or "positional argument" not in str(error):
            raise
        raise ArgumentError(
            f"predict: `x` must be what the model takes; got a tuple of {len(inputs)} inputs, and "
            f"{error}. Labels are not wanted here: predict(x)."
        ) from None


def _cut(inputs: Any, start: int, stop: int) -> Any:
    if isinstance(inputs, np.ndarray):
        return inputs[start:stop]
    return tree.map(lambda array: array[start:stop], inputs)


def _as_floats(inputs: Any, first: int = 0) -> Any:
    return tree.map(_float32, inputs)


def _float32(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array


def _go_on(error: Exception | None) -> bool:
    if error is not None:
        raise error
    return False
