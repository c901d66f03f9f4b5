"""Training that used to go wrong quietly, by ranks on Spark: the same loop, the same words."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DivergedError, ShapeError
from sandbox.lib.spark import SparkBackend
from sandbox.lib.train import Checkpoints, EarlyStopping, EverySteps, LocalBackend, Trainer

pytestmark = pytest.mark.spark


def rows(count=200, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 4)).astype("f4")
    return x, (x[:, 0] + 0.3 * x[:, 1] > 0).astype("i8")


def net(*more):
    return nn.Sequential(nn.Linear(4, 16, rng=0), *more, nn.ReLU(), nn.Linear(16, 2, rng=1))


def make(local, optimizer, model=None, loss=None, **options):
    settings = {"batch_size": 32, "threads": 1, "progress": None} | options
    trainer = Trainer(
        model or net(),
        loss or criterion.CrossEntropy(),
        optimizer,
        backend=SparkBackend(local, ranks=2),
        **settings,
    )
    said = []
    trainer.subscribe(
        lambda event: (
            event["type"] == "log"
            and not event["text"].startswith(("2 ranks", "rank"))
            and said.append(event["text"])
        )
    )
    return trainer, said


def weights(trainer):
    return np.concatenate([p.data.ravel() for _, p in trainer.model.named_parameters()])


def test_the_driver_holds_the_best_weights_and_their_file(local, tmp_path):
    kept = Checkpoints(tmp_path, every=EverySteps(10), keep=1)
    trainer, said = make(local, optim.SGD(3.0), checkpoint=kept)
    held_out = rows(60, 3)
    rule = EarlyStopping("loss", patience=3)
    history = trainer.fit(rows(), epochs=30, validation=held_out, early_stop=rule)
    losses = {v["step"]: v["metrics"]["loss"] for v in history.validations}
    best = min(losses, key=losses.get)

    assert trainer.result.reason == "early_stop"
    assert trainer.evaluate(held_out)["loss"] == pytest.approx(losses[best], rel=1e-5)
    assert kept.store().best().name.endswith(f"-step{best:08d}.best.safetensors")
    assert f"holds the weights of step {best}," in said[-1]


def test_a_run_that_diverges_leaves_its_last_good_state_to_the_driver(local, tmp_path):
    schedule = optim.MultiStep([16], gamma=1e30)
    trainer, said = make(local, optim.SGD(0.1, schedule=schedule), checkpoint=tmp_path)
    with pytest.raises(DivergedError, match="holds its last good state, of step 14"):
        trainer.fit(rows(), epochs=5)
    alone, _ = make(local, optim.SGD(0.1))
    alone.backend = LocalBackend()
    alone.fit(rows(), steps=14)

    # 1e-5: sums in another order.
    assert np.allclose(weights(alone), weights(trainer), rtol=0, atol=1e-5)
    trainer.optimizer = optim.SGD(0.1)
    trainer.fit(rows(), epochs=3, resume="auto")
    alone.fit(rows(), epochs=3, resume="auto")
    assert np.allclose(weights(alone), weights(trainer), rtol=0, atol=1e-5)
    assert "step 14 goes on with other settings: schedule MultiStep(" in said[-1]


def test_a_run_that_ends_before_infinity_goes_back_too(local):
    trainer, said = make(local, optim.SGD(1e4))
    before = weights(trainer)
    trainer.fit(rows(), steps=4)

    assert before.tobytes() == weights(trainer).tobytes()
    assert "last good state, of step 0" in said[-1]


def test_what_cannot_train_is_refused_with_the_same_words(local):
    data = rows()
    norm, _ = make(local, optim.SGD(0.1), net(nn.BatchNorm(16)), batch_size=2)
    with pytest.raises(
        ShapeError, match=r"^Sequential/1 \(BatchNorm\).*one row for each of 2 ranks"
    ):
        norm.fit(data, epochs=1)
    frozen, _ = make(local, optim.SGD(0.1), net().freeze())
    with pytest.raises(ArgumentError, match="got 4, all of them frozen"):
        frozen.fit(data, epochs=1)
    batches, _ = make(local, optim.SGD(0.1), loss=criterion.CrossEntropy([0.0, 1.0]), batch_size=2)
    losses = batches.fit(data, steps=20)["loss"]
    assert np.isnan(losses).any()
    assert not np.isnan(losses).all()
