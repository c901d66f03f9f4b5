"""What feature columns have to know of a table: means, quantiles, words; by NumPy or by Spark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..named_columns import quoted
from .columns import Buckets, Category, Column, Number

__all__ = ["numbers", "of_frame", "of_table", "words"]

_ACCURACY = 10_000  # of Spark's quantiles: ranks are right to 1/10,000 of the rows
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean")
_WORDS = ("string", "varchar", "char", "tinyint", "smallint", "int", "bigint", "boolean", "date")


def of_table(columns: Sequence[Column], table: Mapping[str, Any]) -> list[Any]:
    """Return for each column what `columns.learned` takes."""
    return [_measured(column, table) for column in columns]


def _measured(column: Any, table: Mapping[str, Any]) -> Any:
    if isinstance(column, Category):
        counts = words(column, table[column.column]).drop_null().value_counts()
        return _frequent(column, [(one["values"], one["counts"]) for one in counts.to_pylist()])
    x = numbers(column, table[column.column])
    x = x[~np.isnan(x)]
    if not len(x):
        raise _nothing(column)
    if isinstance(column, Number):
        value = np.sign(x) * np.log1p(np.abs(x)) if column.log else x
        return _moments(float(value.mean()), float(value.std()))
    quantiles = np.quantile(x, _shares(column), method="inverted_cdf")
    return _boundaries(column, quantiles, float(x.min()))


def numbers(column: Any, values: Any, place: str = "", first: int = 0) -> NDArray[np.float64]:
    """Return the numbers of a `Number` or `Buckets`, NaN where there are none and that is allowed.

    Raises
    ------
    DataError : they are no numbers, not finite, or missing where they must not.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = _array(column, values, place)
    kind = array.type
    decimal = pa.types.is_decimal(kind)
    known = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not (known or decimal or pa.types.is_null(kind)):
        raise DataError(
            f"{_called(column, place)} must hold numbers; got {kind}. Convert it, or make it a "
            f"Category({column.column!r})."
        )
    if decimal or pa.types.is_null(kind) or kind == pa.float16():
        array = array.cast(pa.float64())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    missing = np.asarray(array.is_null(nan_is_null=True))
    filled = pc.fill_null(array, pa.scalar(0, array.type))
    x = np.array(filled.to_numpy(zero_copy_only=False), np.float64)
    x[missing] = np.nan
    endless = np.isinf(x)
    if endless.any():
        row = int(endless.argmax())
        raise DataError(
            f"{_called(column, place)} must hold finite numbers; got {x[row]} in row {first + row}."
            " Remove such rows or fill the gaps."
        )
    if missing.any() and isinstance(column, Number) and column.missing == "error":
        row = int(missing.argmax())
        raise DataError(
            f"{_called(column, place)} must have a number in each row; got none in row "
            f"{first + row} ({missing.sum()} of {len(x)} rows). Fill or drop such rows, or use "
            f"Number({column.column!r}, missing='mean')."
        )
    return x


def words(column: Category, values: Any, place: str = "") -> Any:
    """Return the words of a `Category` as an Arrow array of strings.

    Raises
    ------
    DataError : they are neither strings nor whole numbers, booleans or dates.
    """
    import pyarrow as pa

    array = _array(column, values, place)
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    other = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_date(kind)
    if not (text or other or pa.types.is_null(kind) or kind == pa.string_view()):
        cure = "Convert it to strings or whole numbers"
        if pa.types.is_floating(kind):
            cure += f", or make it Buckets({column.column!r})"
        raise DataError(f"{_called(column, place)} must hold words; got {kind}. {cure}.")
    return array if kind == pa.string() else array.cast(pa.string())


