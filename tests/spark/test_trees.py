"""Several inputs on Spark: files, columns and rows of trees give the weights of one process."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sandbox.lib import criterion, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import ArrayDataset, PartitionedDataset
from sandbox.lib.nn.zoo import offsets, wide_and_deep
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import Trainer

FIELDS, NUMBERS = (7, 5), 3


def table(rows=150, seed=0):
    rng = np.random.default_rng(seed)
    categories = np.stack([rng.integers(0, n, rows) for n in FIELDS], axis=1)
    numbers = rng.normal(size=(rows, NUMBERS)).astype("f4")
    y = (numbers[:, 0] + (categories[:, 0] > 3) > 0.5).astype(np.int64)
    return (categories + offsets(FIELDS), numbers), y


def fit(data, backend, **options):
    model = wide_and_deep(FIELDS, NUMBERS, 2, 0, dimension=4, hidden=(8,))
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.Adam(0.02),
        batch_size=32,
        seed=5,
        threads=1,
        progress=None,
        backend=backend,
    )
    trainer.fit(data, steps=12, **options)
    return trainer, {name: p.data.copy() for name, p in model.named_parameters()}


def assert_close(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        # 1e-5: the ranks' sums are added in another order than those of one process.
        scale = np.abs(expected).max()
        assert np.abs(ours[name] - expected).max() <= 1e-5 * scale, name


def cut(x, y, cuts):
    ids, numbers = x
    return [((ids[a:b], numbers[a:b]), y[a:b]) for a, b in itertools.pairwise(cuts)]


@pytest.mark.spark
def test_wide_and_deep_on_spark_equals_one_process(local, monkeypatch):
    from sandbox.lib.spark.rows import inputs

    x, y = table()
    backend = SparkBackend(local, ranks=2)
    trainer, alone = fit(ArrayDataset(x, y), None, validation=table(60, seed=1))
    spark, together = fit((x, y), backend, validation=table(60, seed=1))
    assert_close(together, alone)
    figures, theirs = trainer.history.last_validation, spark.history.last_validation
    assert figures.keys() == theirs.keys() == {"top1", "loss"}
    assert figures["top1"] == theirs["top1"]

    data = PartitionedDataset(cut(x, y, [0, 70, 71, 71, 150]))

    class Elsewhere(inputs.Storage):
        """Ranks cannot read the folder: Spark ships a file for every array."""

        def handle(self, dataset):
            handle = super().handle(dataset)
            handle.nonce = "another folder"
            return handle

    monkeypatch.setattr("sandbox.lib.spark.rows.travel._SMALL", 0)
    monkeypatch.setattr("sandbox.lib.spark.driver.Storage", Elsewhere)
    assert_close(fit(data, backend)[1], fit(data, None)[1])


@pytest.mark.spark
def test_columns_and_rdds_of_trees_equal_one_process(local):
    (ids, numbers), y = table()
    values = [
        (int(a), int(b), row.tolist(), int(c))
        for (a, b), row, c in zip(ids, numbers, y, strict=True)
    ]
    parts = local.sparkContext.parallelize(values, 2)
    frame = local.createDataFrame(parts, ["city", "shop", "row", "class"])
    sizes = [len(part) for part in frame.rdd.glom().collect()]
    split = PartitionedDataset(cut((ids, numbers), y, np.cumsum([0, *sizes])))
    data = SparkDataset(frame, features=(["city", "shop"], "row"), label="class")
    assert data.spec == split.spec
    backend = SparkBackend(local, ranks=2)
    trainer, together = fit(data, backend)
    _, alone = fit(split, None)
    assert_close(together, alone)
    assert trainer.evaluate(data)["top1"] == trainer.evaluate(split)["top1"]

    rows = [((a, b), int(c)) for a, b, c in zip(ids, numbers, y, strict=True)]
    rdd = local.sparkContext.parallelize(rows, 4)
    sizes = [len(part) for part in rdd.glom().collect()]
    split = PartitionedDataset(cut((ids, numbers), y, np.cumsum([0, *sizes])))
    assert_close(fit(rdd, backend)[1], fit(split, None)[1])

    with pytest.raises(DataError, match="no town"):
        SparkDataset(frame, features={"ids": ["city", "town"], "row": "row"}, label="class")
    with pytest.raises(ArgumentError, match="`shape` must go with the features ids, row"):
        SparkDataset(
            frame, features={"ids": "city", "row": "row"}, label="class", shape={"image": (1, 3)}
        )
    shaped = SparkDataset(
        frame,
        features={"ids": "city", "row": "row"},
        label={"class": "class"},
        shape={"row": (1, 3)},
    )
    assert shaped.spec.x["row"].shape == (1, 3)
    x, target = shaped.rows(0, [4])
    np.testing.assert_array_equal(x["row"], numbers[[4], None])
    np.testing.assert_array_equal(x["ids"], ids[[4], 0])
    np.testing.assert_array_equal(target["class"], y[[4]])
