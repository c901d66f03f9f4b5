"""Small modules and criterions for the tests of core, which must not need the rooms above."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sandbox.lib import core
from sandbox.lib.core import ops


class Toy:
    """A module of the smallest kind: parameters and buffers by name, `call` by function."""

    def __init__(
        self, call: Any, parameters: dict[str, Any], buffers: dict[str, Any] | None = None
    ):
        self.call = call
        self.p = {name: core.Parameter(_float32(x), name) for name, x in parameters.items()}
        self.b = {name: core.Buffer(_float32(x), name) for name, x in (buffers or {}).items()}

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self.call(self, *inputs, **named)

    def named_parameters(self) -> Iterator[tuple[str, core.Parameter]]:
        return iter(self.p.items())

    def named_buffers(self) -> Iterator[tuple[str, core.Buffer]]:
        return iter(self.b.items())


def _float32(data: Any) -> Any:
    array = np.asarray(data)
    return array.astype("float32") if array.dtype.kind == "f" else array


class SumOfSquares:
    def call(self, output: Any, target: Any) -> Any:
        return ops.square(output - target).sum()

    def weight(self, target: Any) -> float:
        return float(len(target))

    def check_output(self, output: Any) -> None:
        pass


class CrossEntropy:
    def __init__(self, class_weights: Any = None) -> None:
        self.class_weights = None if class_weights is None else np.float32(class_weights)

    def call(self, output: Any, target: Any) -> Any:
        return ops.softmax_cross_entropy(output, target, self.class_weights)

    def weight(self, target: Any) -> float:
        if self.class_weights is None:
            return float(len(target))
        return float(self.class_weights[target].sum())

    def check_output(self, output: Any) -> None:
        pass


def _convolutional(self: Toy, x: Any) -> Any:
    p, b = self.p, self.b
    with core.scope("conv"):
        y = ops.conv2d(x, p["conv.weight"], p["conv.bias"], padding=1)
    if core.context().training:
        y, mean, variance = ops.batch_norm(y, p["bn.weight"], p["bn.bias"])
        ops.update_running(
            b["bn.mean"], b["bn.variance"], mean, variance, momentum=0.1, count=y.size // 4
        )
    else:
        y = ops.batch_norm_inference(
            y, p["bn.weight"], p["bn.bias"], b["bn.mean"], b["bn.variance"]
        )
    y = ops.max_pool2d(ops.relu(y), 2)
    with core.scope("drop"):
        y = ops.dropout(y, 0.25)
    return ops.linear(ops.flatten(y), p["fc.weight"], p["fc.bias"])


def convolutional(seed: int = 0) -> Toy:
    """Convolution, batch norm, ReLU, pooling, dropout, linear; input (N, 2, 6, 6), 5 classes."""
    rng = core.random.rng(seed)
    return Toy(
        _convolutional,
        {
            "conv.weight": rng.normal(size=(4, 2, 3, 3)) * 0.3,
            "conv.bias": rng.normal(size=4) * 0.1,
            "bn.weight": 1.0 + 0.1 * rng.normal(size=4),
            "bn.bias": 0.1 * rng.normal(size=4),
            "fc.weight": rng.normal(size=(5, 36)) * 0.2,
            "fc.bias": np.zeros(5),
        },
        {"bn.mean": np.zeros(4), "bn.variance": np.ones(4)},
    )


def batch(rows: int = 6, seed: int = 1) -> tuple[Any, Any]:
    rng = core.random.rng(seed)
    x = rng.normal(size=(rows, 2, 6, 6)).astype("float32")
    return x, rng.integers(0, 5, rows)


def perceptron(seed: int = 0) -> Toy:
    """Linear, tanh, linear; input (N, 3), output (N, 2)."""
    rng = core.random.rng(seed)

    def call(self: Toy, x: Any) -> Any:
        hidden = ops.tanh(ops.linear(x, self.p["a.weight"], self.p["a.bias"]))
        return ops.linear(hidden, self.p["b.weight"])

    return Toy(
        call,
        {
            "a.weight": rng.normal(size=(4, 3)),
            "a.bias": rng.normal(size=4),
            "b.weight": rng.normal(size=(2, 4)),
        },
    )


def make(module: Any, criterion: Any, x: Any, target: Any, **kwargs: Any) -> Any:
    """Return the module's parameters as a vector, and the program that trains them."""
    flat = core.FlatParameters(module, **kwargs)
    program = core.train_program(module, criterion, flat, core.Spec.of(x), core.Spec.of(target))
    return flat, program
