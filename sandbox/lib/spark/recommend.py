"""Recommenders on DataFrames: ids by number, the best items of each user, scores of pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd  # of a pandas UDF's annotations
from numpy.typing import NDArray

from .. import engine, nn
from ..core import tree, validate
from ..core.errors import ArgumentError, DataError, ShapeError
from ..data import Interactions
from ..data.pairs.interactions import Inputs
from .diagnosis import named_errors
from .rows.columns import column as column_of
from .rows.travel import pack, unpack
from .session.hosts import equip, with_package

__all__ = ["Catalog", "Recommender"]

Array = NDArray[Any]
_AT_ONCE = 1 << 16  # pairs that are scored at once: what bounds a task's memory
_ROWS = 1 << 14  # of an answer that leave a task at once


@dataclass(frozen=True, eq=False)
class Catalog:
    """The users and items of a recommender by number, whatever their ids are.

    Numbers follow the order of the ids: the same ids give the same numbers.

    Parameters
    ----------
    user, item : str
        Names of the columns that hold the ids.
    users, items : 1-D arrays of integers or text
        The ids, sorted, each once. `Catalog.of` collects them.

    Raises
    ------
    DataError : in `of` and `interactions`, a column is missing, holds no ids (integers or text), or
        an id is null; in `interactions` an id is not known.

    Notes
    -----
    Like Spark's `StringIndexer` for both columns, whose numbers follow how often an id comes.
    """

    user: str
    item: str
    users: Array
    items: Array

    @classmethod
    def of(cls, frame: Any, *, user: str = "user", item: str = "item") -> Catalog:
        """Collect the ids of a DataFrame's two columns, by Spark."""
        _check_ids(frame, (user, item))
        found = []
        for name in (user, item):
            table = frame.select(column_of(name).alias("id")).distinct().toArrow()
            ids = table.column(0)
            if ids.null_count:
                raise DataError(f"Catalog: column {name!r} must hold an id in each row; got null.")
            if not len(ids):
                raise DataError("Catalog: the DataFrame must have at least one row; got 0.")
            found.append(np.sort(ids.to_numpy()))
            if found[-1].dtype.kind == "i" and found[-1].dtype.itemsize < 4:
                found[-1] = found[-1].astype(np.int32)
        return cls(user, item, *found)

    def interactions(self, frame: Any) -> Interactions:
        """Return the pairs of a DataFrame by number; ids are looked up where its rows are."""
        _check_ids(frame, (self.user, self.item), (self.users, self.items))
        context = frame.sparkSession.sparkContext
        equip(context)
        shared = context.broadcast(_Parcel(self))

        def numbers(batches: Iterator[Any]) -> Iterator[Any]:
            import pyarrow

            catalog: Any = shared.value
            for batch in batches:
                columns = catalog.numbers(*batch.columns, unknown="error")
                yield pyarrow.RecordBatch.from_arrays(columns, ["users", "items"])

        table = frame.select(
            column_of(self.user).alias("users"), column_of(self.item).alias("items")
        )
        pairs = table.mapInArrow(numbers, "users int, items int")
        with named_errors():
            found = with_package(context, pairs.toArrow)
        if not len(found):
            raise DataError("Catalog: the DataFrame must have at least one row; got 0.")
        users, items = (found.column(name).to_numpy() for name in ("users", "items"))
        return Interactions(users, items, n_users=len(self.users), n_items=len(self.items))

    def numbers(self, users: Any, items: Any, *, unknown: str = "null") -> list[Any]:
        """Return the numbers of ids in two Arrow arrays; null for unknown ones, or an error."""
        import pyarrow
        from pyarrow import compute

        found = []
        for name, column, ids in ((self.user, users, self.users), (self.item, items, self.items)):
            kind = pyarrow.int64() if ids.dtype.kind == "i" else pyarrow.string()
            known = pyarrow.array(ids).cast(kind)
            numbers = compute.index_in(compute.cast(column, kind), value_set=known)
            if unknown == "error" and numbers.null_count:
                wrong = column[numbers.is_null().to_pylist().index(True)].as_py()
                raise _unknown(name, wrong)
            found.append(numbers)
        return found

    def __repr__(self) -> str:
        return f"Catalog({len(self.users)} of {self.user!r}, {len(self.items)} of {self.item!r})"


