"""Sums that multiply their terms by themselves."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import ops
from sandbox.lib.engine import Spec
from sandbox.lib.engine.ops.reduce import FEW

pytestmark = pytest.mark.usefixtures("native")


def normal(seed, *shape):
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape, np.float32)


class Computed(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, *inputs):
        return self.function(*inputs)


def steps(function, *arrays):
    """Give the steps of a program, and check it against the reference."""
    module, specs = Computed(function), tuple(map(Spec.of, arrays))
    program = core.predict_program(module, None, specs)
    found = core.tree.map(np.array, program.run(arrays))
    with engine.use_reference():
        wanted = core.predict_program(module, None, specs).run(arrays)
    # float32 sums of some dozens of terms, in another order
    core.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max()),
        found,
        wanted,
    )
    return [step.name for step in program.executable.steps]


A, B = normal(0, 5, 40), normal(1, 5, 40)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: ops.sum(a * b, 1),
        lambda a, b: ops.sum(ops.square(a - b), 1, keepdims=True),
        lambda a, b: ops.norm(a - b, axes=1),
        nn.Dot(normalize=True).call,
    ],
)
def test_products_that_are_only_added_up_are_not_written(function):
    found = steps(function, A, B)
    assert "sum_of_products" in found
    assert not {"square", "sum"} & set(found)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: (p := a * b, ops.sum(p, 1)),
        lambda a, b: (p := a * b, ops.sum(p, 1) + ops.sum(ops.exp(p), 1))[1],
        lambda a, b: ops.sum(a * b[:1], 1),
        lambda a, b: ops.sum(ops.square(ops.cast(a, "int64")), 1) + ops.sum(b),
    ],
)
def test_products_that_others_read_or_that_stretch_stay(function):
    assert "sum_of_products" not in steps(function, A, B)


def test_sums_of_many_terms_stay_exact():
    x = normal(0, 2, FEW + 1)
    assert "sum_of_products" not in steps(lambda a: ops.sum(ops.square(a), 1), x)
    assert "sum_of_products" in steps(lambda a: ops.sum(ops.square(a), 1), x[:, :FEW].copy())
