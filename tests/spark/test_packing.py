"""A source is read once, whatever it does when it is read again; nothing of the user's changes."""

from __future__ import annotations

import gc
import os
import signal
import time

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import ArrayDataset, PartitionedDataset
from sandbox.lib.spark import SparkBackend, SparkDataset, chaos
from sandbox.lib.spark.rows.inputs import Storage
from sandbox.lib.spark.rows.loading import deal
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark


def trainer_on(backend, **options):
    return Trainer(
        nn.zoo.mlp([2, 8, 2], rng=0),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=64,
        seed=3,
        threads=1,
        progress=None,
        backend=backend,
        **options,
    )


def weights(trainer):
    return np.concatenate([p.data.ravel() for _, p in trainer.model.named_parameters()])


def kept(local):
    """The bytes that Spark keeps on disks."""
    return sum(info.diskSize() for info in local.sparkContext._jsc.sc().getRDDStorageInfo())


def test_rows_are_read_once_by_fit_validation_evaluate_and_a_second_fit(local):
    read = local.sparkContext.accumulator(0)

    def count(row):
        read.add(1)
        return row

    rows = [([k / 300, 1.0], k % 2) for k in range(300)]
    data = SparkDataset(local.sparkContext.parallelize(rows, 4).map(count))
    trainer = trainer_on(SparkBackend(local, ranks=2))
    trainer.fit(data, epochs=1, validation=data)
    first = trainer.evaluate(data)
    trainer.fit(data, epochs=1)
    assert read.value == 300
    assert trainer.predict(data).shape == (300, 2)
    assert first["loss"] > 0
    data.unpersist()
    assert sum(data.partition_sizes) == 300
    assert read.value == 600


def test_rows_in_another_order_at_each_reading_train(local):
    # Ranges of a sort are sampled anew at each reading, and rand() has another seed in each plan.
    before = kept(local)
    local.conf.set("spark.sql.shuffle.partitions", "5")
    settings = local.conf.getAll
    frame = local.range(3000).selectExpr(
        "array(rand(), rand()) features", "cast(id % 2 as double) label"
    )
    data = SparkDataset(frame.orderBy("features"))
    trainer = trainer_on(SparkBackend(local, ranks=2))
    told, seen = [], []
    trainer.subscribe(lambda event: seen.append(local.conf.getAll) if not seen else None)
    trainer.subscribe(lambda event: told.append(event.get("text", "")))
    try:
        history = trainer.fit(data, epochs=1, validation=data)
    finally:
        local.conf.unset("spark.sql.shuffle.partitions")
    assert history["rows"].sum() == 3000
    assert len(data.partition_sizes) == 5
    assert seen == [settings]
    assert trainer.evaluate(data)["loss"] == pytest.approx(
        history.last_validation["loss"], rel=1e-5
    )
    assert kept(local) > before
    del data, trainer, history
    gc.collect()
    until = time.monotonic() + 20
    while kept(local) > before and time.monotonic() < until:
        time.sleep(0.1)
    assert kept(local) <= before  # others may have gone meanwhile


def test_uneven_partitions_are_cut_anew_and_said(local, tmp_path):
    x = np.random.default_rng(0).standard_normal((330, 2)).astype("f4")
    y = (x[:, 0] > 0).astype("i8")
    rows = [(row.tolist(), float(k)) for row, k in zip(x, y, strict=True)]
    parts = [rows[:300], [], rows[300:]]
    rdd = local.sparkContext.parallelize(parts, 3).flatMap(lambda part: part)
    data = SparkDataset(local.createDataFrame(rdd, "features array<float>, label double"))
    assert data.partition_sizes == (300, 0, 30)
    assert deal(data.partition_sizes, 2)[0] == (165, 165)
    alone = trainer_on(None)
    alone.fit(PartitionedDataset([(x[:165], y[:165]), (x[165:], y[165:])]), epochs=2)

    backend = SparkBackend(local, ranks=2, memory_per_rank=500)
    trainer, said = trainer_on(backend, checkpoint=tmp_path), []
    trainer.subscribe(lambda event: said.append(event.get("text", "")))
    trainer.fit(data, epochs=1)
    assert sum("training rows are cut into 2 equal parts" in text for text in said) == 1
    again = trainer_on(backend, checkpoint=tmp_path)
    again.fit(data, epochs=2, resume="auto")
    assert len(again.history) == 12
    far = np.abs(weights(again) - weights(alone)).max() / np.abs(weights(alone)).max()
    assert far <= 1e-5


def test_a_bad_label_of_cut_rows_is_named_by_the_sources_row(local):
    rows = [([0.1, 0.2], k % 2) for k in range(40)]
    rows[33] = ([0.1, 0.2], 0.5)
    rdd = local.sparkContext.parallelize([rows], 1).flatMap(lambda part: part)
    with pytest.raises(DataError, match=r"got 0\.5 \(float64\) in row 33"):
        trainer_on(SparkBackend(local, ranks=2)).fit(rdd, epochs=1)