@dataclass(eq=False)
class Recommender:
    """A trained model that scores pairs of users and items, put to use on DataFrames.

    Parameters
    ----------
    model : Module
        Takes users and items by number, or what `inputs` makes of them.
    catalog : Catalog
        Their ids.
    known : Interactions
        What users have met: left out of recommendations unless `met=True`.
    inputs : function of (users, items), optional
        As of `data.NegativeSampling`; for wide & deep `data.PairInputs`.

    Shapes
    ------
    model's output : (batch, 1) logits of yes; (batch, 2) logits of no and yes; or (batch, classes)
        logits of stars, whose mean is the score

    Raises
    ------
    ArgumentError : `known` is of other numbers of users or items than `catalog`.

    Notes
    -----
    Like Analytics Zoo's `Recommender` (`recommend_for_user`, `recommend_for_item`,
    `predict_user_item_pair`): there a pair must be given for each candidate; here all items are
    scored, in blocks, and only the best of each user leave a task. The model is broadcast once; a
    task holds 65,536 pairs at a time. Of equal scores the id that comes first stands higher.

    Examples
    --------
    >>> recommender = Recommender(trainer.model, catalog, pairs)  # doctest: +SKIP
    >>> recommender.recommend_for_user(10).show()  # doctest: +SKIP
    """

    model: nn.Module
    catalog: Catalog
    known: Interactions
    inputs: Inputs = None

    def __post_init__(self) -> None:
        wanted = len(self.catalog.users), len(self.catalog.items)
        if (self.known.n_users, self.known.n_items) != wanted:
            raise ArgumentError(
                f"Recommender: `known` must be of {wanted[0]} users and {wanted[1]} items, as the "
                f"catalog; got {self.known!r}. Use catalog.interactions(frame)."
            )

    def recommend_for_user(
        self, n: int = 10, *, users: Any = None, met: bool = False, spark: Any = None
    ) -> Any:
        """Return a DataFrame of the best n items of each user: ids, score, rank (from 1).

        Parameters
        ----------
        n : int > 0
            Fewer come where a user has met nearly everything.
        users : list of ids, or DataFrame with the user column, optional
            Whom it is for; all by default.
        met : bool, default=False
            Whether items come that the user has met.
        spark : SparkSession, optional
            The running one by default.

        Raises
        ------
        DataError : an id of `users` is not known.
        """
        return self._best(n, users, met, spark, by_user=True)

    def recommend_for_item(
        self, n: int = 10, *, items: Any = None, met: bool = False, spark: Any = None
    ) -> Any:
        """Return a DataFrame of the best n users for each item, likewise."""
        return self._best(n, items, met, spark, by_user=False)

    def predict_pairs(self, frame: Any, *, column: str = "score", unknown: str = "null") -> Any:
        """Return a DataFrame with the score of each row's pair in one more column.

        Parameters
        ----------
        frame : DataFrame with the user and the item column
        column : str, default="score"
            Where the scores go.
        unknown : "null" or "error"
            What becomes of ids that the catalog does not have.

        Raises
        ------
        DataError : a column is missing, or there is one of the name already; with "error", once
            Spark runs it, an id is not known.
        """
        from pyspark.sql import functions as f
        from pyspark.sql.pandas.functions import pandas_udf

        validate.one_of("unknown", unknown, ("null", "error"))
        _check_ids(frame, *zip(*self._ends(), strict=True))
        if column in frame.columns:
            raise DataError(
                f"predict_pairs: `column` must be a new name; got {column!r}, which is there."
            )
        context = frame.sparkSession.sparkContext
        equip(context)
        shared = context.broadcast(_Parcel(self))

        @pandas_udf("double")  # type: ignore[call-overload, untyped-decorator]
        def score(users: pd.Series, items: pd.Series) -> pd.Series:
            recommender: Any = shared.value
            return recommender.of_series(users, items, unknown)

        ends = [
            f.coalesce(column_of(name), f.lit(ids[0].item() if ids.dtype.kind == "i" else ids[0]))
            for name, ids in self._ends()
        ]
        there = f.lit(True)
        for name, _ in self._ends():
            there = there & column_of(name).isNotNull()
        return frame.withColumn(column, f.when(there, score(*ends)))

    def score(self, users: Any, items: Any) -> NDArray[np.float64]:
        """Return the scores of pairs by number, in this process: a probability, or mean stars."""
        pair = np.asarray(users, np.int64), np.asarray(items, np.int64)
        made = pair if self.inputs is None else self.inputs(*pair)
        output = np.asarray(tree.call(self.model, made), np.float64)
        if output.ndim != 2:
            raise ShapeError(
                f"Recommender: the model's output must be (batch, classes); got {output.shape}."
            )
        if output.shape[1] > 2:
            shares = np.exp(output - output.max(axis=1, keepdims=True))
            return np.asarray(shares @ np.arange(output.shape[1]) / shares.sum(axis=1))
        logits = output[:, -1] if output.shape[1] == 1 else output[:, 1] - output[:, 0]
        return np.asarray(1 / (1 + np.exp(-logits)))

    def of_series(self, users: Any, items: Any, unknown: str) -> Any:
        """Return the scores of pairs by id, pandas columns; None where an id is not known."""
        import pyarrow

        columns = (pyarrow.Array.from_pandas(column) for column in (users, items))
        numbers = self.catalog.numbers(*columns, unknown=unknown)
        found = numbers[0].is_valid().to_numpy(False) & numbers[1].is_valid().to_numpy(False)
        scores = np.full(len(found), np.nan)
        pair = [column.fill_null(0).to_numpy()[found] for column in numbers]
        with engine.threads.limit(1):  # a task has one core
            for start in range(0, int(found.sum()), _AT_ONCE):
                here = slice(start, start + _AT_ONCE)
                scores[np.flatnonzero(found)[here]] = self.score(*(part[here] for part in pair))
        return pd.Series(scores).astype(object).where(found, None)

    def _ends(self) -> list[tuple[str, Array]]:
        return [(self.catalog.user, self.catalog.users), (self.catalog.item, self.catalog.items)]

    def _best(self, n: int, rows: Any, met: bool, spark: Any, *, by_user: bool) -> Any:
        from pyspark.sql import SparkSession, types

        n, met = validate.positive_int("n", n), validate.boolean("met", met)
        session = spark or SparkSession.getActiveSession()
        if session is None:
            raise ArgumentError("recommend: a SparkSession must be running; got none. Give spark=.")
        ends = self._ends()[:: 1 if by_user else -1]
        name, ids = ends[0]
        numbers = np.arange(len(ids)) if rows is None else _chosen(rows, name, ids)
        known = self.known if by_user else self.known.turned()
        context = session.sparkContext
        equip(context)
        shared = context.broadcast(_Parcel(_Best(self, n, numbers, known, by_user, met)))

        def best(batches: Iterator[Any]) -> Iterator[Any]:
            plan: Any = shared.value
            return plan.answer(batches)  # type: ignore[no-any-return]

        fields = [types.StructField(end, _spark_type(of), False) for end, of in ends]
        fields.append(types.StructField("score", types.DoubleType(), False))
        fields.append(types.StructField("rank", types.IntegerType(), False))
        parts = max(1, min(len(numbers), 2 * context.defaultParallelism))
        places = session.range(0, len(numbers), 1, parts)
        return places.mapInArrow(best, types.StructType(fields))


