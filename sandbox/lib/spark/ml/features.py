"""Feature columns as stages: from the columns of a table to the inputs of a wide & deep network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.ml.base import Estimator, Model
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, FloatType, IntegerType, StructField, StructType

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...data import FeatureColumns
from ...data.tables.columns import Column, Number, from_config
from ...data.tables.tabular import check_columns
from ..rows.columns import column
from ..session.hosts import equip
from .files import Stored
from .params import Setting, Stage

__all__ = ["FeatureEncoder", "FeatureEncoderModel"]

_TYPES = {
    "ids": ArrayType(IntegerType(), containsNull=False),
    "row": ArrayType(FloatType(), containsNull=False),
}


def _columns(name: str, value: Any) -> list[dict[str, Any]]:
    """Return columns as JSON-able data, as which a stage keeps and writes them."""
    given = validate.several(name, value, "a list of feature columns")
    configs = [one.config() if isinstance(one, Column) else one for one in given]
    if not configs or not all(isinstance(one, Mapping) for one in configs):
        raise validate.refuse(name, "a list of Number, Buckets, Category and Cross", value)
    return [from_config(one).config() for one in configs]


def _names(name: str, value: Any) -> list[str]:
    names = validate.several(name, value, "one or two names of columns")
    if not all(isinstance(one, str) and one for one in names) or len(set(names)) < len(names):
        raise validate.refuse(name, "different names of columns", value)
    return names


class _Encodes(Stage):
    """What the estimator and its model share."""

    columns = Setting(
        "columns",
        "kinds of features: a list of Number, Buckets, Category and Cross of `data.columns`",
        _columns,
    )
    outputCols = Setting(  # noqa: N815 - Params are named as Spark's
        "outputCols",
        "columns that are added: of the ids (array of int) where there are categories, then of the "
        "numbers (array of float) where there are any; ids and row where it is not set",
        _names,
    )

    def getColumns(self) -> list[Column]:  # noqa: N802 - Spark's
        """Return the kinds of features."""
        if not self.isSet("columns"):
            raise ArgumentError(
                f"{type(self).__name__}: `columns` must be set; got none. "
                f"{type(self).__name__}(columns=[Number('age'), Category('job')])."
            )
        return [from_config(one) for one in self.getOrDefault("columns")]

    def getOutputCols(self) -> list[str]:  # noqa: N802 - Spark's
        """Return the names of the columns that are added, what `featuresCol` is to be."""
        numbers = [isinstance(one, Number) for one in self.getColumns()]
        inputs = [name for name, used in (("ids", not all(numbers)), ("row", any(numbers))) if used]
        if not self.isSet("outputCols"):
            return inputs
        names: list[str] = self.getOrDefault("outputCols")
        if len(names) != len(inputs):
            raise ArgumentError(
                f"{type(self).__name__}: `outputCols` must be {len(inputs)} names, of "
                f"{' and '.join(inputs)}; got {', '.join(names)}."
            )
        return names


class FeatureEncoder(_Encodes, Stored, Estimator[Any]):
    """Fits feature columns on a DataFrame; the model adds their ids and numbers to DataFrames.

    Parameters
    ----------
    columns : list of Number, Buckets, Category, Cross
        What the table's columns become, see `data.columns`.
    **params
        `outputCols`, see `explainParams()`.

    Raises
    ------
    ArgumentError : a Param is outside of what it may be, or there is none of this name.
    DataError : in `fit`, a column is missing or holds something else, numbers are empty.

    Notes
    -----
    A stage in front of `NNClassifier(featuresCol=encoder.getOutputCols())` and
    `nn.zoo.wide_and_deep`, which asks for `features.fields`, `features.numbers` and
    `features.embedded`. Spark measures means, quantiles and words (one aggregation for the numbers,
    one for the words); see `data.FeatureColumns`.
    Like BigDL `ColumnFeatureInfo` (Analytics Zoo), as a stage: StringIndexer, Bucketizer, a hasher
    of crosses and StandardScaler in one.

    Examples
    --------
    >>> from sandbox.lib.data.tables.columns import Category, Number
    >>> encoder = FeatureEncoder(columns=[Number("age"), Category("job")])
    >>> encoder.getOutputCols()
    ['ids', 'row']
    """

    def __init__(self, columns: Sequence[Column] | None = None, **params: Any) -> None:
        super().__init__(columns=columns, **params)

    def _fit(self, dataset: Any) -> FeatureEncoderModel:
        self.getOutputCols()
        features = FeatureColumns.fit(dataset, self.getColumns())
        model = FeatureEncoderModel(features, outputCols=self._given("outputCols"))
        model._resetUid(self.uid)  # as those of Spark: the model is called as what fitted it
        return model


class FeatureEncoderModel(_Encodes, Stored, Model):
    """Fitted feature columns that add ids and numbers to a DataFrame.

    Parameters
    ----------
    features : FeatureColumns
        Fitted, by `FeatureEncoder.fit` or `FeatureColumns.fit`.
    **params
        `outputCols`, see `explainParams()`.

    Raises
    ------
    ArgumentError : a Param is outside of what it may be, or there is none of this name.
    DataError : in `transform`, a column is missing, or an output's name is taken; where rows are
        run, a number is missing or not finite.

    Notes
    -----
    Rows get the same bits as from `features.table`. Works on streams.

    Examples
    --------
    >>> from sandbox.lib.data.tables.columns import Number
    >>> model = FeatureEncoderModel(FeatureColumns([Number("age", mean=40.0, std=10.0)]))
    >>> model.getOutputCols(), model.features.numbers
    (['row'], 1)
    """

    def __init__(self, features: FeatureColumns | None = None, **params: Any) -> None:
        if features is not None:
            validate.instance("features", features, FeatureColumns)
            params["columns"] = features.columns
        super().__init__(**params)

    @property
    def features(self) -> FeatureColumns:
        """The fitted columns: `table` encodes tables of this process, `fields` tells sizes."""
        return FeatureColumns(self.getColumns())

    def _transform(self, dataset: Any) -> Any:
        features, names, owner = self.features, self.getOutputCols(), type(self).__name__
        check_columns(owner, features.reads, dataset.columns)
        _check_new(owner, names, dataset.columns)
        spark = dataset.sparkSession
        if hasattr(spark, "_jsparkSession"):
            equip(spark.sparkContext)
        made = _encoder(features)(f.struct(*map(column, features.reads)))
        hidden = f"_{self.uid}"
        with_both = dataset.withColumn(hidden, made)
        return with_both.select(
            *map(column, dataset.columns),
            *(
                f.col(hidden).getField(part).alias(name)
                for part, name in zip(features.inputs, names, strict=True)
            ),
        )

    def pandas(self, table: Any) -> Any:
        """Return a pandas DataFrame with the columns of `transform`, made in this process."""
        features, names, owner = self.features, self.getOutputCols(), type(self).__name__
        check_columns(owner, features.reads, list(table.columns))
        _check_new(owner, names, table.columns)
        parts = features.parts(table)
        return table.assign(**{name: list(p) for name, p in zip(names, parts, strict=True)})


def _check_new(owner: str, names: Sequence[str], present: Sequence[str]) -> None:
    taken = [name for name in names if name in present]
    if taken:
        raise DataError(
            f"{owner}: output columns must be new; got {', '.join(map(repr, taken))}, which "
            f"the table has already. {owner}(..., outputCols=[...]) names others."
        )


def _encoder(features: FeatureColumns) -> Any:
    """Return a function of Spark's from a row of the columns read to one of the inputs."""
    inputs, reads = features.inputs, features.reads

    def encode(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        context = TaskContext.get()
        place = f"partition {context.partitionId() if context else 0}"
        first = 0
        for batch in batches:
            table = dict(zip(reads, batch.flatten(), strict=True))
            parts = features.parts(table, place, first)
            yield pa.StructArray.from_arrays([_lists(part) for part in parts], list(inputs))
            first += len(batch)

    encode.__annotations__ = {"batches": Iterator[pa.Array], "return": Iterator[pa.Array]}
    schema = StructType([StructField(name, _TYPES[name], nullable=False) for name in inputs])
    return f.arrow_udf(encode, schema)  # type: ignore[attr-defined]


def _lists(part: Any) -> pa.Array:
    """Return the rows of a matrix as lists that share its memory."""
    rows, width = part.shape
    ends = pa.array(range(0, rows * width + 1, width), pa.int32()) if width else None
    return pa.ListArray.from_arrays(ends, pa.array(part.reshape(-1)))
