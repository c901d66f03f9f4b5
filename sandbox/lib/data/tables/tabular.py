"""Tables: columns by name, labels, a scaler that is fitted once, splits by time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import validate
from ...core.errors import ArgumentError, DataError
from ...engine import names as known_names
from ...engine.files import locate
from ..casting import cast
from ..files import made_folder, read_json, write_text
from ..transforms import Array, Transform, into
from ..trees import different, numbers

Matrix = NDArray[np.float32]


class Scaler(Transform):
    """Shift and scale columns to mean 0 and deviation 1, as they were in the training part.

    y = (s(x) - mean) / std, s(x) = sign(x) · log(1 + |x|) for the columns in `log`, else x

    Parameters
    ----------
    columns : list of str
        Names in the order of the model's inputs.
    mean, std : list of float
        Of each column, after the logarithm; std > 0.
    log : list of str
        Columns that span orders of magnitude, such as amounts.

    Raises
    ------
    DataError : in `fit` and `table`: a column is missing, holds no numbers, or NaN; names it and
        the row.

    Notes
    -----
    Fit on the training part only. Same as scikit-learn's StandardScaler (biased deviation; a column
    that never changes is only shifted). As a `transform` of a data set it works on batches.

    Examples
    --------
    >>> scaler = Scaler.fit({"amount": [1.0, 3.0], "age": [20, 40]}, ["age", "amount"])
    >>> scaler.table({"age": [30], "amount": [3.0], "more": [0]})
    array([[0., 1.]], dtype=float32)
    """

    def __init__(
        self,
        columns: Sequence[str],
        mean: ArrayLike,
        std: ArrayLike,
        *,
        log: Sequence[str] = (),
    ) -> None:
        self.columns = _names(columns)
        self.mean = validate.numbers("mean", mean).astype(np.float64)
        self.std = validate.numbers("std", std).astype(np.float64)
        self.log = tuple(validate.several("log", log, "names of columns"))
        for name in self.log:
            validate.one_of("log", name, self.columns)
        for what, values in (("mean", self.mean), ("std", self.std)):
            if values.shape != (len(self.columns),) or not np.isfinite(values).all():
                raise ArgumentError(
                    f"Scaler: {what} must be {len(self.columns)} finite numbers, one for each "
                    f"column; got shape {values.shape}."
                )
        if (self.std <= 0).any():
            raise ArgumentError(f"Scaler: std must be > 0; got {self.std.min()}.")
        self._logged = np.array([name in self.log for name in self.columns])

    @classmethod
    def fit(
        cls, data: Any, columns: Sequence[str] | None = None, *, log: Sequence[str] = ()
    ) -> Scaler:
        """Measure mean and deviation.

        Parameters
        ----------
        data : mapping of columns, pandas or Spark DataFrame, Arrow table, or (rows, columns) array
            The training part. A Spark DataFrame is measured by Spark.
        columns : list of str, optional
            Which columns, in which order; all by default. An array's columns are named "0", "1" ...
        log : list of str
            Columns of which the logarithm is taken first.
        """
        logs = [validate.text("log", one) for one in validate.several("log", log, "columns")]
        if hasattr(data, "mapInArrow") and not isinstance(data, type):
            return cls._fit_spark(data, columns, logs)
        table = as_columns(data)
        names = _names(list(table) if columns is None else columns)
        x = _matrix(table, names, "Scaler.fit")
        if not len(x):
            raise DataError("Scaler.fit: the table must have at least one row; got 0.")
        logged = np.array([name in logs for name in names])
        x[:, logged] = _log(x[:, logged])
        mean = x.mean(axis=0)
        return cls(names, mean, _deviation(mean, x.std(axis=0)), log=logs)

    @classmethod
    def _fit_spark(cls, frame: Any, columns: Sequence[str] | None, log: Sequence[str]) -> Scaler:
        names = _names(frame.columns if columns is None else columns)
        missing = [name for name in names if name not in frame.columns]
        if missing:
            raise _missing("Scaler.fit", missing, frame.columns)
        kinds = dict(frame.dtypes)
        for name in names:
            if kinds[name].partition("(")[0] not in _SPARK_NUMBERS:
                raise DataError(
                    f"Scaler.fit: column {name!r} must hold numbers; got {kinds[name]}. "
                    f"Convert it: df.withColumn({name!r}, col({name!r}).cast('double'))."
                )
        terms = []
        for k, name in enumerate(names):
            x = f"cast(`{name}` as double)"
            value = f"(sign({x}) * log1p(abs({x})))" if name in log else x
            terms += [
                f"avg({value}) as m{k}",
                f"stddev_pop({value}) as s{k}",
                f"sum(case when {x} is null or isnan({x}) or abs({x}) = double('infinity') "
                f"then 1 else 0 end) as w{k}",
            ]
        found = frame.selectExpr("count(*) as rows", *terms).first()
        if not found["rows"]:
            raise DataError("Scaler.fit: the DataFrame must have at least one row; got 0.")
        for k, name in enumerate(names):
            if found[f"w{k}"]:
                raise DataError(
                    f"Scaler.fit: column {name!r} must hold finite numbers; got {found[f'w{k}']} "
                    f"rows with none. Drop them: df.dropna(subset=[{name!r}])."
                )
        mean = np.array([found[f"m{k}"] for k in range(len(names))], np.float64)
        std = np.array([found[f"s{k}"] for k in range(len(names))], np.float64)
        return cls(names, mean, _deviation(mean, std), log=log)

    def table(self, data: Any) -> Matrix:
        """Return the scaled columns of a table, in the scaler's order whatever the table's is."""
        if hasattr(data, "mapInArrow"):
            raise DataError(
                "Scaler.table: must be data of this process; got a Spark DataFrame. Give the "
                "scaler to the data set: SparkDataset(df, features=scaler.columns, "
                "transform=scaler, ...)."
            )
        if isinstance(data, np.ndarray):
            return self.call(data)
        return self.call(_matrix(as_columns(data), self.columns, "Scaler"))

    def call(self, x: Array, *, out: Array | None = None, random: Any = None) -> Array:
        """Return scaled rows of (rows, columns) as float32."""
        validate.instance("x", x, np.ndarray)
        validate.numbers("x", x)
        if x.ndim != 2 or x.shape[1] != len(self.columns):
            raise DataError(
                f"Scaler: rows must have the {len(self.columns)} columns "
                f"{', '.join(self.columns[:4])}{' ...' * (len(self.columns) > 4)}; got shape "
                f"{x.shape}."
            )
        wide = np.asarray(x, np.float64)
        if self.log:
            wide = wide.copy()
            wide[:, self._logged] = _log(wide[:, self._logged])
        made = (wide - self.mean) / self.std
        return into(made, np.empty(x.shape, np.float32) if out is None else out)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return float32."""
        return np.dtype(np.float32)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write `scaler.json` into a folder."""
        place = made_folder(folder)
        found = {
            "format": "scaler 1",
            "columns": list(self.columns),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
            "log": list(self.log),
        }
        write_text(place / "scaler.json", json.dumps(found, indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Scaler:
        """Read what `save` wrote."""
        path = locate(validate.path_like("folder", folder)) / "scaler.json"
        found = read_json(path, "a scaler's numbers")
        try:
            if found["format"] != "scaler 1":
                raise KeyError("format")
            return cls(found["columns"], found["mean"], found["std"], log=found["log"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: must be written by Scaler.save; got {error!r}.") from None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Scaler)
            and (self.columns, self.log) == (other.columns, other.log)
            and np.array_equal(self.mean, other.mean)
            and np.array_equal(self.std, other.std)
        )

    def __hash__(self) -> int:
        return hash((self.columns, self.log))

    def __repr__(self) -> str:
        return f"Scaler({len(self.columns)} columns, log={list(self.log)})"


_SPARK_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "boolean")


def time_split(times: ArrayLike, share: float = 0.7) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the first `share` of a table in time, and those after it.

    Rows of one time stay on one side. A model that is tested on the time after its training meets
    what it will meet in use; a random split would let it look into the future.

    Parameters
    ----------
    times : (rows,) numbers that never decrease
    share : float in (0, 1)
        Of the rows, for training.

    Raises
    ------
    DataError : times are not in order, or NaN; names the row.

    Examples
    --------
    >>> time_split([0, 5, 5, 9], 0.5)
    (array([0]), array([1, 2, 3]))
    """
    t = validate.array("times", times)
    validate.in_range("share", share, 0, 1, closed="none")
    if t.ndim != 1 or t.dtype.kind not in "iufM" or len(t) < 2:
        raise DataError(
            f"time_split: times must be a list of at least 2 numbers; got {t.dtype} of shape "
            f"{t.shape}."
        )
    if t.dtype.kind == "f" and np.isnan(t).any():
        raise DataError(
            f"time_split: times must be numbers; got NaN in row {np.isnan(t).argmax()}."
        )
    back = np.flatnonzero(t[1:] < t[:-1])
    if back.size:
        row = int(back[0]) + 1
        raise DataError(
            f"time_split: times must never decrease; got {t[row]} in row {row} after {t[row - 1]}. "
            "Sort the table by time first."
        )
    cut = int(np.searchsorted(t, t[min(len(t) - 1, round(len(t) * share))], side="left"))
    return np.arange(cut), np.arange(cut, len(t))


