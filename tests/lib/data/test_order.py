"""The order contract: each row once an epoch, the same global batches for any number of ranks."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import EpochOrder, owners

sizes = st.lists(st.integers(0, 60), min_size=1, max_size=6).filter(sum)


def flat(share):
    return [(p, int(i)) for p, indices in share for i in indices]


def naive_epoch(partition_sizes, seed, epoch, shuffle):
    """The contract, word by word: merge by (j + 1/2) / n, ties by partition."""
    rows = []
    for p, n in enumerate(partition_sizes):
        order = np.arange(n)
        if shuffle:
            draws = np.random.PCG64([seed, epoch, p]).random_raw(n)
            order = np.array(sorted(range(n), key=lambda i, d=draws: d[i]), int)
        rows += [((j + 0.5) / n, p, int(order[j])) for j in range(n)]
    return [(p, row) for _, p, row in sorted(rows)]


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 50), st.integers(0, 5), st.booleans())
def test_every_row_comes_exactly_once_an_epoch(partition_sizes, batch_size, epoch, shuffle):
    order = EpochOrder(partition_sizes, batch_size, seed=3, shuffle=shuffle)
    seen = []
    for k in range(order.steps_per_epoch):
        batch = order.batch(epoch, k)
        last = k == order.steps_per_epoch - 1
        assert batch.rows == len(flat(batch))
        assert batch.rows == batch_size or (last and 0 < batch.rows <= batch_size)
        assert [p for p, _ in batch] == sorted({p for p, _ in batch})
        seen += flat(batch)
    assert sorted(seen) == [(p, i) for p, n in enumerate(partition_sizes) for i in range(n)]


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(1, 50), st.integers(0, 3), st.booleans())
def test_batches_hold_the_rows_the_contract_says(partition_sizes, batch_size, epoch, shuffle):
    order = EpochOrder(partition_sizes, batch_size, seed=7, shuffle=shuffle)
    expected = naive_epoch(partition_sizes, 7, epoch, shuffle)
    for k in range(order.steps_per_epoch):
        here = expected[k * batch_size : (k + 1) * batch_size]
        assert sorted(here, key=lambda row: row[0]) == flat(order.batch(epoch, k))


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 50), st.integers(1, 9))
def test_shares_of_shared_data_cut_each_batch_without_gaps(partition_sizes, batch_size, size):
    order = EpochOrder(partition_sizes, batch_size, seed=1)
    for k in range(order.steps_per_epoch):
        whole = flat(order.batch(2, k))
        joined = []
        for rank in range(size):
            share = order.share(2, k, rank, size)
            assert share.sample_index == len(joined) == len(whole) * rank // size
            joined += flat(share)
        assert whole == joined


@settings(max_examples=60, deadline=None)
@given(sizes, st.integers(1, 50), st.integers(1, 6))
def test_shares_of_owned_partitions_cut_each_batch_without_gaps(partition_sizes, batch_size, size):
    order = EpochOrder(partition_sizes, batch_size, seed=1)
    owner = owners(partition_sizes, size)
    for k in range(order.steps_per_epoch):
        whole = flat(order.batch(0, k))
        joined = []
        for rank in range(size):
            share = order.share(0, k, rank, size, owner)
            assert share.sample_index == len(joined)
            assert all(owner[p] == rank for p, _ in share)
            joined += flat(share)
        assert whole == joined


@settings(max_examples=40, deadline=None)
@given(sizes, st.integers(1, 50))
def test_each_batch_takes_its_proportional_share_of_each_partition(partition_sizes, batch_size):
    order = EpochOrder(partition_sizes, batch_size, seed=0)
    total = sum(partition_sizes)
    taken = np.zeros(len(partition_sizes))
    done = 0
    for k in range(order.steps_per_epoch):
        for p, indices in order.batch(0, k):
            taken[p] += len(indices)
        done += order.batch(0, k).rows
        ideal = np.array(partition_sizes) * done / total
        assert np.all(np.abs(taken - ideal) <= 1 + len(partition_sizes) / 2)


@settings(max_examples=30, deadline=None)
@given(sizes, st.integers(1, 50))
def test_drop_last_keeps_full_batches_only(partition_sizes, batch_size):
    if sum(partition_sizes) < batch_size:
        with pytest.raises(DataError, match="must fill one batch"):
            EpochOrder(partition_sizes, batch_size, seed=0, drop_last=True)
        return
    order = EpochOrder(partition_sizes, batch_size, seed=0, drop_last=True)
    assert sum(partition_sizes) // batch_size == order.steps_per_epoch
    assert {order.batch(0, k).rows for k in range(order.steps_per_epoch)} == {batch_size}


def test_epochs_and_seeds_differ_and_repeat():
    order = EpochOrder([500], 500, seed=1)
    first, second = (flat(order.batch(e, 0)) for e in (0, 1))
    assert first != second
    assert first == flat(order.batch(0, 0))
    assert first == flat(EpochOrder([500], 500, seed=1).batch(0, 0))
    assert first != flat(EpochOrder([500], 500, seed=2).batch(0, 0))


PERMUTATION = [3, 2, 1, 6, 0, 7, 4, 5]


def test_permutation_is_the_same_on_every_machine():
    order = EpochOrder([8], 8, seed=0)
    assert flat(order.batch(0, 0)) == [(0, i) for i in PERMUTATION]


def test_shuffling_is_uniform_enough():
    counts = np.zeros((6, 6))
    order = EpochOrder([6], 6, seed=5)
    for epoch in range(3000):
        counts[np.arange(6), order.batch(epoch, 0)[0][1]] += 1
    expected = 3000 / 6
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 52.6  # 25 degrees of freedom, 0.1 % point


def test_step_numbers_map_to_epoch_and_batch():
    order = EpochOrder([10], 4, seed=0)
    assert order.steps_per_epoch == 3
    assert [order.at(s) for s in (0, 2, 3, 7)] == [(0, 0), (0, 2), (1, 0), (2, 1)]


def test_order_may_be_pickled_and_used_by_many_threads():
    order = EpochOrder([300, 100], 64, seed=2)
    again = pickle.loads(pickle.dumps(order))
    steps = [order.at(s) for s in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda at: flat(again.batch(*at)), steps))
    assert [flat(order.batch(*at)) for at in steps] == found


def test_owners_are_consecutive_and_even():
    assert owners([10] * 6, 3) == [0, 0, 1, 1, 2, 2]
    assert owners([100, 1, 1], 2) == [0, 1, 1]
    assert owners([5], 4) == [2]


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        (([0, 0], 4), {"seed": 0}, DataError, "must have at least one row; got 2 partitions"),
        (([], 4), {"seed": 0}, DataError, "must have at least one row"),
        (([5], 0), {"seed": 0}, ArgumentError, "`batch_size` must be an int > 0; got 0"),
        (([5], 2), {"seed": -1}, ArgumentError, "`seed` must be an int >= 0"),
        (([-5], 2), {"seed": 0}, ArgumentError, "`partition_sizes` must be"),
    ],
)
def test_bad_arguments_are_named(arguments, keywords, error, message):
    with pytest.raises(error, match=message):
        EpochOrder(*arguments, **keywords)


def test_batches_ranks_and_owners_out_of_range_are_named():
    order = EpochOrder([5, 5], 4, seed=0)
    with pytest.raises(ArgumentError, match=r"k must be a batch number in \[0, 3\); got 3"):
        order.batch(0, 3)
    with pytest.raises(ArgumentError, match=r"rank must be in \[0, 2\); got 2"):
        order.share(0, 0, 2, 2)
    with pytest.raises(ArgumentError, match="for each of 2 partitions; got 1"):
        order.share(0, 0, 0, 2, [0])
    with pytest.raises(ArgumentError, match="never decrease"):
        order.share(0, 0, 0, 2, [1, 0])
