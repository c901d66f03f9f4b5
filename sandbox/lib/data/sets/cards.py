"""Card payments with their frauds: the ULB set, or a simulation that says so."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...engine import names as _names
from . import homes, sources, standin_cards
from .sources import Provenance

FEATURES = ("Time", *(f"V{k}" for k in range(1, 29)), "Amount")
"""Columns of the table but for the label `Class` (1 is fraud)."""
_CSV = "creditcard.csv"
_FILES = {"full": homes.CARDS, "sample": "creditcard-sample-50492.parquet"}


class Payments(NamedTuple):
    """What `load` returns: columns by name, in the order of time, and where they come from."""

    columns: dict[str, NDArray[np.float64] | NDArray[np.float32] | NDArray[np.int64]]
    provenance: Provenance


def load(part: str = "full") -> Payments:
    """Return card payments of two days: seconds, 28 components, amount in euros, and the label.

    The set of the Université Libre de Bruxelles (Dal Pozzolo et al. 2015): 284,807 payments, of
    which 492 are frauds, in the order of time. Without it payments are simulated after the
    simulator of Le Borgne et al. 2022, with the same columns.

    Parameters
    ----------
    part : "full" or "sample"
        All rows, or 50,492 rows with all frauds.

    Raises
    ------
    ArgumentError : another part.
    DataError : a file was found but is damaged.

    Examples
    --------
    >>> payments = load()  # doctest: +SKIP
    >>> int(payments.columns["Class"].sum())  # doctest: +SKIP
    492
    """
    found = path(part)
    if found is None:
        columns = standin_cards.simulate(60_000 if part == "full" else 20_000, seed=2015)
    else:
        columns = _read(found)
    return Payments(columns, _record(part, found, len(columns["Class"])))


def path(part: str = "full") -> Path | None:
    """Return the Parquet file, for Spark to read, or None where it is not there.

    From the set's published CSV file (`creditcard.csv`) it is made once, in the cache.
    """
    from ...core import validate

    validate.one_of("part", part, _FILES)
    folder = sources.find("creditcard", [_FILES[part]])
    if folder is None and part == "full" and (csv := sources.find("creditcard", [_CSV])):
        folder = sources.cache_folder() / "creditcard"
        homes.cards_to_parquet(csv / _CSV, folder)
    return None if folder is None else folder / _FILES[part]


def _read(file: Path) -> dict[str, NDArray[np.float64] | NDArray[np.float32] | NDArray[np.int64]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{file}: must be a whole Parquet file; got {reason}. Fetch the file again."
        ) from None
    missing = [name for name in (*FEATURES, "Class") if name not in table.column_names]
    if missing:
        raise DataError(
            f"{file}: must have the columns of the ULB set; got no {', '.join(missing)}. Columns "
            f"present: {', '.join(table.column_names)}."
        )
    columns = {name: table[name].to_numpy() for name in FEATURES}
    return columns | {"Class": table["Class"].to_numpy().astype(np.int64)}


def _record(part: str, file: Path | None, rows: int) -> Provenance:
    source = sources.SOURCES["creditcard"]
    if file is not None:
        found = Provenance(
            "creditcard", part, "real", str(file), rows, source.terms, source.redistributable
        )
    else:
        found = Provenance(
            "creditcard",
            part,
            "stand-in",
            "a seeded simulation of card holders and shops",
            rows,
            "made up by sandbox after the simulator of Le Borgne et al. 2022; no terms",
            True,
            "No such payments were made; figures on them say nothing about real frauds. What the "
            "lesson finds on real ones need not hold: here logistic regression beats the network.",
        )
    return sources.record(found)


_names.suggest(__name__)
