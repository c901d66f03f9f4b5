"""From columns to a network's inputs: the same for training and for predicting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...data import Dataset, Preparation
from ...data.dataset import DataSpec
from ...engine.oplist import Spec
from ..rows.columns import column
from .frames import inner_type, is_image, is_vector, type_of
from .settings import Columns

__all__ = ["ImageBytes", "Reads", "prepared_like"]

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
                or is_image(kind)
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

    def _with_bytes(self, frame: Any) -> tuple[Any, list[str]]:
        """Return a DataFrame with images as bytes in columns of their own, and the features' names.

        Sizes come first, as three integers of 4 bytes.
        """
        from pyspark.sql import functions as f

        names = self._features()
        for k, name in enumerate(names):
            if not is_image(frame.schema[name].dataType):
                continue
            names[k] = f"{name}_bytes"
            while names[k] in frame.columns:
                names[k] += "_"
            image = column(name)
            sizes = (
                f.lpad(f.hex(image[size]), 8, "0") for size in ("height", "width", "nChannels")
            )
            frame = frame.withColumn(names[k], f.concat(*map(f.unhex, sizes), image["data"]))
        return frame, names

    def _decoder(self, frame: Any) -> Callable[[bytes], Any] | None:
        """Return what makes an array of the bytes of a row, if something must."""
        decode: Callable[[Any], Any] | None = self._given("decode")
        if any(is_image(frame.schema[name].dataType) for name in self._features()):
            return ImageBytes(decode)
        return decode

    def _reading(self, frame: Any, names: list[str]) -> dict[str, Any]:
        """Return how a data set is told to read a DataFrame's features, from these columns."""
        kinds = [type_of(frame, name, type(self).__name__, "featuresCol") for name in names]
        given = self._given("featureShape")
        several = [given] if len(names) == 1 else given or [None] * len(names)
        shapes = [
            (1,) if shape is None and kind.simpleString() in _FLOATS else shape and tuple(shape)
            for shape, kind in zip(several, kinds, strict=True)
        ]
        transform = self._given("preprocessing")
        told: dict[str, Any] = {"transform": transform}
        if (decode := self._decoder(frame)) is not None:
            told["decode"] = decode
        if len(names) > 1:
            return {
                **told,
                "features": tuple([name] for name in names),
                "shape": tuple(shapes),
                "transform": None if transform is None else tuple(transform),
            }
        whole = inner_type(kinds[0]).simpleString() in _INTEGERS
        return {
            **told,
            "features": names[0],
            "shape": shapes[0],
            "dtype": None if whole else np.float32,  # integers may be ids of an embedding
        }


class ImageBytes:
    """Makes arrays (height, width, channels) of images that `Reads` has turned into bytes.

    Parameters
    ----------
    then : function of an array, optional
        What is done with each image: resizing it, for one. Colours come as red, green, blue.
    """

    def __init__(self, then: Callable[[Any], Any] | None = None) -> None:
        self.then = then

    def __call__(self, row: bytes) -> NDArray[Any]:
        """Return the array of a row."""
        height, width, channels = (int(size) for size in np.frombuffer(row, ">i4", 3))
        image = np.frombuffer(row, np.uint8, offset=12).reshape(height, width, channels)
        if channels >= 3:  # Spark's are blue, green, red
            image = image[:, :, [2, 1, 0, *range(3, channels)]]
        return np.asarray(image if self.then is None else self.then(image))

    def __repr__(self) -> str:
        return f"ImageBytes({self.then!r})"


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
