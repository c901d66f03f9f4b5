"""Rows whose class weight is 0 do not count, whatever batch or rank they fall into."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from train_kit import make_data, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset
from sandbox.lib.optim import SGD
from sandbox.lib.train import MaxEpoch, MaxSteps, MinLoss, TextProgress, TrainJob

FIRST_HALF = np.repeat([0, 1], 16)  # in order: the batches of class 0 come first


class InOrder(ArrayDataset):
    """Its rows in their own order, so that a batch may hold one class only."""

    def order(self, batch_size: int, *, seed: int, shuffle: bool = True) -> Any:
        return super().order(batch_size, seed=seed, shuffle=False)


def plain() -> nn.Module:
    return nn.Sequential(fc=nn.Linear(4, 2, rng=0))


def ordered(labels: np.ndarray = FIRST_HALF) -> InOrder:
    return InOrder(make_data(len(labels))[0], labels.astype("i8"))


def test_a_batch_of_rows_that_do_not_count_trains_nothing_and_ends_nothing() -> None:
    trainer = make_trainer(
        plain(), criterion=CrossEntropy([0.0, 1.0]), optimizer=SGD(0.1), batch_size=8
    )
    before = weights(trainer.model)
    history = trainer.fit(ordered(), steps=2)
    np.testing.assert_equal(history["loss"], [np.nan, np.nan])
    np.testing.assert_equal(before, weights(trainer.model))
    history = trainer.fit(ordered(), epochs=2)
    assert np.isnan(history["loss"]).tolist() == 2 * [True, True, False, False]
    assert (before["fc.weight"] != weights(trainer.model)["fc.weight"]).any()


def test_the_mean_loss_of_an_epoch_is_over_what_counts() -> None:
    text = io.StringIO()
    trainer = make_trainer(
        plain(), criterion=CrossEntropy([0.0, 1.0]), batch_size=8, progress=TextProgress(text)
    )
    history = trainer.fit(ordered(), epochs=1)
    expected = history["loss"][2:].mean()
    assert history.epochs()[0]["loss"] == pytest.approx(expected)
    assert f"loss {expected:.4f}" in text.getvalue()


def test_a_batch_without_weight_is_no_small_loss() -> None:
    trainer = make_trainer(plain(), criterion=CrossEntropy([0.0, 1.0]), batch_size=8)
    trainer.fit(ordered(), end=MinLoss(1e-9) | MaxEpoch(1))
    assert trainer.result.step == 4


def test_validation_rows_that_do_not_count_have_no_loss() -> None:
    trainer = make_trainer(plain(), criterion=CrossEntropy([0.0, 1.0]), batch_size=8)
    held_out = ordered(np.zeros(9, np.int64))
    history = trainer.fit(ordered(), epochs=1, validation=held_out)
    assert np.isnan(history.last_validation["loss"])


def test_one_ranks_rows_may_have_no_weight(run_ranks: Callable[..., Any]) -> None:
    def job() -> TrainJob:
        return TrainJob(
            plain(), CrossEntropy([0.0, 1.0]), SGD(0.1), ordered(), MaxSteps(6), batch_size=16
        )

    alone, together = run_ranks(job(), 1), run_ranks(job(), 2)
    assert together.errors == [None, None]
    for name, expected in weights(alone.models[0]).items():
        # float32 sums in another order
        np.testing.assert_allclose(expected, weights(together.models[1])[name], atol=1e-6)
