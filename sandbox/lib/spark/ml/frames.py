"""DataFrames as stages meet them: refused where nothing can be done, their columns found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core.errors import DataError, SparkSetupError
from ...engine.names import meant
from ..rows.dataset import SparkDataset

__all__ = [
    "CheckedDataset",
    "check_frame",
    "inner_type",
    "is_image",
    "is_vector",
    "type_of",
]

_IMAGE = ["origin", "height", "width", "nChannels", "mode", "data"]


def check_frame(frame: Any, owner: str, doing: str) -> None:
    """Refuse what is no DataFrame of this process's Spark, and streams where they cannot be used.

    Parameters
    ----------
    doing : "fit" or "transform"

    Raises
    ------
    DataError, SparkSetupError : say what to do.
    """
    if not hasattr(frame, "mapInArrow"):
        raise DataError(
            f"{owner}: `dataset` must be a Spark DataFrame; got {type(frame).__name__}. A pandas "
            "one becomes one by spark.createDataFrame(table)."
        )
    if not hasattr(frame.sparkSession, "_jsparkSession"):
        raise SparkSetupError(
            f"{owner}: `dataset` must be a DataFrame of a classic session; got one of Spark "
            "Connect, whose clients have no SparkContext, by which ranks are started and the model "
            "is sent. Start the session in this process, on a master such as local[3] or "
            "spark://host:7077."
        )
    if frame.isStreaming and doing == "fit":
        raise DataError(
            f"{owner}: `dataset` must have an end to be trained on; got a stream. Write it to "
            "files and fit on these, or fit on each batch: writeStream.foreachBatch(...). The "
            "fitted model transforms streams."
        )


def type_of(frame: Any, name: str, owner: str, param: str) -> Any:
    """Return the Spark type of a column.

    Raises
    ------
    DataError : there is none of this name; tells the one that comes nearest.
    """
    types = {field.name: field.dataType for field in frame.schema.fields}
    if name in types:
        return types[name]
    exact = frame.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true"
    alike = [known for known in types if not exact and known.lower() == name.lower()]
    if alike:
        return types[alike[0]]
    near = meant(name, types)
    raise DataError(
        f"{owner}: `{param}` must be a column of the DataFrame; got {name!r}."
        + (f" Did you mean {near!r}?" if near else "")
        + f" Columns present: {', '.join(types)}."
    )


def is_vector(kind: Any) -> bool:
    """Tell whether a Spark type is that of vectors."""
    return type(kind).__name__ == "VectorUDT"


def is_image(kind: Any) -> bool:
    """Tell whether a Spark type is that of images, as `spark.read.format("image")` gives them."""
    return list(getattr(kind, "names", ())) == _IMAGE


def inner_type(kind: Any) -> Any:
    """Return the type of the elements of arrays of any depth, else the type itself."""
    while hasattr(kind, "elementType"):
        kind = kind.elementType
    return kind


class CheckedDataset(SparkDataset):
    """Rows for training: NaN and infinity are refused where rows are packed, with their place."""

    def convert(self, table: Any, partition: int, before: int) -> Any:
        """Turn Arrow columns into x and y."""
        x, y = super().convert(table, partition, before)
        found = x if isinstance(x, tuple) else (x,)
        for name, array in zip(self._inputs(), found, strict=True):
            if isinstance(array, np.ndarray) and array.dtype.kind == "f":
                self._check_numbers(array, name, f"partition {partition} of the DataFrame", before)
        return x, y

    def _inputs(self) -> Sequence[str]:
        features = self.features
        return [
            ", ".join(one.names)
            for one in (features if isinstance(features, tuple) else (features,))
        ]

    def _check_numbers(self, array: Any, name: str, place: str, before: int) -> None:
        bad = ~np.isfinite(array)
        if not bad.any():
            return
        row, *inside = (int(k) for k in np.argwhere(bad)[0])
        rows = int(bad.reshape(len(array), -1).any(axis=1).sum())
        where = f", place {', '.join(map(str, inside))}" if inside else ""
        raise DataError(
            f"{place}: column {name!r} must hold finite numbers; got "
            f"{array[(row, *inside)]} in row {before + row}{where} ({rows} of {len(array)} rows). "
            "Fill such rows (pyspark.ml.feature.Imputer) or drop them."
        )
