"""Simulated card payments, for when the real ones are not there.

After the transaction simulator of Le Borgne, Siblini, Lebichot and Bontempi 2022 ("Reproducible
machine learning for credit card fraud detection: practical handbook", chapter 3): customers and
terminals have places on a map; a customer pays at terminals nearby, at the hours and with the
amounts that are its habit; frauds are (1) large amounts, (2) payments at terminals that were taken
over, (3) payments with stolen card data, at larger amounts. What a payment looks like beside the
customer's and the terminal's habits is then turned into 28 components without names, as the ULB
set has them. Ours is vectorised, spans two days, and has a small share of frauds that no feature
tells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY = 86_400
SPAN = 172_792
"""Seconds from the first to the last payment, as in the ULB set."""


def simulate(rows: int, *, seed: int, fraud: float = 0.0025) -> dict[str, NDArray[Any]]:
    """Return columns Time, V1 ... V28, Amount and Class of `rows` payments in order of time."""
    rng = np.random.Generator(np.random.PCG64([seed, rows]))
    customers, terminals = max(50, rows // 12), max(40, rows // 30)
    mean_amount = rng.uniform(5, 100, customers)
    night_owl = rng.random(customers) < 0.1
    home, shop = rng.uniform(0, 100, (customers, 2)), rng.uniform(0, 100, (terminals, 2))

    who = rng.integers(0, customers, rows)
    hour = np.where(night_owl[who], rng.normal(22, 3, rows), rng.normal(13, 4, rows)) % 24
    time = np.minimum(rng.integers(0, 2, rows) * DAY + (hour * 3600).astype(np.int64), SPAN)
    order = np.argsort(time, kind="stable")
    time, who, hour = time[order], who[order], hour[order]
    where = _nearby(home[who], shop, rng)
    amount = np.maximum(0.5, rng.normal(mean_amount[who], mean_amount[who] / 2))

    label = _frauds(rows, fraud, rng)
    kind = np.where(label, rng.choice(4, rows, p=[0.3, 0.3, 0.3, 0.1]), -1)
    taken_over = rng.choice(terminals, max(3, terminals // 200), replace=False)
    amount[kind == 0] = rng.uniform(220, 900, int((kind == 0).sum()))
    stolen = kind == 1
    where[stolen] = rng.choice(taken_over, int(stolen.sum()))
    amount[kind == 2] *= 5
    far = kind == 2
    where[far] = rng.integers(0, terminals, int(far.sum()))
    amount = np.round(amount, 2)

    parts = _habits(time, who, where, amount, mean_amount, hour, home, shop, taken_over, rng)
    components = _components(parts, rng)
    columns: dict[str, NDArray[Any]] = {"Time": time}
    columns |= {f"V{k + 1}": components[:, k].astype(np.float32) for k in range(28)}
    return columns | {"Amount": amount, "Class": label.astype(np.int64)}


def _frauds(rows: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    label = np.zeros(rows, bool)
    label[rng.choice(rows, max(10, round(rows * share)), replace=False)] = True
    return label


def _nearby(
    places: NDArray[Any], shop: NDArray[Any], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return, of 12 terminals drawn for each payment, the nearest one."""
    drawn = rng.integers(0, len(shop), (len(places), 12))
    distance = ((shop[drawn] - places[:, None]) ** 2).sum(axis=2)
    nearest: NDArray[np.int64] = drawn[np.arange(len(places)), distance.argmin(axis=1)]
    return nearest


def _habits(
    time: NDArray[Any],
    who: NDArray[Any],
    where: NDArray[Any],
    amount: NDArray[Any],
    mean_amount: NDArray[Any],
    hour: NDArray[Any],
    home: NDArray[Any],
    shop: NDArray[Any],
    taken_over: NDArray[Any],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return 12 figures of each payment beside what is usual, those of the handbook's chapter 3."""
    distance = np.sqrt(((home[who] - shop[where]) ** 2).sum(axis=1))
    before = _count_before(who)
    at_shop = _count_before(where)
    risk = np.isin(where, taken_over) + rng.normal(0, 0.25, len(time))
    since = np.full(len(time), float(DAY))
    order = np.lexsort((time, who))
    same = who[order][1:] == who[order][:-1]
    since[order[1:][same]] = np.diff(time[order])[same]
    figures = (
        np.log1p(amount),
        amount / mean_amount[who],
        (amount > 220).astype(float),
        distance,
        np.log1p(distance),
        before,
        at_shop,
        risk,
        np.log1p(since),
        (hour < 6).astype(float),
        np.cos(hour * np.pi / 12),
        np.sin(hour * np.pi / 12),
    )
    return np.column_stack(figures)


def _count_before(ids: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many earlier rows have the same id."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    place = np.arange(len(ids))
    counts = np.empty(len(ids))
    counts[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return counts


def _components(parts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return 28 uncorrelated mixtures of the figures and of noise, the widest first."""
    scaled = (parts - parts.mean(axis=0)) / np.maximum(parts.std(axis=0), 1e-9)
    mixed = scaled @ rng.normal(size=(parts.shape[1], 28)) + rng.normal(size=(len(parts), 28))
    mixed -= mixed.mean(axis=0)
    values, vectors = np.linalg.eigh(mixed.T @ mixed / len(mixed))
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(28)])  # the same everywhere
    return np.asarray(mixed @ (vectors * signs)[:, ::-1] / np.sqrt(values.mean()))