def test_a_table_is_evaluated_by_the_columns_of_the_training(local):
    import pandas as pd

    table = pd.DataFrame({"a": np.arange(60) / 60, "b": 1.0, "c": np.arange(60) % 2.0})
    frame = local.createDataFrame(table)
    data = SparkDataset(frame, features=["a", "b"], label="c")
    trainer = trainer_on(SparkBackend(local, ranks=2))
    trainer.fit(data, epochs=1)
    expected = trainer.evaluate(data)
    assert trainer.evaluate(table) == expected
    assert trainer.evaluate(frame) == expected
    with pytest.raises(DataError, match=r"columns of the training data; got no c\."):
        trainer.evaluate(table[["a", "b"]])
    alone = trainer_on(None)
    with pytest.raises(DataError, match=r"got pyspark DataFrame\. Give the Trainer backend="):
        alone.fit(frame, epochs=1)
    with pytest.raises(DataError, match=r"got pandas DataFrame\. Give a pair of its columns"):
        alone.fit(table, epochs=1)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["frame", "arrays"])
def test_a_lost_executor_takes_no_rows_and_no_arrays_with_it(cluster, monkeypatch, kind):
    class Elsewhere(Storage):
        def handle(self, dataset):
            handle = super().handle(dataset)
            handle.nonce = "another folder"
            return handle

    monkeypatch.setattr("sandbox.lib.spark.rows.travel._SMALL", 0)
    monkeypatch.setattr("sandbox.lib.spark.driver.Storage", Elsewhere)
    x = np.random.default_rng(0).standard_normal((400, 2)).astype("f4")
    y = (x[:, 0] > 0).astype("i8")
    if kind == "frame":
        rows = [(row.tolist(), int(k)) for row, k in zip(x, y, strict=True)]
        pairs = cluster.sparkContext.parallelize(rows, 2)
        frame = cluster.createDataFrame(pairs, "features array<float>, label long")
        data = SparkDataset(frame, transform=chaos.slow)
    else:
        data = ArrayDataset(x, y, transform=chaos.slow)
    backend = SparkBackend(cluster, ranks=2)
    undisturbed = trainer_on(backend)
    undisturbed.fit(data, steps=60)
    for _ in range(2):
        trainer, killed = trainer_on(backend), []

        def kill(event, killed=killed):
            if event["type"] == "iteration" and event["step"] >= 10 and not killed:
                killed.append(chaos.executor_pids()[0])
                os.kill(killed[0], signal.SIGKILL)

        trainer.subscribe(kill)
        trainer.fit(data, steps=60)
        assert killed
        assert weights(trainer).tobytes() == weights(undisturbed).tobytes()
    assert trainer.evaluate(data)["loss"] > 0


def unpacked(text):
    """Make a row of the file of a picture, as it were."""
    return np.frombuffer(text, np.float32, 2)


def test_bytes_of_varying_length_are_decoded_by_the_ranks(local):
    x = np.random.default_rng(2).standard_normal((80, 2)).astype("f4")
    y = (x[:, 0] > 0).astype("i8")
    files = [row.tobytes() + b"." * (4 * (k % 5)) for k, row in enumerate(x)]
    rows = local.sparkContext.parallelize(list(zip(files, y.tolist(), strict=True)), 2)
    frame = local.createDataFrame(rows, "file binary, label long")
    data = SparkDataset(frame, features="file", decode=unpacked)
    trainer = trainer_on(SparkBackend(local, ranks=2))
    trainer.fit(data, epochs=2)
    alone = trainer_on(None)
    alone.fit(PartitionedDataset([(x[:40], y[:40]), (x[40:], y[40:])]), epochs=2)
    assert np.abs(weights(trainer) - weights(alone)).max() <= 1e-5 * np.abs(weights(alone)).max()
    np.testing.assert_array_equal(data.rows(1, [3])[0], x[[43]])
    bad = SparkDataset(frame, features="file", decode=len)
    with pytest.raises(ArgumentError, match=r"one binary column as features; got .* label bigint"):
        SparkDataset(frame, features="label", label="label", decode=len)
    with pytest.raises(DataError, match="bytes must have one length"):
        SparkDataset(frame, features="file").stored()
    assert bad.stored().x.shape == ()


class Weighted(ArrayDataset):
    """A user's own kind, with an array of its own."""

    def __init__(self, x, y):
        super().__init__(x, y)
        self.note = "mine"
        self.every_third = np.arange(90_000.0)[::3]  # no memory of its own


def test_a_subclass_travels_without_its_arrays_and_comes_back_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(30_000, 2))
    x[:] = np.arange(60_000).reshape(-1, 2)
    storage = Storage(None, 2)
    handle = storage.handle(Weighted(x, np.arange(30_000) % 2))
    assert len(handle.dataset) < 3_000
    found = handle.open()
    assert type(found) is Weighted
    assert found.note == "mine"
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.every_third, np.arange(90_000.0)[::3])
    assert not found.x.flags.owndata
    storage.close()
    np.testing.assert_array_equal(found.x, x)  # what is mapped stays
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
