from __future__ import annotations

import pytest

from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.metrics import MAE
from sandbox.lib.train import (
    And,
    EarlyStopping,
    EveryEpoch,
    EverySteps,
    MaxEpoch,
    MaxScore,
    MaxSteps,
    MinLoss,
    Never,
    Or,
    Trigger,
)
from sandbox.lib.train.triggers import Progress


@pytest.mark.parametrize(
    ("trigger", "progress", "expected"),
    [
        (EveryEpoch(), Progress(step=4, epoch=1, epoch_end=True), True),
        (EveryEpoch(), Progress(step=4, epoch=1), False),
        (EveryEpoch(2), Progress(step=4, epoch=1, epoch_end=True), False),
        (EverySteps(3), Progress(step=6), True),
        (EverySteps(3), Progress(step=7), False),
        (MaxEpoch(2), Progress(epoch=2), True),
        (MaxEpoch(2), Progress(epoch=1), False),
        (MaxSteps(5), Progress(step=5), True),
        (MinLoss(0.5), Progress(loss=0.4), True),
        (MinLoss(0.5), Progress(loss=0.5), False),
        (MaxScore(0.9), Progress(), False),
        (MaxScore(0.9), Progress(metrics={"top1": 0.95}), True),
        (Never(), Progress(step=1), False),
        (MaxSteps(5) | MinLoss(0.1), Progress(step=1, loss=0.05), True),
        (MaxSteps(5) & MinLoss(0.1), Progress(step=1, loss=0.05), False),
    ],
)
def test_a_trigger_answers_from_the_progress(
    trigger: Trigger, progress: Progress, expected: bool
) -> None:
    assert trigger(progress) is expected


@pytest.mark.parametrize(
    ("trigger", "without", "validated"),
    [
        (MaxEpoch(2), True, True),
        (Never(), False, False),
        (MaxScore(0.9), False, True),
        (MaxScore(0.9) | MaxSteps(3), True, True),
        (MaxScore(0.9) & MaxSteps(3), False, True),
        (Never() & MaxSteps(3), False, False),
    ],
)
def test_a_trigger_tells_whether_it_can_fire(
    trigger: Trigger, without: bool, validated: bool
) -> None:
    assert trigger.can_fire(validated=False) is without
    assert trigger.can_fire(validated=True) is validated


@pytest.mark.parametrize("make", [MinLoss, MaxScore])
def test_a_bound_must_be_a_number_that_can_be_reached(make: type[Trigger]) -> None:
    for value in (float("nan"), float("inf"), "0.9", True):
        with pytest.raises(ArgumentError, match="must be a finite number"):
            make(value)


def test_the_number_of_steps_is_known_where_it_can_be() -> None:
    assert MaxEpoch(3).total_steps(10) == 30
    assert (MaxEpoch(3) | MaxSteps(7)).total_steps(10) == 7
    assert (MaxEpoch(3) | MinLoss(0)).total_steps(10) == 30
    assert (MaxEpoch(3) & MaxSteps(7)).total_steps(10) == 30
    assert (MaxEpoch(3) & MinLoss(0)).total_steps(10) is None
    assert MinLoss(0).total_steps(10) is None


def test_a_trigger_tells_what_it_is() -> None:
    assert repr(MaxEpoch(3) | MinLoss(0.5)) == "Or(MaxEpoch(3), MinLoss(0.5))"


@pytest.mark.parametrize("make", [EveryEpoch, EverySteps, MaxEpoch, MaxSteps])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_a_count_must_be_a_whole_number(make: type[Trigger], value: object) -> None:
    with pytest.raises(ArgumentError, match=f"must be an int > 0; got {value!r}"):
        make(value)


@pytest.mark.parametrize("make", [And, Or])
def test_a_combination_of_nothing_is_refused(make: type[Trigger]) -> None:
    with pytest.raises(ArgumentError, match="at least one trigger"):
        make()


def test_a_score_that_is_not_measured_is_named() -> None:
    with pytest.raises(ArgumentError, match="`top5` must be one of the run's metrics; got top1"):
        MaxScore(0.9, "top5")(Progress(metrics={"top1": 1.0}))


def test_early_stopping_waits_for_its_patience() -> None:
    rule = EarlyStopping("loss", patience=2, min_delta=0.1, mode="min")
    answers = [rule.update({"loss": loss}) for loss in (1.0, 0.95, 0.8, 0.75, 0.74)]
    assert answers == [False, False, False, False, True]


def test_early_stopping_goes_on_from_its_state() -> None:
    first, second = (EarlyStopping("top1", patience=2, mode="max") for _ in range(2))
    first.update({"top1": 0.5})
    first.update({"top1": 0.4})
    second.load(first.state())
    assert second.update({"top1": 0.45}) is True


def test_early_stopping_takes_its_direction_from_the_metric_unless_told() -> None:
    rule = EarlyStopping("mae", patience=1)
    with pytest.raises(ArgumentError, match="`mode` must be 'min' or 'max'"):
        rule.update({"mae": 1.0})
    rule.follow(MAE())
    assert [rule.update({"mae": value}) for value in (1.0, 0.5, 0.7)] == [False, False, True]
    told = EarlyStopping("mae", patience=1, mode="max")
    told.follow(MAE())
    assert [told.update({"mae": value}) for value in (1.0, 1.5)] == [False, False]


@pytest.mark.parametrize("bad", [{"mode": "down"}, {"patience": 0}, {"patience": 1.5}])
def test_early_stopping_refuses_bad_arguments(bad: dict[str, object]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(bad))):
        EarlyStopping(**bad)