def as_columns(data: Any) -> dict[str, Any]:
    """Return the columns of a mapping, pandas DataFrame, Arrow table or 2-D array by name.

    They stay what they are (`trees.numbers` makes arrays of those that are used).
    """
    if isinstance(data, np.ndarray):
        if data.ndim != 2:
            raise DataError(f"a table must have shape (rows, columns); got {data.shape}.")
        return {str(k): data[:, k] for k in range(data.shape[1])}
    if isinstance(data, Mapping):
        found = {str(name): values for name, values in data.items()}
    elif hasattr(data, "column_names") and hasattr(data, "num_rows"):  # Arrow
        different(data.column_names, "the table")
        found = dict(zip(data.column_names, data.columns, strict=True))
    elif hasattr(data, "columns") and hasattr(data, "iloc"):  # pandas
        names = [str(name) for name in data.columns]
        different(names, "the table")
        found = {name: data.iloc[:, k] for k, name in enumerate(names)}
    else:
        raise DataError(
            "a table must be a mapping of columns, a pandas DataFrame, an Arrow table or a 2-D "
            f"array; got {type(data).__name__}."
        )
    sizes = {name: len(values) if np.ndim(values) else 1 for name, values in found.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"columns must have the same number of rows; got {sizes}.")
    return found


def features(data: Any, columns: Sequence[str]) -> Matrix:
    """Return columns side by side as float32, by name, whatever their order in the table.

    Raises
    ------
    DataError : a column is missing, holds no numbers, or NaN; names it, the row and the cure.
    """
    return _matrix(as_columns(data), _names(columns), "features").astype(np.float32)


