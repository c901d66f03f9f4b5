"""Pairs of users and items: what was not met is found exactly, and drawn the same on any ranks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import Interactions, NegativeSampling, RankingLists, leave_last_out
from sandbox.lib.engine.random import RandomKey
from sandbox.lib.metrics import NDCG, HitRatio
from sandbox.lib.train import Trainer


def drawn_pairs(users=30, items=20, count=200, seed=0):
    rng = np.random.default_rng(seed)
    return Interactions(
        rng.integers(0, users, count), rng.integers(0, items, count), n_users=users, n_items=items
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40))
def test_every_item_is_met_or_found_as_unmet(rows):
    users, items = np.array(rows).T
    pairs = Interactions(users, items, n_users=5, n_items=7)
    for user in range(5):
        left = int(pairs.left([user])[0])
        unmet = pairs.unmet(np.full(left, user), np.arange(left))
        assert sorted(set(items[users == user])) == pairs.of(user).tolist()
        assert sorted({*range(7)} - set(pairs.of(user).tolist())) == unmet.tolist()


def test_repeated_pairs_count_once_and_both_sides_are_counted():
    pairs = Interactions([1, 1, 0], [2, 2, 0], n_items=4)
    assert (len(pairs), pairs.n_users, pairs.n_items) == (2, 2, 4)
    assert pairs.counts().tolist() == [1, 0, 1, 0]
    assert pairs.counts("users").tolist() == [1, 1]
    assert pairs.turned().of(2).tolist() == [1]


@pytest.mark.parametrize(
    ("users", "items", "said"),
    [
        ([0, 1], [0], "must have the same number of rows; got 2 and 1"),
        ([], [], "`users` must be at least one whole number"),
        ([0.5], [0], "`users` must be at least one whole number in one row; got float64"),
        ([0], [-1], r"`items` must be in \[0, 0\); got -1 in row 0"),
    ],
)
def test_what_are_no_pairs_is_refused(users, items, said):
    with pytest.raises(DataError, match=said):
        Interactions(users, items)


def test_numbers_beyond_those_that_there_are_are_refused_with_their_row():
    with pytest.raises(DataError, match=r"`items` must be in \[0, 3\); got 3 in row 1"):
        Interactions([0, 0], [2, 3], n_items=3)
    with pytest.raises(ArgumentError, match="n_items"):
        Interactions([0], [0], n_items=0)


def test_negatives_are_never_what_the_user_met_and_come_evenly():
    pairs = drawn_pairs()
    data = NegativeSampling(pairs, negatives=50)
    (users, items), y = data.rows(0, np.arange(len(data)), random=RandomKey(seed=3))
    met = np.zeros((30, 20), bool)
    met[pairs.users, pairs.items] = True
    assert (met[users, items] == (y[:, 0] == 1)).all()
    assert y.sum() == len(pairs)
    one = items[(users == 0) & (y[:, 0] == 0)]
    counts = np.bincount(one, minlength=20)[~met[0]]
    expected = len(one) / len(counts)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < len(counts) + 5 * np.sqrt(2 * len(counts))  # five deviations


def test_draws_follow_the_position_in_the_global_batch_whoever_reads_it():
    data = NegativeSampling(drawn_pairs(), negatives=3)
    order = data.order(64, seed=5)
    whole, y = data.batch(order.batch(1, 0), random=RandomKey(5, 7))
    for ranks in (2, 3):
        parts = []
        for rank in range(ranks):
            share = order.share(1, 0, rank, ranks)
            parts.append(data.batch(share, random=RandomKey(5, 7, share.sample_index)))
        for side in (0, 1):
            together = np.concatenate([x[side] for x, _ in parts])
            np.testing.assert_array_equal(whole[side], together)
        np.testing.assert_array_equal(y, np.concatenate([y for _, y in parts]))
    again, _ = data.batch(order.batch(1, 0), random=RandomKey(5, 8))
    assert (again[1] != whole[1]).any()


def test_rows_without_a_key_are_the_same_however_they_are_read():
    data = NegativeSampling(drawn_pairs(), negatives=2)
    (users, items), y = data.load(0)
    (some_users, some_items), some_y = data.rows(0, [5, 1, 4])
    for all_rows, rows in ((users, some_users), (items, some_items), (y, some_y)):
        np.testing.assert_array_equal(all_rows[[5, 1, 4]], rows)


def test_a_user_who_met_everything_leaves_nothing_to_draw():
    pairs = Interactions([0, 0, 1], [0, 1, 0])
    with pytest.raises(DataError, match="got user 0 with all 2"):
        NegativeSampling(pairs)
    with pytest.raises(DataError, match="must be of 2 users and 2 items"):
        NegativeSampling(Interactions([0, 1], [0, 1]), known=Interactions([0], [0]))


def test_the_data_set_travels_and_trains_a_recommender():
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(40), 12)  # each likes half of the items: even or odd ones
    items = 2 * rng.integers(0, 25, len(users)) + users % 2
    known = Interactions(users, items)
    earlier, last = leave_last_out(users, np.arange(len(users)))
    pairs = Interactions(users[earlier], items[earlier], n_users=40, n_items=known.n_items)
    data = pickle.loads(pickle.dumps(NegativeSampling(pairs, known=known)))
    lists = RankingLists(users[last], items[last], known, negatives=20)
    metrics = [HitRatio(10, negatives=20), NDCG(10, negatives=20)]
    model = nn.zoo.neural_cf(40, pairs.n_items, 1, 0, features=4, hidden=(8,), factors=4)
    trainer = Trainer(
        model, criterion.BCEWithLogits(), optim.Adam(0.01), batch_size=256, metrics=metrics,
        progress=None, threads=1,
    )  # fmt: skip
    history = trainer.fit(data, epochs=15, validation=lists)
    assert history["loss"][-1] < 0.4
    found = trainer.evaluate(lists)
    assert 0.9 < found["hit_ratio10"] <= 1  # by chance: 0.48
    assert found["ndcg10"] > 0.5


def test_lists_hold_the_wanted_last_and_others_that_were_not_met():
    known = drawn_pairs()
    lists = RankingLists([3, 4], [1, 2], known, negatives=8, seed=1)
    assert (lists.users == [[3], [4]]).all()
    assert lists.items[:, -1].tolist() == [1, 2]
    for row, user in enumerate((3, 4)):
        others = lists.items[row, :-1].tolist()
        assert len(set(others)) == 8
        assert not set(others) & set(known.of(user).tolist())
    again = RankingLists([3, 4], [1, 2], known, negatives=8, seed=1)
    np.testing.assert_array_equal(lists.items, again.items)
    assert lists.y.reshape(2, 9).sum(axis=0).tolist() == [0] * 8 + [2]
    assert HitRatio(8, negatives=8)(np.zeros((18, 1)), lists.y) == 0  # the same of all is no merit
    with pytest.raises(DataError, match=r"must have 19 items it has not met; got 1\d"):
        RankingLists([3], [1], known, negatives=19)


def test_the_last_of_each_user_is_that_of_the_latest_time():
    users, times = np.array([2, 0, 2, 0, 1]), np.array([5, 3, 5, 1, 9])
    earlier, last = leave_last_out(users, times)
    assert last.tolist() == [1, 4, 2]  # users 0, 1, 2; of equal times the later row
    assert earlier.tolist() == [0, 3]
    with pytest.raises(DataError, match="one row of numbers each"):
        leave_last_out(users, times[:3])


def test_lists_stay_whole_in_batches_and_on_ranks():
    lists = RankingLists(np.arange(10), np.zeros(10, int), drawn_pairs(), negatives=5)
    order = lists.order(20, seed=1)
    assert order.steps_per_epoch == 4  # three lists at once
    seen = []
    for k in range(4):
        whole = order.batch(0, k).numbers
        parts = [order.share(0, k, rank, 2) for rank in range(2)]
        np.testing.assert_array_equal(whole, np.concatenate([part.numbers for part in parts]))
        assert [part.sample_index for part in parts] == [0, len(parts[0].numbers)]
        for part in parts:
            rows = part.numbers.reshape(-1, 6)
            assert (rows == rows[:, :1] + np.arange(6)).all()
            assert (rows[:, 0] % 6 == 0).all()
        seen += whole.tolist()
    assert sorted(seen) == list(range(60))
    assert lists.order(4, seed=1).steps_per_epoch == 10  # at least one list
