"""Augmentation follows the global position of a row, whatever the ranks and the batches' cuts."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib.core.errors import DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import EpochOrder, PartitionedDataset, owners, transforms
from sandbox.lib.data.augment import RandomFlip, RandomShift

CHAIN = transforms.Compose(RandomFlip(), RandomShift(2), transforms.Normalize(1 / 255))


def images(rows, *channels, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, (rows, *channels, 9, 8), dtype=np.uint8)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_shift_moves_whole_images_and_fills_with_zeros(channels):
    x = images(300, *channels)
    moved = RandomShift(2)(x, random=RandomKey(1, 2))
    padded = np.pad(x, [(0, 0)] * (1 + len(channels)) + [(2, 2)] * 2)
    seen = set()
    for before, after in zip(padded, moved, strict=True):
        fits = {
            (i, j)
            for i in range(5)
            for j in range(5)
            if np.array_equal(before[..., i : i + 9, j : j + 8], after)
        }
        assert len(fits) == 1
        seen |= fits
    assert len(seen) == 25


def test_about_half_of_the_images_are_mirrored():
    x = images(400)
    y = RandomFlip()(x, random=RandomKey(3))
    same = np.array([np.array_equal(a, b) for a, b in zip(x, y, strict=True)])
    turned = np.array([np.array_equal(a, b[:, ::-1]) for a, b in zip(x, y, strict=True)])
    assert (same ^ turned).all()
    assert 150 < same.sum() < 250


def test_without_a_key_rows_stay_as_they_are():
    x = images(5)
    np.testing.assert_array_equal(CHAIN(x), transforms.Normalize(1 / 255)(x))


def test_steps_and_seeds_draw_anew():
    x = images(50)
    results = [CHAIN(x, random=RandomKey(*key)).tobytes() for key in ((0, 0), (0, 1), (1, 0))]
    assert len(set(results)) == 3
    assert results[0] == CHAIN(x, random=RandomKey(0, 0)).tobytes()


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("owned", [False, True])
def test_ranks_together_see_the_batch_that_one_process_sees(size, owned):
    parts = [(images(n, 1, seed=n), np.zeros(n, int)) for n in (11, 0, 7, 20)]
    data = PartitionedDataset(parts, transform=CHAIN)
    order = EpochOrder(data.partition_sizes, 16, seed=0)
    owner = owners(data.partition_sizes, size) if owned else None
    for k in range(order.steps_per_epoch):
        whole, _ = data.batch(order.batch(0, k), random=RandomKey(5, k, 0))
        shares = [order.share(0, k, rank, size, owner) for rank in range(size)]
        cut = [data.batch(s, random=RandomKey(5, k, s.sample_index))[0] for s in shares]
        np.testing.assert_array_equal(whole, np.concatenate(cut))


@pytest.mark.parametrize("transform", [RandomShift(1), RandomFlip()], ids=repr)
def test_rows_that_are_not_images_are_named(transform):
    with pytest.raises(DataError, match="rows must be images"):
        transform(np.zeros((3, 4)), random=RandomKey(0))
