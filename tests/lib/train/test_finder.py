"""The learning-rate finder: what it tells, and that it leaves everything as it was."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.train import LearningRates, Trainer, learning_rate_finder


def rows():
    random = np.random.default_rng(0)
    x = random.standard_normal((1024, 8)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(np.int64)


def trainer_of(optimizer, **options):
    layers = {"fc1": nn.Linear(8, 32, rng=0), "norm": nn.BatchNorm(32), "act": nn.ReLU()}
    model = nn.Sequential(**layers, fc2=nn.Linear(32, 2, rng=1))
    made = (model, criterion.CrossEntropy(), optimizer)
    return Trainer(*made, batch_size=32, threads=1, progress=None, **options)


def state(trainer):
    model = trainer.model
    return [v.data.copy() for _, v in (*model.named_parameters(), *model.named_buffers())]


OPTIMIZERS = [
    optim.SGD(0.3, momentum=0.9),
    optim.Adam(1e-3, schedule=optim.schedules.Cosine()),
    optim.EMA(optim.Adam(1e-3)),
    {"fc2": optim.Adam(1e-3), "*": optim.SGD(0.1)},
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_model_the_trainer_and_its_optimiser_are_left_as_they_were(optimizer):
    trainer = trainer_of(optimizer)
    before, told = state(trainer), repr(trainer.optimizer)
    found = learning_rate_finder(trainer, rows(), high=100.0, steps=60)
    for array, same in zip(state(trainer), before, strict=True):
        np.testing.assert_array_equal(array, same)
    assert (repr(trainer.optimizer), len(trainer.history), trainer.state) == (told, 0, "idle")
    assert np.all(np.isfinite(found.losses))
    np.testing.assert_allclose(found.rates, np.geomspace(1e-6, 100, 60)[: len(found.rates)])


def test_the_suggestion_trains_better_than_a_hundredth_and_a_hundredfold():
    found = learning_rate_finder(trainer_of(optim.SGD(0.1)), rows(), high=100.0)
    assert found.rates[0] < found.suggestion < found.lowest < 100.0
    losses = []
    for rate in (found.suggestion, found.suggestion / 100, found.suggestion * 100):
        trainer = trainer_of(optim.SGD(rate))
        trainer.fit(rows(), epochs=3)
        losses.append(trainer.evaluate(rows())["loss"])
    assert losses[0] == min(losses)


def test_a_run_that_is_lost_ends_early_and_the_same_twice():
    runs = [learning_rate_finder(trainer_of(optim.SGD(0.1)), rows(), high=1e9) for _ in "ab"]
    assert len(runs[0].rates) < 100
    np.testing.assert_array_equal(runs[0].losses, runs[1].losses)


def test_words_tell_where_the_loss_falls_and_that_it_does_not():
    falls = LearningRates(np.geomspace(1e-3, 1, 30), np.linspace(2, 1, 30))
    assert falls.text().startswith("30 iterations, learning rates 0.001 to 1: the loss falls most")
    rises = LearningRates(np.geomspace(1e-3, 1, 30), np.linspace(1, 2, 30))
    assert rises.suggestion is None
    assert "the loss never fell; look at lower rates" in repr(rises)
    assert LearningRates(np.zeros(0), np.zeros(0)).text() == "no iteration had a loss"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.0}, "`low` must be"), ({"low": 2.0}, "`high` must be more than `low` = 2"),
        ({"steps": 5}, "`steps` must be an int >= 10"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(options, message):
    with pytest.raises(ArgumentError, match=message):
        learning_rate_finder(trainer_of(optim.SGD(0.1)), rows(), **options)
    with pytest.raises(ArgumentError, match="one with a learning rate > 0"):
        learning_rate_finder(trainer_of(optim.SGD(0.0)), rows())
