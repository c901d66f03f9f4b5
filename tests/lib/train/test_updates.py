"""Optimisers by layer, in groups, averaged and watched, through the whole loop and on ranks."""

from __future__ import annotations

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_model, make_trainer, weights

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.optim import EMA, SGD, ParameterGroup, ParameterGroups
from sandbox.lib.train import EverySteps, MaxSteps

OPTIMIZERS = [
    optim.LARS(2.0, trust=0.02, weight_decay=0.01),
    optim.LAMB(0.02, weight_decay=0.01),
    optim.AdamW(0.01),
    EMA(
        ParameterGroups(
            optim.LAMB(0.02),
            [
                ParameterGroup(["*.bias", "norm.*"], optimizer=SGD(0.1)),
                ParameterGroup("fc1.*", regulariser=optim.L1(0.01)),
            ],
        ),
        decay=0.9,
    ),
]


def plain_model(seed=0):
    """Batch statistics are per rank, so that ranks are compared without batch norm."""
    return nn.Sequential(
        fc1=nn.Linear(4, 16, rng=seed), relu=nn.ReLU(), fc2=nn.Linear(16, 2, rng=seed + 1)
    )


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:3], ids=repr)
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_equal_one_process(run_ranks, optimizer, ranks):
    trainer = make_trainer(plain_model(), optimizer=optimizer)
    job = trainer._job(make_data(), None, 12, None, None, "epoch", None)
    many = run_ranks(job, ranks)
    assert many.errors == [None] * ranks
    trainer.fit(make_data(), steps=12)
    expected = weights(trainer.model)
    for model in many.models:
        for name, value in weights(model).items():
            # 1e-5 of the largest weight, the project's bar
            limit = 1e-5 * max(abs(v).max() for v in expected.values())
            np.testing.assert_allclose(value, expected[name], rtol=0, atol=limit, err_msg=name)


