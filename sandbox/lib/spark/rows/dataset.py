"""DataFrames and RDDs as data sets: read once, packed into blocks, dealt to the ranks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import tree, validate
from ...core.errors import ArgumentError, DataError
from ...data.arrays import ArrayDataset
from ...data.arrow import bytes_of_rows
from ...data.dataset import Dataset, DataSpec, Pair, TransformLike
from ...data.decoding import PixelDecoder, decoded, pixel_rows
from ...data.progress import listener
from ...engine.oplist import Spec
from ..diagnosis import named_errors
from ..session.cluster import check_session
from ..session.context import running_session
from ..session.hosts import equip, with_package
from ..turns import check_free
from .blocks import SCHEMA, Form, Packer, Ragged, record_batch
from .columns import (
    PICTURE,
    Columns,
    array_of_columns,
    as_given,
    check_columns,
    chunks,
    grouped,
    is_picture,
    kept_type,
    names_of,
    rdd_rows,
    row_spec,
    shapes_of,
)
from .columns import column as column_of
from .counts import Counts
from .loading import DEALT, Frame, FrameRows, Loader, deal
from .packed import Packed, pack_table
from .room import memory_share

__all__ = ["SparkDataset"]

_CHUNK = 256  # rows of an RDD that become arrays at once
_PART_BYTES = 16 << 20  # of what comes to the driver in one piece


class SparkDataset(Dataset):
    """Rows of a Spark DataFrame or RDD, for `Trainer(backend=SparkBackend(...))`.

    Parameters
    ----------
    source : DataFrame, or RDD of (x, y)
        x a number, a list, an array or a tree of arrays; y a number, an array or a tree.
    features : str or names, or a dict or tuple of lists of names, default="features"
        Columns of x: number columns side by side, or one column of lists, vectors, bytes or of
        pictures, as `spark.read.format("image")` gives them. A dict
        makes a tree, and so does a tuple that holds a list: `{"ids": ["city", "shop"], "row":
        "numbers"}`, `(["city", "shop"], ["numbers"])`.
    label : str, a dict or tuple of str, or None, default="label"
        Column of y; None for rows that are only to be predicted.
    shape : tuple of int, or a dict or tuple of them, optional
        Shape of one row of x; default as stored. Needed for bytes that are images.
    bytes_dtype : dtype, default=uint8
        What the bytes of a binary features column are.
    decode : function of bytes, optional
        Makes the array of a row of x from the bytes of its one column, which may vary in number
        (files of pictures). The packed rows stay as they are; ranks decode theirs once. For a
        column of pictures: a function of an array (height, width, channels), with red first.
    transform, dtype
        See `data.Dataset`.

    Raises
    ------
    DataError : a column is missing or holds no numbers, a place is empty, rows differ in length.

    Notes
    -----
    Like BigDL `DistributedImageFrame` where `decode` makes pictures of files (`data.vision`).

    The source is read once, by the first that asks for its rows: a Spark job packs them into blocks
    that stay on the executors' disks until this object is gone (or `unpersist`). Training,
    validation, evaluation and further runs read these. The same partitions in the same order give
    the same weights bit for bit; rows that come out of a shuffle have no fixed order from one
    packing to the next: sort them or write them to files if runs must be equal.

    Ranks own consecutive rows: whole partitions where these are even, else parts of one size. A
    rank's rows lie outside of the JVM, in memory up to `SparkBackend(memory_per_rank=...)` and
    beyond it in files of Spark's local folders: `spark.executor.memoryOverhead` must have room.
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
        decode: Callable[[bytes], Any] | None = None,
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
        self.decode = decode
        self.pictures = False
        self._packed: Packed | None = None
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
        """Return the source's SparkContext; None with Spark Connect, by which nothing is packed."""
        if self.is_rdd:
            return self.source.context
        spark = self.source.sparkSession
        return spark.sparkContext if hasattr(spark, "_jsparkSession") else None

    def _check_columns(self) -> None:
        check_columns(self.source, names_of(self.features), names_of(self.label))
        fields = {field.name: field.dataType for field in self.source.schema}
        names = names_of(self.features)
        self.pictures = len(names) == 1 and is_picture(fields[names[0]])
        if isinstance(self.decode, PixelDecoder):  # of a like data set, whose source was another
            self.decode = self.decode.decode
        if self.pictures:
            if self.decode is not None:
                validate.function("decode", self.decode)
            self.decode = PixelDecoder(self.decode)
        elif any(is_picture(fields[name]) for name in names):
            raise ArgumentError(
                "SparkDataset: a column of pictures must be the only features; got "
                f"{', '.join(names)}."
            )
        elif self.decode is not None:
            self._check_decode(fields)

    def _check_decode(self, fields: dict[str, Any]) -> None:
        names = names_of(self.features)
        got = ", ".join(f"{name} {fields[name].simpleString()}" for name in names)
        alone = isinstance(self.features, Columns) and len(names) == 1
        if not callable(self.decode) or not alone or not got.endswith(" binary"):
            raise ArgumentError(
                "SparkDataset: `decode` must be a function of bytes, with one binary column as "
                f"features; got {self.decode!r} for {got}."
            )

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*names_of(self.features), *names_of(self.label)]))

    # -- the driver's view --------------------------------------------------------------------

    @property
    def partition_sizes(self) -> tuple[int, ...]:
        """Rows of each partition of the source; the first call packs them in a Spark job."""
        return self.packed().sizes

    def packed(self) -> Packed:
        """Return the blocks, packed on first use."""
        if self._packed is None or not self._packed.usable:
            if self.source is None:
                raise DataError(f"{self}: its rows are where it was made; got a copy without them.")
            context = self._context()
            if context is None:
                check_session(self.source.sparkSession, f"{self}: the DataFrame's session")
            check_free(context)
            with named_errors():
                tell = listener()  # of this thread: the job may run in another
                self._packed = with_package(context, lambda: self._pack(tell))
        return self._packed

    def unpersist(self) -> None:
        """Let Spark remove the packed rows; who asks for rows again packs them again."""
        if self._packed is not None:
            self._packed.release()
        self._packed = self._collected = None

    def _pack(self, tell: Callable[[str], object] | None) -> Packed:
        reader = self.light()  # without the transform: it may hold what cannot travel
        reader.dtype, reader.transform = self._wanted, None
        reader._known = reader._planned = None
        salt = secrets.randbits(32)
        context = self._context()
        counts = None if context is None or tell is None else Counts(context, tell)
        names = ("x", "y") if self.is_rdd else ("features", "label")
        if self.is_rdd:
            from pyspark.sql import SparkSession

            def pack_rdd(number: int, rows: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
                packer = Packer(number, names, salt)
                for some in chunks(rows, _CHUNK):
                    yield from packer.add(*rdd_rows(some, number, packer.seen))
                yield from packer.flush()
                if counts is not None:
                    counts.add(packer.seen, packer.nbytes)

            spark = running_session() or SparkSession(self.source.context)
            packing = self.source.mapPartitionsWithIndex(pack_rdd)
            table = spark.createDataFrame(packing, SCHEMA, verifySchema=False)
        else:

            def pack(batches: Iterator[Any]) -> Iterator[Any]:
                packer = Packer(_partition(), names, salt)
                for batch in batches:
                    if batch.num_rows:
                        rows = reader.convert(batch, packer.partition, packer.seen)
                        yield from map(record_batch, packer.add(*rows))
                yield from map(record_batch, packer.flush())
                if counts is not None:
                    counts.add(packer.seen, packer.nbytes)

            table = self._columns().mapInArrow(pack, SCHEMA)
        return pack_table(table, names, counts)

    def _columns(self) -> Any:
        """Return the source with the columns of `_names` only, vectors turned into lists.

        They are called by number: Spark's own functions trip over names with dots.
        """
        from pyspark.ml.functions import vector_to_array
        from pyspark.sql import functions as f

        kinds = {field.name: field.dataType for field in self.source.schema.fields}
        columns = []
        for number, name in enumerate(self._names()):
            column = column_of(name)
            if is_picture(kinds[name]):
                column = f.struct(*[column[part] for part in PICTURE])
            if type(kinds[name]).__name__ == "VectorUDT":
                column = f.when(  # it fails at empty places, which are told with their row
                    column.isNotNull(), vector_to_array(column, "float64")
                )
            columns.append(column.alias(f"c{number}"))
        return self.source.select(*columns)

    def stored(self) -> DataSpec:
        """Return shape and dtype of one row: the first one's form, the types of all."""
        form = self.form()
        return DataSpec(form.x, form.y)

    def form(self) -> Form:
        """Return what a row is as ranks keep it."""
        found = self.packed().form
        if found is None:
            kind = "RDD" if self.is_rdd else "DataFrame"
            raise DataError(f"SparkDataset: the {kind} must have at least one row; got 0.")
        if self.decode is not None:
            first = self.packed().first()
            place = f"column {names_of(self.features)[0]!r}, first row"
            made = decoded(self.decode, bytes(next(iter(Ragged.read(*first, 0)))), place)
            dtype = kept_type([made.dtype], self._wanted, alone=True)
            found = found.like([Spec(made.shape, dtype.name), *found.specs[1:]])
        count = tree.flatten(found.x)[1].size
        shapes = self.shapes if len(self.shapes) == count else [None] * count
        specs = [row_spec(s, shape) for s, shape in zip(found.specs, shapes, strict=False)]
        if self.is_rdd:
            specs = [
                Spec(s.shape, kept_type([np.dtype(s.dtype)], self._wanted, alone=count == 1).name)
                for s in specs
            ]
        return found.like([*specs, *found.specs[count:]])

    @property
    def _wanted(self) -> np.dtype[Any] | None:
        """What the batches want of floats, where no transform comes between."""
        given = isinstance(self.dtype, np.dtype) and self.transform is None
        return self.dtype if given else None

    def convert(self, table: Any, partition: int, before: int) -> Pair:
        """Turn Arrow columns into x and y."""
        place = f"partition {partition} of the DataFrame"

        parts = {name: table.column(k) for k, name in enumerate(self._names())}
        alone = isinstance(self.features, Columns)

        def joined(columns: Columns, wanted: np.dtype[Any] | None) -> NDArray[Any]:
            return array_of_columns(
                columns,
                parts,
                place,
                before,
                wanted=wanted,
                alone=alone,
                bytes_dtype=self.bytes_dtype,
            )

        if self.decode is None:
            x = tree.map(lambda columns: joined(columns, self._wanted), self.features)
        else:
            name = self.features.names[0]
            rows_of = pixel_rows if self.pictures else bytes_of_rows
            x = Ragged(*rows_of(parts[name], name, place, before))
        if self.label is None:
            return x, np.zeros(table.num_rows, np.int8)
        return x, tree.map(lambda columns: joined(columns, None), self.label)

    def load(self, partition: int) -> Pair:
        """Return a partition's arrays in the driver: brings all rows (evaluation, predicting)."""
        if self._collected is None:
            frame = self.frame(0, 1)
            context = self._context()
            check_free(context)
            folders = [Path(context._temp_dir)]
            decoders = {} if self.decode is None else {0: self.decode}
            loader = Loader([frame], 0, budget=memory_share(1), folders=folders, decoders=decoders)
            with named_errors():
                pieces = self.packed().pieces(frame, _PART_BYTES).select(*DEALT, "data")
                for block in pieces.toLocalIterator(prefetchPartitions=True):
                    loader.take(*block)
            self._collected = FrameRows(frame, self, loader.pair(0), 0)
        return self._collected.load(partition)

    def may_be_cut(self, sizes: Sequence[int]) -> bool:
        """Tell whether ranks may see these rows in partitions of such sizes."""
        return (
            super().may_be_cut(sizes) or tuple(sizes) == deal(self.partition_sizes, len(sizes))[0]
        )

    def here(self, table: Any) -> ArrayDataset:
        """Return the rows of a pandas DataFrame, read by the same columns and prepared alike."""
        import pyarrow

        missing = [name for name in self._names() if name not in table.columns]
        if missing:
            raise DataError(
                f"{self}: a pandas DataFrame must have the columns of the training data; got no "
                f"{', '.join(missing)}. Columns present: {', '.join(map(str, table.columns))}."
            )
        rows = pyarrow.Table.from_pandas(table[self._names()], preserve_index=False)
        x, y = self.convert(rows, 0, 0)
        return ArrayDataset(x, y, transform=self.transform, dtype=self.dtype)

    def frame(self, tag: int, ranks: int) -> Frame:
        """Return what ranks must know: sizes, who owns which rows, the form of a row."""
        packed = self.packed()
        starts = np.concatenate([[0], np.cumsum(packed.sizes, dtype=np.int64)])
        sizes, owner, cut = deal(packed.sizes, ranks)
        return Frame(tag, sizes, owner, self.form(), starts, packed.digests, cut)

    def again(self, source: Any, *, labelled: bool = True) -> SparkDataset:
        """Return the same columns of another source, prepared alike; without labels if wanted."""
        other = self.light()
        other.source, other.is_rdd = source, not hasattr(source, "mapInArrow")
        other._known, other._fitting = None, set()
        if not labelled:
            other.label, other._classes = None, False
        if not other.is_rdd:
            other._check_columns()
        return other

    def light(self) -> SparkDataset:
        """Return this data set without the source: what can travel to a rank."""
        other = object.__new__(type(self))
        other.__setstate__(self.__getstate__())
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
        rows = dict.fromkeys(("source", "_packed", "_collected"))
        return {**super().__getstate__(), **rows}

    def __repr__(self) -> str:
        kind = "RDD" if self.is_rdd else "DataFrame"
        told = [tree.map(as_given, columns) for columns in (self.features, self.label)]
        return f"SparkDataset({kind}, features={told[0]!r}, label={told[1]!r})"

    __str__ = __repr__


def _partition() -> int:
    from pyspark import TaskContext

    context: Any = TaskContext.get()
    return int(context.partitionId())
