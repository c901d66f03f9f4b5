"""Criterions whose rows weigh unlike, and metrics of them, over uneven batches and ranks."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from sandbox.lib import nn, optim
from sandbox.lib.criterion import CTC, CrossEntropy, GaussianNLL, TimeDistributed
from sandbox.lib.metrics import ClassReport, LogLoss, Loss, MeanAveragePrecision, Top1
from sandbox.lib.train import EverySteps, Trainer

RNG = np.random.default_rng(3)
ROWS = 37  # batches of 8: the last has 5, and three ranks have 3, 3 and 2 of each


class Pair(nn.Module):
    """Gives a mean and the logarithm of a variance."""

    def __init__(self):
        super().__init__()
        self.mean, self.logs = nn.Linear(4, 2, rng=0), nn.Linear(4, 2, rng=1)

    def call(self, x):
        return self.mean(x), self.logs(x)


def series(classes, *axes):
    shape = nn.Reshape((*axes, classes))
    return nn.Sequential(nn.Linear(4, int(np.prod(axes)) * classes, rng=0), shape)


def marked(*shape):
    """Labels of which some do not count, and of some rows none."""
    labels = RNG.integers(0, 3, (ROWS, *shape))
    labels[::4] = -1
    return labels


CASES = {
    "weights and ignored labels": (
        nn.Linear(4, 3, rng=0), CrossEntropy([1.0, 3.0, 0.5], ignore_index=-1), marked(),
    ),
    "maps": (
        nn.Sequential(nn.Linear(4, 18, rng=0), nn.Reshape((3, 2, 3))),
        CrossEntropy(ignore_index=-1), marked(2, 3),
    ),
    "steps": (
        series(3, 5), TimeDistributed(CrossEntropy([1.0, 2.0, 0.0], ignore_index=-1)), marked(5),
    ),
    "distributions": (Pair(), GaussianNLL(), RNG.normal(size=(ROWS, 2)).astype("f4")),
    "sequences": (
        series(4, 6), CTC(),
        (np.sort(RNG.integers(0, 4, (ROWS, 2)))[:, ::-1].copy(), RNG.integers(4, 7, ROWS)),
    ),
}  # fmt: skip
X = RNG.normal(size=(ROWS, 4)).astype("f4")


def make(name, metrics=()):
    model, criterion, target = CASES[name]
    twin = copy.deepcopy(model)
    chosen = [Loss(criterion), *metrics]
    options = {"batch_size": 8, "threads": 1, "progress": None, "seed": 0}
    return Trainer(twin, criterion, optim.SGD(0.1), metrics=chosen, **options), target


@pytest.mark.parametrize("name", CASES)
def test_the_loss_of_uneven_batches_is_that_of_all_rows(name):
    trainer, target = make(name)
    model, criterion, _ = CASES[name]
    found = trainer.evaluate((X, target))["loss"]
    assert found == pytest.approx(criterion(model(X), target), rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_ranks_learn_what_one_process_learns(run_ranks, name):
    trainer, target = make(name)
    job = trainer._job((X, target), None, 6, None, (X, target), EverySteps(6), None)
    many = run_ranks(job, 3)
    assert many.errors == [None] * 3
    trainer.fit((X, target), steps=6)
    for ours, theirs in zip(trainer.model.parameters(), many.models[0].parameters(), strict=True):
        # 1e-4: sums of float32 in another order.
        np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-4, atol=1e-5)
    found = many.of("validation")[-1]["metrics"]["loss"]
    assert found == pytest.approx(trainer.evaluate((X, target))["loss"], rel=1e-4)


def test_metrics_of_ranks_are_those_of_all_rows(run_ranks):
    metrics = [
        Top1(ignore_index=-1), LogLoss(ignore_index=-1), ClassReport(3, ignore_index=-1),
    ]  # fmt: skip
    trainer, target = make("maps", metrics)
    job = trainer._job((X, target), None, 2, None, (X, target), EverySteps(2), None)
    many = run_ranks(job, 3)
    assert many.errors == [None] * 3
    output = many.models[0](X)
    for metric in metrics:
        found = many.of("validation")[-1]["metrics"][metric.name]
        np.testing.assert_allclose(found, np.asarray(metric(output, target)), rtol=1e-4)


def test_areas_of_ranks_are_gathered(run_ranks):
    model, labels = nn.Linear(4, 3, rng=0), RNG.integers(0, 3, ROWS)
    metric = MeanAveragePrecision(3)
    options = {"batch_size": 8, "threads": 1, "progress": None}
    trainer = Trainer(model, CrossEntropy(), optim.SGD(0.1), metrics=[metric], **options)
    job = trainer._job((X, labels), None, 2, None, (X, labels), EverySteps(2), None)
    many = run_ranks(job, 3)
    assert many.errors == [None] * 3
    found = many.of("validation")[-1]["metrics"][metric.name]
    assert found == pytest.approx(metric(many.models[0](X), labels), rel=1e-3)


def test_without_metrics_the_ignored_label_of_the_criterion_does_not_count():
    model, criterion, labels = CASES["maps"]
    trainer = Trainer(copy.deepcopy(model), criterion, optim.SGD(0.1), progress=None, threads=1)
    found = trainer.evaluate((X, labels))
    counted = labels != -1
    expected = (model(X).argmax(axis=1) == labels)[counted].mean()
    assert found["top1"] == pytest.approx(expected)
    trainer.fit((X, labels), steps=2)
    assert 0.0 <= trainer.evaluate((X, labels))["top1"] <= 1.0
