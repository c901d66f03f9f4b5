"""What an early stop leaves behind: the best weights in the model, and their checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, unmarked, weights

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.metrics import Metric
from sandbox.lib.optim import EMA, SGD, Plateau
from sandbox.lib.train import (
    Checkpoints,
    CheckpointStore,
    EarlyStopping,
    EverySteps,
    MaxEpoch,
    MaxScore,
    Trainer,
)
from sandbox.lib.train.checkpoint import pack, unpack

DATA, HELD_OUT = make_data(200), make_data(60, 3)


class Scripted(Metric):
    """A score that goes by a list, whatever the model gives."""

    higher_is_better = True

    def __init__(self, scores: list[float]) -> None:
        super().__init__(name="score")
        self.scores = iter(scores)

    def zero(self) -> np.ndarray:
        return np.zeros(65)  # too many to be summed in every iteration

    def update(self, output: Any, target: Any) -> np.ndarray:
        return np.zeros(65)

    def result(self, state: np.ndarray) -> float:
        return next(self.scores)


def fit(scores: list[float], trainer: Trainer | None = None, **arguments: Any) -> Trainer:
    """Train an epoch for each score."""
    trainer = trainer or make_trainer()
    trainer.metrics = (Scripted(scores),)
    settings = {"epochs": 50, "early_stop": EarlyStopping("score", patience=4)} | arguments
    end = {} if "end" in arguments else {"epochs": settings.pop("epochs")}
    settings.pop("epochs", None)
    trainer.fit(DATA, validation=HELD_OUT, **settings, **end)
    return trainer


def after(epochs: int) -> dict[str, np.ndarray]:
    trainer = make_trainer()
    trainer.fit(DATA, epochs=epochs)
    return weights(trainer.model)


SCORES = [0.1, 0.2, 0.5, 0.4, 0.3, 0.2, 0.1]


def test_the_model_holds_the_best_weights_after_an_early_stop() -> None:
    said: list[str] = []
    trainer = make_trainer()
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    fit(SCORES, trainer)
    assert trainer.result.reason == "early_stop"
    assert len(trainer.history.validations) == 7
    assert_same(after(3), weights(trainer.model))
    assert "holds the weights of step 21, where 'score' was best (0.5)" in said[-1]
    assert "goes on from step 49" in said[-1]


def test_the_best_weights_are_there_too_where_the_run_reaches_its_end() -> None:
    assert_same(after(3), weights(fit(SCORES, epochs=5).model))
    assert_same(after(2), weights(fit([0.1, 0.2], epochs=2).model))
    ended = fit([0.1, 0.99, 0.1], end=MaxScore(0.9, "score") | MaxEpoch(3))
    assert_same(after(2), weights(ended.model))


def test_the_last_weights_stay_on_demand_and_after_a_stop_by_hand() -> None:
    rule = EarlyStopping("score", patience=4, restore_best=False)
    assert_same(after(7), weights(fit(SCORES, early_stop=rule).model))
    trainer = make_trainer()
    trainer.subscribe(lambda event: event.get("step") == 27 and trainer.stop())
    fit(SCORES, trainer)
    assert trainer.result.reason == "stopped"
    expected = unpack(trainer.result.state, "checkpoint").tensors["parameter/fc1.weight"]
    np.testing.assert_array_equal(expected, weights(trainer.model)["fc1.weight"])


def test_a_better_validation_at_the_very_end_counts_though_it_was_not_due() -> None:
    better = fit([0.5, 0.4, 0.6], epochs=5, validate=EverySteps(14))
    assert_same(after(5), weights(better.model))
    worse = fit([0.5, 0.4, 0.3], epochs=5, validate=EverySteps(14))
    assert_same(after(2), weights(worse.model))


@pytest.mark.parametrize("keep", [1, 3])
def test_the_best_checkpoint_is_never_swept(keep: int, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, keep=keep)
    fit(SCORES, make_trainer(checkpoint=kept))
    names = [path.name for path in kept.store().files()]
    assert unmarked(kept.store().files()[0]) == "run0000-step00000021.best.safetensors"
    assert len(names) == keep + 1
    make_trainer(checkpoint=kept).fit(DATA, epochs=5)  # another run
    assert names[0] in [path.name for path in kept.store().files()]
    best = kept.store().best()
    resumed = make_trainer(model=make_model(9))
    resumed.fit(DATA, epochs=3, resume=best)
    assert_same(after(3), weights(resumed.model))


def test_the_best_is_kept_between_checkpoints_and_without_any(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, every=EverySteps(1000))
    fit(SCORES, make_trainer(checkpoint=kept))
    steps = [unpack(path.read_bytes(), "checkpoint").step for path in kept.store().files()]
    assert steps == [14, 21, 49]
    assert kept.store().best() == kept.store().files()[1]


@pytest.mark.parametrize("memory", [True, False])
def test_a_resumed_run_knows_the_best_of_before(memory: bool, tmp_path: Path) -> None:
    rule = EarlyStopping("score", patience=4)
    kept = None if memory else Checkpoints(tmp_path, keep=1)
    first = make_trainer(checkpoint=kept)
    fit(SCORES[:5], first, epochs=5, early_stop=rule)
    second = first if memory else make_trainer(model=make_model(9), checkpoint=kept)
    fit(SCORES[5:], second, resume="auto", early_stop=EarlyStopping("score", patience=4))
    assert second.result.step == 49
    assert_same(after(3), weights(second.model))
    assert unpack(second.result.state, "checkpoint").step == 49


def test_a_best_state_that_is_gone_is_told(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    fit(SCORES[:5], make_trainer(checkpoint=kept), epochs=5)
    kept.store().best().unlink()
    said: list[str] = []
    second = make_trainer(checkpoint=kept)
    second.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    fit(SCORES[5:], second, resume="auto")
    assert "no state with a best 'score' is there; the model keeps its last weights" in said[-1]
    assert_same(after(7), weights(second.model))


def test_a_best_by_another_metric_is_none(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    fit(SCORES[:5], make_trainer(checkpoint=kept), epochs=5)
    second = make_trainer(checkpoint=kept)
    rule = EarlyStopping("loss", patience=50)
    history = second.fit(DATA, epochs=8, validation=HELD_OUT, resume="auto", early_stop=rule)
    losses = [v["metrics"]["loss"] for v in history.validations[5:]]
    assert rule.best == min(losses)
    assert_same(after(6 + int(np.argmin(losses))), weights(second.model))


def test_a_score_that_is_no_number_is_never_the_best_and_is_told() -> None:
    nan = float("nan")
    said: list[str] = []
    trainer = make_trainer(optimizer=SGD(0.1, momentum=0.9, schedule=Plateau("score", patience=9)))
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    fit([nan, 0.2, nan, 0.1, nan, nan], trainer)
    assert trainer.result.step == 42
    assert_same(after(2), weights(trainer.model))
    assert "validation after step 7: 'score' is nan: no improvement for EarlyStopping" in said
    assert "validation after step 7: 'score' is nan: left out by Plateau" in said
    fit([nan] * 4, trainer)
    assert "no state with a best 'score' is there" in said[-1]


def test_a_plateau_that_lowers_the_rate_is_told() -> None:
    said: list[str] = []
    schedule = Plateau("score", patience=2, factor=0.5, mode="max")
    trainer = make_trainer(optimizer=SGD(0.1, schedule=schedule))
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    fit(SCORES, trainer, epochs=6, early_stop=EarlyStopping("score", patience=9))
    assert said[0] == ("validation after step 35: 'score' stands still: learning rate 0.1 -> 0.05")


def test_averaged_weights_are_those_of_the_best_validation() -> None:
    def ema() -> Trainer:
        return make_trainer(optimizer=EMA(SGD(0.1, momentum=0.9), decay=0.9))

    expected, trainer = ema(), ema()
    expected.fit(DATA, epochs=3)
    fit(SCORES, trainer)
    with expected.averaged() as one, trainer.averaged() as other:
        assert_same(weights(one), weights(other))


def test_the_restored_model_predicts_as_the_best_one() -> None:
    rule = EarlyStopping("loss", patience=3)
    trainer = make_trainer(optimizer=SGD(3.0))
    history = trainer.fit(DATA, epochs=50, validation=HELD_OUT, early_stop=rule)
    best = min(v["metrics"]["loss"] for v in history.validations)
    assert trainer.result.reason == "early_stop"
    assert trainer.evaluate(HELD_OUT)["loss"] == pytest.approx(best)


def test_all_ranks_tell_of_the_best(run_ranks: Callable[..., Any]) -> None:
    trainer = make_trainer(optimizer=SGD(3.0))
    rule = EarlyStopping("loss", patience=3)
    job = trainer._job(DATA, 50, None, None, HELD_OUT, "epoch", rule)
    run = run_ranks(replace(job), 2)
    assert run.errors == [None, None]
    losses = {event["step"]: event["metrics"]["loss"] for event in run.of("validation")}
    kept = [event for event in run.of("checkpoint") if event["best"]]
    assert kept[-1]["step"] == min(losses, key=losses.get)


def test_a_store_finds_the_best_beside_a_file(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=1)
    paths = [
        store.save(pack({"step": step}, {}, "checkpoint"), step, best=step in (1, 3))
        for step in (1, 2, 3, 4, 5)
    ]
    assert [unmarked(path) for path in store.files()] == [
        "run0000-step00000003.best.safetensors",
        "run0000-step00000005.safetensors",
    ]
    assert store.beside(paths[-1], 3) == paths[2] == store.best()
    assert store.beside(paths[-1], 1) is None


def test_restore_best_is_yes_or_no() -> None:
    with pytest.raises(ArgumentError, match="`restore_best` must be one of True, False; got 'no'"):
        EarlyStopping("loss", restore_best="no")
