"""Recommenders on DataFrames: the best of all pairs come out, and nothing that was met."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import criterion, data, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.metrics import NDCG, HitRatio
from sandbox.lib.spark import Catalog, Recommender, SparkBackend
from sandbox.lib.spark import recommend as room
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark

USERS, ITEMS = [f"u{k:02}" for k in range(12)], list(range(100, 1500, 100))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    pairs = {(int(u), int(i)) for u, i in rng.integers(0, (12, 14), (90, 2))}
    pairs |= {(u, u) for u in range(12)} | {(0, 12), (0, 13)}  # all ids come
    return [(USERS[u], ITEMS[i], u + i) for u, i in sorted(pairs)]


@pytest.fixture
def frame(local, rows):
    return local.createDataFrame(rows, "who string, what long, time int").repartition(3)


def expected(recommender, n, *, by_user=True, met=False):
    """Score all pairs here, in one piece, and sort them."""
    users, items = len(USERS), len(ITEMS)
    u, i = np.divmod(np.arange(users * items), items)
    scores = recommender.score(u, i).reshape(users, items)
    if not met:
        scores[recommender.known.users, recommender.known.items] = -np.inf
    ids, others = (USERS, ITEMS) if by_user else (ITEMS, USERS)
    table = scores if by_user else scores.T
    return [
        (ids[row], others[place], table[row, place], rank)
        for row in range(len(table))
        for rank, place in enumerate(np.argsort(-table[row], kind="stable")[:n], 1)
        if table[row, place] > -np.inf
    ]


def same(found, wanted):
    assert [(a, b, d) for a, b, _, d in found] == [(a, b, d) for a, b, _, d in wanted]
    np.testing.assert_allclose(
        [row[2] for row in found], [row[2] for row in wanted], rtol=1e-5
    )  # blocks of another size


def test_ids_are_numbered_and_what_is_recommended_is_the_best_of_all(local, frame, monkeypatch):
    catalog = Catalog.of(frame, user="who", item="what")
    assert (catalog.users.tolist(), catalog.items.tolist()) == (USERS, ITEMS)
    known = catalog.interactions(frame)
    assert len(known) == frame.count()
    assert [ITEMS[i] for i in known.of(0)] == sorted(
        row["what"] for row in frame.where("who = 'u00'").collect()
    )
    model = nn.zoo.neural_cf(12, 14, 1, 0, features=4, hidden=(4,), factors=4)
    recommender = Recommender(model, catalog, known)
    found = recommender.recommend_for_user(5)
    assert found.columns == ["who", "what", "score", "rank"]
    same(found.collect(), expected(recommender, 5))
    every = recommender.recommend_for_item(20, met=True)
    assert every.columns == ["what", "who", "score", "rank"]
    same(every.collect(), expected(recommender, 20, by_user=False, met=True))
    asked = local.createDataFrame([("u07",), ("u03",), ("u07",)], "who string")
    some = recommender.recommend_for_user(2, users=asked).collect()
    same(some, [row for row in expected(recommender, 2) if row[0] in ("u03", "u07")])
    assert some == recommender.recommend_for_user(2, users=["u07", "u03"]).collect()

    # In blocks of five pairs the same comes out; the tasks' own module is another one.
    monkeypatch.setattr(room, "_AT_ONCE", 5)
    plan = room._Best(recommender, 3, np.arange(12), known, True, False)
    numbers, scores = plan.best(np.arange(12))
    rows = [
        (USERS[u], ITEMS[numbers[u, k]], scores[u, k], k + 1)
        for u in range(12)
        for k in range(3)
        if numbers[u, k] >= 0
    ]
    same(rows, expected(recommender, 3))


def test_pairs_are_scored_with_all_their_columns_and_unknown_ids_get_null(local, frame):
    catalog = Catalog.of(frame, user="who", item="what")
    known = catalog.interactions(frame)
    model = nn.zoo.neural_cf(12, 14, 5, 1, features=4, hidden=(4,), factors=0)
    recommender = Recommender(model, catalog, known)
    pairs = local.createDataFrame(
        [("u01", 300, [1]), ("nobody", 300, None), (None, 100, [2]), ("u11", 1400, [])],
        "who string, what int, more array<int>",  # of another width than the catalog's
    )
    scored = recommender.predict_pairs(pairs, column="stars")
    rows = scored.collect()
    assert [row["more"] for row in rows] == [[1], None, [2], []]
    assert [row["stars"] is None for row in rows] == [False, True, True, False]
    wanted = recommender.score([1, 11], [2, 13])
    np.testing.assert_allclose([rows[0]["stars"], rows[3]["stars"]], wanted, rtol=1e-5)
    assert (wanted > 0).all()
    assert (wanted < 4).all()
    with pytest.raises(Exception, match="ids must be those it was made of; got 'nobody'"):
        recommender.predict_pairs(pairs, unknown="error").collect()
    with pytest.raises(DataError, match="must be a new name; got 'more'"):
        recommender.predict_pairs(pairs, column="more")
    with pytest.raises(DataError, match="ids must be those it was made of; got 'u99'"):
        recommender.recommend_for_user(2, users=["u99"])
    with pytest.raises(ArgumentError, match="must be of 12 users and 14 items"):
        Recommender(model, catalog, data.Interactions([0], [0]))
    with pytest.raises(DataError, match="column 'what' must hold whole numbers, as when it was"):
        recommender.predict_pairs(pairs.selectExpr("who", "string(what) as what"))
    with pytest.raises(DataError, match="got 'nobody' in column 'who'"):
        catalog.interactions(pairs.where("more is null"))


def test_what_are_no_ids_is_refused_with_the_columns_that_are_there(local):
    frame = local.createDataFrame([(1.5, "a"), (2.5, None)], "u double, i string")
    with pytest.raises(DataError, match=r"got no 'user'\. Columns present: u, i"):
        Catalog.of(frame)
    with pytest.raises(DataError, match="column 'u' must hold ids, whole numbers or text; got dou"):
        Catalog.of(frame, user="u", item="i")
    with pytest.raises(DataError, match="column 'i' must hold an id in each row; got null"):
        Catalog.of(frame.selectExpr("int(u) as u", "i"), user="u", item="i")
    with pytest.raises(DataError, match="must have at least one row"):
        Catalog.of(frame.where("u > 9").selectExpr("int(u) as u", "i"), user="u", item="i")


def test_ranks_draw_the_negatives_that_one_process_draws(local, frame):
    """N ranks give the weights of one, wide & deep too; lists are judged alike."""
    catalog = Catalog.of(frame, user="who", item="what")
    known = catalog.interactions(frame)
    rng = np.random.default_rng(0)
    inputs = data.PairInputs(
        (np.arange(12)[:, None], rng.normal(size=(12, 2))),
        (np.arange(14)[:, None], None),
        [12],
        [14],
        cross=True,
    )
    lists = data.RankingLists(known.users[:9], known.items[:9], known, negatives=3, inputs=inputs)
    found = {}
    for name, backend in (("here", None), ("spark", SparkBackend(local, ranks=2))):
        model = nn.zoo.wide_and_deep(inputs.fields, inputs.numbers, 1, 0, dimension=3, hidden=(5,))
        trainer = Trainer(
            model, criterion.BCEWithLogits(), optim.SGD(0.5), batch_size=64, seed=3,
            metrics=[kind(2, negatives=3) for kind in (HitRatio, NDCG)], progress=None,
            threads=1 if backend is None else None, backend=backend,
        )  # fmt: skip
        history = trainer.fit(
            data.NegativeSampling(known, negatives=3, inputs=inputs), epochs=2, validation=lists
        )
        weights = np.concatenate([np.asarray(p).ravel() for p in model.parameters()])
        found[name] = weights, history.last_validation
    (one, judged), (two, judged_there) = found["here"], found["spark"]
    assert np.abs(one - two).max() <= 1e-5 * np.abs(one).max()
    assert judged_there == pytest.approx(judged, rel=1e-9)
    recommender = Recommender(model, catalog, known, inputs)
    same(recommender.recommend_for_user(3).collect(), expected(recommender, 3))
