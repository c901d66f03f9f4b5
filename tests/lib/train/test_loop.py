from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, weights

from sandbox.lib import nn
from sandbox.lib.core.errors import DataError, TrainingError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset, PartitionedDataset
from sandbox.lib.metrics import ConfusionMatrix, Top1
from sandbox.lib.optim import SGD, ClipNorm
from sandbox.lib.train import (
    CheckpointPolicy,
    Command,
    EveryEpoch,
    EverySteps,
    History,
    MaxSteps,
    TrainJob,
)


def plain_model() -> nn.Module:
    """No batch norm, whose statistics are those of one rank."""
    return nn.Sequential(
        fc1=nn.Linear(4, 19, rng=0),
        relu=nn.ReLU(),
        drop=nn.Dropout(0.3),
        fc2=nn.Linear(19, 3, rng=1),
    )


def make_job(**changes: Any) -> TrainJob:
    x, y = make_data(150)
    y[::7] = 2
    settings: dict[str, Any] = {
        "model": plain_model(),
        "criterion": CrossEntropy(),
        "optimizer": SGD(0.1, momentum=0.9),
        "data": ArrayDataset(x, y),
        "end": MaxSteps(50),
        "batch_size": 32,
        "seed": 3,
    }
    return TrainJob(**(settings | changes))


def uneven() -> PartitionedDataset:
    x, y = make_data(150)
    y[::7] = 2
    cuts = [0, 10, 10, 90, 101, 150]
    return PartitionedDataset([(x[a:b], y[a:b]) for a, b in pairwise(cuts)])


