"""Texts of varying length, tables with a scaler, LAMB averaged: on ranks as in one process."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import Scaler, SequenceDataset, class_weights
from sandbox.lib.metrics import AUC, PRAUC, Top1
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import EverySteps, Trainer

pytestmark = pytest.mark.spark


def weights(model):
    return np.concatenate([p.data.ravel() for _, p in model.named_parameters()])


def fit(model, data, backend, optimizer, **options):
    trainer = Trainer(
        model,
        criterion.CrossEntropy(class_weights=options.pop("class_weights", None)),
        optimizer,
        batch_size=options.pop("batch_size", 32),
        seed=5,
        threads=1,
        progress=None,
        backend=backend,
        metrics=(Top1(), AUC(), PRAUC()),
    )
    history = trainer.fit(data, **options)
    return trainer, history, weights(model)


def payments(rows=900, seed=0):
    rng = np.random.default_rng(seed)
    amount, hour = rng.lognormal(3, 1, rows), rng.uniform(0, 24, rows)
    fraud = (amount > 60) & (hour < 8)
    return {"hour": hour, "amount": amount, "fraud": fraud.astype("i8"), "name": ["x"] * rows}


def test_scaler_measured_by_spark_is_the_one_measured_here(local):
    import pandas as pd

    table = payments()
    frame = local.createDataFrame(pd.DataFrame(table))
    ours = Scaler.fit(table, ["amount", "hour"], log=["amount"])
    theirs = Scaler.fit(frame, ["amount", "hour"], log=["amount"])
    np.testing.assert_allclose(theirs.mean, ours.mean, rtol=1e-12)
    np.testing.assert_allclose(theirs.std, ours.std, rtol=1e-9)
    with pytest.raises(DataError, match="must have the column 'Amount'; got hour, amount"):
        Scaler.fit(frame, ["Amount"])
    with pytest.raises(DataError, match="column 'name' must hold numbers; got string"):
        Scaler.fit(frame, ["name"])
    table["amount"][7] = np.nan
    with pytest.raises(DataError, match="column 'amount' must hold finite numbers; got 1 rows"):
        Scaler.fit(local.createDataFrame(pd.DataFrame(table)), ["hour", "amount"])


def test_frame_behind_a_scaler_trains_as_the_array_does(local):
    optimizer = optim.EMA(optim.LAMB(0.05))
    import pandas as pd

    table = payments(600)
    frame = local.createDataFrame(pd.DataFrame(table)).repartition(3).cache()
    rows = frame.toPandas()
    scaler = Scaler.fit(rows, ["amount", "hour"], log=["amount"])
    data = SparkDataset(frame, features=scaler.columns, label="fraud", transform=scaler)
    balance = class_weights(table["fraud"])
    options = {"steps": 20, "validation": data, "validate": EverySteps(10), "batch_size": 50}
    _, found, many = fit(
        nn.zoo.mlp([2, 16, 2], rng=0),
        data,
        SparkBackend(local, ranks=3),
        optimizer,
        class_weights=balance,
        **options,
    )
    from sandbox.lib.data import PartitionedDataset

    parts = [
        (part[["amount", "hour"]].to_numpy(), part["fraud"].to_numpy())
        for part in _partitions(frame)
    ]
    here = PartitionedDataset(parts, transform=scaler)
    options |= {"validation": here}
    _, expected, one = fit(
        nn.zoo.mlp([2, 16, 2], rng=0), here, None, optimizer, class_weights=balance, **options
    )
    assert np.abs(many - one).max() / np.abs(one).max() < 1e-5
    for a, b in zip(found.validations, expected.validations, strict=True):
        assert a["metrics"]["pr_auc"] == pytest.approx(b["metrics"]["pr_auc"], abs=1e-3)


def _partitions(frame):
    """Return the rows of each partition as Spark keeps them."""
    import pandas as pd

    parts = frame.rdd.glom().collect()
    return [pd.DataFrame([row.asDict() for row in part]) for part in parts]


def texts(rows=300):
    rng = np.random.default_rng(1)
    sequences = [rng.integers(1, 50, n) for n in rng.integers(4, 60, rows)]
    y = np.array([int((row < 10).mean() > 0.2) for row in sequences])
    return SequenceDataset(sequences, y, ids=50, buckets=3)


def text_net():
    return nn.Sequential(
        nn.Embedding(50, 8, padding_index=0, with_lengths=True, rng=0),
        nn.GlobalMeanOverTime(),
        nn.Linear(8, 2, rng=1),
    )


def test_sequences_of_all_lengths_train_on_ranks_as_in_one_process(local):
    data = texts()
    options = {"epochs": 3, "validation": texts(120), "batch_size": 24}
    _, found, many = fit(
        text_net(), data, SparkBackend(local, ranks=3), optim.Adam(0.02), **options
    )
    _, expected, one = fit(text_net(), data, None, optim.Adam(0.02), **options)
    assert np.abs(many - one).max() / np.abs(one).max() < 1e-5
    assert found["loss"][-1] < found["loss"][0]
    for a, b in zip(found.validations, expected.validations, strict=True):
        assert a["metrics"]["auc"] == pytest.approx(b["metrics"]["auc"], abs=1e-3)


def test_lbfgs_on_ranks_says_what_to_do(local):
    data = (np.eye(6, 2, dtype="f4"), [0, 1] * 3)
    with pytest.raises(ArgumentError, match="LBFGS: must train in one process"):
        fit(nn.zoo.mlp([2, 2], rng=0), data, SparkBackend(local, ranks=2), optim.LBFGS(), steps=1)
