"""Programs of values of several types: the reference and native kernels give the same."""

from __future__ import annotations

import numpy as np
import pytest
from toys import SumOfSquares, Toy

from sandbox.lib import core, engine
from sandbox.lib.core import FlatParameters, Spec, ops


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("name", ["tanh", "elu", "linear"])
def test_a_product_with_integers_trains(dtype, name):
    def call(self, x, ids):
        y = ops.multiply(ops.multiply(x, self.p["scale"]), ids)
        return ops.linear(y, self.p["weight"]) if name == "linear" else getattr(ops, name)(y)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3)).astype("float32")
    ids = rng.integers(0, 3, (4, 3)).astype(dtype)
    target = np.zeros((4, 3), "float32")
    found = []
    for native in (True, False):
        module = Toy(call, {"scale": np.full(3, 0.5), "weight": np.eye(3)})
        flat = FlatParameters(module)
        specs = Spec.of(x), Spec.of(ids)
        if native:
            program = core.train_program(module, SumOfSquares(), flat, specs, Spec.of(target))
            loss = program.run((x, ids), target)[0]
        else:
            with engine.use_reference():
                program = core.EagerTrainProgram(module, SumOfSquares(), flat, "for the test")
                loss = program.run((x, ids), target)[0]
        found.append((loss, flat.gradients.copy()))

    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    # float32 sums of 12 numbers in another order
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)
