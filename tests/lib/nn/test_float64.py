"""A model of float64 computes in float64 throughout: programs, eagerly, gradients and constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sandbox.lib import core, engine, nn
from sandbox.lib.core import FlatParameters, ops
from sandbox.lib.criterion import MSE
from sandbox.lib.engine.oplist import Spec

Array = NDArray[Any]

# float64 sums of some dozens of terms in another order; one float32 anywhere would be 1e-8
CLOSE = 1e-13
ROW = np.array([1.1, -2.3, 0.7])
MODES = ("program", "reference", "eager")


class Net(nn.Module):
    """Two layers with every kind of number that is no parameter in between."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3, rng=1)
        self.second = nn.Linear(3, 2, rng=2)

    def call(self, x: Any) -> Any:
        y = self.first(x) * ROW
        y = np.float64(1.7) * y + np.array(0.1)
        y = 0.3 + y * 1.9 - [0.1, 0.2, 0.3]
        y = ops.where(y > np.array([0.15, 0.05, 0.01]), y, y * 0.01)
        y = ops.maximum(y, np.float64(-0.7)) / np.array([[3.3]])
        return self.second(ops.tanh(y))


def by_hand(net: Net, x: Array, target: Array) -> dict[str, Array]:
    """Return output and gradients, written out in NumPy."""
    w1, b1 = net.first.weight.data, net.first.bias.data
    w2, b2 = net.second.weight.data, net.second.bias.data
    z = 0.3 + (1.7 * ((x @ w1.T + b1) * ROW) + 0.1) * 1.9 - [0.1, 0.2, 0.3]
    above = z > np.array([0.15, 0.05, 0.01])
    kept = np.where(above, z, z * 0.01)
    t = np.tanh(np.maximum(kept, -0.7) / 3.3)
    y = t @ w2.T + b2
    dy = 2 * (y - target) / y.shape[1]
    dz = (dy @ w2) * (1 - t * t) / 3.3 * (kept > -0.7) * np.where(above, 1, 0.01)
    dz = dz * 1.9 * 1.7 * ROW
    return {
        "output": y,
        "first.weight": dz.T @ x,
        "first.bias": dz.sum(axis=0),
        "second.weight": dy.T @ t,
        "second.bias": dy.sum(axis=0),
    }


def made() -> tuple[Net, Array, Array]:
    random = np.random.Generator(np.random.PCG64(4))
    net = Net().astype("float64")
    for parameter in net.parameters():
        parameter.set(random.standard_normal(parameter.shape))  # digits that float32 has not
    return net, random.standard_normal((5, 4)), random.standard_normal((5, 2))


def close(found: Array, wanted: Array, what: str) -> None:
    assert found.dtype == np.float64, what
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert error < CLOSE, f"{what}: {error}"


@pytest.mark.parametrize("mode", MODES)
def test_a_training_step_is_float64_throughout(mode, monkeypatch):
    if mode == "eager":
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    net, x, target = made()
    wanted = by_hand(net, x, target)
    with engine.use_reference() if mode == "reference" else core.using():
        flat = FlatParameters(net)
        program = core.train_program(net, MSE(), flat, Spec.of(x), Spec.of(target))
        _, _, output = program.run(x, target)
        close(output, wanted["output"], "output")
        for name in ("first.weight", "first.bias", "second.weight", "second.bias"):
            close(flat.gradient(name), wanted[name], name)


@pytest.mark.parametrize("mode", MODES)
def test_a_prediction_is_float64_throughout(mode, monkeypatch):
    if mode == "eager":
        monkeypatch.setenv("SANDBOX_EAGER", "1")
    net, x, target = made()
    with engine.use_reference() if mode == "reference" else core.using():
        program = core.predict_program(net, None, Spec.of(x))
        close(np.array(program.run(x)), by_hand(net, x, target)["output"], "program")
    close(np.array(net(x)), by_hand(net, x, target)["output"], "called")


LAYERS: dict[str, Any] = {
    "conv": lambda: nn.Conv2d(3, 4, 3, rng=1),
    "conv, norm, relu, pool": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, rng=1), nn.BatchNorm(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    ),
    "average pool": lambda: nn.AvgPool2d(2),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(108, 5, rng=1), nn.Softmax()),
    "gelu": lambda: nn.GELU(),
    "sigmoid": lambda: nn.Sigmoid(),
    "clip": lambda: nn.HardTanh(),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_programs_of_layers_give_the_bits_of_the_reference(layer):
    x = np.random.Generator(np.random.PCG64(5)).standard_normal((2, 3, 6, 6))
    results = []
    for reference in (True, False):
        module = LAYERS[layer]().astype("float64")
        with engine.use_reference() if reference else core.using():
            y = np.array(core.predict_program(module, None, Spec.of(x)).run(x))
        assert y.dtype == np.float64
        results.append(y)
    np.testing.assert_array_equal(*results)
    single = results[0].astype(np.float32).astype(np.float64)
    assert (results[0] != single).any()  # they are no float32 numbers
