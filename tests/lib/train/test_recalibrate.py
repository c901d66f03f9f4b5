"""Averaged weights in a Trainer, and the statistics that belong to them."""

from __future__ import annotations

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import DataError
from sandbox.lib.train import recalibrate


def model(rate=0.0):
    return nn.Sequential(
        fc1=nn.Linear(4, 8, rng=0),
        drop=nn.Dropout(rate),
        norm=nn.BatchNorm(8),
        act=nn.ReLU(),
        fc2=nn.Linear(8, 2, rng=1),
    )


def test_statistics_are_those_of_the_rows_whatever_they_were():
    net, (x, y) = model(), make_data(96)
    before = weights(net)
    net.norm.running_mean.set(np.full(8, 7, "f4"))
    recalibrate(net, (x, y), batch_size=96)
    seen = x @ before["fc1.weight"].T + before["fc1.bias"]
    np.testing.assert_allclose(net.norm.running_mean.data, seen.mean(0), atol=1e-5)
    np.testing.assert_allclose(net.norm.running_variance.data, seen.var(0, ddof=1), rtol=1e-5)
    assert net.norm.momentum == 0.1
    after = weights(net)
    parameters = [name for name, _ in net.named_parameters()]
    assert_same({n: before[n] for n in parameters}, {n: after[n] for n in parameters})


def test_statistics_are_the_mean_over_batches_of_equal_share():
    net, (x, y) = model(), make_data(96)
    recalibrate(net, (x, y), batch_size=32)
    seen = x @ np.array(net.fc1.weight.data).T + np.array(net.fc1.bias.data)
    # batches of one size: the mean of means is the mean of all
    np.testing.assert_allclose(net.norm.running_mean.data, seen.mean(0), atol=1e-5)


def test_the_same_seed_gives_the_same_bits_and_frozen_norms_stay():
    first, second, frozen = model(0.3), model(0.3), model()
    frozen.norm.freeze()
    before = weights(frozen)
    for net in (first, second, frozen):
        recalibrate(net, make_data(), batch_size=32, seed=5)
    assert_same(weights(first), weights(second))
    assert_same(before, weights(frozen))
    x, y = make_data(64)
    x[3, 1] = np.nan
    with pytest.raises(DataError, match="input must hold finite numbers"):
        recalibrate(first, (x, y))


@pytest.mark.parametrize(
    ("optimizer", "kept"),
    [
        (optim.SWA(optim.SGD(0.1), start=10, every=5), [10, 15, 20]),
        (optim.ASGD(0.1, start=15, decay=0.0), [17, 18, 19, 20]),
    ],
    ids=repr,
)
def test_an_average_is_the_mean_of_the_weights_that_were_passed(optimizer, kept):
    passed, trainer = [], make_trainer(model(), optimizer=optimizer)
    for step in kept:
        trainer.fit(make_data(), steps=step, resume="auto" if passed else None)
        passed.append(weights(trainer.model)["fc1.weight"].astype("f8"))
    with trainer.averaged() as averaged:
        found = weights(averaged)["fc1.weight"]
        recalibrate(averaged, make_data())
    np.testing.assert_allclose(found, np.mean(passed, axis=0), atol=1e-6)
    np.testing.assert_array_equal(weights(trainer.model)["fc1.weight"], passed[-1].astype("f4"))
