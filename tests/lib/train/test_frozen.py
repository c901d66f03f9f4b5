"""Frozen parameters stay where they are, whatever an optimiser remembers of them."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.optim import EMA, L2, SGD, ClipNorm, ParameterGroup, ParameterGroups
from sandbox.lib.train.checkpoint import unpack

OPTIMIZERS = {
    "SGD": SGD(0.1),
    "SGD with momentum": SGD(0.1, momentum=0.9, weight_decay=0.1),
    "SGD after Nesterov": SGD(0.1, momentum=0.9, nesterov=True),
    "Adam": optim.Adam(0.01, weight_decay=0.1),
    "AdamW": optim.AdamW(0.01, weight_decay=0.1),
    "RMSprop": optim.RMSprop(0.01, momentum=0.9, centered=True, weight_decay=0.1),
    "Adagrad": optim.Adagrad(0.1, initial=0.1, weight_decay=0.1),
    "Adadelta": optim.Adadelta(weight_decay=0.1),
    "LARS": optim.LARS(2.0, trust=0.02, weight_decay=0.01),
    "LAMB": optim.LAMB(0.02, weight_decay=0.01),
    "LBFGS": optim.LBFGS(0.3, history=3, weight_decay=0.1),
    "Adamax": optim.Adamax(0.01, weight_decay=0.1),
    "NAdam": optim.NAdam(0.01, weight_decay=0.1),
    "RAdam": optim.RAdam(0.01, weight_decay=0.1),
    "Lion": optim.Lion(0.005, weight_decay=0.1),
    "Muon": optim.Muon(0.02, rest=optim.Adam(0.02)),
    "Adafactor": optim.Adafactor(0.02, weight_decay=0.1),
    "Rprop": optim.Rprop(0.01, weight_decay=0.1),
    "Ftrl": optim.Ftrl(0.1, l2=0.1),
    "ASGD": optim.ASGD(0.1, start=2, weight_decay=0.1),
    "SWA": optim.SWA(optim.Adam(0.01), start=2),
    "Lookahead": optim.Lookahead(optim.Adam(0.01), every=4),
    "EMA": EMA(optim.Adam(0.01), decay=0.9),
    "ParameterGroups": ParameterGroups(
        SGD(0.1, momentum=0.9),
        [
            ParameterGroup("fc1.weight", regulariser=L2(0.1)),
            ParameterGroup("*.bias", optimizer=optim.Adam(0.01)),
        ],
    ),
}


def model(seed=0):
    return nn.Sequential(
        fc1=nn.Linear(4, 16, rng=seed),
        act=nn.Tanh(),
        fc2=nn.Linear(16, 8, rng=seed + 1),
        act2=nn.Tanh(),
        fc3=nn.Linear(8, 2, rng=seed + 2),
    )


def only(found, *layers):
    return {name: value for name, value in found.items() if name.split(".")[0] in layers}


def slots(trainer, layer):
    """Give what the optimiser remembers of a layer; averages of weights are no memory of it."""
    found = unpack(trainer._recorder.last, "checkpoint").tensors
    return {
        name: value
        for name, value in found.items()
        if name.startswith("slot/") and f"/{layer}." in name and "/average/" not in name
    }


def test_a_model_with_nothing_to_train_is_refused():
    frozen = make_trainer(model().freeze())
    with pytest.raises(ArgumentError, match=r"got 6, all of them frozen. .*model.freeze\(False\)"):
        frozen.fit(make_data(), steps=1)
    empty = make_trainer(nn.Sequential(nn.ReLU(), nn.Tanh()))
    with pytest.raises(ArgumentError, match="must have parameters to train; got none"):
        empty.fit(make_data(), steps=1)
    assert frozen.state == "failed"
    frozen.model.fc3.freeze(False)
    assert len(frozen.fit(make_data(), steps=1)) == 1


def test_the_table_holds_every_optimizer():
    classes = {
        cls
        for _, cls in inspect.getmembers(optim, inspect.isclass)
        if issubclass(cls, optim.Optimizer) and not inspect.isabstract(cls)
    }
    assert classes - {optim.Wrapper} == {type(optimizer) for optimizer in OPTIMIZERS.values()}


# The first and the last layer with some of them: where a part begins and ends, not what is done.
PLACES = [(name, "fc2") for name in OPTIMIZERS] + [
    (name, layer) for name in ("Adam", "LAMB", "Muon", "EMA") for layer in ("fc1", "fc3")
]


@pytest.mark.parametrize(("name", "layer"), PLACES)
def test_a_layer_that_is_frozen_after_a_fit_does_not_move(name, layer):
    trainer = make_trainer(model(), optimizer=copy.deepcopy(OPTIMIZERS[name]))
    data = make_data()
    trainer.fit(data, steps=6)
    getattr(trainer.model, layer).freeze()
    before = weights(trainer.model)
    trainer.fit(data, steps=12, resume="auto")
    after = weights(trainer.model)
    assert_same(only(before, layer), only(after, layer))
    for other in {"fc1", "fc2", "fc3"} - {layer}:
        assert not np.array_equal(before[f"{other}.weight"], after[f"{other}.weight"])


@pytest.mark.parametrize("name", ["SGD with momentum", "Adam", "LAMB", "Muon", "Adafactor", "EMA"])
def test_a_frozen_layer_does_not_move_on_ranks(run_ranks, name):
    trainer = make_trainer(model(), optimizer=copy.deepcopy(OPTIMIZERS[name]), clip=ClipNorm(1.0))
    data = make_data()
    trainer.fit(data, steps=6)
    trainer.model.fc2.freeze()
    before = only(weights(trainer.model), "fc2")
    job = trainer._job(data, None, 12, None, None, "epoch", None)
    job.start = trainer._recorder.last
    many = run_ranks(job, 3)
    assert many.errors == [None] * 3
    for found in many.models:
        assert_same(before, only(weights(found), "fc2"))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_layer_that_is_thawed_goes_on_with_its_state(name):
    """The state of a frozen layer is left alone: it is that of its last trained step."""
    trainer = make_trainer(model(), optimizer=copy.deepcopy(OPTIMIZERS[name]))
    data = make_data()
    trainer.fit(data, steps=6)
    kept = slots(trainer, "fc1")
    trainer.model.fc1.freeze()
    trainer.fit(data, steps=9, resume="auto")
    assert_same(kept, slots(trainer, "fc1"))
    before = weights(trainer.model)["fc1.weight"]
    trainer.model.fc1.freeze(False)
    trainer.fit(data, steps=12, resume="auto")
    after = weights(trainer.model)["fc1.weight"]
    assert np.isfinite(after).all()
    assert not np.array_equal(before, after)


def test_the_average_of_a_frozen_layer_goes_on_towards_it():
    trainer = make_trainer(model(), optimizer=EMA(SGD(0.1), decay=0.5, warm=False))
    data = make_data()
    trainer.fit(data, steps=6)
    trainer.model.fc1.freeze()
    key = "slot/average/fc1.weight"
    average = unpack(trainer._recorder.last, "checkpoint").tensors[key]
    weight = weights(trainer.model)["fc1.weight"]
    trainer.fit(data, steps=8, resume="auto")
    found = unpack(trainer._recorder.last, "checkpoint").tensors[key]
    # two roundings of float32
    np.testing.assert_allclose(found, weight + (average - weight) / 4, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_has_the_bits_of_an_undisturbed_one(name):
    whole, halves = (
        make_trainer(model(), optimizer=copy.deepcopy(OPTIMIZERS[name])) for _ in range(2)
    )
    whole.fit(make_data(), steps=9)
    halves.fit(make_data(), steps=5)
    halves.fit(make_data(), steps=9, resume="auto")
    assert_same(weights(whole.model), weights(halves.model))


def test_slow_weights_of_a_layer_that_is_thawed_are_those_it_has():
    trainer = make_trainer(model(), optimizer=optim.Lookahead(SGD(0.1), every=3))
    trainer.model.fc2.freeze()
    trainer.fit(make_data(), steps=4)
    before = weights(trainer.model)["fc2.weight"]
    trainer.model.fc2.freeze(False)
    trainer.fit(make_data(), steps=6, resume="auto")
    moved = weights(trainer.model)["fc2.weight"] - before
    assert 0 < np.abs(moved).max() < 0.1 * np.abs(before).max()


def test_a_layer_that_is_frozen_from_the_start_is_its_own_average():
    trainer = make_trainer(model(), optimizer=EMA(optim.Adam(0.01)))
    trainer.model.fc2.freeze()
    before = only(weights(trainer.model), "fc2")
    trainer.fit(make_data(), steps=5)
    with trainer.averaged() as averaged:
        assert_same(before, only(weights(averaged), "fc2"))
