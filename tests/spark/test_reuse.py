"""Python's workers: those that score are used again, those that trained are gone."""

from __future__ import annotations

import os
import time

import numpy as np
import psutil
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark


def counted(path: str) -> nn.Module:
    """Return a model that notes each time that it is loaded."""

    class Counted(nn.Module):  # travels by value: workers do not know this file
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1, rng=0)

        def call(self, x):
            return self.fc(x)

        def __setstate__(self, state):
            vars(self).update(state)
            with open(path, "a") as file:
                file.write(f"{os.getpid()}\n")

    return Counted()


def wait_for(condition, patience_s: float = 20.0) -> bool:
    until = time.monotonic() + patience_s
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    return condition()


def test_a_model_is_loaded_once_in_each_worker_and_no_rank_outlives_its_job(
    local, tmp_path
) -> None:
    from sandbox.lib.spark import SparkBackend, SparkDataset
    from sandbox.lib.spark.scoring import Outputs, Scorer

    path = tmp_path / "loads"
    model = counted(str(path))
    frame = local.range(300, numPartitions=6).selectExpr("id", "float(id) / 300 as x")
    scorer = Scorer(model, "x", Outputs(kind="double"), shape=(1,))
    expected = scorer.transform(frame).agg({"prediction": "sum"}).collect()
    for _ in range(3):
        assert scorer.transform(frame).agg({"prediction": "sum"}).collect() == expected
    loads = path.read_text().split()
    assert len(loads) == len(set(loads)) <= 3  # the session's cores

    rows = SparkDataset(
        frame.selectExpr("x", "array(x * 2) as y"), features="x", label="y", shape=(1,)
    )
    trainer = Trainer(
        nn.Sequential(fc=nn.Linear(1, 1, rng=0)),
        criterion.MSE(),
        optim.SGD(0.1),
        batch_size=30,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    pids = []
    trainer.subscribe(lambda event: pids.extend(event.get("pids", ())))
    trainer.fit(rows, epochs=1)
    assert len(pids) == 2
    assert wait_for(lambda: not any(map(psutil.pid_exists, pids)))

    # What has not trained still has the model; a changed one is another.
    before = len(path.read_text().split())
    model.fc.weight.set(np.array([[7.0]]))
    assert scorer.transform(frame).agg({"prediction": "sum"}).collect() != expected
    assert len(path.read_text().split()) <= before + 3
