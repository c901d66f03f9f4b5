"""DataFrames and RDDs as data sets: counted once, then streamed into the ranks as blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import ArgumentError, DataError
from ..data.dataset import Dataset, DataSpec, Pair, TransformLike
from ..data.order import owners
from . import blocks
from .blocks import Frame, FrameRows, Packer, Rows
from .columns import (
    Columns,
    array_of,
    as_given,
    grouped,
    names_of,
    rdd_rows,
    row_spec,
    shapes_of,
)

__all__ = ["SparkDataset"]

_ADAPTIVE = "spark.sql.adaptive.enabled"
_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"


class SparkDataset(Dataset):
    """Rows of a Spark DataFrame or RDD, for `Trainer(backend=SparkBackend(...))`.

    Parameters
    ----------
    source : DataFrame, or RDD of (x, y)
        x a number, a list, an array or a tree of arrays; y a number, an array or a tree.
    features : str or names, or a dict or tuple of lists of names, default="features"
        Columns of x: number columns side by side, or one column of lists, vectors or bytes. A dict
        makes a tree, and so does a tuple that holds a list: `{"ids": ["city", "shop"], "row":
        "numbers"}`, `(["city", "shop"], ["numbers"])`.
    label : str, or a dict or tuple of str, default="label"
        Column of y.
    shape : tuple of int, or a dict or tuple of them, optional
        Shape of one row of x; default as stored. Needed for bytes that are images.
    bytes_dtype : dtype, default=uint8
        What the bytes of a binary features column are.
    transform, dtype
        See `data.Dataset`.

    Raises
    ------
    DataError : a column is missing or holds no numbers, a place is empty, rows differ in length.

    Notes
    -----
    Ranks own consecutive partitions. The same partitions in the same order give the same weights
    bit for bit; a DataFrame that comes out of a shuffle without a sort has no fixed order: call
    `cache()` or `checkpoint()` on it. The rows live in the ranks' own memory, outside of the JVM:
    `spark.executor.memoryOverhead` must have room for them.
    """

    shared = False

    def __init__(
        self,
        source: Any,
        *,
        features: Any = "features",
        label: Any = "label",
        shape: Any = None,
        bytes_dtype: Any = np.uint8,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self.source = source
        self.is_rdd = not hasattr(source, "mapInArrow")
        self.features = grouped(features, "features")
        self.label = grouped(label, "label")
        self.shapes = list(shapes_of(shape, self.features))
        self.bytes_dtype = validate.number_dtype("bytes_dtype", bytes_dtype)
        self._sizes: tuple[int, ...] | None = None
        self._stored: DataSpec | None = None
        self._collected: FrameRows | None = None
        if self.is_rdd:
            if not hasattr(source, "mapPartitionsWithIndex"):
                raise ArgumentError(
                    "SparkDataset: `source` must be a DataFrame or an RDD; got "
                    f"{type(source).__name__}."
                )
        else:
            self._check_columns()

    def _check_columns(self) -> None:
        from pyspark.sql import types

        fields = {field.name: field.dataType for field in self.source.schema.fields}
        names, labels = self._names(), names_of(self.label)
        missing = [name for name in names if name not in fields]
        if missing:
            raise DataError(
                f"SparkDataset: features and label must be columns of the DataFrame; got no "
                f"{', '.join(missing)}. Columns present: {', '.join(fields)}. Name them: "
                "SparkDataset(df, features=[...], label=...)."
            )
        for name in names:
            kind = fields[name]
            inner = kind.elementType if isinstance(kind, types.ArrayType) else kind
            vector = type(kind).__name__ == "VectorUDT"
            number = isinstance(inner, types.NumericType | types.BooleanType)
            binary = isinstance(kind, types.BinaryType) and name not in labels
            if not (number or binary or vector) or isinstance(inner, types.DecimalType):
                raise DataError(
                    f"SparkDataset: column {name!r} must hold numbers, lists of numbers, vectors "
                    f"or (features only) bytes; got {kind.simpleString()}. Convert it first."
                )

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*names_of(self.features), *names_of(self.label)]))

    # -- the driver's view --------------------------------------------------------------------

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition; the first call counts them in a Spark job."""
        if self._sizes is None:
            if self.is_rdd:
                self._sizes = tuple(
                    self.source.mapPartitions(lambda rows: [sum(1 for _ in rows)]).collect()
                )
            else:
                self._sizes = self._count()
        return self._sizes

    def _count(self) -> tuple[int, ...]:
        def count(batches: Iterator[Any]) -> Iterator[Any]:
            import pyarrow

            number = _partition()
            rows = sum(batch.num_rows for batch in batches)
            yield pyarrow.RecordBatch.from_pydict({"partition": [number], "rows": [rows]})

        with fixed_partitions(self.source.sparkSession):
            counted = self._columns().mapInArrow(count, "partition long, rows long")
            partitions = int(counted._jdf.queryExecution().toRdd().getNumPartitions())
            found = {row["partition"]: row["rows"] for row in counted.collect()}
        return tuple(found.get(i, 0) for i in range(partitions))

    def _columns(self) -> Any:
        """Return the source with the columns we need only, vectors turned into lists."""
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as f

        kinds = {field.name: field.dataType for field in self.source.schema.fields}
        columns = []
        for name in self._names():
            column = f.col(f"`{name}`")
            if type(kinds[name]).__name__ == "VectorUDT":
                column = vector_to_array(column, "float32").alias(name)
            columns.append(column)
        return self.source.select(*columns)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row, from the first one."""
        if self._stored is None:
            x, y = self._first()
            arrays, form = tree.flatten(x)
            shapes = self.shapes if len(self.shapes) == len(arrays) else [None] * len(arrays)
            made = form.unflatten([row_spec(a, s) for a, s in zip(arrays, shapes, strict=True)])
            self._stored = DataSpec(made, tree.map(lambda array: row_spec(array, None), y))
        return self._stored

    def _first(self) -> Pair:
        if self.is_rdd:
            found = self.source.take(1)
            if not found:
                raise DataError("SparkDataset: the RDD must have at least one row; got 0.")
            return rdd_rows(found, 0, 0)
        table = self._columns().limit(1).toArrow()
        if not table.num_rows:
            raise DataError("SparkDataset: the DataFrame must have at least one row; got 0.")
        return self.convert(table, 0, 0)

    def convert(self, table: Any, partition: int, before: int) -> Pair:
        """Turn Arrow columns into x and y."""
        place = f"partition {partition} of the DataFrame"

        def read(name: str) -> NDArray[Any]:
            return array_of(table.column(name), name, place, before, self.bytes_dtype)

        def side_by_side(columns: Columns) -> NDArray[Any]:
            parts = [read(name) for name in columns.names]
            if len(parts) == 1:
                return parts[0]
            flat = [part.reshape(len(part), -1) for part in parts]
            if not alone and all(part.dtype.kind in "iub" for part in flat):
                return np.concatenate(flat, axis=1)  # ids
            return np.concatenate(flat, axis=1, dtype=np.float32)

        alone = isinstance(self.features, Columns)
        return tree.map(side_by_side, self.features), tree.map(side_by_side, self.label)

    def load(self, partition: int) -> Pair:
        """Return a partition's arrays in the driver: collects all rows (evaluation, predicting)."""
        if self._collected is None:
            frame = self.frame(0, 1)
            with self.blocks(frame) as table:
                found = Rows(iter(table.toArrow().to_batches()))
                self._collected = FrameRows(frame, self, found.take(0), 0, 1)
        return self._collected.load(partition)

    # -- on the way to the ranks --------------------------------------------------------------

    def frame(self, tag: int, ranks: int) -> Frame:
        """Return what ranks must know: sizes, who owns which partition, the form of a row."""
        sizes = self.partition_sizes
        x, y = self.stored()
        return Frame(tag, sizes, tuple(owners(sizes, ranks)), x, y)

    @contextmanager
    def blocks(self, frame: Frame, first: int = 0) -> Iterator[Any]:
        """Give the DataFrame of packed blocks, planned with the partitions as they were counted.

        `first` partitions of another table come before it in a union.
        """
        light = self.light()
        if self.is_rdd:
            from pyspark.sql import SparkSession

            def pack_rdd(number: int, rows: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
                packer = Packer(frame, number)
                for some in _chunks(rows, 256):
                    yield from packer.add(*rdd_rows(some, number, packer.seen))
                yield from packer.flush()

            spark = SparkSession.getActiveSession() or SparkSession(self.source.context)
            table = spark.createDataFrame(
                self.source.mapPartitionsWithIndex(pack_rdd), blocks.SCHEMA
            )
        else:

            def pack(batches: Iterator[Any]) -> Iterator[Any]:
                import pyarrow

                packer = Packer(frame, _partition() - first)

                def batch_of(found: Iterator[tuple[Any, ...]]) -> Iterator[Any]:
                    for block in found:
                        columns = {n: [v] for n, v in zip(blocks.NAMES, block, strict=True)}
                        types = [pyarrow.int32()] * 5 + [pyarrow.binary()] * 2
                        schema = pyarrow.schema(list(zip(blocks.NAMES, types, strict=True)))
                        yield pyarrow.RecordBatch.from_pydict(columns, schema)

                for batch in batches:
                    rows = light.convert(batch, packer.partition, packer.seen)
                    yield from batch_of(packer.add(*rows))
                yield from batch_of(packer.flush())

            table = self._columns().mapInArrow(pack, blocks.SCHEMA)
        with fixed_partitions(table.sparkSession):
            yield table

    def light(self) -> SparkDataset:
        """Return this data set without the source: what can travel to a rank."""
        other = object.__new__(type(self))
        other.__setstate__({**self.__getstate__(), "source": None, "_collected": None})
        return other

    def unordered(self) -> bool:
        """Tell whether the rows come out of a shuffle, so that their order is not fixed."""
        if self.is_rdd:
            return False
        plan = self._columns()._jdf.queryExecution().optimizedPlan().toString()
        shuffles = any(word in plan for word in ("Aggregate", "Join", "Repartition", "Distinct"))
        return shuffles and not any(word in plan for word in ("InMemoryRelation", "LogicalRDD"))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "source": None, "_collected": None}

    def __repr__(self) -> str:
        kind = "RDD" if self.is_rdd else "DataFrame"
        told = [tree.map(as_given, columns) for columns in (self.features, self.label)]
        return f"SparkDataset({kind}, features={told[0]!r}, label={told[1]!r})"

    __str__ = __repr__


@contextmanager
def fixed_partitions(spark: Any) -> Iterator[None]:
    """Plan without adaptive execution, which may merge partitions from one run to the next.

    Also keeps Arrow batches small: a block is a row of up to a megabyte.
    """
    wanted = {_ADAPTIVE: "false"}
    if int(spark.conf.get(_BATCH)) not in range(1, 1001):
        wanted[_BATCH] = "1000"
    before = {key: spark.conf.get(key) for key in wanted}
    try:
        for key, value in wanted.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)


def _partition() -> int:
    from pyspark import TaskContext

    context: Any = TaskContext.get()
    return int(context.partitionId())


def _chunks(rows: Iterator[Any], count: int) -> Iterator[list[Any]]:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == count:
            yield some
            some = []
    if some:
        yield some