def _array(column: Any, values: Any, place: str) -> Any:
    """Return a column as one Arrow array, NaN of pandas as null."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if isinstance(values, pa.Array):
        return values
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{_called(column, place)} must hold values of one type; got {reason}."
        ) from None


def of_frame(columns: Sequence[Column], frame: Any) -> list[Any]:
    """Return the same of a Spark DataFrame: one aggregation of numbers, one of words."""
    kinds = {name: kind.partition("(")[0] for name, kind in frame.dtypes}
    found: list[Any] = [None] * len(columns)
    of_numbers: dict[int, Any] = {}
    of_words: dict[int, Category] = {}
    for k, column in enumerate(columns):
        wanted = _WORDS if isinstance(column, Category) else _NUMBERS
        kind = kinds[column.column]  # type: ignore[attr-defined]
        if kind not in wanted:
            what = "words" if isinstance(column, Category) else "numbers"
            raise DataError(f"{_called(column)} must hold {what}; got {kind}. Convert it first.")
        if isinstance(column, Category):
            of_words[k] = column
        else:
            of_numbers[k] = column
    if of_numbers:
        row = frame.selectExpr(*(t for k, c in of_numbers.items() for t in _terms(k, c))).first()
        for k, column in of_numbers.items():
            found[k] = _answer(k, column, row)
    if of_words:
        counts = _counts(frame, of_words)
        for k, column in of_words.items():
            found[k] = _frequent(column, counts[k])
    return found


def _terms(k: int, column: Any) -> list[str]:
    """Return the SQL of what is asked of a column of numbers."""
    x = f"cast({quoted(column.column)} as double)"
    endless = f"abs({x}) = double('infinity')"
    good = f"case when isnan({x}) or {endless} then null else {x} end"
    terms = [
        f"count({good}) as n{k}",
        f"sum(case when {endless} then 1 else 0 end) as w{k}",
        f"sum(case when {x} is null or isnan({x}) then 1 else 0 end) as e{k}",
    ]
    if isinstance(column, Number):
        value = f"(sign({good}) * log1p(abs({good})))" if column.log else f"({good})"
        return [*terms, f"avg({value}) as m{k}", f"stddev_pop({value}) as s{k}"]
    shares = ", ".join(f"{share}D" for share in _shares(column))
    return [
        *terms,
        f"percentile_approx({good}, array({shares}), {_ACCURACY}) as q{k}",
        f"min({good}) as l{k}",
    ]


def _answer(k: int, column: Any, row: Any) -> Any:
    if row[f"w{k}"]:
        raise DataError(
            f"{_called(column)} must hold finite numbers; got {row[f'w{k}']} rows with infinity. "
            "Remove such rows or fill the gaps."
        )
    if not row[f"n{k}"]:
        raise _nothing(column)
    if isinstance(column, Number):
        if row[f"e{k}"] and column.missing == "error":
            raise DataError(
                f"{_called(column)} must have a number in each row; got none in {row[f'e{k}']} "
                f"rows. Drop them: df.dropna(subset=[{column.column!r}]), or use "
                f"Number({column.column!r}, missing='mean')."
            )
        return _moments(row[f"m{k}"], row[f"s{k}"])
    return _boundaries(column, row[f"q{k}"], row[f"l{k}"])


def _counts(frame: Any, columns: Mapping[int, Category]) -> dict[int, list[tuple[str, int]]]:
    """Count the words of all columns in one go; only those that can be known come here."""
    pairs = ", ".join(
        f"{k}, cast({quoted(column.column)} as string)" for k, column in columns.items()
    )
    counted = (
        frame.selectExpr(f"stack({len(columns)}, {pairs}) as (field, word)")
        .where("word is not null")
        .groupBy("field", "word")
        .count()
    )
    rules = " ".join(f"when {k} then {c.min_count}" for k, c in columns.items())
    limits = " ".join(f"when {k} then {c.max_size}" for k, c in columns.items())
    order = "row_number() over (partition by field order by count desc, word)"
    kept = (
        counted.where(f"count >= case field {rules} end")
        .selectExpr("*", f"{order} as place")
        .where(f"place <= case field {limits} end")
    )
    found: dict[int, list[tuple[str, int]]] = {k: [] for k in columns}
    for row in kept.select("field", "word", "count").collect():
        found[row[0]].append((row[1], row[2]))
    return found


def _frequent(column: Category, counts: Sequence[tuple[str, int]]) -> list[str]:
    """Return the words to know, frequent ones first, ties by name."""
    kept = sorted((-count, word) for word, count in counts if count >= column.min_count)
    return [word for _, word in kept[: column.max_size] if word]


def _moments(mean: float, std: float) -> tuple[float, float]:
    """Return mean and deviation, 1 for a column that never changes (but for rounding).

    To ten digits: Spark adds up in the order in which parts come, and the last digits vary with it.
    """
    std = 1.0 if std <= 1e-12 * max(1.0, abs(mean)) else std
    return float(f"{mean:.9e}"), float(f"{std:.9e}")


def _shares(column: Buckets) -> list[float]:
    return [k / column.count for k in range(1, column.count)]


def _boundaries(column: Buckets, quantiles: Any, least: float) -> list[float]:
    found = sorted({float(q) for q in quantiles if q > least})
    if not found:
        raise DataError(
            f"{_called(column)} must spread over buckets; got {least:g} in nearly all rows. Give "
            f"the limits: Buckets({column.column!r}, boundaries=[...])."
        )
    return found


def _nothing(column: Any) -> DataError:
    return DataError(f"{_called(column)} must have at least one number; got none.")


def _called(column: Any, place: str = "") -> str:
    return f"FeatureColumns: {place + ': ' if place else ''}column {column.column!r}"
