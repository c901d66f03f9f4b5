"""What a Trainer refuses: arguments, data and runs, each by name, value and cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from train_kit import Unseen, make_data, make_trainer

from sandbox.lib import criterion, nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError, TrainingError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.metrics import Top1
from sandbox.lib.optim import SGD, Plateau
from sandbox.lib.train import (
    Checkpoints,
    EarlyStopping,
    LambdaCallback,
    MaxEpoch,
    MaxScore,
    Never,
    Summary,
    Trigger,
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be an int > 0; got 0"),
        ({"threads": 0}, "`threads` must be an int > 0; got 0"),
        ({"seed": -1}, "`seed` must be an int >= 0; got -1"),
        ({"watch": ["conv9.weight"]}, "`watch` must be one of 'fc1.weight'"),
        ({"watch_every": 0}, "`watch_every`"),
        ({"metrics": [Top1]}, "`metrics` must be Metric objects"),
        ({"metrics": [Top1(), Top1()]}, "got 'top1' twice"),
        ({"clip": 1.0}, "`clip` must be a Clip; got 1.0"),
        ({"backend": "local[2]"}, r"`backend` must be a Backend; got 'local\[2\]'.*SparkBackend"),
        ({"checkpoint": 3}, "`checkpoint` must be a folder's path or Checkpoints; got 3"),
        ({"summary": True}, "`summary` must be a folder's path or a Summary; got True"),
        ({"progress": "loud"}, "`progress` must be 'auto', None or a Callback; got 'loud'"),
        ({"plan": 3}, "`plan` must be a KernelPlan or its JSON; got 3"),
        ({"watch": "fc1.weight"}, r"`watch` must be several names; got one.*\('fc1.weight',\)"),
        ({"watch": ("fc9.weight",)}, "`watch` must be one of 'fc1.weight'.*got 'fc9.weight'"),
        ({"callbacks": [print]}, "Wrap a function: LambdaCallback"),
        ({"optimizer": CrossEntropy()}, "`optimizer` must be an Optimizer"),
    ],
)
def test_bad_arguments_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_trainer(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "exactly one of `epochs`, `steps` and `end`"),
        ({"epochs": 1, "steps": 1}, "exactly one of"),
        ({"epochs": 0}, "`epochs` must be an int > 0; got 0"),
        ({"end": 3}, "`end` must be a Trigger; got 3"),
        ({"epochs": 1, "validate": "sometimes"}, "`validate` must be 'epoch' or a Trigger"),
        ({"epochs": 1, "early_stop": EarlyStopping()}, "`validation` must be given"),
        (
            {"epochs": 1, "early_stop": EarlyStopping("top9"), "validation": make_data()},
            "must be one of 'top1', 'loss'; got 'top9'",
        ),
    ],
)
def test_bad_arguments_of_fit_are_named(changes: dict[str, Any], message: str) -> None:
    trainer = make_trainer()
    with pytest.raises(ArgumentError, match=message):
        trainer.fit(make_data(), **changes)
    assert not trainer.running


@pytest.mark.parametrize("end", [MaxScore(0.9), MaxEpoch(3) | MaxScore(0.9)])
def test_a_score_that_is_not_measured_cannot_end_a_run(end: Trigger) -> None:
    trainer, data = make_trainer(), make_data()
    with pytest.raises(ArgumentError, match=r"validation` must be given for .*MaxScore\(0.9"):
        trainer.fit(data, end=end)
    for when in (Never(), MaxScore(0.5)):
        message = r"`validate` must fire for .*which cannot before there is a validation"
        with pytest.raises(ArgumentError, match=message):
            trainer.fit(data, end=end, validation=data, validate=when)
    with pytest.raises(ArgumentError, match=r"MaxScore\(0.9, 'auc'\)` must be one of .*got 'auc'"):
        trainer.fit(data, end=MaxScore(0.9, "auc"), validation=data)


def test_a_score_that_is_not_measured_can_trigger_nothing_else() -> None:
    data = make_data()
    trainer = make_trainer(checkpoint=Checkpoints("never-made", every=MaxScore(0.9)))
    with pytest.raises(ArgumentError, match="`validation` must be given"):
        trainer.fit(data, epochs=1)
    trainer = make_trainer(optimizer=SGD(0.1, schedule=Plateau("loss")))
    with pytest.raises(ArgumentError, match=r"must be measured in validations; got validate=Never"):
        trainer.fit(data, epochs=1, validation=data, validate=Never())
    with pytest.raises(ArgumentError, match=r"`validate` must fire for an early stop"):
        make_trainer().fit(
            data, epochs=1, validation=data, validate=Never(), early_stop=EarlyStopping()
        )


def test_an_empty_validation_is_refused() -> None:
    nothing = (np.zeros((0, 4), "f4"), np.zeros(0, "i8"))
    with pytest.raises(DataError, match="at least one row"):
        make_trainer().fit(make_data(), epochs=1, validation=nothing)


def test_an_empty_data_set_is_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        make_trainer().fit((np.zeros((0, 4), "f4"), np.zeros(0, "i8")), epochs=1)


def test_a_wrong_shape_is_named_with_the_module() -> None:
    x, y = make_data()
    with pytest.raises(ShapeError, match=r"Sequential/fc1 \(Linear\).*4.*got 3"):
        make_trainer().fit((x[:, :3], y), epochs=1)


def test_targets_of_a_wrong_shape_are_named() -> None:
    x, y = make_data()
    with pytest.raises(ShapeError, match=r"one label per row; got \(32, 2\). One-hot rows\? use"):
        make_trainer().fit((x, np.eye(2, dtype="i8")[y]), epochs=1)
    with pytest.raises(ShapeError, match=r"got float32 in shape \(32, 1\). Turn it with"):
        make_trainer().fit((x, y.astype("f4").reshape(-1, 1)), epochs=1)
    with pytest.raises(ShapeError, match=r"got \(32,\). Use target.reshape\(32, 1\)"):
        fit_one_output(criterion.MSE(), (x, y.astype("f4")))


def fit_one_output(loss: Any, data: Any, *more: nn.Module) -> Any:
    model = nn.Sequential(nn.Linear(4, 1, rng=0), *more)
    return make_trainer(model, criterion=loss).fit(data, epochs=1)


@pytest.mark.parametrize("value", [2, -1])
@pytest.mark.parametrize("loss", [criterion.BCEWithLogits(), criterion.BCE()])
def test_a_yes_or_no_out_of_range_is_named_with_its_row(loss: Any, value: int) -> None:
    x, y = make_data()
    target = y.reshape(-1, 1).astype("f4")
    target[123] = value
    more = (nn.Sigmoid(),) if isinstance(loss, criterion.BCE) else ()
    with pytest.raises(DataError, match=rf"`data` .* in 0..1; got {value}.0 in row 123 "):
        fit_one_output(loss, (x, target), *more)
    with pytest.raises(DataError, match=rf"in 0..1; got {value}.0 in row .*is row 123 of the data"):
        fit_one_output(loss, Unseen(x, target), *more)


def test_a_model_without_the_layer_its_loss_needs_is_told_which_one() -> None:
    x, y = make_data()
    with pytest.raises(DataError, match=r"step 1 .*output must be probabilities.* nn\.Sigmoid"):
        fit_one_output(criterion.BCE(), (x, y.reshape(-1, 1)))
    with pytest.raises(DataError, match=r"step 1 .*output must be logarithms.* nn\.LogSoftmax"):
        make_trainer(criterion=criterion.NLL()).fit((x, y), epochs=1)


@pytest.mark.parametrize("rows", [32, 9000])  # oneDNN would take the arithmetic from 8192 on
@pytest.mark.parametrize("kind", ["i8", "i4", "u1", "?"])
def test_whole_numbers_are_targets_of_a_regression(kind: str, rows: int) -> None:
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("f4")
    y = (x[:, :1] > 0).astype(kind)
    for loss in (criterion.MSE(), Absolute()):
        losses = [
            make_trainer(
                nn.Sequential(nn.Linear(4, 1, rng=0)), criterion=loss, batch_size=rows
            ).fit((x, target), epochs=2)["loss"]
            for target in (y, y.astype("f4"))
        ]
        assert np.allclose(losses[0], losses[1], rtol=1e-6)


class Absolute(criterion.Criterion):
    """Written as a learner writes it: without a thought about the target's type."""

    def call(self, output: Any, target: Any) -> Any:
        return ops.sum(ops.abs(ops.subtract(output, target)))


