"""Penalties: in the gradient of the loss, and the same however a batch is divided."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, nn, optim, train
from sandbox.lib.data import ArrayDataset

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(12, 4)).astype("f4"), RNG.normal(size=(12, 3)).astype("f4")
LAYERS = {
    "L1Penalty": (lambda: nn.L1Penalty(0.3), lambda h: 0.3 * np.sign(h)),
    "ActivityRegularization": (
        lambda: nn.ActivityRegularization(0.2, 0.1),
        lambda h: 0.2 * np.sign(h) + 0.2 * h,
    ),
    "NegativeEntropyPenalty": (
        lambda: nn.NegativeEntropyPenalty(0.3),
        lambda h: 0.3 * (np.log(h) + 1),
    ),
}


def model(name):
    head = nn.Softmax() if name == "NegativeEntropyPenalty" else nn.Tanh()
    return nn.Sequential(nn.Linear(4, 3, rng=0), head, LAYERS[name][0]())


def gradients(name, parts):
    """Compute the sum of the gradients of parts of the batch, each by a program."""
    made = model(name)
    flat = core.FlatParameters(made)
    total = 0
    for part in parts:
        x, y = X[part], Y[part]
        program = core.train_program(
            made, criterion.MSE(), flat, core.Spec(x.shape), core.Spec(y.shape)
        )
        assert program.reason is None
        program.run(x, y)
        total = total + np.concatenate([np.array(flat.gradient(n)).ravel() for n in flat.names])
    return total


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_of_parts_of_a_batch_add_up_to_those_of_the_whole(name):
    whole = gradients(name, [slice(0, 12)])
    parts = gradients(name, [slice(0, 4), slice(4, 5), slice(5, 12)])
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_the_slope_of_the_penalty_is_added_to_what_flows_back(name):
    layer, slope = LAYERS[name][0]().train(), LAYERS[name][1]
    h = np.abs(X) + 0.1
    assert np.array_equal(layer.forward(h), h)
    np.testing.assert_allclose(layer.backward(np.ones_like(h)), 1 + slope(h), rtol=1e-5)
    layer.eval().forward(h)
    assert np.array_equal(layer.backward(np.ones_like(h)), np.ones_like(h))


def test_a_trainer_makes_activities_sparse():
    def activity(strength):
        penalty = nn.L1Penalty(strength)
        net = nn.Sequential(nn.Linear(4, 8, rng=0), penalty, nn.Linear(8, 3, rng=1))
        train.Trainer(
            net, criterion.MSE(), optim.SGD(0.05), batch_size=4, progress=None, threads=1
        ).fit(ArrayDataset(X, Y), epochs=20)
        return float(np.abs(net[0](X)).mean())

    assert activity(0.5) < 0.5 * activity(0.0)
