"""Batch normalisation where a batch holds one value per channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from train_kit import make_data, make_model, make_trainer, weights

from sandbox.lib import nn
from sandbox.lib.core.errors import ShapeError

DATA, HELD_OUT = make_data(65), make_data(60, 3)


def test_a_run_of_single_rows_is_refused_by_the_modules_path() -> None:
    message = (
        r"^Sequential/norm \(BatchNorm\): training must give each channel more than one value; got"
        r" 1, in shape \(1, 16\) \(batch_size=1\). Use batch_size=2 or more, nn.LayerNorm, or fr"
    )
    with pytest.raises(ShapeError, match=message):
        make_trainer(batch_size=1).fit(DATA, epochs=1)
    inner = nn.Sequential(deep=nn.Sequential(a=nn.Linear(4, 2, rng=0), b=nn.BatchNorm(2)))
    with pytest.raises(ShapeError, match=r"^Sequential/deep/b \(BatchNorm\)"):
        make_trainer(inner).fit(make_data(1), epochs=1)


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_of_one_row_each_are_refused_together(
    size: int, run_ranks: Callable[..., Any]
) -> None:
    trainer = make_trainer(batch_size=size)
    job = trainer._job(DATA, 1, None, None, None, "epoch", None)
    run = run_ranks(job, size)
    for error in run.errors:
        assert isinstance(error, ShapeError)
        assert f"one row for each of {size} ranks). Use batch_size={2 * size} or more" in str(error)


def test_a_frozen_norm_and_single_images_are_trained() -> None:
    model = make_model()
    model.norm.freeze()
    assert len(make_trainer(model, batch_size=1).fit(DATA, steps=3)) == 3
    images = np.random.default_rng(0).normal(size=(8, 1, 4, 4)).astype("f4")
    convolution = nn.Sequential(
        conv=nn.Conv2d(1, 2, 3, rng=0), norm=nn.BatchNorm(2), flat=nn.Flatten(), fc=nn.Linear(8, 2)
    )
    assert len(make_trainer(convolution, batch_size=1).fit((images, DATA[1][:8]), epochs=1)) == 8


@pytest.mark.parametrize("eager", [False, True])
def test_a_single_last_row_leaves_the_running_statistics_alone(
    eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if eager:
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    trainer = make_trainer(batch_size=64)
    kept: list[Any] = []
    trainer.subscribe(
        lambda event: event["type"] == "iteration" and kept.append(weights(trainer.model))
    )
    trainer.fit(DATA, epochs=1)
    first, last = kept
    for name in ("norm.running_mean", "norm.running_variance"):
        np.testing.assert_array_equal(first[name], last[name])
    assert (first["norm.weight"] != last["norm.weight"]).any()


def test_few_single_rows_do_not_spoil_a_validation() -> None:
    trainer = make_trainer(batch_size=64)
    history = trainer.fit(DATA, epochs=30, validation=HELD_OUT)
    assert history.last_validation["loss"] < 0.6
