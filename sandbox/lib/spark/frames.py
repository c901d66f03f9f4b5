"""DataFrames and RDDs as data sets: counted once, then streamed into the ranks as blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ArgumentError, DataError
from ..data.dataset import Dataset, DataSpec, Pair, TransformLike
from ..data.order import owners
from ..engine.oplist import Spec
from . import blocks
from .blocks import Frame, FrameRows, Packer, Rows

__all__ = ["SparkDataset"]

_ADAPTIVE = "spark.sql.adaptive.enabled"
_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"


class SparkDataset(Dataset):
    """Rows of a Spark DataFrame or RDD, for `Trainer(backend=SparkBackend(...))`.

    Parameters
    ----------
    source : DataFrame, or RDD of (x, y)
        x a number, a list or an array; y a number or an array.
    features : str or list of str, default="features"
        Columns of x: number columns side by side, or one column of lists, vectors or bytes.
    label : str, default="label"
        Column of y.
    shape : tuple of int, optional
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
        features: str | Sequence[str] = "features",
        label: str = "label",
        shape: Sequence[int] | None = None,
        bytes_dtype: Any = np.uint8,
        transform: TransformLike = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(transform=transform, dtype=dtype)
        self.source = source
        self.is_rdd = not hasattr(source, "mapInArrow")
        self.features = [features] if isinstance(features, str) else list(features)
        self.label = label
        self.shape = None if shape is None else tuple(int(n) for n in shape)
        self.bytes_dtype = np.dtype(bytes_dtype)
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
        missing = [name for name in [*self.features, self.label] if name not in fields]
        if missing:
            raise DataError(
                f"SparkDataset: features and label must be columns of the DataFrame; got no "
                f"{', '.join(missing)}. Columns present: {', '.join(fields)}. Name them: "
                "SparkDataset(df, features=[...], label=...)."
            )
        for name in [*self.features, self.label]:
            kind = fields[name]
            inner = kind.elementType if isinstance(kind, types.ArrayType) else kind
            vector = type(kind).__name__ == "VectorUDT"
            number = isinstance(inner, types.NumericType | types.BooleanType)
            binary = isinstance(kind, types.BinaryType) and name != self.label
            if not (number or binary or vector) or isinstance(inner, types.DecimalType):
                raise DataError(
                    f"SparkDataset: column {name!r} must hold numbers, lists of numbers, vectors "
                    f"or (features only) bytes; got {kind.simpleString()}. Convert it first."
                )

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
        for name in [*self.features, self.label]:
            column = f.col(f"`{name}`")
            if type(kinds[name]).__name__ == "VectorUDT":
                column = vector_to_array(column, "float32").alias(name)
            columns.append(column)
        return self.source.select(*columns)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row, from the first one."""
        if self._stored is None:
            x, y = self._first()
            shape = self.shape if self.shape is not None else x.shape[1:]
            if int(np.prod(shape)) != int(np.prod(x.shape[1:])):
                raise DataError(
                    f"SparkDataset: `shape` must have the {int(np.prod(x.shape[1:]))} numbers of "
                    f"the first row; got {shape}."
                )
            self._stored = DataSpec(
                Spec(tuple(shape), _plain(x.dtype).name), Spec(y.shape[1:], _plain(y.dtype).name)
            )
        return self._stored

    def _first(self) -> Pair:
        if self.is_rdd:
            found = self.source.take(1)
            if not found:
                raise DataError("SparkDataset: the RDD must have at least one row; got 0.")
            return _rdd_rows(found, 0, 0)
        table = self._columns().limit(1).toArrow()
        if not table.num_rows:
            raise DataError("SparkDataset: the DataFrame must have at least one row; got 0.")
        return self.convert(table, 0, 0)

    def convert(self, table: Any, partition: int, before: int) -> Pair:
        """Turn Arrow columns into x and y."""
        place = f"partition {partition} of the DataFrame"
        parts = [
            _column(table.column(name), name, place, before, self.bytes_dtype)
            for name in self.features
        ]
        y = _column(table.column(self.label), self.label, place, before, self.bytes_dtype)
        if len(parts) == 1:
            return parts[0], y
        flat = [part.reshape(len(part), -1) for part in parts]
        return np.concatenate(flat, axis=1, dtype=np.float32), y

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
                    yield from packer.add(*_rdd_rows(some, number, packer.seen))
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
        return f"SparkDataset({kind}, features={self.features}, label={self.label!r})"

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


def _plain(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float32) if dtype == np.float64 else dtype


def _chunks(rows: Iterator[Any], count: int) -> Iterator[list[Any]]:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == count:
            yield some
            some = []
    if some:
        yield some


def _rdd_rows(rows: list[Any], partition: int, before: int) -> Pair:
    try:
        x = np.stack([np.asarray(row[0]) for row in rows])
        y = np.stack([np.asarray(row[1]) for row in rows])
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise DataError(
            f"partition {partition} of the RDD, rows {before} to {before + len(rows) - 1}: must be "
            f"pairs (x, y) of numbers, all of one shape; got {error}."
        ) from None
    for name, array in (("x", x), ("y", y)):
        if array.dtype.kind not in "iubf":
            raise DataError(
                f"partition {partition} of the RDD, row {before}: {name} must be numbers; got dtype"
                f" {array.dtype}."
            )
    return x, y


def _column(
    column: Any, name: str, place: str, before: int, bytes_dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Turn one Arrow column into an array with one row per row."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if array.null_count:
        row = before + array.is_null().to_pylist().index(True)
        raise DataError(f"{place}, row {row}: column {name!r} must have a value; got none.")
    kind = array.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _same_length(
            [np.frombuffer(item.as_buffer(), bytes_dtype) for item in array], name, place, before
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = array.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            row = int(np.argmax(lengths != lengths[0]))
            raise DataError(
                f"{place}, row {before + row}: lists of column {name!r} must have {lengths[0]} "
                f"numbers as in the row before; got {lengths[row]}."
            )
        flat = _column(array.flatten(), name, place, before, bytes_dtype)
        return flat.reshape(len(array), -1) if len(array) else flat.reshape(0, 0)
    return np.asarray(array.to_numpy(zero_copy_only=False))


def _same_length(rows: list[NDArray[Any]], name: str, place: str, before: int) -> NDArray[Any]:
    if len({len(row) for row in rows}) > 1:
        row = next(i for i, part in enumerate(rows) if len(part) != len(rows[0]))
        raise DataError(
            f"{place}, row {before + row}: bytes of column {name!r} must hold {len(rows[0])} "
            f"numbers as in the row before; got {len(rows[row])}."
        )
    return np.stack(rows)