def labels_of(data: Any, column: str, *, classes: int = 2) -> NDArray[np.int64]:
    """Return a column of class labels, checked.

    Raises
    ------
    DataError : it is missing, no integers, or a label is not in [0, classes).
    """
    table = as_columns(data)
    validate.text("column", column)
    validate.positive_int("classes", classes)
    if column not in table:
        raise _missing("labels", [column], list(table))
    y = cast(numbers(table[column], f"labels: column {column!r}"), np.int64, f"column {column!r}")
    wrong = np.flatnonzero((y < 0) | (y >= classes))
    if wrong.size:
        row = int(wrong[0])
        cure = " Labels count from 0: subtract 1." if y.min() == 1 and y.max() == classes else ""
        raise DataError(
            f"labels: column {column!r} must be in [0, {classes}); got {y[row]} in row {row}.{cure}"
        )
    return y


def _names(columns: Any) -> tuple[str, ...]:
    names = (
        (columns,)
        if isinstance(columns, str)
        else tuple(validate.several("columns", columns, "names of columns"))
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"`columns` must be names of columns; got {columns!r}.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArgumentError(f"`columns` must be different names; got {twice!r} twice.")
    return names


def check_columns(place: str, wanted: Iterable[str], present: Sequence[str]) -> None:
    """Refuse a table in which columns are missing.

    Raises
    ------
    DataError : names them, the columns that are there, and the nearest one.

    Examples
    --------
    >>> check_columns("Scaler", ["Age"], ["age", "job"])
    Traceback (most recent call last):
    sandbox.lib.core.errors.DataError: Scaler: the table must have the column 'Age'; got age, job. \
Check the spelling, upper and lower case too: 'age'?
    """
    missing = [name for name in wanted if name not in present]
    if missing:
        raise _missing(place, missing, present)


def _missing(place: str, missing: Sequence[str], present: Sequence[str]) -> DataError:
    near = known_names.meant(missing[0], map(str, present))
    return DataError(
        f"{place}: the table must have the column{'s' * (len(missing) > 1)} "
        f"{', '.join(map(repr, missing))}; got {', '.join(map(str, list(present)[:40]))}. "
        f"Check the spelling, upper and lower case too{f': {near!r}?' if near else '.'}"
    )


def _matrix(table: Mapping[str, Array], names: Sequence[str], place: str) -> NDArray[np.float64]:
    missing = [name for name in names if name not in table]
    if missing:
        raise _missing(place, missing, list(table))
    rows = len(table[names[0]])
    x = np.empty((rows, len(names)), np.float64)
    for k, name in enumerate(names):
        x[:, k] = numbers(table[name], f"{place}: column {name!r}")
    good = np.isfinite(x)
    if not good.all():
        row, k = (int(i) for i in np.argwhere(~good)[0])
        raise DataError(
            f"{place}: column {names[k]!r} must hold finite numbers; got {x[row, k]} in row {row}. "
            "Remove such rows or fill the gaps."
        )
    return x


def _log(x: Array) -> Array:
    return np.asarray(np.sign(x) * np.log1p(np.abs(x)))


def _deviation(mean: Array, std: Array) -> Array:
    """Return the deviations, 1 for columns that never change (but for rounding)."""
    still = std <= 1e-12 * np.maximum(1.0, np.abs(mean))
    return np.where(still, 1.0, std)
