"""Several trainings and the user's own work in one session, each undisturbed."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark import SparkBackend
from sandbox.lib.train import Trainer

pytestmark = pytest.mark.spark
STEPS = 600


def rows():
    x = np.random.default_rng(0).standard_normal((256, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


def trainer_of(spark, seed, **options):
    return Trainer(
        nn.zoo.mlp([6, 8, 2], rng=seed),
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=32,
        seed=seed,
        threads=1,
        progress=None,
        backend=SparkBackend(spark, **options),
    )


def weights(trainer):
    return b"".join(p.data.tobytes() for _, p in trainer.model.named_parameters())


def trained(spark, seed):
    trainer = trainer_of(spark, seed, ranks=1)
    told = []
    trainer.subscribe(lambda event: told.append(event.get("state")))
    trainer.fit(rows(), steps=STEPS)
    return weights(trainer), "retrying" in told


def test_two_trainings_from_threads_and_queries_beside_them_are_each_undisturbed(local):
    alone = [trained(local, seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(trained, local, seed) for seed in (1, 2)]
        counts = set()
        while not all(one.done() for one in both):
            counts.add(local.range(1000).selectExpr("id % 3 AS k").distinct().count())
        together = [one.result() for one in both]
    assert counts == {3}
    assert alone == together


def test_cells_run_while_two_ranks_train_and_their_interrupt_is_theirs_alone(local):
    trainer = trainer_of(local, 1)  # of three slots one stays free
    told = []
    trainer.subscribe(lambda event: told.append(event.get("state")))
    trainer.fit(rows(), steps=1_000_000, background=True)
    try:
        while not len(trainer.history):
            time.sleep(0.02)
        assert local.range(100_000).selectExpr("id % 7 AS k").groupBy("k").count().count() == 7
        mine = training(local)

        threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
        slow = local.sparkContext.parallelize([1], 1).map(lambda row: time.sleep(60) or row)
        with pytest.raises(KeyboardInterrupt):
            slow.count()
        steps = len(trainer.history)
        assert local.range(10).count() == 10  # the slot is free again: the query was cancelled
        assert training(local) == mine
        while len(trainer.history) < steps + 100:
            time.sleep(0.02)
    finally:
        trainer.stop()
        trainer.wait(60)
    assert trainer.state == "stopped"
    assert "retrying" not in told


def training(spark):
    """Return the one job that goes on, once Spark's tracker has heard that the others ended."""
    while len(jobs := spark.sparkContext.statusTracker().getActiveJobsIds()) != 1:
        time.sleep(0.02)
    return jobs
