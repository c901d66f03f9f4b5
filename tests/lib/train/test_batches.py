from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.criterion import MSE
from sandbox.lib.data import ArrayDataset, PartitionedDataset
from sandbox.lib.data.order import EpochOrder
from sandbox.lib.optim import SGD
from sandbox.lib.train import ModelBundle, SingleGroup, Trainer
from sandbox.lib.train.batches import Batches


class Slow(ArrayDataset):
    """Reads as from a slow disk."""

    def rows(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.003)
        return super().rows(*args, **kwargs)


def test_reading_ahead_begins_where_reading_waits_and_changes_no_number() -> None:
    x, y = make_data(120)
    order = EpochOrder([120], 32, seed=1)
    quick = Batches(ArrayDataset(x, y), order, SingleGroup())
    slow = Batches(Slow(x, y), order, SingleGroup())
    for epoch in range(8):
        for k in range(4):
            one, other = quick.get(epoch, k), slow.get(epoch, k)
            np.testing.assert_array_equal(one.inputs, other.inputs)
            np.testing.assert_array_equal(one.target, other.target)
            assert one.sample_index == other.sample_index
    assert slow.ahead is not None
    slow.close()


def test_a_run_that_reads_ahead_ends_with_the_same_bits() -> None:
    x, y = make_data(120)
    plain, ahead = make_trainer(), make_trainer()
    plain.fit((x, y), epochs=6)
    ahead.fit(Slow(x, y), epochs=6)
    assert_same(weights(plain.model), weights(ahead.model))


def test_an_error_while_reading_ahead_names_the_step() -> None:
    class Broken(Slow):
        def rows(self, *args: Any, **kwargs: Any) -> Any:
            self.reads = getattr(self, "reads", 0) + 1
            if self.reads > 40:
                raise DataError("the disk is gone")
            return super().rows(*args, **kwargs)

    with pytest.raises(DataError, match=r"step \d\d .*: the disk is gone"):
        make_trainer().fit(Broken(*make_data(120)), epochs=30)


def test_a_row_of_a_share_is_found_in_its_partition() -> None:
    x, y = make_data(30)
    data = PartitionedDataset([(x[:10], y[:10]), (x[10:], y[10:])])
    batch = Batches(data, EpochOrder([10, 20], 9, seed=0), SingleGroup()).read(0, 0)
    for row in range(batch.rows):
        partition, index = batch.place(row)
        np.testing.assert_array_equal(x[10 * partition + index], batch.inputs[row])


def test_a_large_finite_input_is_no_nan() -> None:
    x, y = make_data(4)
    x[:] = 3e38
    batch = Batches(ArrayDataset(x, y), EpochOrder([4], 4, seed=0), SingleGroup()).read(0, 0)
    with np.errstate(over="ignore"):  # as in the loop
        batch.check()


@pytest.mark.parametrize(("numbers", "rows"), [(4, 256), (784, 83), (1000, 65), (150_528, 64)])
def test_inference_takes_many_small_rows_at_once_and_few_large_ones(numbers: int, rows: int):
    seen: list[int] = []

    class Sum(nn.Module):
        def call(self, x: Any) -> Any:
            seen.append(x.shape[0])
            return ops.sum(x, axes=(1,), keepdims=True)

    trainer = Trainer(Sum(), MSE(), SGD(0.1), batch_size=64, progress=None)
    x = np.ones((300, numbers), np.float32)
    trainer.evaluate((x, np.ones((300, 1), np.float32)))
    assert max(seen) == rows
    seen.clear()
    assert trainer.predict(x).shape == (300, 1)
    assert trainer.predict(x, batch_size=300).shape == (300, 1)
    assert max(seen) == 300  # what is asked for, counts


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_that_is_none_is_refused(size: int):
    model = make_trainer().model
    x = make_data(8)[0]
    for run in (make_trainer().predict, ModelBundle(None, model).outputs):
        with pytest.raises(ArgumentError, match="batch_size"):
            run(x, batch_size=size)
