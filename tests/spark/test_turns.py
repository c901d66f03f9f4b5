"""Trainings that share a session: the one that waits says why, and can stop the other."""

from __future__ import annotations

import io
import time
from contextlib import contextmanager

import numpy as np
import pytest

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import TrainingError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import TextProgress, Trainer
from sandbox.widgets import TrainingCurves

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("default")]  # the widget's comm

ROWS = np.ones((64, 4), "f4"), np.arange(64) % 2
PATIENCE = 60


def trainer(spark, ranks, progress=None):
    model = nn.Sequential(fc=nn.Linear(4, 2, rng=0))
    backend = SparkBackend(spark, ranks=ranks)
    return Trainer(model, CrossEntropy(), optim.SGD(1e-6), progress=progress, backend=backend)


def until(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def training_on_the_last_slot(spark):
    third = trainer(spark, 1)
    third.fit(ROWS, epochs=1_000_000, background=True)
    until(lambda: len(third.history))
    try:
        yield
    finally:
        third.stop()
        third.wait()


@pytest.fixture
def holder(local):
    """Train on two of three slots, as long as nobody stops it."""
    first = trainer(local, 2)
    first.fit(ROWS, epochs=1_000_000, background=True)
    until(lambda: len(first.history))
    yield first
    first.stop()
    first.wait()


def test_a_training_that_waits_says_why_and_stops_the_other(local, holder):
    said = io.StringIO()
    second = trainer(local, 2, TextProgress(said, live=False))
    curves = TrainingCurves(second)
    assert not second.stop_other()  # it waits for nobody
    second.fit(ROWS, epochs=2, background=True)
    until(lambda: "another training holds Spark: stop it?" in curves.summary)
    assert curves.held
    assert "another training holds Spark: stop it? trainer.stop_other() does" in said.getvalue()

    # Whoever asks Spark from the cell meanwhile is told, where slots for it are missing as well.
    rows = SparkDataset(local.range(8).selectExpr("id AS features", "id % 2 AS label"))
    told = pytest.raises(TrainingError, match="a training that runs holds all 3")
    with training_on_the_last_slot(local), told:
        rows.partition_sizes  # noqa: B018

    curves.command({"type": "stop_other"})
    second.wait(PATIENCE)
    holder.wait(PATIENCE)
    assert (holder.state, second.state) == ("stopped", "done")
    curves.flush()
    assert not curves.held


def test_a_training_that_waits_can_be_stopped_itself(local, holder):
    second = trainer(local, 2)
    second.fit(ROWS, epochs=2, background=True)
    until(lambda: (second.stage or {}).get("held"))
    second.stop()
    second.wait(PATIENCE)
    assert (holder.state, second.state) == ("running", "stopped")
    assert len(second.history) == 0
