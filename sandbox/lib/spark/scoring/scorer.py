"""One scorer for DataFrames, SQL and pandas: the same numbers from each of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import nn
from ...core import tree, validate
from ...core.errors import ArgumentError, DataError, SandboxError, SparkSetupError
from ...data import Preparation
from ...engine.oplist import Spec
from ..rows.columns import Columns, check_columns, column, grouped, names_of, shapes_of
from ..rows.travel import pack, unpack
from ..session.context import running_session
from ..session.hosts import equip
from .answers import Answers, arrow_column, arrow_type
from .reading import Reading
from .runner import Runner, Sent, fitting_rows, planned, send, take

__all__ = ["Scorer"]

_AT_ONCE = 1 << 20  # numbers that are read at once


class Scorer:
    """Scores the rows of DataFrames, of SQL tables and of pandas tables by a model.

    Parameters
    ----------
    model : Module
        Its weights are taken as they are when `transform` or `udf` is called.
    inputs : str or names, or a dict or tuple of lists of names
        Columns of the model's inputs, as `SparkDataset(features=...)` takes them: number columns
        side by side, or one column of lists, vectors or bytes; a tree for several inputs.
    answers : Answers
        Makes columns of the model's outputs.
    prepare : Preparation, optional
        What training did with its rows (`Preparation(dataset)`). Without it floats become float32.
    shape : tuple of int, or a dict or tuple of them, optional
        Shape of one row of x; default as `prepare` knows it, or as stored.
    bytes_dtype : dtype, default=uint8
        What the bytes of a binary column are.
    decode : function of bytes, optional
        Makes the array of a row from the bytes of the one binary column, as of `SparkDataset`.
    empty : "error" or "null", default="error"
        What becomes of rows that lack a value: an error that names the row, or null answers.
    batch_size : int > 0, optional
        Rows that are run at once; by default up to 256, fewer if they are large.
    precision : "f32" or "bf16", default="f32"
        Of what is multiplied and of activations.

    Raises
    ------
    ArgumentError : an argument is of another kind.

    Notes
    -----
    The model is broadcast once for each state of its weights and loaded once in each worker. It is
    run by compiled programs, on one core for each task, always in batches of one size (the last is
    padded): so the answers for a row are the same bit for bit from `transform`, `udf` and `pandas`,
    however the rows are cut into partitions, on processors of one kind.

    Nothing of a partition is held but the batch that Spark hands over
    (`spark.sql.execution.arrow.maxRecordsPerBatch`, `.maxBytesPerBatch`).
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Any,
        answers: Answers,
        *,
        prepare: Preparation | None = None,
        shape: Any = None,
        bytes_dtype: Any = np.uint8,
        decode: Callable[[bytes], Any] | None = None,
        empty: str = "error",
        batch_size: int | None = None,
        precision: str = "f32",
    ) -> None:
        self.model = validate.instance("model", model, nn.Module)
        self.inputs = grouped(inputs, "inputs", "Scorer")
        for verb in ("fields", "columns"):
            if not callable(getattr(answers, verb, None)):
                raise ArgumentError(
                    f"Scorer: `answers` must have the methods `fields` and `columns`; got "
                    f"{answers!r}. For the output itself: Outputs('prediction', 'double')."
                )
        self.answers = answers
        if prepare is not None:
            validate.instance("prepare", prepare, Preparation)
        if batch_size is not None:
            batch_size = validate.positive_int("batch_size", batch_size)
        self.batch_size = batch_size
        self.precision = validate.one_of("precision", precision, ("f32", "bf16"))
        shapes = list(shapes_of(shape, self.inputs))
        if shape is None and prepare is not None and len(prepare.stored) == len(shapes):
            shapes = [spec.shape for spec in prepare.stored]
        dtype = validate.number_dtype("bytes_dtype", bytes_dtype)
        if decode is not None and not (callable(decode) and len(names_of(self.inputs)) == 1):
            raise ArgumentError(
                "Scorer: `decode` must be a function of bytes, with one binary column as inputs; "
                f"got {decode!r} for {', '.join(names_of(self.inputs))}."
            )
        self.reading = Reading(self.inputs, tuple(shapes), dtype, prepare, decode)
        self.empty = validate.one_of("empty", empty, ("error", "null"))
        self._runner: Runner | None = None

    # -- DataFrames and SQL -------------------------------------------------------------------

    def transform(self, frame: Any) -> Any:
        """Return a DataFrame with the answers' columns behind its own; no job is run.

        Parameters
        ----------
        frame : DataFrame
            Of Spark (streams, too), of pandas on Spark, or of pandas; what comes back is as it.

        Raises
        ------
        DataError : a column is missing, holds no numbers, or has an answer's name; where rows are
            run, one is empty, NaN or of other length.
        """
        kind = type(frame).__module__
        if kind.startswith("pandas."):
            return self.pandas(frame)
        if kind.startswith("pyspark.pandas."):
            return self._on_spark(frame)
        if not hasattr(frame, "sparkSession"):
            raise ArgumentError(
                "transform: `frame` must be a DataFrame of Spark or pandas; got "
                f"{type(frame).__name__}."
            )
        check_columns(frame, names_of(self.inputs), whose="transform")
        fields = self.answers.fields()
        if not fields:
            return frame
        exact = frame.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true"
        for field in fields:
            for name in frame.columns:
                if name == field.name or (not exact and name.lower() == field.name.lower()):
                    raise DataError(
                        f"transform: the answer's column {field.name!r} must not be there yet; the "
                        f"DataFrame has {name!r}. Drop or rename it, or name the answer otherwise."
                    )
        from pyspark.sql import functions as f

        given = [column(name) for name in self.names]
        scored = self._function(fields, frame.sparkSession, bare=False)(*given)
        place = "answers"
        while place in (name.lower() for name in frame.columns):
            place += "_"
        table = frame.withColumn(place, scored)
        found = [f.col(place)[field.name].alias(field.name) for field in fields]
        return table.select("*", *found).drop(place)

    def _on_spark(self, frame: Any) -> Any:
        """Return the answers for a DataFrame of pandas on Spark, whose index stays."""
        names = [f"index_{k}" for k in range(frame.index.nlevels)]
        while set(names) & set(map(str, frame.columns)):
            names = [name + "_" for name in names]
        found = self.transform(frame.to_spark(index_col=names)).pandas_api(index_col=names)
        found.index.names = frame.index.names
        return found

    def udf(self, answer: str | Sequence[str] | None = None) -> Any:
        """Return a function for SQL and `select`, of the inputs' columns in their order.

        Parameters
        ----------
        answer : str or list of str, optional
            Which answer it gives, as it is; several come as a struct, as do all by default if
            there are several. Vectors come as arrays of doubles, which SQL can take apart.
        """
        fields = self.answers.fields()
        known = {field.name: field for field in fields}
        wanted = [answer] if isinstance(answer, str) else answer
        if wanted is not None:
            for name in wanted:
                validate.one_of("answer", name, known)
            fields = [known[name] for name in wanted]
        spark = running_session()
        if spark is None:
            raise SparkSetupError("udf: a Spark session must run; got none. spark_session() first.")
        return self._function([_plain(field) for field in fields], spark, bare=len(fields) == 1)

    def _function(self, fields: list[Any], spark: Any, *, bare: bool) -> Any:
        from pyspark.sql.pandas.functions import arrow_udf
        from pyspark.sql.types import StructType

        context = getattr(spark, "_sc", None)
        if context is None:
            raise SparkSetupError(
                "scoring: the session must be one of this process; got Spark Connect, which cannot "
                "broadcast a model. Use spark_session(...), or scorer.pandas(df.toPandas())."
            )
        equip(context)
        sent = send(context, self.model, self.plan(), self.batch_size, self.precision)
        task = self._task(fields, bare=bare)
        kind = fields[0].dataType if bare else StructType(fields)
        made: Any = arrow_udf  # its hints know decorators only
        return made(_function(pack(task, what="the scorer"), sent), returnType=kind)

    @property
    def names(self) -> list[str]:
        """The columns that are read, each once, in the order of `udf`'s arguments."""
        return list(dict.fromkeys(names_of(self.inputs)))

    def plan(self) -> str:
        """Return the kernel plan that all go by."""
        return planned(self.model, self._row(), self.batch_size, self.precision)

    def _task(self, fields: list[Any], *, bare: bool) -> _Task:
        return _Task(self.reading, self.names, self.answers, fields, bare, self.empty == "null")

    def _row(self) -> Any:
        """Return what a row of the model's inputs is, None where that is not known."""
        prepare, shapes = self.reading.prepare, self.reading.shapes
        if prepare is not None:
            return prepare.form.unflatten(prepare.made)
        if isinstance(self.inputs, Columns) and shapes[0] is not None:
            return Spec(shapes[0], "float32")
        return None

    # -- pandas -------------------------------------------------------------------------------

    def pandas(self, table: Any) -> Any:
        """Return a pandas DataFrame with the answers' columns behind its own; scored here.

        Raises
        ------
        DataError : as `transform`.
        """
        import pandas
        import pyarrow

        validate.instance("table", table, pandas.DataFrame)
        missing = [name for name in self.names if name not in table.columns]
        if missing:
            raise DataError(
                f"pandas: the table must have the model's columns; got no {', '.join(missing)}. "
                f"Columns present: {', '.join(map(str, table.columns))}."
            )
        fields = self.answers.fields()
        clash = [field.name for field in fields if field.name in table.columns]
        if clash:
            raise DataError(
                f"pandas: the answer's column {clash[0]!r} must not be there yet. Drop or rename "
                "it, or name the answer otherwise."
            )
        if self._runner is None or not self._runner.fits():
            self._runner = Runner(self.model, self.plan(), self.batch_size, self.precision)
        runner, task = self._runner, self._task(fields, bare=False)
        columns = [pyarrow.array(_listed(table[name])) for name in self.names]
        parts = [
            task.answer(runner, [column[at : at + _ROWS] for column in columns], "table", at)
            for at in range(0, max(1, len(table)), _ROWS)
        ]
        made = pyarrow.chunked_array(parts).combine_chunks()
        found = {
            field.name: _objects(made.field(k), field.dataType) for k, field in enumerate(fields)
        }
        return table.assign(**{k: pandas.Series(v, table.index) for k, v in found.items()})