@pytest.mark.parametrize("value", [2, -1])
def test_a_label_out_of_range_is_named_with_its_row(value: int) -> None:
    x, y = make_data()
    y[123] = value
    with pytest.raises(DataError, match=rf"`data` .*got {value} in row 123 "):
        make_trainer().fit((x, y), epochs=1)
    with pytest.raises(DataError, match=rf"step \d+ .*got {value} in row .*is row 123 of the data"):
        make_trainer().fit(Unseen(x, y), epochs=1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_the_data_is_named_with_its_row(value: float) -> None:
    x, y = make_data()
    x[45, 1] = value
    with pytest.raises(DataError, match=rf"got {value} in row .*is row 45 of the data"):
        make_trainer().fit((x, y), epochs=1)


def test_nan_in_the_validation_data_is_named_with_its_row() -> None:
    x, y = make_data()
    bad = x.copy()
    bad[9, 1] = np.nan
    message = r"validation batch 1: .*got nan.*row 9 of the data set"
    with pytest.raises(DataError, match=message):
        make_trainer().fit((x, y), epochs=1, validation=(bad, y))
    with pytest.raises(DataError, match=message):
        make_trainer().evaluate((bad, y))


def test_a_bad_label_in_the_validation_data_is_named_with_its_row() -> None:
    x, y = make_data()
    bad = y.copy()
    bad[7] = 5
    with pytest.raises(DataError, match=r"`validation` .*got 5 in row 7 "):
        make_trainer().fit((x, y), epochs=1, validation=(x, bad))
    with pytest.raises(DataError, match=r"validation batch 1.*got 5.*row 7 of the data set"):
        make_trainer().fit((x, y), epochs=1, validation=Unseen(x, bad))


def test_a_diverging_run_names_the_step() -> None:
    trainer = make_trainer(optimizer=SGD(1e38))
    message = r"^step 2 \(epoch 1, batch 2\): .*got nan, while.*ower the learning rate"
    with pytest.raises(TrainingError, match=message):
        trainer.fit(make_data(), epochs=40)
    assert trainer.state == "failed"


def test_a_second_run_at_once_is_refused() -> None:
    trainer = make_trainer()
    trainer.fit(make_data(), epochs=10_000, background=True)
    try:
        with pytest.raises(TrainingError, match="only one run"):
            trainer.fit(make_data(), epochs=1)
    finally:
        trainer.stop()
        trainer.wait(10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Checkpoints("runs", every=3), "`every` must be a Trigger; got 3.*EverySteps"),
        (lambda: Checkpoints("runs", keep=0), "`keep` must be an int > 0; got 0"),
        (lambda: LambdaCallback(iteration=3), "`iteration` must be callable; got 3"),
        (lambda: LambdaCallback(steps=print), "must be one of 'iteration', .*; got 'steps'"),
        (lambda: Summary("runs", every=0), "`every` must be an int > 0; got 0"),
    ],
)
def test_bad_arguments_of_what_a_trainer_takes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
