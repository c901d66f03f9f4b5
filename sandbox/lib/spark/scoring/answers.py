"""The columns that are made of a model's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...metrics.metric import part_at
from .vectors import vectors_of

__all__ = ["Answers", "Outputs", "arrow_column", "arrow_type"]


class Answers(Protocol):
    """Names the columns that are made of outputs; it travels to the workers."""

    def fields(self) -> list[Any]:
        """Return the columns' `StructField`s."""

    def columns(self, outputs: Any) -> dict[str, Any]:
        """Return the columns by name, as NumPy or Arrow arrays, for the outputs of some rows."""


class Outputs:
    """A model's output as one column.

    Parameters
    ----------
    name : str, default="prediction"
        Of the column.
    kind : str or DataType, default="array<float>"
        Its type: a number (of a model that gives one number for each row), arrays of numbers,
        or "vector" for Spark's ML vectors.
    output : str, default=""
        Path of the output where the model gives several: a key, a place in a tuple.

    Examples
    --------
    >>> Outputs("score", "double").columns(np.array([[0.5], [2.0]], "f4"))["score"]
    array([[0.5],
           [2. ]], dtype=float32)
    """

    def __init__(
        self, name: str = "prediction", kind: Any = "array<float>", output: str = ""
    ) -> None:
        self.name = validate.text("name", name)
        self.kind = _type(kind)
        self.output = validate.instance("output", output, str)

    def fields(self) -> list[Any]:
        """Return the one column."""
        from pyspark.sql.types import StructField

        return [StructField(self.name, self.kind)]

    def columns(self, outputs: Any) -> dict[str, Any]:
        """Return the output itself."""
        return {self.name: part_at(outputs, self.output, "output")}


def _type(kind: Any) -> Any:
    """Return a type by its name; Spark's own parser would need a session."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import types

    if isinstance(kind, types.DataType):
        return kind
    if kind == "vector":
        return VectorUDT()
    numbers = (types.DoubleType, types.FloatType, types.IntegerType, types.LongType)
    named = {number().simpleString(): number for number in numbers}
    inner = kind.removeprefix("array<").removesuffix(">") if isinstance(kind, str) else None
    if inner in named and kind in (inner, f"array<{inner}>"):
        found = named[inner]()
        return found if kind == inner else types.ArrayType(found, containsNull=False)
    raise ArgumentError(
        f"Outputs: `kind` must be {', '.join(named)}, an array of one of these such as "
        f"'array<float>', 'vector', or a DataType; got {kind!r}."
    )


def arrow_type(kind: Any) -> Any:
    """Return the Arrow type of a Spark type, as Spark expects it of Python functions."""
    from pyspark.sql.pandas.types import to_arrow_type

    return to_arrow_type(kind)


def arrow_column(values: Any, field: Any, rows: int) -> Any:
    """Return an answer as an Arrow array of its field's type.

    Raises
    ------
    DataError : the rows or the shape do not fit; names the column.
    """
    import pyarrow as pa

    kind = arrow_type(field.dataType)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        found = values if values.type == kind else values.cast(kind)
    else:
        found = _of_array(np.asarray(values), field, kind)
    if len(found) != rows:
        raise DataError(
            f"scoring: column {field.name!r} must have {rows} rows, as its inputs; got "
            f"{len(found)}."
        )
    return found


def _of_array(array: NDArray[Any], field: Any, kind: Any) -> Any:
    import pyarrow as pa

    if type(field.dataType).__name__ == "VectorUDT":
        if array.ndim < 2:
            array = array.reshape(len(array), 1)
        return vectors_of(array.reshape(len(array), -1), kind)
    depth, inner = 0, kind
    while pa.types.is_list(inner):
        depth, inner = depth + 1, inner.value_type
    if depth == 0 and array.ndim > 1 and array.shape[1:] == (1,) * (array.ndim - 1):
        array = array.reshape(-1)
    if depth == 1 and array.ndim == 1:
        array = array[:, None]
    if array.ndim != depth + 1:
        raise DataError(
            f"scoring: column {field.name!r} of type {field.dataType.simpleString()} must be made "
            f"of outputs of {depth} axes for each row; got rows of shape {array.shape[1:]}."
        )
    found = pa.array(np.ascontiguousarray(array).reshape(-1))
    if found.type != inner:
        found = found.cast(inner)
    return _nested(found, array.shape, kind)


def _nested(flat: Any, shape: Sequence[int], kind: Any) -> Any:
    import pyarrow as pa

    if len(shape) == 1:
        return flat
    inner = _nested(flat, [shape[0] * shape[1], *shape[2:]], kind.value_type)
    offsets = pa.array(np.arange(shape[0] + 1, dtype=np.int32) * shape[1])
    return pa.ListArray.from_arrays(offsets, inner, type=kind)