def test_groups_and_averages_work_on_ranks(run_ranks):
    optimizer = EMA(
        ParameterGroups(
            optim.LAMB(0.02),
            [ParameterGroup("*.bias", optimizer=SGD(0.1)), ParameterGroup("fc1.*", weight_decay=0)],
        ),
        decay=0.9,
    )
    trainer = make_trainer(plain_model(), optimizer=optimizer)
    job = trainer._job(make_data(), None, 10, None, make_data(seed=1), EverySteps(5), None)
    many = run_ranks(job, 2)
    assert many.errors == [None, None]
    history = trainer.fit(
        make_data(), steps=10, validation=make_data(seed=1), validate=EverySteps(5)
    )
    assert_same(weights(many.models[0]), weights(many.models[1]))
    measured = [event["metrics"]["loss"] for event in many.of("validation")]
    # ten steps whose sums two ranks round in another order than one
    assert measured == pytest.approx([v["metrics"]["loss"] for v in history.validations], rel=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_resumed_run_gives_equal_bits(tmp_path, optimizer):
    whole = make_trainer(optimizer=optimizer)
    whole.fit(make_data(), steps=14)
    first = make_trainer(optimizer=optimizer, checkpoint=tmp_path)
    first.fit(make_data(), steps=6)
    second = make_trainer(optimizer=optimizer, checkpoint=tmp_path)
    second.fit(make_data(), steps=14, resume="auto")
    assert_same(weights(whole.model), weights(second.model))
    if optimizer.average_slot:
        with whole.averaged() as a, second.averaged() as b:
            assert_same(weights(a), weights(b))


def test_validation_sees_the_averaged_weights():
    data, other = make_data(), make_data(seed=1)
    trainer = make_trainer(optimizer=EMA(SGD(0.5), decay=0.9))
    history = trainer.fit(data, steps=20, validation=other)
    trained = weights(trainer.model)
    seen = history.validations[-1]["metrics"]["loss"]
    with trainer.averaged():  # 1e-5: the same weights, in batches of another size
        assert trainer.evaluate(other)["loss"] == pytest.approx(seen, rel=1e-5)
    assert_same(trained, weights(trainer.model))
    assert trainer.evaluate(other)["loss"] != pytest.approx(seen, rel=1e-5)


def test_averaging_leaves_the_training_as_it_is():
    data = make_data()
    plain = make_trainer(optimizer=SGD(0.1, momentum=0.9))
    plain.fit(data, steps=15)
    averaged = make_trainer(optimizer=EMA(SGD(0.1, momentum=0.9)))
    averaged.fit(data, steps=15, validation=data, validate=EverySteps(4))
    assert_same(weights(plain.model), weights(averaged.model))


def test_averages_that_are_not_there_name_the_cure():
    with (
        pytest.raises(ArgumentError, match=r"Train with optim.EMA"),
        make_trainer().averaged(),
    ):
        pass
    trainer = make_trainer(optimizer=EMA(SGD(0.1)))
    with pytest.raises(ArgumentError, match="there must have been a fit"), trainer.averaged():
        pass


def test_plateau_lowers_the_rate_and_a_resumed_run_knows(tmp_path):
    def optimizer():
        return SGD(0.1, schedule=optim.Plateau("loss", factor=0.5, patience=1, min_delta=9.0))

    data = make_data()
    arguments = {"validation": data, "validate": EverySteps(2)}
    whole = make_trainer(optimizer=optimizer())
    rates = whole.fit(data, steps=9, **arguments)["learning_rate"]
    assert rates.tolist() == pytest.approx([0.1] * 4 + [0.05] * 2 + [0.025] * 2 + [0.0125])
    first = make_trainer(optimizer=optimizer(), checkpoint=tmp_path)
    first.fit(data, steps=5, **arguments)
    second = make_trainer(optimizer=optimizer(), checkpoint=tmp_path)
    second.fit(data, steps=9, resume="auto", **arguments)
    assert_same(weights(whole.model), weights(second.model))
    again = whole.fit(data, steps=2, **arguments)["learning_rate"]
    assert again.tolist() == pytest.approx([0.1, 0.1])


def test_plateau_on_ranks_goes_by_the_sums(run_ranks):
    optimizer = SGD(0.1, schedule=optim.Plateau("loss", factor=0.5, patience=1, min_delta=9.0))
    trainer = make_trainer(optimizer=optimizer)
    data = make_data()
    many = run_ranks(trainer._job(data, None, 6, None, data, EverySteps(2), None), 2)
    assert many.errors == [None, None]
    rates = [event["learning_rate"] for event in many.of("iteration")]
    assert rates == pytest.approx([0.1] * 4 + [0.05] * 2)


@pytest.mark.parametrize("metric", ["auc", "loss"])
def test_plateau_without_its_metric_is_refused_before_training(metric):
    trainer = make_trainer(optimizer=SGD(0.1, schedule=optim.Plateau(metric)))
    validation = make_data() if metric == "auc" else None
    with pytest.raises(ArgumentError, match=rf"Plateau: '{metric}' must be measured"):
        trainer.fit(make_data(), steps=1, validation=validation)


def test_group_that_fits_nothing_is_refused_before_training():
    trainer = make_trainer(optimizer=ParameterGroups(SGD(0.1), [ParameterGroup("fc9.*")]))
    with pytest.raises(ArgumentError, match=r"'fc9.\*', which holds none of fc1.weight"):
        trainer.fit(make_data(), steps=1)


def test_lbfgs_trains_a_full_batch_and_resumes(tmp_path):
    data = make_data()
    whole = make_trainer(plain_model(), optimizer=optim.LBFGS(0.5), batch_size=200)
    history = whole.fit(data, steps=25)
    slow = make_trainer(plain_model(), optimizer=SGD(0.5), batch_size=200).fit(data, steps=25)
    assert history["loss"][-1] < 0.3 * slow["loss"][-1]
    keep = {"optimizer": optim.LBFGS(0.5), "batch_size": 200, "checkpoint": tmp_path}
    make_trainer(plain_model(), **keep).fit(data, steps=10)
    second = make_trainer(plain_model(), **keep)
    second.fit(data, steps=25, resume="auto")
    assert_same(weights(whole.model), weights(second.model))


def test_lbfgs_on_ranks_is_refused(run_ranks):
    job = make_trainer(make_model(), optimizer=optim.LBFGS())._job(
        make_data(), None, None, MaxSteps(2), None, "epoch", None
    )
    errors = run_ranks(job, 2).errors
    assert all(isinstance(error, ArgumentError) for error in errors)
    assert "must train in one process" in str(errors[0])


def test_frozen_parameters_stay_with_every_optimizer():
    for optimizer in OPTIMIZERS:
        model = make_model()
        for name, parameter in model.named_parameters():
            parameter.trainable = not name.startswith("fc1")
        before = weights(model)
        make_trainer(model, optimizer=optimizer).fit(make_data(), steps=5)
        after = weights(model)
        np.testing.assert_array_equal(before["fc1.weight"], after["fc1.weight"])
        assert (before["fc2.weight"] != after["fc2.weight"]).any()
