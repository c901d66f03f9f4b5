"""Pictures in DataFrames: a column of records as Spark's image source has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.ml import Transformer
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.sql.types import StructField, StructType

from ...core import validate
from ...core.errors import DataError
from ..transform.vision.feature import MAT, TENSOR, URI, ImageFeature
from ..transform.vision.frame import ImageFrame, session_of
from ..transform.vision.transformer import FeatureTransformer, Keys, next_call

SCHEMA = "origin string, height int, width int, nChannels int, mode int, data binary"
_BYTES, _FLOATS = 0, 5  # OpenCV's numbers for uint8 and float32


def to_record(feature: ImageFeature) -> tuple[Any, ...]:
    """Return a picture as Spark's image record: (height, width, channels), blue first."""
    image = feature[MAT]
    if TENSOR in feature:
        image = feature[TENSOR].transpose(1, 2, 0)
    depth = _BYTES if image.dtype == np.uint8 else _FLOATS
    mode = depth + 8 * (image.shape[2] - 1)
    return (feature.get(URI), *map(int, image.shape), mode, bytearray(image.tobytes()))


def of_record(record: Any) -> ImageFeature:
    """Return the picture of an image record."""
    origin, height, width, channels, mode, data = record
    depth = mode % 8
    if depth not in (_BYTES, _FLOATS):
        raise DataError(f"{origin}: an image must be of bytes or floats; got mode {mode}.")
    kind = np.uint8 if depth == _BYTES else np.float32
    return ImageFeature(np.frombuffer(data, kind).reshape(height, width, channels), path=origin)


class DLImageReader:
    """Reads pictures into a DataFrame."""

    @staticmethod
    def readImages(  # noqa: N802 - the ancestor's name
        path: str,
        sc: Any = None,
        minPartitions: int = 1,
        bigdl_type: str = "float",
    ) -> Any:
        """Return a DataFrame with a column `image` of the pictures at a path or pattern."""
        return read_images(path, sc, minPartitions)


def read_images(
    path: str, sc: Any, partitions: int = 1, transformer: FeatureTransformer | None = None
) -> Any:
    """Return a DataFrame with a column `image`, changed by a transformer if there is one."""
    if sc is None:
        raise validate.refuse("sc", "a SparkContext", sc)
    frame = ImageFrame.read(path, sc, partitions)
    if transformer is not None:
        frame.transform(transformer)
    rows = frame.map(lambda one: (to_record(one),))
    image = StructField("image", StructType.fromDDL(SCHEMA))
    return session_of(sc).createDataFrame(rows, StructType([image]))


class DLImageTransformer(Transformer, HasInputCol, HasOutputCol):
    """Changes pictures of a column by a transformer of `transform.vision.image`.

    Parameters
    ----------
    transformer : FeatureTransformer
        The column `output` holds "imageTensor" if it made one, else "mat".
    """

    def __init__(self, transformer: Any, bigdl_type: str = "float") -> None:
        super().__init__()
        if not isinstance(transformer, FeatureTransformer):
            raise validate.refuse("transformer", "a FeatureTransformer", transformer)
        self.transformer = transformer
        self._setDefault(inputCol="image", outputCol="output")

    def setInputCol(self, value: str) -> DLImageTransformer:  # noqa: N802 - Spark's way of names
        """Set the column of pictures."""
        return self._set(inputCol=value)

    def setOutputCol(self, value: str) -> DLImageTransformer:  # noqa: N802
        """Set the column of changed pictures."""
        return self._set(outputCol=value)

    def _transform(self, dataset: Any) -> Any:
        name, made = self.getInputCol(), self.getOutputCol()
        if name not in dataset.columns:
            raise DataError(
                f"DLImageTransformer: column {name!r} must be there; got {dataset.columns}."
            )
        call, transformer = next_call(), self.transformer
        place = dataset.columns.index(name)

        def change(index: int, rows: Any) -> Any:
            for row, record in enumerate(rows):
                keys = Keys(call, (index << 32) + row)
                changed = transformer.applied(of_record(record[place]), keys)
                yield (*record, to_record(changed))

        image = StructType.fromDDL(SCHEMA)
        schema = StructType([*dataset.schema.fields, StructField(made, image)])
        return dataset.sparkSession.createDataFrame(
            dataset.rdd.mapPartitionsWithIndex(change), schema
        )
