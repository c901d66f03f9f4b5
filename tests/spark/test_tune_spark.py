"""Model selection over Spark: the same tables, beside other work, ended by Ctrl-C or a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tune_kit
from tune_kit import rows, searched, table

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark import SparkBackend, SparkDataset, tune
from sandbox.lib.train import LambdaCallback, Trainer

pytestmark = pytest.mark.spark
FEW = {"lr": tune.log_uniform(1e-2, 0.3)}


@pytest.fixture
def spark(local):
    local.sparkContext.addPyFile(tune_kit.__file__)
    return local


def frame_of(spark, pair):
    x, y = pair
    table = [(row.tolist(), int(label)) for row, label in zip(x, y, strict=True)]
    return spark.createDataFrame(table, "features array<float>, label long").coalesce(1)


def test_tasks_find_the_table_that_this_process_finds(spark):
    here = searched(trials=5, epochs=3)
    data, validation = rows()
    found = tune.search(
        *(tune_kit.model_fn, tune_kit.SPACE, SparkDataset(frame_of(spark, data))),
        **{"validation": validation, "method": "asha", "trials": 5, "epochs": 3},
        **{"spark": spark, "progress": None},
    )
    assert table(found) == table(here)
    assert found.best.trainer.evaluate(rows()[1]) == here.best.metrics
    told = found.frame(spark).where("status = 'done' and width = 16").orderBy("loss").first()
    mine = here.table[here.table.width == 16].iloc[0]
    assert (told.trial, told.loss) == (mine.trial, mine.loss)
    until = time.monotonic() + 10  # Spark's tracker hears of ended jobs a little later
    while active(spark) and time.monotonic() < until:
        time.sleep(0.05)
    assert not active(spark)


def test_another_training_gets_its_turn_while_a_search_goes_on(spark):
    def slow(config, rng):
        model = nn.zoo.mlp([4, 8, 2], rng=rng)
        return Trainer(model, criterion.CrossEntropy(), optim.SGD(config["lr"]), batch_size=8)

    data, validation = rows()
    beside = Trainer(
        *(nn.zoo.mlp([4, 8, 2], rng=0), criterion.CrossEntropy(), optim.SGD(0.1)),
        **{"progress": None, "backend": SparkBackend(spark, ranks=2)},
    )
    ended = []

    def hear(found, result):
        if len(found.trials) == 1:
            beside.fit(data, epochs=1, background=True)
        if not ended and beside.state == "done":
            ended.append(len(found.trials))

    # Three trials at once, always: one must let the training go first.
    found = tune.search(
        *(slow, FEW, data),
        **{"validation": validation, "trials": 7, "epochs": 1},
        **{"spark": spark, "parallel": 3, "progress": hear},
    )
    beside.wait(60)
    assert len(found.table) == 7
    assert ended
    assert ended[0] < 7


def test_ctrl_c_ends_the_trials_and_keeps_what_is_done(spark, tmp_path):
    flag = str(tmp_path / "go")

    def patient(config, rng):
        def wait(event):
            while config["lr"] < 0.1 and not os.path.exists(flag):
                time.sleep(0.05)

        parts = nn.zoo.mlp([4, 8, 2], rng=rng), criterion.CrossEntropy(), optim.SGD(config["lr"])
        return Trainer(*parts, threads=1, callbacks=[LambdaCallback(iteration=wait)])

    data, validation = rows()
    settings = {"validation": validation, "trials": 4, "epochs": 2, "folder": tmp_path}
    heard = []

    def interrupt(found, result):
        heard.append(result.trial)
        if len(heard) == 1:
            threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()

    with pytest.raises(tune.SearchInterrupted) as caught:
        tune.search(patient, FEW, data, spark=spark, progress=interrupt, **settings)
    assert 1 <= len(caught.value.found.table) < 4
    deadline = time.monotonic() + 20
    while active(spark):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # This process goes on where Spark's tasks ended.
    (tmp_path / "go").touch()
    found = tune.search(patient, FEW, data, progress=interrupt, **settings)
    assert sorted(found.table.trial) == [0, 1, 2, 3]
    assert sorted(heard) == [0, 1, 2, 3]


def test_modules_of_the_users_own_travel_to_every_trial(spark):
    @nn.register("tests.Doubled")
    class Doubled(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def call(self, x):
            return self.model(x) * 2.0

    def own(config, rng):
        model = Doubled(nn.zoo.mlp([4, 8, 2], rng=rng))
        return Trainer(model, criterion.CrossEntropy(), optim.SGD(config["lr"]))

    data, validation = rows()
    settings = {"validation": validation, "trials": 3, "epochs": 1, "progress": None}
    found = tune.search(own, FEW, data, spark=spark, parallel=1, **settings)
    assert list(found.table.status) == ["done"] * 3
    assert isinstance(found.best.model, Doubled)


def test_trials_may_be_distributed_themselves(spark):
    def wide(config, rng):
        model = nn.zoo.mlp([4, 8, 2], rng=rng)
        parts = (model, criterion.CrossEntropy(), optim.SGD(config["lr"]))
        return Trainer(*parts, batch_size=32, backend=SparkBackend(spark, ranks=2))

    data, validation = rows()
    settings = {"validation": validation, "trials": 2, "epochs": 2, "progress": None}
    found = tune.search(wide, FEW, data, **settings)
    assert list(found.table.status) == ["done", "done"]
    assert found.best.trainer.evaluate(validation) == found.best.metrics
    with pytest.raises(ArgumentError, match="without `backend` where `spark` runs the trials"):
        tune.search(wide, FEW, data, spark=spark, **settings)


def test_what_cannot_travel_is_told_with_the_cure(spark):
    held = threading.Lock()

    def locked(config, rng):
        with held:
            return tune_kit.model_fn({**config, "width": 4}, rng)

    data, validation = rows()
    settings = {"validation": validation, "trials": 2, "epochs": 1, "progress": None}
    with pytest.raises(ArgumentError, match=r"`model_fn` must be able to travel .*lock"):
        tune.search(locked, FEW, data, spark=spark, **settings)


@pytest.mark.campaign
def test_a_driver_that_is_killed_goes_on_to_the_same_table(tmp_path):
    path = os.pathsep.join([str(Path(tune_kit.__file__).parent), *sys.path])
    command = [sys.executable, tune_kit.__file__, str(tmp_path), "local[3]"]
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        for _ in range(4):
            assert process.stdout.readline().strip().isdigit()
        os.killpg(process.pid, signal.SIGKILL)
    lines = len((tmp_path / "results.jsonl").read_text().splitlines())
    assert lines >= 4
    heard = []
    found = searched(folder=tmp_path, progress=lambda found, result: heard.append(result))
    assert table(found) == table(searched())
    assert len(heard) < len(found._records.results)


def active(spark):
    return set(spark.sparkContext.statusTracker().getActiveJobsIds())


def test_rows_of_a_trial_are_written_once_for_all(spark, monkeypatch):
    from sandbox.lib.spark.rows.inputs import Storage

    written = []
    beside = Storage._beside
    monkeypatch.setattr(
        Storage, "_beside", lambda self, rows: written.append(rows) or beside(self, rows)
    )
    x = np.random.default_rng(0).standard_normal((30_000, 4)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    found = tune.search(
        *(tune_kit.model_fn, tune_kit.SPACE, (x, y)),
        **{"validation": (x, y), "trials": 2, "epochs": 1, "spark": spark, "progress": None},
    )
    assert list(found.table.status) == ["done", "done"]
    assert len(written) == 2