@dataclass(eq=False)
class _Best:
    """What a task needs to recommend: whom it is for, and what these have met."""

    recommender: Recommender
    n: int
    numbers: Array
    known: Interactions
    by_user: bool
    met: bool

    def answer(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Give ids, scores and ranks for places in `numbers`, as Arrow batches."""
        import pyarrow

        (name, ids), (other, others) = self.recommender._ends()[:: 1 if self.by_user else -1]
        for batch in batches:
            wanted = self.numbers[batch.column(0).to_numpy()]
            size = max(1, _ROWS // self.n)
            for start in range(0, len(wanted), size):
                rows = wanted[start : start + size]
                with engine.threads.limit(1):  # a task has one core
                    found, scores = self.best(rows)
                kept = found >= 0
                row, place = np.nonzero(kept)
                columns = [ids[rows[row]], others[found[kept]], scores[kept]]
                yield pyarrow.RecordBatch.from_arrays(
                    [*map(pyarrow.array, columns), pyarrow.array((1 + place).astype(np.int32))],
                    [name, other, "score", "rank"],
                )

    def best(self, rows: Array) -> tuple[Array, Array]:
        """Return for each row the numbers of its best and their scores; -1 where there are none."""
        width = min(self.known.n_items, _AT_ONCE)
        height = max(1, _AT_ONCE // width)
        parts = [self._best(rows[at : at + height], width) for at in range(0, len(rows), height)]
        found, scores = (np.concatenate(side) for side in zip(*parts, strict=True))
        return found, scores

    def _best(self, rows: Array, width: int) -> tuple[Array, Array]:
        found = np.zeros((len(rows), 0), np.int64)
        marks = np.zeros((len(rows), 0))
        for start in range(0, self.known.n_items, width):
            block = np.arange(start, min(start + width, self.known.n_items))
            marks = np.concatenate((marks, self._scores(rows, block)), axis=1)
            found = np.concatenate((found, np.tile(block, (len(rows), 1))), axis=1)
            order = np.argsort(-marks, axis=1, kind="stable")[:, : self.n]
            marks = np.take_along_axis(marks, order, axis=1)
            found = np.take_along_axis(found, order, axis=1)
        return np.where(np.isneginf(marks), -1, found), marks

    def _scores(self, rows: Array, block: Array) -> Array:
        """Return the scores of rows beside a block of items; what is left out gets -inf."""
        first, second = np.repeat(rows, len(block)), np.tile(block, len(rows))
        pair = (first, second) if self.by_user else (second, first)
        scores = self.recommender.score(*pair).reshape(len(rows), len(block))
        if not self.met:
            for k, row in enumerate(rows):
                done = self.known.of(row)
                low, high = np.searchsorted(done, (block[0], block[-1] + 1))
                scores[k, done[low:high] - block[0]] = -np.inf
        return scores


class _Parcel:
    """What comes out of a broadcast as the object itself, unpacked once in each process."""

    def __init__(self, value: Any) -> None:
        self.packed = pack(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return unpack, (self.packed,)


def _check_ids(frame: Any, names: Sequence[str], known: Sequence[Array] = ()) -> None:
    """Refuse what is no DataFrame with columns of ids, of the kind of those that are known."""
    from pyspark.sql import types

    if not hasattr(frame, "mapInArrow"):
        raise validate.refuse("frame", "a Spark DataFrame", frame)
    fields = {field.name: field.dataType for field in frame.schema.fields}
    for name in names:
        if name not in fields:
            raise DataError(
                f"Catalog: user and item must be columns of the DataFrame; got no {name!r}. "
                f"Columns present: {', '.join(fields)}."
            )
        if not isinstance(fields[name], types.IntegralType | types.StringType):
            raise DataError(
                f"Catalog: column {name!r} must hold ids, whole numbers or text; got "
                f"{fields[name].simpleString()}."
            )
    for name, ids in zip(names, known, strict=False):
        whole = isinstance(fields[name], types.IntegralType)
        if whole != (ids.dtype.kind == "i"):
            wanted = "text" if whole else "whole numbers"
            raise DataError(
                f"Catalog: column {name!r} must hold {wanted}, as when it was made; got "
                f"{fields[name].simpleString()}. Cast it."
            )


def _spark_type(ids: Array) -> Any:
    from pyspark.sql import types

    if ids.dtype.kind != "i":
        return types.StringType()
    return types.LongType() if ids.dtype.itemsize == 8 else types.IntegerType()


def _chosen(rows: Any, name: str, ids: Array) -> Array:
    """Return the numbers of those that are asked for, in the order of their ids."""
    if hasattr(rows, "mapInArrow"):
        _check_ids(rows, (name,), (ids,))
        wanted = rows.select(column_of(name)).distinct().toArrow().column(0).to_pylist()
    else:
        wanted = validate.several(f"{name}s", rows, "a list of ids, or a DataFrame with them")
    known = {one: number for number, one in enumerate(ids.tolist())}
    unknown = [one for one in wanted if one not in known]
    if unknown:
        raise _unknown(name, unknown[0])
    return np.unique(np.array([known[one] for one in wanted], np.int64))


def _unknown(name: str, got: Any) -> DataError:
    return DataError(
        f"Catalog: ids must be those it was made of; got {got!r} in column {name!r}. Make it "
        "of all rows there are: Catalog.of(everything, ...)."
    )
