"""Schedules at their corner points, continuous where they promise it, and pure."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sandbox.lib import optim
from sandbox.lib.core.errors import ArgumentError

SCHEDULES = [
    optim.Constant(0.5),
    optim.StepDecay(7, gamma=0.3),
    optim.MultiStep([3, 9]),
    optim.Polynomial(2.0, final=0.1),
    optim.OneCycle(),
    optim.OneCycle(shape="cosine", warm=0.4),
    optim.Warmup(optim.OneCycle(steps=50), steps=5, start=0.2),
    optim.Cosine(final=0.1),
    optim.Cosine(cycles=3, steps=70),
    optim.Exponential(0.9, every=4),
    optim.Plateau(),
    optim.Piecewise([3, 9], [0.5, 1.0, 0.2]),
    optim.InverseTime(0.1),
    optim.InverseSquareRoot(12),
    optim.CosineRestarts(7, growth=1.5, shrink=0.8, final=0.05),
    optim.Cyclic(6, 9, lowest=0.2, shrink=0.5, gamma=0.99),
    optim.Epochs(optim.Cosine(), steps=7),
    optim.SequentialSchedule([optim.Warmup(steps=5), optim.OneCycle(), optim.Cosine()], [5, 40]),
    optim.Product([optim.Warmup(steps=9), optim.Plateau(), optim.StepDecay(20)]),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedule_is_a_pure_function_in_any_order(schedule):
    forward = [schedule(step, 100) for step in range(130)]
    backward = [schedule(step, 100) for step in reversed(range(130))]
    assert forward == backward[::-1]
    assert all(isinstance(f, float) and 0 <= f <= 1 for f in forward)
    assert schedule == optim.from_config(schedule.config())


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_one_cycle_starts_peaks_and_ends_where_it_says(shape):
    cycle = optim.OneCycle(warm=0.25, start=0.1, final=0.01, shape=shape)
    assert cycle(0, 200) == pytest.approx(0.1)
    assert cycle(50, 200) == pytest.approx(1.0)
    assert cycle(200, 200) == pytest.approx(0.01)
    assert cycle(999, 200) == pytest.approx(0.01)
    assert max(abs(np.diff([cycle(s, 200) for s in range(201)]))) < 0.04


def test_triangular_cycle_is_half_way_up_half_way_through_its_rise():
    assert optim.OneCycle(warm=0.5, start=0.0, final=0.0)(25, 100) == pytest.approx(0.5)


def test_warmup_joins_its_inner_schedule_without_a_jump():
    schedule = optim.Warmup(optim.Polynomial(), steps=10)
    assert [schedule(s, 30) for s in (0, 5, 10, 20, 30)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert optim.Warmup(steps=4)(99) == 1.0


def test_optimizer_multiplies_its_learning_rate_by_the_factor():
    optimizer = optim.SGD(0.4, schedule=optim.StepDecay(2, gamma=0.5))
    assert [optimizer.learning_rate_at(s, None) for s in range(5)] == [0.4, 0.4, 0.2, 0.2, 0.1]
    assert optim.SGD(0.4).learning_rate_at(10, 20) == 0.4


def test_schedule_without_a_known_length_names_the_cure():
    with pytest.raises(ArgumentError, match=r"Polynomial\(steps=\.\.\.\)"):
        optim.Polynomial()(3, None)
    assert optim.Polynomial(steps=4)(2, None) == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.StepDecay(0), "StepDecay: `every` must be an int > 0; got 0"),
        (lambda: optim.MultiStep([3, 3]), "milestones must increase"),
        (lambda: optim.MultiStep([0.5]), "MultiStep: `milestones` must be"),
        (lambda: optim.Polynomial(0), "Polynomial: `power` must be"),
        (lambda: optim.OneCycle(warm=1.0), "OneCycle: `warm` must be"),
        (lambda: optim.OneCycle(shape="square"), "shape must be 'linear' or 'cosine'"),
        (lambda: optim.Warmup("x", steps=3), "Warmup: `inner` must be a Schedule"),
        (lambda: optim.Warmup(steps=-1), "Warmup: `steps` must be"),
        (lambda: optim.Cosine(cycles=0), "Cosine: `cycles` must be"),
        (lambda: optim.Exponential(1.1), "Exponential: `gamma` must be"),
        (lambda: optim.Piecewise([3], [1.0]), "Piecewise: `factors` must be 2 numbers"),
        (lambda: optim.InverseTime(-1), "InverseTime: `decay` must be"),
        (lambda: optim.InverseSquareRoot(0), "InverseSquareRoot: `warm` must be"),
        (lambda: optim.CosineRestarts(4, growth=0.5), "CosineRestarts: `growth` must be"),
        (lambda: optim.Cyclic(4, lowest=1.5), "Cyclic: `lowest` must be"),
        (lambda: optim.Epochs("x"), "Epochs: `inner` must be a Schedule"),
        (lambda: optim.Product([]), "Product: `schedules` must be a list of schedules"),
        (
            lambda: optim.Product([optim.Plateau(), optim.Plateau()]),
            "only one of `schedules` may go by a metric",
        ),
        (
            lambda: optim.SequentialSchedule([optim.Constant()], [3]),
            "SequentialSchedule: `milestones` must be 0 steps",
        ),
        (lambda: optim.Plateau(factor=1.0), "Plateau: `factor` must be"),
        (lambda: optim.Plateau(mode="less"), "Plateau: `mode` must be 'min', 'max' or None"),
        (lambda: optim.Plateau(7), "Plateau: `monitor` must be a metric's name; got 7"),
    ],
)
def test_schedule_arguments_out_of_range_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_cosine_falls_as_pytorch_says():
    # CosineAnnealingLR(T_max=8, eta_min=0.1) of PyTorch, whose closed form the class states
    wanted = [0.1 + 0.9 * (1 + np.cos(np.pi * step / 8)) / 2 for step in range(9)]
    assert [optim.Cosine(final=0.1)(step, 8) for step in range(9)] == pytest.approx(wanted)
    assert optim.Cosine(final=0.1)(100, 8) == 0.1


def test_restarts_begin_at_one_again():
    factors = [optim.Cosine(cycles=4)(step, 100) for step in range(100)]
    assert [k for k, factor in enumerate(factors) if factor == 1.0] == [0, 25, 50, 75]


def test_noam_follows_the_formula_of_its_paper():
    # Vaswani et al. 2017, equation 3, over its largest value
    def paper(t, width=512, warm=40):
        return width**-0.5 * min(t**-0.5, t * warm**-1.5)

    wanted = [paper(step + 1) / paper(40) for step in range(200)]
    assert [optim.InverseSquareRoot(40)(step) for step in range(200)] == pytest.approx(wanted)


def test_inverse_time_is_the_default_of_bigdl():
    wanted = [1 / (1 + 0.02 * step) for step in range(50)]
    assert [optim.InverseTime(0.02)(step) for step in range(50)] == wanted


def test_restarts_of_growing_length_begin_where_they_should():
    schedule = optim.CosineRestarts(4, growth=2.0, shrink=0.5)
    assert [schedule(step) for step in (0, 4, 12, 28)] == [1.0, 0.5, 0.25, 0.125]
    assert [schedule(step) for step in (2, 8, 20)] == pytest.approx([0.5, 0.25, 0.125])


def test_epochs_count_passes_and_need_to_know_their_length():
    schedule = optim.Epochs(optim.Polynomial())
    with pytest.raises(ArgumentError, match="the steps of a pass must be known; got None"):
        schedule(0, 40)
    optimizer = optim.EMA(optim.SGD(1.0, schedule=optim.Warmup(schedule, steps=2)))
    optimizer.pace(10)
    rates = [optimizer.learning_rate_at(step, 42) for step in (0, 1, 2, 11, 12, 41)]
    assert rates == [0.0, 0.5, 1.0, 1.0, 0.75, 0.25]
    assert optimizer == optim.from_config(optimizer.config())


def test_bigdl_epoch_schedules_are_made_of_parts():
    step = optim.Epochs(optim.StepDecay(2, gamma=0.5), steps=3)
    assert [step(k) for k in (0, 5, 6, 12)] == [1, 1, 0.5, 0.25]
    regime = optim.Epochs(optim.Piecewise([1, 3], [1.0, 0.5, 0.1]), steps=4)
    assert [regime(k) for k in (0, 4, 11, 12)] == [1.0, 0.5, 0.5, 0.1]


def test_a_schedule_within_another_still_hears_validations():
    made = optim.Warmup(
        optim.SequentialSchedule([optim.Constant(), optim.Plateau("auc", patience=1)], [3]),
        steps=2,
    )
    again = optim.from_config(made.config())
    assert made.monitored() == "auc"
    for score in (0.5, 0.4):
        made.observe({"auc": score})
    again.remember(made.memory())
    assert made(10) == again(10) == pytest.approx(0.1)
    assert made(3) == 1.0
    again.remember({})
    assert again(10) == 1.0


def test_plateau_waits_falls_and_stops_at_its_lowest():
    schedule = optim.Plateau("loss", factor=0.1, patience=2, lowest=0.05)
    seen = []
    for loss in (1.0, 0.9, 0.9, 0.91, 0.95, 0.92, 0.93):
        schedule.observe({"top1": 0.3, "Loss": loss})
        seen.append(schedule(0))
    assert seen == pytest.approx([1, 1, 1, 0.1, 0.1, 0.05, 0.05])


def test_plateau_goes_on_from_what_it_remembers():
    first, second = (
        optim.Warmup(optim.Plateau("auc", patience=2, cooldown=1), steps=3) for _ in range(2)
    )
    scores = [0.5, 0.6, 0.55, 0.6, 0.5, 0.61]
    for score in scores[:3]:
        first.observe({"auc": score})
    second.remember(first.memory())
    for score in scores[3:]:
        first.observe({"auc": score})
        second.observe({"auc": score})
        assert first(5) == second(5)
    assert first(5) == pytest.approx(0.1)
    first.remember({})
    assert first(5) == 1.0
    assert first.monitored() == "auc"


def test_plateau_leaves_out_what_is_no_number():
    schedule = optim.Plateau("loss", factor=0.1, patience=1)
    seen = []
    for loss in (math.nan, 1.0, math.nan, 0.9, 0.8, 0.8):
        schedule.observe({"loss": loss})
        seen.append(schedule(0))
    assert seen == [1.0, 1.0, 1.0, 1.0, 1.0, 0.1]


def test_plateau_takes_a_best_of_nan_in_an_older_checkpoint_for_none():
    schedule = optim.Plateau("loss", factor=0.1, patience=2)
    schedule.remember({"best": math.nan, "waited": 1, "now": 0.1})
    schedule.observe({"loss": 5.0})
    assert schedule.memory() == {"best": 5.0, "waited": 0, "cooling": 0, "now": 0.1}


def test_plateau_names_the_metrics_there_are():
    with pytest.raises(ArgumentError, match="got 'auc' among top1, loss"):
        optim.Plateau("auc").observe({"top1": 0.5, "loss": 1.0})


def test_plateau_takes_the_direction_of_the_metric_unless_told():
    falling = (3.0, 2.0, 1.0, 0.5)
    told, own, given = (
        optim.Plateau("rmse"),
        optim.Plateau("rmse"),
        optim.Plateau("rmse", mode="max"),
    )
    for schedule in (told, given):
        optim.SGD(0.1, schedule=optim.Warmup(schedule, steps=1)).orient(
            {"RMSE": False, "auc": True}
        )
    for value in falling:
        for schedule in (told, own, given):
            schedule.observe({"rmse": value})
    # A name that says nothing is taken as "more is better": three validations got worse.
    assert [s(0) for s in (told, own, given)] == [1.0, 0.1, 0.1]
    assert told.config()["mode"] is None


@pytest.mark.parametrize("base", [optim.Schedule, optim.Regulariser, optim.Optimizer])
def test_a_subclass_without_its_rule_cannot_be_made(base):
    class Unfinished(base, prefix="test"):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()
