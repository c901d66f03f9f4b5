"""Simulated film ratings, for when the real ones are not there.

After the simulator of Chaney, Stewart and Engelhardt 2018 ("How algorithmic confounding in
recommendation systems increases homogeneity and decreases utility"): people have preferences over
a few kinds of films and films belong to these kinds, both drawn from Dirichlet distributions; what
a film is worth to somebody is drawn from a Beta distribution around the product of the two; people
watch what seems best to them. Ours adds what real ratings show: few films are known to many
(Zipf), and nobody rates a film before it is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[Any]]
GENRES = ("Action", "Comedy", "Crime", "Drama", "Horror", "Romance", "Sci-Fi", "Thriller")
PEOPLE, FILMS, LEAST, MEAN = 400, 2_000, 20, 100  # ratings of a person
_FIRST, _YEARS, _YEAR_S = 1996, 22, 31_556_952
_BEGIN = 820_454_400  # 1996 in seconds
_SPREAD = 0.15  # of what a film is worth to people of the same taste


def simulate(*, seed: int) -> tuple[Table, Table]:
    """Return ratings (userId, movieId, rating, timestamp) and films (movieId, title, genres)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    taste = rng.dirichlet(np.full(len(GENRES), 0.4), PEOPLE)
    kinds = rng.dirichlet(np.full(len(GENRES), 0.2), FILMS)
    year = 1940 + ((_FIRST + _YEARS - 1940) * np.sqrt(rng.random(FILMS))).astype(np.int64)
    known = (1 + rng.permutation(FILMS)) ** -0.9  # Zipf
    wanted = LEAST + rng.exponential(MEAN - LEAST, PEOPLE).astype(np.int64)
    begin = rng.uniform(0, _YEARS, PEOPLE)
    rows: list[tuple[NDArray[Any], ...]] = []
    for person in range(PEOPLE):
        there = np.flatnonzero(year <= _FIRST + begin[person])
        worth = _worth(kinds[there] @ taste[person], rng)
        # The best of worth x how known, by Gumbel's trick: a draw without putting back.
        pull = np.log(known[there]) + 4 * worth + rng.gumbel(size=len(there))
        seen = np.argsort(-pull)[: wanted[person]]
        stars = np.clip(np.round(5 + 4 * worth[seen] + rng.normal(0, 1.5, len(seen))), 1, 10) / 2
        seconds = np.sort(rng.integers(0, 90 * 86_400, len(seen)))
        when = _BEGIN + int(begin[person] * _YEAR_S) + rng.permutation(seconds)
        rows.append((np.full(len(seen), person + 1), there[seen] + 1, stars, when))
    user, film, rating, timestamp = (np.concatenate(part) for part in zip(*rows, strict=True))
    order = np.lexsort((film, user))
    ratings = {
        "userId": user[order].astype(np.int64),
        "movieId": film[order].astype(np.int64),
        "rating": rating[order],
        "timestamp": timestamp[order].astype(np.int64),
    }
    names = np.array(GENRES)
    genres = ["|".join(sorted(names[share > 0.25])) or "Drama" for share in kinds]
    films = {
        "movieId": np.arange(1, FILMS + 1),
        "title": np.array([f"Made-up film {k} ({y})" for k, y in enumerate(year, 1)], object),
        "genres": np.array(genres, object),
    }
    return ratings, films


def _worth(mean: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Draw from Beta distributions of these means and of deviation `_SPREAD`, or less."""
    mean = np.clip(mean, 0.02, 0.98)
    size = np.maximum(mean * (1 - mean) / _SPREAD**2 - 1, 1.0)
    return np.asarray(rng.beta(mean * size, (1 - mean) * size))