_ROWS = 10_000  # of a pandas table that are read at once, as of an Arrow batch of Spark's


@dataclass
class _Task:
    """What is done with the columns of a batch of rows."""

    reading: Reading
    names: list[str]
    answers: Answers
    fields: list[Any]
    bare: bool
    skips: bool  # rows that lack a value, whose answers are null then

    def answer(self, runner: Runner, columns: Sequence[Any], place: str, first: int) -> Any:
        """Return the answers for Arrow columns: an array, or a struct of several."""
        import pyarrow as pa

        there = _complete(columns) if self.skips else None
        if there is not None:
            columns = [column.filter(there) for column in columns]
        rows = len(columns[0])
        if rows:
            made = self.answers.columns(self._outputs(runner, columns, place, first))
            found = [arrow_column(made[field.name], field, rows) for field in self.fields]
        else:
            found = [pa.array([], arrow_type(field.dataType)) for field in self.fields]
        if there is not None:
            where = np.cumsum(there) - 1
            taken = pa.array(where, mask=~np.asarray(there))
            found = [array.take(taken) for array in found]
        if self.bare:
            return found[0]
        kinds = [pa.field(f.name, arrow_type(f.dataType)) for f in self.fields]
        return pa.StructArray.from_arrays(found, fields=kinds)

    def _outputs(self, runner: Runner, columns: Sequence[Any], place: str, first: int) -> Any:
        def read(start: int, stop: int) -> Any:
            table = dict(zip(self.names, (c[start:stop] for c in columns), strict=True))
            return self.reading(table, place, first + start)

        rows = len(columns[0])
        one = read(0, 1)
        size = runner.batch_size or fitting_rows(one)
        numbers = sum(array.size for array in tree.leaves(one))
        step = max(1, _AT_ONCE // max(1, numbers) // size) * size
        parts = [runner(read(at, min(rows, at + step))) for at in range(0, rows, step)]
        return parts[0] if len(parts) == 1 else tree.map(lambda *p: np.concatenate(p), *parts)


def _function(task: bytes, sent: Sent) -> Any:
    """Return the function that Spark calls in a worker, with an iterator over its batches."""
    import pyarrow as pa

    def predict(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context: Any = TaskContext.get()
        place = f"partition {context.partitionId()} of the DataFrame"
        runner, first = take(sent), 0
        work: _Task = unpack(task)
        for batch in batches:
            columns = batch if isinstance(batch, tuple) else (batch,)
            try:
                found = work.answer(runner, columns, place, first)
            except SandboxError as error:
                raise error.with_traceback(None) from None  # it says all that is to be known
            yield found
            first += len(columns[0])

    # By these Spark sees what kind of function it is.
    predict.__annotations__ = {"batches": Iterator[pa.Array], "return": Iterator[pa.Array]}
    return predict


def _complete(columns: Sequence[Any]) -> Any:
    """Return which rows have a value in each column; None if all have."""
    import pyarrow.compute as compute

    found = functools.reduce(compute.and_, (column.is_valid() for column in columns))
    return None if compute.all(found).as_py() in (True, None) else found


def _plain(field: Any) -> Any:
    """Return a field with an array of doubles in place of a vector."""
    from pyspark.sql.types import ArrayType, DoubleType, StructField

    if type(field.dataType).__name__ != "VectorUDT":
        return field
    return StructField(field.name, ArrayType(DoubleType(), containsNull=False))


def _listed(series: Any) -> Any:
    """Return a pandas column with Spark's vectors as lists."""
    if series.dtype != object:
        return series
    return [value.toArray() if hasattr(value, "toArray") else value for value in series]


def _objects(column: Any, kind: Any) -> Any:
    """Return an Arrow column as `toPandas` of a DataFrame would have it."""
    if type(kind).__name__ == "VectorUDT":
        from pyspark.ml.linalg import DenseVector

        return [DenseVector(values) for values in column.field("values").to_pylist()]
    return column.to_pandas()
