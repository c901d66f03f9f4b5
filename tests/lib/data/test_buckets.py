"""Batches by length: every row once, few shapes, little padding, the same for any ranks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data.buckets import BucketOrder, bucket_lengths
from sandbox.lib.data.order import owners

LENGTHS = [8, 16, 40]


def make(sizes=(101,), batch_size=8, seed=3, **more):
    rng = np.random.default_rng(sum(sizes))
    return BucketOrder(
        [rng.integers(0, 3, n) for n in sizes], LENGTHS, batch_size, seed=seed, **more
    )


def pairs(share):
    return [(p, int(i)) for p, indices in share for i in indices]


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4).filter(sum),
    batch_size=st.integers(1, 40),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
)
def test_an_epoch_holds_every_row_once_in_rows_of_its_length(sizes, batch_size, epoch, shuffle):
    order = make(sizes, batch_size, shuffle=shuffle)
    seen = []
    for k in range(order.steps_per_epoch):
        share = order.batch(epoch, k)
        seen += pairs(share)
        tops = [LENGTHS[order.buckets[p][i]] for p, i in pairs(share)]
        assert share.length == max(tops)
    assert sorted(seen) == [(p, i) for p, n in enumerate(sizes) for i in range(n)]


@pytest.mark.parametrize("sizes", [(101,), (40, 7, 60)])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_share_the_batch_of_one_process(sizes, ranks):
    order = make(sizes)
    owner = None if len(sizes) == 1 else owners(sizes, ranks)
    for k in range(order.steps_per_epoch):
        whole = order.batch(1, k)
        shares = [order.share(1, k, rank, ranks, owner) for rank in range(ranks)]
        assert [pair for share in shares for pair in pairs(share)] == pairs(whole)
        assert {share.length for share in shares} == {whole.length}
        before = 0
        for share in shares:
            assert not share or share.sample_index == before
            before += share.rows


def test_shapes_are_the_same_in_every_epoch_and_typical_has_them_all():
    order = make((101,), 8)

    def shapes(epoch, ks):
        found = [order.batch(epoch, k) for k in ks]
        return sorted((share.rows, share.length) for share in found)

    every = range(order.steps_per_epoch)
    assert shapes(0, every) == shapes(1, every) == shapes(5, every)
    assert sorted(set(shapes(0, every))) == shapes(0, order.typical())


def test_epochs_differ_and_seeds_decide():
    first = [pairs(make().batch(0, k)) for k in range(13)]
    assert first == [pairs(make().batch(0, k)) for k in range(13)]
    assert first != [pairs(make().batch(1, k)) for k in range(13)]
    assert first != [pairs(make(seed=4).batch(0, k)) for k in range(13)]
    lengths = [make().batch(0, k).length for k in range(13)]
    assert lengths != sorted(lengths)


def test_order_survives_pickling():
    order = make()
    order.batch(2, 1)
    again = pickle.loads(pickle.dumps(order))
    assert pairs(order.batch(2, 1)) == pairs(again.batch(2, 1))


def test_batches_mix_lengths_at_the_borders_only():
    order = make((1000,), 10)
    mixed = 0
    for k in range(order.steps_per_epoch):
        mixed += len({order.buckets[p][i] for p, i in pairs(order.batch(0, k))}) > 1
    assert mixed <= 2


@pytest.mark.parametrize("buckets", [1, 2, 3, 6])
def test_bucket_lengths_pad_as_little_as_any_choice(buckets):
    rng = np.random.default_rng(buckets)
    lengths = rng.integers(1, 60, 40)
    found = bucket_lengths(lengths, buckets=buckets, multiple=10)

    def cost(edges):
        return sum(min(e for e in edges if e >= n) for n in lengths)

    import itertools

    sizes = sorted({-(-int(n) // 10) * 10 for n in lengths})
    every = [
        [*some, sizes[-1]]
        for k in range(buckets)
        for some in itertools.combinations(sizes[:-1], min(k, len(sizes) - 1))
    ]
    assert len(found) <= buckets
    assert cost(found) == min(map(cost, every))


def test_bucket_lengths_stop_at_the_longest():
    assert bucket_lengths([3, 500], buckets=2, longest=100) == [8, 100]
    assert bucket_lengths([0]) == [8]


def test_lengths_from_10_to_200_need_little_padding():
    lengths = np.random.default_rng(0).integers(10, 201, 5000)
    edges = np.array(bucket_lengths(lengths))
    padded = edges[np.searchsorted(edges, lengths)]
    assert len(edges) <= 6
    assert padded.sum() < 1.17 * lengths.sum()  # so many more positions are computed


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BucketOrder([[0]], [4, 4], 1, seed=0), ArgumentError, "lengths must increase"),
        (
            lambda: BucketOrder([[0, 2]], [4, 8], 1, seed=0),
            DataError,
            "got 2 in partition 0, row 1",
        ),
        (lambda: BucketOrder([[]], [4], 1, seed=0), DataError, "at least one row"),
        (lambda: bucket_lengths([]), DataError, "at least one sequence"),
        (lambda: bucket_lengths([1], buckets=0), ArgumentError, "`buckets` must be"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
