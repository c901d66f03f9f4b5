"""Batch normalisation folded into the weights in front of it, in inference."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.engine import Spec, passes

pytestmark = pytest.mark.usefixtures("native")
SUMS = 1e-5  # float32 sums of some dozens of terms, in another order


def normal(seed, *shape):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, np.float32)


def with_statistics(model, seed=0):
    """Give parameters and running statistics numbers that a wrong fold cannot hide behind."""
    random = np.random.Generator(np.random.PCG64(seed))
    for _, held in (*model.named_parameters(), *model.named_buffers()):
        held.set((random.random(held.data.shape) + 0.25).astype(np.float32))
    return model


def layers(**options):
    first = nn.Conv2d(6, 8, 3, rng=0, **options)
    return with_statistics(nn.Sequential(first, nn.BatchNorm(8), nn.ReLU()))


MODELS = {
    "convolution": (lambda: layers(), (2, 6, 7, 5)),
    "without a bias": (lambda: layers(bias=False), (2, 6, 7, 5)),
    "in groups": (lambda: layers(groups=2, stride=2, padding=1), (3, 6, 7, 5)),
    "linear": (
        lambda: with_statistics(nn.Sequential(nn.Linear(5, 7, rng=0), nn.BatchNorm(7))),
        (4, 5),
    ),
}


def names(program):
    return [step.name for step in program.executable.steps]


@pytest.mark.parametrize("name", MODELS)
def test_what_is_folded_gives_what_the_layers_give(name):
    make, shape = MODELS[name]
    model, x = make(), normal(1, *shape)
    program = core.predict_program(model, None, Spec.of(x))
    found = np.array(program.run(x))
    with engine.use_reference():
        wanted = core.predict_program(model, None, Spec.of(x)).run(x)
    assert "batch_norm_inference" not in names(program)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=SUMS * np.abs(wanted).max())


def test_new_statistics_and_new_weights_are_folded_anew():
    model, x = layers(), normal(1, 2, 6, 7, 5)
    program = core.predict_program(model, None, Spec.of(x))
    before = np.array(program.run(x))
    with_statistics(model, 3)
    found = np.array(program.run(x))
    fresh = core.predict_program(with_statistics(layers(), 3), None, Spec.of(x)).run(x)
    assert not np.array_equal(before, found)
    np.testing.assert_array_equal(found, fresh)


def test_what_others_read_in_front_of_the_normalisation_is_not_folded():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(6, 8, 3, rng=0), nn.BatchNorm(8)

        def call(self, x):
            y = self.conv(x)
            return self.norm(y), y

    program = core.predict_program(Both(), None, Spec((2, 6, 7, 5)))
    assert names(program).count("batch_norm_inference") == 1


def test_a_training_program_keeps_its_statistics_of_the_batch():
    specs = Spec((2, 6, 7, 5)), Spec((2, 8, 5, 3))
    oplist = core.trace_training(layers(), criterion.MSE(), *specs)
    named = [op.name for op in passes.optimise(oplist).ops]
    assert "batch_norm" in named
    assert "fold_batch_norm" not in named
