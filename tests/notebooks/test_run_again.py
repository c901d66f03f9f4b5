"""Cells that train, run again while the earlier training goes on: in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.notebooks.kernel_kit import Run, kernel

pytestmark = [pytest.mark.notebook, pytest.mark.filterwarnings("default")]  # jupyter's own

SETUP = """
import time
import numpy as np
from sandbox.lib import nn, optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.train import Trainer
data = np.ones((64, 4), "f4"), np.zeros(64, int)
def make():
    model = nn.Sequential(nn.Linear(4, 2, rng=0))
    return Trainer(model, CrossEntropy(), optim.SGD(1e-6), progress=None, threads=1)
seen = []
def watch(trainer):
    trainer.subscribe(lambda event: event["type"] == "state" and seen.append(event["state"]))
    return trainer
"""
TRAIN = """
trainer = watch(make())
trainer.fit(data, epochs=1_000_000, background=True)
while len(trainer.history) < 3:
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[Run]:
    with kernel() as run:
        yield run


@pytest.fixture
def run(shared: Run) -> Run:
    assert shared(SETUP) == ""
    return shared


def test_a_cell_that_makes_a_trainer_and_trains_can_be_run_again(run: Run) -> None:
    for _ in range(3):
        assert run(TRAIN) == ""
    said = run("print(seen)\ntrainer.stop(); trainer.wait(); print(trainer.state)")
    assert said.count("'stopped'") == 2
    assert said.endswith("stopped\n")


def test_trainers_that_a_name_leads_to_train_beside_each_other(run: Run) -> None:
    assert run(TRAIN + "first = trainer") == ""
    assert run(TRAIN + "others = {'second': trainer}") == ""
    assert run(TRAIN) == ""
    assert "True True True" in run(
        "print(first.running, others['second'].running, trainer.running)\n"
        "for one in (first, others['second'], trainer):\n    one.stop(); one.wait()"
    )


def test_a_model_is_trained_by_one_trainer_at_a_time(run: Run) -> None:
    assert run(TRAIN + "first = trainer") == ""
    said = run("second = Trainer(first.model, CrossEntropy(), optim.SGD(0.1), progress=None)\n"
               "second.fit(data, epochs=1)")  # fmt: skip
    assert "----> 2 second.fit(data, epochs=1)" in said
    assert "TrainingError: fit: a model must be trained by one trainer at a time" in said
    assert "copy.deepcopy(model)" in said
    assert run("first.stop(); first.wait(); second.fit(data, epochs=1)").count("Error") == 0
