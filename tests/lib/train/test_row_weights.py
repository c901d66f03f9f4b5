"""Rows that count unlike, in training: exact over batches and ranks, and in validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from train_kit import make_data, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy, RowWeighted
from sandbox.lib.data import ArrayDataset
from sandbox.lib.metrics import Loss, Top1
from sandbox.lib.optim import SGD
from sandbox.lib.train import MaxSteps, TrainJob


def plain() -> nn.Module:
    return nn.Sequential(fc=nn.Linear(4, 2, rng=0))


def weighted(x: Any, labels: Any, counts: Any) -> ArrayDataset:
    return ArrayDataset(x, {"target": labels, "weight": np.asarray(counts, "f4")})


def test_a_step_over_all_rows_is_that_of_rows_repeated() -> None:
    x, labels = make_data(30)
    counts = np.arange(30) % 3
    again = np.repeat(np.arange(30), counts)
    one = make_trainer(plain(), criterion=RowWeighted(CrossEntropy()), batch_size=30)
    one.fit(weighted(x, labels, counts), steps=3)
    other = make_trainer(plain(), criterion=CrossEntropy(), batch_size=len(again))
    other.fit((x[again], labels[again]), steps=3)
    for name, expected in weights(other.model).items():
        np.testing.assert_allclose(weights(one.model)[name], expected, atol=1e-6)
    np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-5)


def test_labels_stored_as_numbers_become_classes_and_validation_is_weighted() -> None:
    x, labels = make_data(30)
    counts = np.arange(30) % 3
    again = np.repeat(np.arange(30), counts)
    loss = RowWeighted(CrossEntropy())
    metrics = [Loss(loss), Top1().on("", "target")]
    trainer = make_trainer(plain(), criterion=loss, metrics=metrics)
    held_out = weighted(x, labels.astype("f4"), counts)
    trainer.fit(held_out, steps=2, validation=held_out)
    found = trainer.history.last_validation
    output = trainer.predict(x)
    assert np.isclose(found["loss"], CrossEntropy()(output[again], labels[again]), rtol=1e-5)
    assert found["top1"] == (output.argmax(axis=1) == labels).mean()


def test_ranks_with_unlike_weights_give_the_steps_of_one(run_ranks: Callable[..., Any]) -> None:
    x, labels = make_data(50)
    counts = np.where(np.arange(50) < 25, 0.25, 3.0)

    def job() -> TrainJob:
        return TrainJob(
            plain(),
            RowWeighted(CrossEntropy([1.0, 2.0])),
            SGD(0.1),
            weighted(x, labels, counts),
            MaxSteps(7),
            batch_size=16,
        )

    alone, together = run_ranks(job(), 1), run_ranks(job(), 3)
    assert together.errors == [None] * 3
    for name, expected in weights(alone.models[0]).items():
        # float32 sums in another order
        np.testing.assert_allclose(expected, weights(together.models[1])[name], atol=1e-6)
