"""Film ratings: MovieLens, or a simulation that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ...core.errors import DataError
from ...engine import names as _names
from . import homes, sources, standin_ratings
from .sources import Provenance

RATINGS = ("userId", "movieId", "rating", "timestamp")
FILMS = ("movieId", "title", "genres")


class Ratings(NamedTuple):
    """What `load` returns: two tables as columns by name, and where they come from."""

    columns: dict[str, NDArray[Any]]
    films: dict[str, NDArray[Any]]
    provenance: Provenance


def load() -> Ratings:
    """Return who rated which film, how, and when; and the films with their titles and genres.

    MovieLens ml-latest-small (Harper and Konstan 2015): 100,836 ratings, from half a star to five,
    of 9,742 films by 610 people who rated at least 20 each, 1996 to 2018; columns `userId`,
    `movieId`, `rating`, `timestamp` (seconds since 1970), in the order of people and films. Films
    have `movieId`, `title` and `genres` ("Comedy|Drama"). Its terms (README.txt beside the files)
    allow research and no commerce, and want it to travel with that README: images of the product do
    not carry it. Without it ratings are simulated after Chaney et al. 2018, with the same columns.

    Raises
    ------
    DataError : a file was found but is damaged.

    Notes
    -----
    Like BigDL `movielens.get_id_pairs`, `movielens.get_id_ratings` (of ml-1m there): columns by
    name instead of one array.

    Examples
    --------
    >>> ratings = load()  # doctest: +SKIP
    >>> len(ratings.columns["rating"]), str(ratings.films["title"][0])  # doctest: +SKIP
    (100836, 'Toy Story (1995)')
    """
    found = path()
    if found is None:
        columns, films = standin_ratings.simulate(seed=2018)
    else:
        columns = _read(found, RATINGS, homes.RATING_TYPES)
        films = _read(found.with_name("movies.csv"), FILMS, homes.FILM_TYPES)
    return Ratings(columns, films, _record(found, len(columns["rating"])))


def path() -> Path | None:
    """Return `ratings.csv`, for Spark to read (`movies.csv` lies beside it); None: not there."""
    folder = sources.find("movielens", ["ratings.csv", "movies.csv"])
    return None if folder is None else folder / "ratings.csv"


def _read(file: Path, wanted: tuple[str, ...], types: dict[str, str]) -> dict[str, NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.csv

    kinds = {name: pa.type_for_alias(kind) for name, kind in types.items()}
    options = pyarrow.csv.ConvertOptions(column_types=kinds, include_columns=list(wanted))
    try:
        table = pyarrow.csv.read_csv(file, convert_options=options)
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{file}: must be the CSV file of MovieLens with {', '.join(wanted)}; got {reason}. "
            "Fetch the file again."
        ) from None
    for name in wanted:
        if table[name].null_count:
            row = table[name].is_null().to_pylist().index(True)
            raise DataError(f"{file}: column {name!r} must be filled; got nothing in row {row}.")
    return {name: table[name].to_numpy() for name in wanted}


def _record(file: Path | None, rows: int) -> Provenance:
    source = sources.SOURCES["movielens"]
    if file is not None:
        found = Provenance(
            "movielens",
            "ratings",
            "real",
            str(file.parent),
            rows,
            source.terms,
            source.redistributable,
        )
    else:
        found = Provenance(
            "movielens",
            "ratings",
            "stand-in",
            "a seeded simulation of people and films",
            rows,
            "made up by sandbox after the simulator of Chaney et al. 2018; no terms",
            True,
            "No such films and people exist; figures on them say nothing about real taste.",
        )
    return sources.record(found)


_names.suggest(__name__)
