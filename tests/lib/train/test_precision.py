"""Training and prediction in bf16, as an option of the Trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, weights

from sandbox.lib import engine, nn
from sandbox.lib.core import Value
from sandbox.lib.core.errors import ArgumentError, CheckpointError
from sandbox.lib.train import Checkpoints, EverySteps


@pytest.fixture
def bf16() -> None:
    """Skip where bf16 is refused: test_precision.py of the engine looks at the refusal."""
    if engine.is_native():
        from sandbox.lib.engine import dnnl

        if not dnnl.has_bf16():
            pytest.skip(f"the processor has no bf16 instructions: {dnnl.isa()}")


@pytest.mark.usefixtures("bf16")
def test_training_in_bf16_learns_and_repeats_its_bits() -> None:
    data = make_data(600)
    trainers = [make_trainer(precision=precision) for precision in ("bf16", "bf16", "f32")]
    scores = [trainer.fit(data, epochs=6, validation=data).last_validation for trainer in trainers]
    first, second, exact = (weights(trainer.model) for trainer in trainers)
    assert_same(first, second)
    assert (first["fc1.weight"] != exact["fc1.weight"]).any()
    assert first["fc1.weight"].dtype == np.float32
    assert scores[0]["top1"] > 0.9
    assert abs(scores[0]["top1"] - scores[2]["top1"]) < 0.03  # 18 of 600 rows near the line


@pytest.mark.usefixtures("bf16")
def test_predictions_in_bf16_are_float32_numbers_near_the_exact_ones() -> None:
    x, _ = make_data(64)
    model = nn.zoo.mlp([4, 32, 3], rng=0)
    exact = make_trainer(model).predict(x)
    rounded = make_trainer(model, precision="bf16").predict(x)
    assert rounded.dtype == np.float32
    error = np.abs(exact - rounded).max() / np.abs(exact).max()
    assert 0 < error < 2**-6  # input, weights and hidden units are rounded, each by 2^-8 at most


@pytest.mark.usefixtures("bf16")
def test_a_resumed_run_in_bf16_ends_with_the_same_bits(tmp_path: Path) -> None:
    data = make_data(150)
    whole = make_trainer(precision="bf16")
    whole.fit(data, steps=9)
    kept = Checkpoints(tmp_path, every=EverySteps(1))
    make_trainer(precision="bf16", checkpoint=kept).fit(data, steps=4)
    second = make_trainer(make_model(99), precision="bf16", checkpoint=kept)
    second.fit(data, steps=9, resume="auto")
    assert_same(weights(whole.model), weights(second.model))


@pytest.mark.usefixtures("bf16")
def test_a_checkpoint_of_another_precision_is_refused(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, every=EverySteps(1))
    make_trainer(precision="bf16", checkpoint=kept).fit(make_data(64), steps=1)
    with pytest.raises(CheckpointError, match="its precision must be this run's 'f32'; got 'bf16'"):
        make_trainer(checkpoint=kept).fit(make_data(64), steps=2, resume="auto")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ArgumentError, match="`precision` must be one of 'f32', 'bf16'; got 'half'"):
        make_trainer(precision="half")


class Untraceable(nn.Module):
    """A module that looks at numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 2, rng=0)

    def call(self, x: Value) -> Value:
        y = self.fc(x)
        return y if float(np.asarray(y.data).sum()) > 0 else -y


def test_a_model_that_runs_eagerly_is_refused_in_bf16_with_the_reason() -> None:
    x, _ = make_data(8)
    assert make_trainer(Untraceable()).predict(x).shape == (8, 2)
    with pytest.raises(ArgumentError, match="must be 'f32' for a model that runs eagerly"):
        make_trainer(Untraceable(), precision="bf16").predict(x)
