"""DataFrames and RDDs as data sets: counted once, then streamed into the ranks as blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import tree, validate
from ..core.errors import ArgumentError, DataError
from ..data.arrow import array_of
from ..data.casting import cast, common_type, side_by_side
from ..data.dataset import Dataset, DataSpec, Pair, TransformLike
from ..data.order import owners
from ..engine.oplist import Spec
from . import blocks
from .blocks import Frame, FrameRows, Packer, Rows
from .columns import (
    Columns,
    as_given,
    grouped,
    kept_type,
    names_of,
    rdd_rows,
    row_spec,
    shapes_of,
)
from .failures import named_errors
from .hosts import equip, with_package
from .turns import check_free

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
    label : str, a dict or tuple of str, or None, default="label"
        Column of y; None for rows that are only to be predicted.
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
        self.label = None if label is None else grouped(label, "label")
        self.shapes = list(shapes_of(shape, self.features))
        self.bytes_dtype = validate.number_dtype("bytes_dtype", bytes_dtype)
        self._sizes: tuple[int, ...] | None = None
        self._kinds: list[np.dtype[Any]] = []  # of an RDD's arrays, those of x first
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
        if (context := self._context()) is not None:
            equip(context)

    def _context(self) -> Any:
        """Return the source's SparkContext; None with Spark Connect, which the backend refuses."""
        if self.is_rdd:
            return self.source.context
        spark = self.source.sparkSession
        return spark.sparkContext if hasattr(spark, "_jsparkSession") else None

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
        present = [field.name for field in self.source.schema.fields]
        exact = self.source.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true"
        for name in names:
            alike = [p for p in present if p == name or (not exact and p.lower() == name.lower())]
            if len(alike) > 1:
                raise DataError(
                    f"SparkDataset: column {name!r} must be there once; got {', '.join(alike)}. "
                    "After a join, rename or drop one: df.drop(right['...'])."
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
            context = self._context()
            if context is not None:
                check_free(context)
            with named_errors():
                if self.is_rdd:
                    self._sizes, self._kinds = with_package(context, self._scan)
                else:
                    self._sizes = with_package(context, self._count)
        return self._sizes

    def _scan(self) -> tuple[tuple[int, ...], list[np.dtype[Any]]]:
        """Count an RDD's rows; the types of all of them decide those of the arrays."""

        def look(number: int, rows: Iterator[Any]) -> Iterator[tuple[int, list[set[str]]]]:
            count, kinds = 0, list[set[str]]()
            for some in _chunks(rows, 256):
                found = [array.dtype.name for array in tree.leaves(rdd_rows(some, number, count))]
                kinds = kinds if len(kinds) == len(found) else [set() for _ in found]
                for known, name in zip(kinds, found, strict=True):
                    known.add(name)
                count += len(some)
            yield count, kinds

        answers = self.source.mapPartitionsWithIndex(look).collect()
        full = [kinds for count, kinds in answers if count]
        leaves = min(map(len, full), default=0)  # packing names a row of another form
        kinds = [common_type(np.dtype(n) for k in full for n in k[i]) for i in range(leaves)]
        return tuple(count for count, _ in answers), kinds

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
        """Return the source with the columns of `_names` only, vectors turned into lists.

        They are called by number: Spark's own functions trip over names with dots.
        """
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as f

        kinds = {field.name: field.dataType for field in self.source.schema.fields}
        columns = []
        for number, name in enumerate(self._names()):
            column = f.col("`" + name.replace("`", "``") + "`")
            if type(kinds[name]).__name__ == "VectorUDT":
                column = vector_to_array(column, "float64")
            columns.append(column.alias(f"c{number}"))
        return self.source.select(*columns)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row: the first one's form, the types of all."""
        if self._stored is None:
            rows = sum(self.partition_sizes)
            x, y = self._first()
            arrays, form = tree.flatten(x)
            goals, goal_form = tree.flatten(y)
            shapes = self.shapes if len(self.shapes) == len(arrays) else [None] * len(arrays)
            specs = [row_spec(a, s) for a, s in zip(arrays, shapes, strict=True)]
            specs += [row_spec(a, None) for a in goals]
            if self.is_rdd and len(self._kinds) == len(specs) and rows:
                wanted = [self._wanted] * len(arrays) + [None] * len(goals)
                alone = len(arrays) == 1
                specs = [
                    Spec(spec.shape, kept_type([kind], want, alone=alone).name)
                    for spec, kind, want in zip(specs, self._kinds, wanted, strict=True)
                ]
            made = form.unflatten(specs[: len(arrays)])
            self._stored = DataSpec(made, goal_form.unflatten(specs[len(arrays) :]))
        return self._stored

    @property
    def _wanted(self) -> np.dtype[Any] | None:
        """What the batches want of floats, where no transform comes between."""
        given = isinstance(self.dtype, np.dtype) and self.transform is None
        return self.dtype if given else None

    def _first(self) -> Pair:
        if self.is_rdd:
            found = self.source.take(1)
            if not found:
                raise DataError("SparkDataset: the RDD must have at least one row; got 0.")
            return rdd_rows(found, 0, 0)
        with named_errors():
            table = self._columns().limit(1).toArrow()
        if not table.num_rows:
            raise DataError("SparkDataset: the DataFrame must have at least one row; got 0.")
        return self.convert(table, 0, 0)

    def convert(self, table: Any, partition: int, before: int) -> Pair:
        """Turn Arrow columns into x and y."""
        place = f"partition {partition} of the DataFrame"

        def joined(columns: Columns, wanted: np.dtype[Any] | None) -> NDArray[Any]:
            names = columns.names
            parts = [
                array_of(table.column(number[n]), n, place, before, self.bytes_dtype) for n in names
            ]
            dtype = kept_type([part.dtype for part in parts], wanted, alone=alone)
            if len(parts) > 1:
                return side_by_side(parts, names, place, dtype, before)
            rows = np.arange(before, before + len(parts[0]))
            return cast(parts[0], dtype, f"{place}: column {names[0]!r}", rows=rows)

        number = {name: k for k, name in enumerate(self._names())}
        alone = isinstance(self.features, Columns)
        x = tree.map(lambda columns: joined(columns, self._wanted), self.features)
        if self.label is None:
            return x, np.zeros(table.num_rows, np.int8)
        return x, tree.map(lambda columns: joined(columns, None), self.label)

    def load(self, partition: int) -> Pair:
        """Return a partition's arrays in the driver: collects all rows (evaluation, predicting)."""
        if self._collected is None:
            frame = self.frame(0, 1)
            with named_errors(), self.blocks(frame) as table:
                whole = with_package(self._context(), table.toArrow)
                found = Rows(iter(whole.to_batches()))
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
        reader = self.light()  # without the transform: it may hold what cannot travel
        reader.dtype, reader.transform = self._wanted, None
        reader._known = reader._planned = None
        if self.is_rdd:
            from pyspark.sql import SparkSession

            def pack_rdd(number: int, rows: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
                packer = Packer(frame, number, ("x", "y"))
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
                    rows = reader.convert(batch, packer.partition, packer.seen)
                    yield from batch_of(packer.add(*rows))
                yield from batch_of(packer.flush())

            table = self._columns().mapInArrow(pack, blocks.SCHEMA)
        with fixed_partitions(table.sparkSession):
            yield table

    def again(self, source: Any, *, labelled: bool = True) -> SparkDataset:
        """Return the same columns of another source, prepared alike; without labels if wanted."""
        other = self.light()
        other.source, other.is_rdd = source, not hasattr(source, "mapInArrow")
        other._sizes, other._kinds, other._stored, other._known = None, [], None, None
        other._fitting = set()
        if not labelled:
            other.label, other._classes = None, False
        if not other.is_rdd:
            other._check_columns()
        return other

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

    def called(self, side: str, path: str) -> str:
        """Return how errors call an array of x or y: by its column, if it is one."""
        columns = self.features if side == "x" else self.label
        if not self.is_rdd and isinstance(columns, Columns) and len(columns.names) == 1:
            return f"column {columns.names[0]!r}"
        return super().called(side, path)

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
