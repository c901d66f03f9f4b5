"""MovieLens: the real set where it is, a simulation that says so where it is not."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.data.sets import homes, movielens, sources, standin_ratings

from .test_named_sets import SHARED, without_data

__all__ = ["without_data"]


def test_simulated_ratings_say_so_and_look_like_real_ones(without_data, capsys):
    found = movielens.load()
    said = capsys.readouterr().err
    assert "NOT THE REAL DATA. movielens/ratings: STAND-IN" in said
    assert "sandbox data --fetch movielens" in said
    assert movielens.path() is None
    columns, films = found.columns, found.films
    assert list(columns) == [*movielens.RATINGS]
    assert list(films) == [*movielens.FILMS]
    assert np.unique(columns["userId"], return_counts=True)[1].min() >= 20
    assert set(columns["rating"]) <= {k / 2 for k in range(1, 11)}
    assert len(np.unique(columns["userId"] * 10_000 + columns["movieId"])) == len(columns["rating"])
    assert set(columns["movieId"]) <= set(films["movieId"])
    counts = np.sort(np.bincount(columns["movieId"]))[::-1]
    assert counts[:200].sum() > 0.4 * counts.sum()  # a tenth of the films has a large share
    again = movielens.load().columns
    for name in columns:
        np.testing.assert_array_equal(columns[name], again[name])


def test_nobody_rates_a_simulated_film_before_it_is_there():
    columns, films = standin_ratings.simulate(seed=1)
    year = np.array([int(title[-5:-1]) for title in films["title"]])[columns["movieId"] - 1]
    assert (year <= 1970 + columns["timestamp"] / 31_556_952 + 0.01).all()


@pytest.mark.skipif(not (SHARED / "movielens").is_dir(), reason="movielens is not here")
def test_the_real_ratings_are_all_there(monkeypatch):
    monkeypatch.setenv("SANDBOX_DATA", str(SHARED))
    found = movielens.load()
    columns = found.columns
    assert len(columns["rating"]) == 100_836
    assert len(np.unique(columns["userId"])) == 610
    assert (columns["rating"].min(), columns["rating"].max()) == (0.5, 5)
    assert len(found.films["title"]) == 9742
    assert found.films["title"][0] == "Toy Story (1995)"
    assert (found.provenance.kind, found.provenance.redistributable) == ("real", False)
    assert movielens.path().name == "ratings.csv"


def test_damaged_files_are_named_and_no_stand_in_steps_in(without_data):
    folder = without_data / "movielens"
    folder.mkdir(parents=True)
    (folder / "movies.csv").write_text("movieId,title,genres\n1,One (1990),Drama\n")
    for text, said in (
        ("userId,movieId\n1,1\n", r"ratings\.csv: must be the CSV file .* got .*rating"),
        ("userId,movieId,rating,timestamp\n1,one,3.0,5\n", r"ratings\.csv: must be .* 'one'"),
        ("userId,movieId,rating,timestamp\n1,1,,5\n", r"column 'rating' must be filled; .* row 0"),
    ):
        (folder / "ratings.csv").write_text(text)
        with pytest.raises(DataError, match=said):
            movielens.load()


def test_what_is_published_is_unpacked_with_the_readme_that_must_travel_with_it(tmp_path):
    archive = tmp_path / "ml-latest-small.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("ratings.csv", "movies.csv", "README.txt", "tags.csv"):
            opened.writestr(f"ml-latest-small/{name}", name)
    homes.UNPACK["movielens"](archive, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p != archive) == sorted(
        sources.SOURCES["movielens"].files
    )
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("ml-latest-small/ratings.csv", "")
    with pytest.raises(DataError, match=r"must be a whole \.zip; got .*movies\.csv"):
        homes.UNPACK["movielens"](archive, tmp_path)
    archive.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"must be a whole \.zip"):
        homes.UNPACK["movielens"](archive, tmp_path)
