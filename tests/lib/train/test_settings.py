"""What a resumed run says of settings that are otherwise than its checkpoint's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import optim
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.optim import EMA, SGD, ClipNorm, ParameterGroup, ParameterGroups, Polynomial
from sandbox.lib.train import Checkpoints, EarlyStopping, MaxSteps, Trainer
from sandbox.lib.train.checkpoint import pack, unpack

DATA = make_data(150)


def listen(trainer: Trainer) -> list[str]:
    said: list[str] = []
    trainer.subscribe(lambda event: event["type"] == "log" and said.append(event["text"]))
    return said


def resumed(folder: Path, before: dict[str, Any], now: dict[str, Any], **fit: Any) -> list[str]:
    """Train three steps with one set-up and three more with another; return what is said."""
    make_trainer(checkpoint=folder, **before).fit(DATA, steps=3)
    trainer = make_trainer(checkpoint=folder, **now)
    said = listen(trainer)
    trainer.fit(DATA, steps=6, resume="auto", **fit)
    return said


def groups(decay: float) -> ParameterGroups:
    return ParameterGroups(SGD(0.1), [ParameterGroup("*.bias", weight_decay=decay)])


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (SGD(0.1), SGD(0.5), "learning_rate 0.1 -> 0.5"),
        (SGD(0.1, momentum=0.9), SGD(0.1), "momentum 0.9 -> 0.0"),
        (
            SGD(0.1),
            SGD(0.2, schedule=optim.StepDecay(5)),
            "learning_rate 0.1 -> 0.2; schedule None -> StepDecay(every=5, gamma=0.1)",
        ),
        (
            SGD(0.1, schedule=optim.StepDecay(5)),
            SGD(0.1, schedule=optim.StepDecay(7)),
            "schedule.every 5 -> 7",
        ),
        (EMA(SGD(0.1)), EMA(SGD(0.3)), "learning_rate 0.1 -> 0.3"),
        (groups(0.0), groups(0.5), "groups[0].weight_decay 0.0 -> 0.5"),
    ],
)
def test_another_optimiser_setting_is_told(
    before: optim.Optimizer, now: optim.Optimizer, change: str, tmp_path: Path
) -> None:
    said = resumed(tmp_path, {"optimizer": before}, {"optimizer": now})
    assert said == [f"the checkpoint of step 3 goes on with other settings: {change}"]


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        ({}, {"clip": ClipNorm(1.0)}, "clip None -> ClipNorm(max_norm=1.0)"),
        ({"clip": ClipNorm(2.0)}, {"clip": ClipNorm(1.0)}, "clip.max_norm 2.0 -> 1.0"),
        (
            {},
            {"criterion": CrossEntropy(label_smoothing=0.1)},
            "criterion CrossEntropy(label_smoothing=0.0) -> CrossEntropy(label_smoothing=0.1)",
        ),
    ],
)
def test_another_clip_or_criterion_is_told(
    before: dict[str, Any], now: dict[str, Any], change: str, tmp_path: Path
) -> None:
    said = resumed(tmp_path, before, now)
    assert said == [f"the checkpoint of step 3 goes on with other settings: {change}"]


def test_another_early_stop_is_told(tmp_path: Path) -> None:
    rule = EarlyStopping("loss", patience=9)
    said = resumed(tmp_path, {}, {}, validation=DATA, early_stop=rule)
    change = "early stop None -> (monitor=loss, patience=9, min_delta=0.0, mode=None)"
    assert said[0].endswith(f"other settings: {change}")


def test_parameters_frozen_since_are_told() -> None:
    trainer = make_trainer()
    trainer.fit(DATA, steps=3)
    trainer.model.fc1.freeze()
    said = listen(trainer)
    trainer.fit(DATA, steps=6, resume="auto")
    assert said[0].endswith("other settings: frozen [] -> [fc1.weight, fc1.bias]")


def test_a_length_that_gives_a_schedule_other_rates_is_told(tmp_path: Path) -> None:
    scheduled = {"optimizer": SGD(0.1, schedule=Polynomial())}
    assert resumed(tmp_path / "a", scheduled, scheduled) == [
        "the checkpoint of step 3 goes on with other settings: steps in all 3 -> 6"
    ]
    fixed = {"optimizer": SGD(0.1, schedule=Polynomial(steps=9))}
    assert resumed(tmp_path / "b", fixed, fixed) == []
    assert resumed(tmp_path / "c", {}, {}) == []


def test_a_rate_set_by_hand_that_goes_on_is_told() -> None:
    trainer = make_trainer()

    def slow_down(event: dict[str, Any]) -> None:
        if event["type"] == "iteration" and event["step"] == 1:
            trainer.set_learning_rate(0.01)

    leave = trainer.subscribe(slow_down)
    trainer.fit(DATA, steps=3)
    leave()
    said = listen(trainer)
    history = trainer.fit(DATA, steps=4, resume="auto")
    assert history["learning_rate"][-1] == 0.01
    assert said[0].startswith("the learning rate set by hand, 0.01, goes on; set_learning_rate(N")


def test_a_run_that_is_at_its_end_already_is_told() -> None:
    trainer = make_trainer()
    trainer.fit(DATA, epochs=1)
    said = listen(trainer)
    trainer.fit(DATA, epochs=1, resume="auto")
    assert said == [
        "step 5 is the end of the run already, by MaxEpoch(1): nothing is trained. Give more epochs"
        " or steps than those of before."
    ]


def test_a_run_that_an_early_stop_has_ended_is_told(tmp_path: Path) -> None:
    def fit(patience: int) -> tuple[Trainer, list[str]]:
        trainer = make_trainer(checkpoint=tmp_path)
        said = listen(trainer)
        rule = EarlyStopping("loss", patience=patience, min_delta=0.5)
        trainer.fit(DATA, epochs=9, validation=DATA, early_stop=rule, resume="auto")
        return trainer, said

    first, _ = fit(2)
    again, said = fit(2)
    assert again.result.reason == "early_stop"
    assert first.result.step == again.result.step == 15
    assert said[0] == (
        "the early stop ended the run at step 15 already: nothing is trained. Give it a patience of"
        " more than 2."
    )
    assert_same(weights(first.model), weights(again.model))
    patient, said = fit(4)
    assert patient.result.step == 25
    assert said[0].endswith("other settings: early stop.patience 2 -> 4")


def test_who_waited_in_vain_for_a_validation_is_told() -> None:
    trainer = make_trainer(optimizer=SGD(0.1, schedule=optim.Plateau("loss")))
    said = listen(trainer)
    trainer.fit(DATA, steps=3, validation=DATA)
    assert said == ["no validation was due in this run; Plateau() waited for one"]


def test_a_file_of_before_tells_of_its_optimiser_alone(tmp_path: Path) -> None:
    make_trainer(checkpoint=tmp_path).fit(DATA, steps=3)
    file = Checkpoints(tmp_path).store().files()[-1]
    state = unpack(file.read_bytes(), "checkpoint")
    del state.meta["settings"], state.meta["best_step"]
    file.write_bytes(pack(state.meta, state.tensors, "checkpoint"))
    trainer = make_trainer(checkpoint=tmp_path, clip=ClipNorm(1.0), optimizer=SGD(0.2))
    said = listen(trainer)
    trainer.fit(DATA, steps=6, resume="auto")
    assert said[0].endswith("other settings: learning_rate 0.1 -> 0.2; momentum 0.9 -> 0.0")


def test_ranks_tell_it_once(run_ranks: Callable[..., Any]) -> None:
    first = make_trainer()
    first.fit(DATA, steps=3)
    job = make_trainer(optimizer=SGD(0.2, momentum=0.9))._job(
        DATA, None, None, MaxSteps(5), None, "epoch", None
    )
    job.start = first.result.state
    said = [event["text"] for event in run_ranks(job, 2).of("log")]
    assert said[0].endswith("other settings: learning_rate 0.1 -> 0.2")
    assert "written by 1 ranks and goes on with 2" in said[1]
