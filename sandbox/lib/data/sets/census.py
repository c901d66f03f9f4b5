"""Census income: people of 1994 and whether they earned more than 50,000 dollars a year."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from ...core import validate
from ...core.errors import DataError
from ...engine import names as _names
from . import sources, standin_census
from .sources import Provenance

NUMBERS = ("age", "education_num", "capital_gain", "capital_loss", "hours_per_week")
"""Columns of whole numbers; `education_num` is the rank of `education`, 1 to 16."""
CATEGORIES = (
    "workclass",
    "education",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native_country",
)
"""Columns of words; `workclass`, `occupation` and `native_country` have gaps (None)."""
LABEL, CLASSES = "income", ("<=50K", ">50K")
COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    LABEL,
)
"""All columns in the order of the files; `fnlwgt`, the people a row stands for, is no feature."""
_WHOLE = (*NUMBERS, "fnlwgt")
_FILES = {"train": "adult.data", "test": "adult.test"}
_ROWS = {"train": 32_561, "test": 16_281}


class People(NamedTuple):
    """What `load` returns: a table with a row for each person, and where it comes from."""

    table: Any  # pandas.DataFrame
    provenance: Provenance


def load(part: str = "train") -> People:
    """Return the people of one part as a pandas DataFrame: 5 numbers, 8 categories, the income.

    The census income set ("Adult", Becker and Kohavi 1996, CC BY 4.0): 32,561 people to train with,
    of whom 24 % earn more than 50,000 dollars, and 16,281 to test. Unknown values (`?`) are None,
    spaces and the dots behind the labels of the test part are gone. Looked for in
    `$SANDBOX_DATA/adult`, the cache, the image's data folder; then downloaded (6 MB) unless
    `SANDBOX_OFFLINE` is set. Failing all that, people are made up.

    Parameters
    ----------
    part : "train" or "test"

    Raises
    ------
    ArgumentError : another part.
    DataError : a file was found but is damaged; names the line.

    Examples
    --------
    >>> people = load("test")  # doctest: +SKIP
    >>> people.table.income.value_counts().to_dict()  # doctest: +SKIP
    {'<=50K': 12435, '>50K': 3846}
    """
    import pandas as pd

    columns, provenance = _columns(part)
    return People(pd.DataFrame(columns), provenance)


def frame(spark: Any, part: str = "train") -> Any:
    """Return the people of one part as a Spark DataFrame: integers, strings, nulls in the gaps.

    Parameters
    ----------
    spark : SparkSession
    part : "train" or "test"

    Raises
    ------
    ArgumentError : another part, or no session.
    DataError : a file was found but is damaged; names the line.
    """
    import pyarrow as pa

    if not callable(getattr(spark, "createDataFrame", None)):
        raise validate.refuse("spark", "a SparkSession", spark)
    columns, _ = _columns(part)
    types = {name: pa.int32() if name in _WHOLE else pa.string() for name in COLUMNS}
    table = pa.table({name: pa.array(columns[name], types[name]) for name in COLUMNS})
    return spark.createDataFrame(table)


def _columns(part: str) -> tuple[dict[str, Any], Provenance]:
    validate.one_of("part", part, _FILES)
    files = list(_FILES.values())
    folder = sources.find("adult", files) or sources.download(sources.SOURCES["adult"], files)
    if folder is None:
        columns = standin_census.simulate(_ROWS[part] // 2, seed=1994 + (part == "test"))
    else:
        columns = _read(folder / _FILES[part], _ROWS[part])
    return columns, sources.record(_provenance(part, folder, len(columns[LABEL])))


def _read(path: Path, rows: int) -> dict[str, Any]:
    """Read a file as UCI publishes it: the test part may begin with a line of another kind."""
    found: list[list[str]] = []
    for number, line in enumerate(
        path.read_text(encoding="ascii", errors="replace").split("\n"), 1
    ):
        if not line.strip() or line.startswith("|"):
            continue
        values = [value.strip() for value in line.split(",")]
        if len(values) != len(COLUMNS) or values[-1].rstrip(".") not in CLASSES:
            raise DataError(
                f"{path}: line {number} must have {len(COLUMNS)} values, the last of them one of "
                f"{', '.join(CLASSES)}; got {line[:80]!r}. Fetch the file again."
            )
        found.append(values)
    if len(found) != rows:
        raise DataError(f"{path}: must hold {rows:,} people; got {len(found):,}. Fetch it again.")
    columns: dict[str, Any] = dict(zip(COLUMNS, zip(*found, strict=True), strict=True))
    for name in COLUMNS:
        if name in _WHOLE:
            columns[name] = _whole(columns[name], name, path)
        else:
            columns[name] = [None if value == "?" else value for value in columns[name]]
    columns[LABEL] = [value.rstrip(".") for value in columns[LABEL]]
    return columns


def _whole(values: Any, name: str, path: Path) -> Any:
    import numpy as np

    try:
        return np.array(values, dtype="U").astype(np.int32)
    except ValueError as error:
        raise DataError(
            f"{path}: column {name!r} must hold whole numbers; got {error}. Fetch the file again."
        ) from None


def _provenance(part: str, folder: Path | None, rows: int) -> Provenance:
    source = sources.SOURCES["adult"]
    if folder is not None:
        return Provenance(
            "adult", part, "real", str(folder), rows, source.terms, source.redistributable
        )
    return Provenance(
        "adult",
        part,
        "stand-in",
        "a seeded generator of people",
        rows,
        "made up by sandbox after the shares of the real set (Becker and Kohavi 1996, CC BY 4.0)",
        True,
        "Nobody answered these questions; figures on them say nothing about real incomes.",
    )


_names.suggest(__name__)
