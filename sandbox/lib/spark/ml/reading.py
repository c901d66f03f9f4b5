"""From columns to a network's inputs: the same for training and for predicting."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import DataError
from ...data import Dataset, Preparation
from ...data.dataset import DataSpec
from ...engine.oplist import Spec
from .frames import inner_type, is_vector, type_of
from .settings import Columns

__all__ = ["Reads", "prepared_like"]

_INTEGERS = ("tinyint", "smallint", "int", "bigint", "boolean")
_FLOATS = ("float", "double")


class Reads(Columns):
    """A stage that reads features: how its columns become arrays."""

    def _check_features(self, frame: Any) -> None:
        """Refuse features that are not there or cannot be numbers."""
        owner = type(self).__name__
        for name in self._features():
            param = "featuresCols" if self._given("featuresCols") else "featuresCol"
            kind = type_of(frame, name, owner, param)
            inner = inner_type(kind).simpleString()
            if (
                is_vector(kind)
                or inner in (*_INTEGERS, *_FLOATS)
                or kind.simpleString() == "binary"
            ):
                continue
            cure = {
                "string": "StringIndexer makes numbers of texts",
                "date": "to_date and datediff make numbers of dates",
            }.get(inner, "cast('double') makes numbers of decimals")
            raise DataError(
                f"{owner}: column {name!r} must hold numbers, arrays of them, vectors, bytes or "
                f"images; got {kind.simpleString()}. {cure}, VectorAssembler one vector of several "
                "columns."
            )

    def _reading(self, frame: Any) -> dict[str, Any]:
        """Return how `SparkDataset` and `Scorer` are told to read a DataFrame's features."""
        names = self._features()
        kinds = [type_of(frame, name, type(self).__name__, "featuresCol") for name in names]
        given = self._given("featureShape")
        several = [given] if len(names) == 1 else given or [None] * len(names)
        shapes = [
            (1,) if shape is None and kind.simpleString() in _FLOATS else shape and tuple(shape)
            for shape, kind in zip(several, kinds, strict=True)
        ]
        if len(names) > 1:
            return {
                "features": tuple([name] for name in names),
                "shape": tuple(shapes),
            }
        whole = inner_type(kinds[0]).simpleString() in _INTEGERS
        return {
            "features": names[0],
            "shape": shapes[0],
            "dtype": None if whole else np.float32,  # integers may be ids of an embedding
        }


class _Described(Dataset):
    """What rows of a data set are, without rows."""

    partition_sizes = (0,)

    def __init__(self, stored: Any, transform: Any) -> None:
        whole = isinstance(stored, Spec) and np.dtype(stored.dtype).kind in "iub"
        super().__init__(transform=transform, dtype=None if whole else np.float32)
        self._stored = DataSpec(stored, Spec((), "int8"))

    def stored(self) -> DataSpec:
        return self._stored

    def load(self, partition: int) -> Any:
        raise DataError("rows are not here.")


def prepared_like(stored: Any, transform: Any = None) -> Preparation:
    """Return how rows that are stored so are prepared, as a data set of them would."""
    return Preparation(_Described(stored, transform))
