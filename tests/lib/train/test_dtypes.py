from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tensors import LARGE, Counting
from train_kit import Ranks, make_data, make_model, make_trainer

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset
from sandbox.lib.optim import SGD, Adam
from sandbox.lib.train import MaxSteps, TrainJob


def losses(model: nn.Module, optimizer: Any, steps: int = 8) -> list[float]:
    trainer = make_trainer(model, optimizer=optimizer)
    trainer.fit(make_data(), steps=steps)
    return list(trainer.history["loss"])


@pytest.mark.parametrize("optimizer", [SGD(0.1, momentum=0.9), Adam(0.01)])
def test_a_float64_model_trains_as_the_same_in_float32(optimizer: Any) -> None:
    model = make_model().astype("float64")
    found = losses(model, optimizer)
    assert {p.dtype.name for p in (*model.parameters(), *model.buffers())} == {"float64"}
    # The same steps; float32 has 7 digits, which 8 steps at this rate make 5.
    np.testing.assert_allclose(losses(make_model(), optimizer), found, rtol=1e-4)
    assert found != losses(make_model(), optimizer)


def test_a_float64_run_is_taken_up_from_its_checkpoint(tmp_path: Path) -> None:
    def train(steps: int, folder: Path) -> nn.Module:
        model = make_model().astype("float64")
        trainer = make_trainer(model, checkpoint=folder, optimizer=Adam(0.01))
        trainer.fit(make_data(), steps=steps, resume="auto")
        return model

    train(5, tmp_path / "two")
    found, expected = train(9, tmp_path / "two"), train(9, tmp_path / "one")
    for a, b in zip(expected.parameters(), found.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def make_job(model: nn.Module) -> TrainJob:
    data = ArrayDataset(*make_data())
    return TrainJob(model, CrossEntropy(), SGD(0.1), data, MaxSteps(3), 32, seed=1)


@nn.register("tests.CountingClassifier")
class CountingClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Counting()
        self.fc = nn.Linear(4, 2, rng=0)

    def call(self, x: Any) -> Any:
        count = self.inner.count
        count.update(count + np.int64(1))
        return self.fc(x)


def test_whole_numbers_survive_training_and_resuming(tmp_path: Path) -> None:
    model = CountingClassifier()
    model.inner.table.set([LARGE, 5])
    model.inner.count.set([LARGE])
    make_trainer(model, checkpoint=tmp_path).fit(make_data(), steps=3)
    assert model.inner.count.data[0] == LARGE + 3
    twin = CountingClassifier()
    make_trainer(twin, checkpoint=tmp_path).fit(make_data(), steps=5, resume="auto")
    assert (twin.inner.table.data[0], twin.inner.count.data[0]) == (LARGE, LARGE + 5)
    assert twin.inner.count.dtype == np.int64


def test_whole_numbers_reach_every_rank() -> None:
    model = CountingClassifier()
    model.inner.count.set([LARGE])
    ranks = Ranks(make_job(model), 2, lambda: None)
    assert ranks.errors == [None, None]
    assert [m.inner.count.data[0] for m in ranks.models] == [LARGE + 3, LARGE + 3]


def test_float64_on_several_ranks_is_refused() -> None:
    errors = Ranks(make_job(make_model().astype("float64")), 2, lambda: None).errors
    assert all(isinstance(error, ArgumentError) for error in errors)
    assert "must be float32 to be trained by 2 ranks" in str(errors[0])
