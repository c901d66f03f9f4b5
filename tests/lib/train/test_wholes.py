"""Optimisers that see parameters whole, on ranks: the weights of one process."""

from __future__ import annotations

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import nn, optim
from sandbox.lib.optim import ClipNorm, ParameterGroup, ParameterGroups

OPTIMIZERS = {
    "Muon": optim.Muon(0.05, rest=optim.Adam(0.02)),
    "Adafactor": optim.Adafactor(0.05),
    "both": ParameterGroups(
        optim.Muon(0.05), [ParameterGroup("fc2", optimizer=optim.Adafactor(0.05))]
    ),
    "average": optim.EMA(optim.Muon(0.05), decay=0.5),
}


def model():
    return nn.Sequential(fc1=nn.Linear(4, 16, rng=0), act=nn.Tanh(), fc2=nn.Linear(16, 2, rng=1))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ranks_train_as_one_process(run_ranks, name):
    trainer = make_trainer(model(), optimizer=OPTIMIZERS[name], clip=ClipNorm(1.0))
    job = trainer._job(make_data(), None, 12, None, None, "epoch", None)
    many = run_ranks(job, 3)
    assert many.errors == [None] * 3
    trainer.fit(make_data(), steps=12)
    for found in many.models:
        for key, value in weights(found).items():
            # sums over ranks round otherwise, and small singular values are made large
            np.testing.assert_allclose(value, weights(trainer.model)[key], atol=1e-4, err_msg=key)
    assert_same(weights(many.models[0]), weights(many.models[2]))
