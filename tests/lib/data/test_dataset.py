"""Data sets: right rows, right dtypes, reusable buffers, pickles, and errors that help."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import (
    ArrayDataset,
    EpochOrder,
    PartitionedDataset,
    as_dataset,
    transforms,
)


def digits(rows=50, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
    return images, rng.integers(0, 10, rows).astype(np.uint8)


STANDARD = transforms.Compose(transforms.AddChannel(), transforms.Normalize(1 / 255, 0.13, 0.31))


def test_rows_are_picked_normalised_and_given_a_channel():
    x, y = digits()
    data = ArrayDataset(x, y, transform=STANDARD)
    picked = [7, 7, 0, 49]
    batch, labels = data.rows(0, picked)
    expected = (x[picked].astype("f8") / 255 - 0.13) / 0.31
    np.testing.assert_allclose(batch, expected[:, None], atol=1e-6)
    np.testing.assert_array_equal(labels, y[picked])
    assert (batch.dtype, labels.dtype) == (np.float32, np.int64)
    assert (4, *data.spec.x.shape) == batch.shape
    assert (data.spec.x.dtype, data.spec.y.dtype) == ("float32", "int64")
    assert (len(data), data.partition_sizes, data.shared) == (50, (50,), True)


@pytest.mark.parametrize("transform", [None, STANDARD, transforms.AddChannel(), lambda x: x])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i8", "?"])
def test_batches_are_new_arrays_in_float32(transform, dtype):
    x, y = digits()
    data = ArrayDataset(x.astype(dtype), y, transform=transform)
    first, _ = data.rows(0, [1, 2])
    kept = first.copy()
    second, _ = data.rows(0, [3, 4])
    assert first.dtype == np.float32
    assert not np.may_share_memory(first, second)
    np.testing.assert_array_equal(kept, first)


@pytest.mark.parametrize("transform", [None, STANDARD, transforms.AddChannel(), lambda x: x * 2])
def test_results_may_go_into_given_arrays(transform):
    x, y = digits()
    data = ArrayDataset(x, y, transform=transform)
    expected = data.rows(0, [5, 6, 7])
    out = tuple(np.empty_like(a) for a in expected)
    found = data.rows(0, [5, 6, 7], out=out)
    assert found[0] is out[0]
    assert found[1] is out[1]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_float_targets_become_float32_and_keep_their_shape():
    data = ArrayDataset(np.zeros((4, 2)), np.arange(8.0).reshape(4, 2))
    _, y = data.rows(0, [3])
    np.testing.assert_array_equal(y, [[6, 7]])
    assert y.dtype == np.float32
    assert data.spec.y.shape == (2,)


def test_ids_may_stay_integers():
    data = ArrayDataset(np.array([[2**24 + 1]]), [0], dtype=None)
    x, _ = data.rows(0, [0])
    assert x.dtype == np.int64
    assert data.spec.x.dtype == "int64"
    assert x[0, 0] == 2**24 + 1


def test_no_rows_are_a_batch_too():
    data = ArrayDataset(*digits(), transform=STANDARD)
    x, y = data.rows(0, [])
    assert x.shape == (0, 1, 28, 28)
    assert y.shape == (0,)
    x, y = data.batch([])
    assert x.shape == (0, 1, 28, 28)


def test_batch_joins_the_rows_of_partitions_in_order():
    parts = [digits(n, seed=n) for n in (5, 0, 9)]
    data = PartitionedDataset(parts, transform=STANDARD)
    order = EpochOrder(data.partition_sizes, 6, seed=1)
    for k in range(order.steps_per_epoch):
        batch = order.batch(0, k)
        x, y = data.batch(batch)
        np.testing.assert_array_equal(y, np.concatenate([parts[p][1][i] for p, i in batch]))
        raw = np.concatenate([parts[p][0][i] for p, i in batch])
        np.testing.assert_array_equal(x, STANDARD(raw))
    assert not data.shared
    assert data.partition_sizes == (5, 0, 9)


def test_partitions_of_other_ranks_can_be_left_behind():
    data = PartitionedDataset([digits(n) for n in (5, 3, 9)], transform=STANDARD)
    mine = pickle.loads(pickle.dumps(data.only([1])))
    assert len(pickle.dumps(mine)) < len(pickle.dumps(data)) / 3
    assert data.partition_sizes == mine.partition_sizes
    assert data.spec == mine.spec
    np.testing.assert_array_equal(data.rows(1, [2])[0], mine.rows(1, [2])[0])
    mine.check(classes=10)
    with pytest.raises(DataError, match=r"must be one held here \[1\]; got 0"):
        mine.rows(0, [0])


def test_threads_do_not_disturb_each_other():
    data = ArrayDataset(*digits(500), transform=STANDARD)
    jobs = [np.random.default_rng(i).integers(0, 500, 64) for i in range(40)]
    expected = [data.rows(0, job)[0] for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda job: data.rows(0, job)[0], jobs))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_data_sets_may_be_pickled():
    data = ArrayDataset(*digits(), transform=STANDARD)
    data.rows(0, [0])
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(data.rows(0, [3])[0], again.rows(0, [3])[0])


def test_normalising_a_batch_of_digits_is_quick():
    data = ArrayDataset(*digits(60_000), transform=STANDARD)
    picked = np.random.default_rng(0).permutation(60_000)[:128]
    out = data.rows(0, picked)
    best = 1.0
    for _ in range(400):
        start = time.perf_counter()
        data.rows(0, picked, out=out)
        best = min(best, time.perf_counter() - start)
    assert best < 250e-6  # about 25 us on an idle core; the bound leaves room for slow machines


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 3)), [], "must have at least one row; got 0"),
        (np.zeros((3, 2)), [0, 1], r"same number of rows; got 3 and 2 \(shapes \(3, 2\) and \(2\)"),
        (np.zeros((2, 2)), ["cat", "dog"], r"y must be numbers; got dtype <U3, first value.*'cat'"),
        (np.array([["a"], ["b"]], object), [0, 1], r"x must be numbers; got 'a' \(str\) in row 0"),
        ([[1, 2], [3]], [0, 1], "x must be an array of numbers; got rows of different lengths"),
        (3.0, [0], r"x must have a row axis; got the single number 3\.0"),
        (np.zeros(2, complex), [0, 1], "absolute value"),
    ],
)
def test_arrays_that_do_not_fit_are_named(x, y, message):
    with pytest.raises(DataError, match=message):
        ArrayDataset(x, y)


def test_partitions_that_do_not_fit_are_named():
    with pytest.raises(DataError, match="got 2 partitions without rows"):
        PartitionedDataset([(np.zeros((0, 2)), []), (np.zeros((0, 2)), [])])
    with pytest.raises(DataError, match=r"partition 1: x and y must have the same number of rows"):
        PartitionedDataset([(np.zeros((1, 2)), [0]), (np.zeros((2, 2)), [0])])
    with pytest.raises(DataError, match=r"rows of partition 1 must be like those of partition 0"):
        PartitionedDataset([(np.zeros((1, 2)), [0]), (np.zeros((1, 3)), [0])])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_names_row_and_column_of_what_is_not_finite(bad):
    x = np.zeros((9000, 4), "f4")
    x[8000, 2] = bad
    with pytest.raises(DataError, match=rf"got {bad} in row 8000, column 2"):
        ArrayDataset(x, np.zeros(9000, int)).check()
    with pytest.raises(DataError, match=r"in partition 1, row 8000, column 2"):
        PartitionedDataset([(x[:5] * 0, np.zeros(5, int)), (x, np.zeros(9000, int))]).check()
    with pytest.raises(DataError, match="y must hold finite numbers; got nan in row 1"):
        ArrayDataset(np.zeros((2, 1)), [0.5, np.nan]).check()
    ArrayDataset(*digits()).check(classes=10)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2], r"labels must be in \[0, 2\); got 2 in row 2"),
        ([0, -1, 1], r"labels must be in \[0, 2\); got -1 in row 1"),
        ([0, 0.5, 1], r"labels must be integers; got 0\.5 in row 1"),
    ],
)
def test_check_names_bad_labels(y, message):
    with pytest.raises(DataError, match=message):
        ArrayDataset(np.zeros((3, 1)), y).check(classes=2)


@pytest.mark.parametrize(
    ("partition", "indices", "message"),
    [
        (0, [50], r"indices must be in \[0, 50\) for partition 0; got 50"),
        (0, [-1], r"indices must be in \[0, 50\)"),
        (0, [0.5], "indices must be 1-D integers; got float64"),
        (0, 3, "indices must be 1-D integers"),
        (1, [0], r"partition must be in \[0, 1\); got 1"),
    ],
)
def test_rows_that_do_not_exist_are_named(partition, indices, message):
    with pytest.raises(DataError, match=message):
        ArrayDataset(*digits()).rows(partition, indices)


def test_pairs_become_data_sets_and_other_things_do_not():
    data = ArrayDataset(*digits())
    assert as_dataset(data) is data
    assert len(as_dataset(digits())) == 50
    with pytest.raises(DataError, match=r"must be a Dataset or a pair \(x, y\); got str"):
        as_dataset("mnist")
    with pytest.raises(DataError, match="transform must be a Transform or a function"):
        ArrayDataset(*digits(), transform=3)


@pytest.mark.parametrize("dtype", ["u1", "f4", "f8"])
def test_normalize_per_channel_follows_its_formula(dtype):
    x = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 4)).astype(dtype)
    mean, std = [0.1, 0.2, 0.3], [1.0, 0.5, 2.0]
    found = transforms.Normalize(1 / 255, mean, std)(x)
    expected = (x / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


def test_transforms_that_do_not_fit_are_named():
    with pytest.raises(ArgumentError, match="std must be numbers > 0"):
        transforms.Normalize(std=0)
    with pytest.raises(ArgumentError, match="each argument must be a Transform"):
        transforms.Compose(np.log)
    with pytest.raises(DataError, match="axis 1 of the batch must be 2 channels"):
        transforms.Normalize(mean=[0.0, 1.0])(np.zeros((4, 3)))
    with pytest.raises(DataError, match="must keep the number of rows 2; got 1"):
        transforms.Apply(lambda x: x[:1])(np.zeros((2, 2)))


def test_flatten_and_functions_tell_their_shape():
    chain = transforms.Compose(transforms.Flatten(), transforms.Apply(np.sqrt))
    data = ArrayDataset(*digits(), transform=chain)
    assert data.spec.x.shape == (784,)
    assert data.rows(0, [0])[0].shape == (1, 784)
    assert repr(chain) == "Compose(Flatten(), Apply(sqrt))"
