"""Made-up people of a census, for when the real ones are not there.

Drawn after shares of the census income set (Becker and Kohavi 1996, "Adult", UCI, CC BY 4.0), in
per mille and rounded: ages, schooling, origin and class of work by themselves; marital status given
the age, relationship given that and the sex, occupation given the schooling. Who earns much follows
a logistic model of ours whose shape is the one that is known of the set: being married, schooling,
age up to about 50, hours and gains of capital raise it; some of it only together (schooling counts
more in an office), so that crossed columns and hidden layers have something to find.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["simulate"]

Rng = np.random.Generator
Ints = NDArray[np.int64]

_SCHOOL = (
    "Preschool", "1st-4th", "5th-6th", "7th-8th", "9th", "10th", "11th", "12th", "HS-grad",
    "Some-college", "Assoc-voc", "Assoc-acdm", "Bachelors", "Masters", "Prof-school", "Doctorate",
)  # fmt: skip
_SCHOOL_SHARES = (2, 5, 10, 20, 16, 29, 36, 13, 322, 224, 42, 33, 164, 53, 18, 13)
_AGES = (17, 22, 27, 32, 42, 52, 62, 80)
_AGE_SHARES = (96, 125, 131, 260, 208, 118, 62)
_MARITAL = (
    "Never-married", "Married-civ-spouse", "Divorced", "Separated", "Widowed",
    "Married-spouse-absent",
)  # fmt: skip
_MARITAL_SHARES = (  # a row for each span of ages
    (95, 3, 1, 1, 0, 0), (73, 20, 4, 2, 0, 1), (44, 41, 10, 3, 1, 1), (22, 54, 17, 4, 1, 2),
    (10, 61, 22, 4, 2, 1), (7, 64, 18, 3, 7, 1), (6, 58, 11, 2, 22, 1),
)  # fmt: skip
_SINGLE = ("Not-in-family", "Unmarried", "Own-child", "Other-relative")
_SINGLE_SHARES = {"Never-married": (44, 9, 42, 5), "": (52, 37, 7, 4)}
_WORK = {
    "Private": 697, "Self-emp-not-inc": 78, "Local-gov": 64, None: 56, "State-gov": 40,
    "Self-emp-inc": 34, "Federal-gov": 29, "Without-pay": 1,
}  # fmt: skip
_JOBS = (
    "Adm-clerical", "Craft-repair", "Exec-managerial", "Other-service", "Prof-specialty", "Sales",
    "Machine-op-inspct", "Transport-moving", "Handlers-cleaners", "Farming-fishing",
    "Tech-support", "Protective-serv", "Priv-house-serv",
)  # fmt: skip
_JOB_SHARES = (  # schooling below high school, high school, some college, more
    (4, 17, 4, 21, 2, 8, 15, 10, 11, 6, 0, 1, 1), (13, 19, 8, 13, 2, 11, 11, 9, 7, 4, 1, 2, 0),
    (18, 13, 13, 10, 8, 13, 4, 4, 4, 2, 6, 4, 1), (7, 3, 26, 3, 41, 12, 1, 1, 1, 1, 3, 1, 0),
)  # fmt: skip
_JOB_GAIN = (0.0, 0.1, 0.9, -0.9, 0.6, 0.4, -0.3, 0.0, -0.7, -1.1, 0.6, 0.5, -1.5)
_RACE = {
    "White": 854, "Black": 96, "Asian-Pac-Islander": 32, "Amer-Indian-Eskimo": 10, "Other": 8,
}  # fmt: skip
_COUNTRY = {
    "United-States": 900, "Mexico": 20, None: 18, "Philippines": 8, "Germany": 6, "Canada": 6,
    "Puerto-Rico": 6, "El-Salvador": 5, "India": 5, "Cuba": 5, "England": 5, "Jamaica": 4,
    "China": 4, "Italy": 4, "Vietnam": 3, "Scotland": 1,
}  # fmt: skip
_HOURS = ((40, 50, 45, 60, 35, 20, 30, 55), (52, 10, 9, 8, 6, 5, 6, 4))


def simulate(rows: int, *, seed: int) -> dict[str, Any]:
    """Return the columns of `census.COLUMNS` of made-up people; gaps are None."""
    rng = np.random.Generator(np.random.PCG64([seed, rows]))
    span = _draw(rng, _AGE_SHARES, rows)
    age = rng.integers(np.take(_AGES[:-1], span), np.take(_AGES[1:], span))
    school = _draw(rng, _SCHOOL_SHARES, rows)
    male = rng.random(rows) < 0.67
    marital = _given(rng, span, _MARITAL_SHARES)
    relation = _relations(rng, marital, male)
    level = np.digitize(school, (8, 9, 12))
    job = _given(rng, level, _JOB_SHARES)
    hours = np.where(
        rng.random(rows) < 0.85,
        np.take(_HOURS[0], _draw(rng, _HOURS[1], rows)),
        np.clip(rng.normal(40, 14, rows).round(), 1, 99),
    ).astype(np.int32)
    wealth = 0.12 * (school - 8) + 0.5 * (marital == 1)
    gain = _amounts(rng, 0.06 * np.exp(0.6 * wealth), 8.9, 1.2)
    loss = np.where(gain > 0, 0, _amounts(rng, 0.04 * np.exp(0.3 * wealth), 7.5, 0.2))
    work = _named(rng, _WORK, rows)

    logit = (
        -2.65
        + 2.3 * (marital == 1)
        + 0.28 * (school - 9)
        + np.take(_JOB_GAIN, job)
        + 0.15 * (school - 9) * np.isin(job, (2, 4, 5))
        - ((age - 50) / 17) ** 2
        + 0.035 * (hours - 40)
        + 0.1 * male
        + np.where(gain > 7000, 5.0, np.where(gain > 0, -1.0, 0.0))
        + np.where(loss > 1800, 1.5, 0.0)
        + rng.logistic(size=rows)
    )
    unknown = [kind is None for kind in work]  # who names no class of work names no occupation
    return {
        "age": age.astype(np.int32),
        "workclass": work,
        "fnlwgt": np.exp(rng.normal(11.98, 0.63, rows)).astype(np.int32),
        "education": [_SCHOOL[k] for k in school],
        "education_num": (school + 1).astype(np.int32),
        "marital_status": [_MARITAL[k] for k in marital],
        "occupation": [None if no else _JOBS[k] for k, no in zip(job, unknown, strict=True)],
        "relationship": relation,
        "race": _named(rng, _RACE, rows),
        "sex": ["Male" if one else "Female" for one in male],
        "capital_gain": gain,
        "capital_loss": loss.astype(np.int32),
        "hours_per_week": hours,
        "native_country": _named(rng, _COUNTRY, rows),
        "income": [">50K" if much else "<=50K" for much in logit > 0],
    }


def _draw(rng: Rng, shares: Any, rows: int) -> Ints:
    limits = np.cumsum(shares) / np.sum(shares)
    return np.searchsorted(limits, rng.random(rows), side="right")


def _given(rng: Rng, group: Ints, shares: Any) -> Ints:
    """Draw with the shares of each row's group."""
    limits = np.cumsum(shares, axis=1) / np.sum(shares, axis=1, keepdims=True)
    drawn: Ints = (rng.random(len(group))[:, None] >= limits[group]).sum(axis=1)
    return drawn


def _named(rng: Rng, shares: dict[Any, int], rows: int) -> list[str | None]:
    names = list(shares)
    return [names[k] for k in _draw(rng, list(shares.values()), rows)]


def _relations(rng: Rng, marital: Ints, male: NDArray[np.bool_]) -> list[str]:
    alone = _draw(rng, _SINGLE_SHARES["Never-married"], len(marital))
    after = _draw(rng, _SINGLE_SHARES[""], len(marital))
    single = np.take(_SINGLE, np.where(marital == 0, alone, after))
    found = np.where(marital == 1, np.where(male, "Husband", "Wife"), single)
    return [str(one) for one in found]


def _amounts(rng: Rng, share: NDArray[Any], mean: float, deviation: float) -> NDArray[np.int32]:
    amount = np.clip(np.exp(rng.normal(mean, deviation, len(share))), 100, 99_999)
    return np.where(rng.random(len(share)) < share, amount, 0).astype(np.int32)
