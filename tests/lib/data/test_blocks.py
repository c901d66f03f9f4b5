from __future__ import annotations

import pickle
import threading
import time

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.data import BlockOrder, EpochOrder
from sandbox.lib.data.block_cache import BlockCache


def drawn(count):
    """Give block sizes, batch size and window of random cases."""
    rng = np.random.default_rng(5)
    while count:
        sizes = rng.integers(0, 9, rng.integers(1, 12)).tolist()
        if sum(sizes):
            count -= 1
            yield sizes, int(rng.integers(1, 12)), int(rng.integers(1, 13))


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_comes_once_an_epoch_whatever_the_ranks(shuffle):
    for sizes, batch_size, window in drawn(60):
        order = BlockOrder(sizes, batch_size, window=window, seed=3, shuffle=shuffle)
        for epoch in (0, 1):
            seen = []
            for k in range(order.steps_per_epoch):
                whole = order.batch(epoch, k)
                partitions = [p for p, _ in whole.parts]
                assert len(set(partitions)) == len(partitions)
                assert set(partitions) <= set(whole.held)
                for ranks in (2, 3):
                    shares = [order.share(epoch, k, r, ranks) for r in range(ranks)]
                    joined = np.concatenate([share.numbers for share in shares])
                    np.testing.assert_array_equal(whole.numbers, joined)
                    firsts = [share.sample_index for share in shares]
                    assert firsts == [len(whole.numbers) * r // ranks for r in range(ranks)]
                seen += whole.numbers.tolist()
            assert sorted(seen) == list(range(sum(sizes)))


@pytest.mark.parametrize("shuffle", [True, False])
def test_one_window_gives_the_order_of_all_rows(shuffle):
    for sizes, batch_size, _ in drawn(40):
        blocks = BlockOrder(sizes, batch_size, window=len(sizes), seed=9, shuffle=shuffle)
        rows = EpochOrder(sizes, batch_size, seed=9, shuffle=shuffle)
        for k in range(rows.steps_per_epoch):
            np.testing.assert_array_equal(rows.batch(2, k).numbers, blocks.batch(2, k).numbers)


def test_a_window_holds_few_blocks_and_epochs_mix_others():
    order = BlockOrder([50] * 40, 25, window=4, seed=0)
    met = []
    for epoch in (0, 1):
        held = [order.batch(epoch, k).held for k in range(order.steps_per_epoch)]
        assert {len(blocks) for blocks in held} == {4}
        assert len(set(held)) == 10
        met.append(set(held))
    assert not met[0] & met[1]


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_share_the_reading_of_blocks(ranks):
    sizes = [97, 101, 99, 103] * 16
    order = BlockOrder(sizes, 64, window=16, seed=1)
    reads, most = 0, 0
    for rank in range(ranks):
        there = set()
        for k in range(order.steps_per_epoch):
            share = order.share(0, k, rank, ranks)
            needed = {partition for partition, _ in share.parts} | set(share.held)
            there &= {*share.held, *share.upcoming}
            reads += len(needed - there)
            there |= needed
            most = max(most, len(there))
    assert reads <= 1.3 * len(sizes)  # a block at a border is read by two ranks
    assert most <= 2 * (16 / ranks + 2)


def test_rows_are_mixed_over_the_whole_window():
    order = BlockOrder([100] * 8, 50, window=8, seed=0)
    for k in range(order.steps_per_epoch):
        counts = [len(rows) for _, rows in order.batch(0, k).parts]
        assert len(counts) == 8
        assert max(counts) - min(counts) <= 2


def test_an_order_is_pickled_without_rows_and_refuses_owners():
    order = BlockOrder([1000] * 100, 10, window=10, seed=0)
    before = order.batch(3, 7).numbers
    packed = pickle.dumps(order)
    assert len(packed) < 10_000
    np.testing.assert_array_equal(before, pickle.loads(packed).batch(3, 7).numbers)
    with pytest.raises(ArgumentError, match="blocks are read by all ranks"):
        order.share(0, 0, 0, 2, owner=[0] * 100)


def test_the_cache_holds_what_is_needed_and_no_more_than_the_budget_beside_it():
    cache = BlockCache(lambda block: np.full(100, block), budget=1600)  # two blocks
    for block in range(5):
        assert int(cache.get(block)[0]) == block
    assert cache.nbytes <= 1600
    assert cache.held(0) is None
    assert int(cache.held(4)[0]) == 4
    cache.expect((0, 1, 2), ())
    for _ in range(3):
        for block in (0, 1, 2):
            cache.get(block)
    assert cache.reads == 8  # 0, 1 and 2 once more
    cache.expect((7,), ())
    assert cache.nbytes <= 1600


def test_what_comes_next_is_read_ahead_and_no_more():
    read, gate = [], threading.Event()

    def slow(block):
        gate.wait(10)
        read.append(block)
        return np.zeros(10)

    cache = BlockCache(slow, budget=0)
    cache.expect((), (3, 4))
    gate.set()
    deadline = time.monotonic() + 10
    while len(read) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert read == [3, 4]
    assert cache.get(3).shape == (10,)
    assert cache.reads == 2


def test_a_block_that_cannot_be_read_raises_each_time_it_is_asked_for():
    def fail(block):
        raise ValueError(f"block {block}")

    cache = BlockCache(fail, budget=100)
    for _ in range(2):
        with pytest.raises(ValueError, match="block 3"):
            cache.get(3)
    cache.expect((), (3,))
    with pytest.raises(ValueError, match="block 3"):
        cache.get(3)


def test_threads_that_ask_at_once_read_a_block_once():
    started = threading.Barrier(4)
    cache = BlockCache(lambda block: (time.sleep(0.05), np.zeros(5))[1], budget=100)

    def ask():
        started.wait()
        cache.get(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.reads == 1