def furthest(expected: nn.Module, actual: nn.Module) -> float:
    pairs = zip(weights(expected).values(), weights(actual).values(), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("data", ["array", "partitions"])
def test_ranks_end_where_one_process_does(
    size: int, data: str, run_ranks: Callable[..., Any]
) -> None:
    changes: dict[str, Any] = {
        "criterion": CrossEntropy(class_weights=[1.0, 0.25, 3.0]),
        "clip": ClipNorm(0.5),
    }
    if data == "partitions":
        changes["data"] = uneven()
    alone = run_ranks(make_job(**changes), 1)
    together = run_ranks(make_job(**changes), size)
    assert together.errors == [None] * size
    for model in together.models[1:]:
        assert_same(weights(together.models[0]), weights(model))
    # float32 sums in another order: rounding only
    assert furthest(alone.models[0], together.models[0]) <= 1e-5
    losses = [[event["loss"] for event in run.of("iteration")] for run in (alone, together)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_running_statistics_are_the_same_on_all_ranks(run_ranks: Callable[..., Any]) -> None:
    x, y = make_data(101)
    run = run_ranks(make_job(model=make_model(), data=ArrayDataset(x, y), end=MaxSteps(7)), 3)
    for model in run.models[1:]:
        assert_same(weights(run.models[0]), weights(model))


def test_a_batch_smaller_than_the_ranks_is_legal(run_ranks: Callable[..., Any]) -> None:
    x, y = make_data(7)
    job = make_job(data=ArrayDataset(x, y), batch_size=2, end=MaxSteps(8))
    alone, together = run_ranks(job, 1), run_ranks(job, 3)
    assert together.errors == [None] * 3
    assert furthest(alone.models[0], together.models[0]) <= 1e-5


def test_a_checkpoint_does_not_depend_on_the_ranks(run_ranks: Callable[..., Any]) -> None:
    first = run_ranks(make_job(end=MaxSteps(5)), 3)
    whole = run_ranks(make_job(end=MaxSteps(11)), 2)
    rest = run_ranks(make_job(start=first.results[0].state, end=MaxSteps(11)), 2)
    assert [result.state is not None for result in first.results] == [True, False, False]
    assert furthest(whole.models[0], rest.models[0]) <= 1e-5
    assert "3 ranks" in rest.of("log")[0]["text"]


def test_resumed_ranks_end_with_the_same_bits(run_ranks: Callable[..., Any]) -> None:
    data = ArrayDataset(*make_data(150))
    whole = run_ranks(make_job(model=make_model(), data=data, end=MaxSteps(11)), 3)
    first = run_ranks(make_job(model=make_model(), data=data, end=MaxSteps(7)), 3)
    assert first.errors == [None] * 3
    start = first.results[0].state
    rest = run_ranks(make_job(model=make_model(5), data=data, start=start, end=MaxSteps(11)), 3)
    assert_same(weights(whole.models[0]), weights(rest.models[0]))


def test_validation_counts_every_row_once(run_ranks: Callable[..., Any]) -> None:
    changes = {
        "validation": uneven(),
        "validate": EverySteps(3),
        "metrics": (Top1(), ConfusionMatrix(3)),
        "end": MaxSteps(7),
        "batch_size": 1,
    }
    alone, together = (run_ranks(make_job(**changes), size) for size in (1, 3))
    assert [event["step"] for event in together.of("validation")] == [3, 6, 7]
    for event in together.of("validation"):
        assert np.sum(event["metrics"]["confusion"]) == 150
        json.dumps(event)
    np.testing.assert_allclose(
        alone.of("validation")[-1]["metrics"]["top1"],
        together.of("validation")[-1]["metrics"]["top1"],
        atol=0.02,  # 3 of 150 rows: weights differ by rounding, which may turn a close decision
    )


@pytest.mark.parametrize("size", [1, 2])
def test_events_come_in_order_and_every_iteration_once(
    size: int, run_ranks: Callable[..., Any]
) -> None:
    x, y = make_data(90)
    job = make_job(
        data=ArrayDataset(x, y),
        validation=ArrayDataset(x, y),
        validate=EveryEpoch(),
        metrics=(Top1(),),
        checkpoint=CheckpointPolicy(EverySteps(4)),
        watch=("fc2.bias",),
        watch_every=5,
        end=MaxSteps(7),
    )
    run = run_ranks(job, size)
    order = [(event["type"], event.get("step")) for event in run.events if event["type"] != "state"]
    steps = [step for kind, step in order if kind == "iteration"]
    assert steps == [1, 2, 3, 4, 5, 6, 7]
    assert [step for kind, step in order if kind == "validation"] == [3, 6, 7]
    assert [step for kind, step in order if kind == "checkpoint"] == [4, 7]
    assert [step for kind, step in order if kind == "snapshot"] == [0, 5]
    for kind in ("validation", "checkpoint"):
        for step in (s for k, s in order if k == kind):
            assert order.index(("iteration", step)) < order.index((kind, step))
    events = run.of("iteration")
    assert [event["epoch"] for event in events] == [1, 1, 1, 2, 2, 2, 3]
    assert [event["epoch"] for event in run.of("validation")] == [1, 2, 3]
    assert [event["epoch"] for event in run.of("checkpoint")] == [2, 3]
    assert [event["rows"] for event in events] == [32, 32, 26, 32, 32, 26, 32]
    tables = {event["step"]: event for event in run.of("ranks")}
    for event in events:
        assert event["ranks"] == size
        timings = tables[event["step"]]["timings"] if size > 1 else [event["slowest"]]
        assert len(timings) == size
        assert sum(timing["rows"] for timing in timings) == event["rows"]
        assert event["slowest"] == max(timings, key=lambda timing: timing["compute"])
        mean = sum(timing["compute"] for timing in timings) / size
        assert event["mean"]["compute"] == pytest.approx(mean)
        json.dumps(event)


def test_events_of_many_ranks_are_as_large_as_those_of_two(run_ranks: Callable[..., Any]) -> None:
    sizes = {}
    for size in (2, 12):
        run = run_ranks(make_job(end=MaxSteps(6)), size)
        assert [error for error in run.errors if error] == []
        events = [_plain(event) for event in run.of("iteration")]
        assert len(events) == 6
        sizes[size] = {len(json.dumps(event)) for event in events}
        tables = run.of("ranks")
        assert sum(table["steps"] for table in tables) == 6
        assert len(tables) == 6 if size == 2 else len(tables) < 6  # of many once a second
        assert all(len(table["timings"]) == size for table in tables)
        history = History.from_arrays({}, [])
        for event in run.events:
            if event["type"] == "iteration":
                history.append(event)
            elif event["type"] == "ranks":
                history.add_ranks(event)
        assert np.isfinite(history.rank(size - 1)["compute"]).all()
    assert sizes[2] == sizes[12]


def _plain(value: Any) -> Any:
    """Put a number of one width in the place of every number."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return 1.5 if isinstance(value, int | float) else value


def test_times_of_a_rank_add_up_to_the_wall_time(run_ranks: Callable[..., Any]) -> None:
    x = np.random.default_rng(0).normal(size=(512, 400)).astype("f4")
    model = nn.zoo.mlp([400, 600, 2], rng=0)
    job = make_job(
        model=model, data=ArrayDataset(x, make_data(512)[1]), batch_size=512, end=MaxSteps(20)
    )
    events = run_ranks(job, 1).of("iteration")
    gaps = []
    for event in events:
        own = event["slowest"]
        parts = own["compute"] + own["wait"] + own["exchange"]
        gaps.append(abs(parts - event["seconds"]) / event["seconds"])
    # The median, and 5 %: another process may take the core between any two calls of the clock.
    # Undisturbed it is 0.2 to 0.5 %, on a starved machine it has been 2.3 %.
    assert np.median(gaps) <= 0.05


@pytest.mark.parametrize("size", [1, 3])
def test_commands_take_effect_on_all_ranks_at_one_iteration(
    size: int, run_ranks: Callable[..., Any]
) -> None:
    heard = 0
    commands = {
        5: Command("learning_rate", 0.5),
        8: Command("pause"),
        9: Command("learning_rate", 0.25),
        10: Command("resume"),
        13: Command("learning_rate", float("nan")),
        15: Command("stop"),
    }

    def poll() -> Command | None:
        nonlocal heard
        heard += 1
        return commands.get(heard)

    run = run_ranks(make_job(), size, poll)
    assert run.errors == [None] * size
    assert [result.reason for result in run.results] == ["stopped"] * size
    rates = [event["learning_rate"] for event in run.of("iteration")]
    assert rates == [0.1] * 4 + [0.5] * 4 + [0.25] * 2 + [0.1] * 3
    assert [event["state"] for event in run.of("state")] == ["running", "paused", "running"]
    for model in run.models[1:]:
        assert_same(weights(run.models[0]), weights(model))


def test_a_pause_waits_until_it_ends_and_is_no_part_of_an_iteration(
    run_ranks: Callable[..., Any],
) -> None:
    began: list[float] = []

    def poll() -> Command | None:
        if not began:
            began.append(time.monotonic())
            return Command("pause")
        return Command("resume") if time.monotonic() - began[0] > 0.4 else None

    run = run_ranks(make_job(end=MaxSteps(5)), 2, poll)
    assert sum(event["seconds"] for event in run.of("iteration")) < 0.3
    assert run.results[0].seconds > 0.4


@pytest.mark.parametrize("size", [1, 3])
def test_a_bad_row_is_named_on_all_ranks(size: int, run_ranks: Callable[..., Any]) -> None:
    x, y = make_data(150)
    x[77, 2] = np.nan
    run = run_ranks(make_job(data=ArrayDataset(x, y)), size)
    texts = {str(error) for error in run.errors}
    assert len(texts) == 1, texts
    assert {type(error) for error in run.errors} == {DataError}, texts
    text = texts.pop()
    assert text.startswith("step ")
    assert "row 77 of the data set" in text


def test_a_bad_label_is_named_with_its_partition(run_ranks: Callable[..., Any]) -> None:
    data = uneven()
    data.parts[2][1][5] = 3
    run = run_ranks(make_job(data=data), 2)
    for error in run.errors:
        assert isinstance(error, DataError)
        assert "got 3 in row" in str(error)
        assert "row 5 of partition 2 of the data set" in str(error)


@pytest.mark.parametrize("size", [1, 2])
def test_a_diverging_run_says_so(size: int, run_ranks: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"):
        run = run_ranks(make_job(optimizer=SGD(1e30)), size)
    for error in run.errors:
        assert isinstance(error, TrainingError)
        assert "ower the learning rate" in str(error)


def test_an_error_in_the_users_code_ends_all_ranks(run_ranks: Callable[..., Any]) -> None:
    class Broken(Top1):
        def update(self, output: np.ndarray, target: np.ndarray) -> np.ndarray:
            raise RuntimeError("my metric is broken")

    # a class of this function cannot be pickled: give each rank the same object
    broken = Broken()
    Broken.__reduce__ = lambda self: (_identity, (_keep(broken),))  # type: ignore[method-assign]
    run = run_ranks(make_job(metrics=(broken,)), 2)
    assert isinstance(run.errors[0], RuntimeError)
    assert all("my metric is broken" in str(error) for error in run.errors)


_kept: list[Any] = []


def _keep(thing: Any) -> int:
    _kept.append(thing)
    return len(_kept) - 1


def _identity(place: int) -> Any:
    return _kept[place]


def test_fewer_rows_than_ranks_is_refused(run_ranks: Callable[..., Any]) -> None:
    x, y = make_data(2)
    run = run_ranks(make_job(data=ArrayDataset(x, y)), 3)
    for error in run.errors:
        assert isinstance(error, DataError)
        assert "at least one row for each of 3 ranks; got 2" in str(error)


def test_frozen_parameters_stay(run_ranks: Callable[..., Any]) -> None:
    model = plain_model()
    for name, parameter in model.named_parameters():
        parameter.trainable = name.startswith("fc2")
    before = weights(model)
    job = make_job(model=model, optimizer=SGD(0.1, momentum=0.9, weight_decay=0.1), end=MaxSteps(5))
    for size in (1, 2):
        after = weights(run_ranks(job, size).models[0])
        np.testing.assert_array_equal(before["fc1.weight"], after["fc1.weight"])
        assert (before["fc2.weight"] != after["fc2.weight"]).any()


def test_a_state_before_the_first_iteration_starts_the_same_run(
    run_ranks: Callable[..., Any],
) -> None:
    policy = CheckpointPolicy(EverySteps(100), at_start=True)
    whole = run_ranks(make_job(checkpoint=policy, end=MaxSteps(6)), 2)
    first = whole.of("checkpoint")[0]
    assert first["step"] == 0
    again = run_ranks(make_job(start=first["data"], end=MaxSteps(6)), 2)
    assert_same(weights(whole.models[0]), weights(again.models[0]))
