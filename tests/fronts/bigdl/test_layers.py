"""Each layer against its formula in NumPy, and its gradient against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sandbox.lib.bigdl.nn import layer as bigdl

X = np.random.default_rng(0).uniform(0.2, 1.5, (2, 4, 4, 4)).astype("f4")
Y = np.random.default_rng(1).uniform(0.2, 1.5, (2, 4, 4, 4)).astype("f4")


def windows(x: Any, how: Callable[..., Any]) -> Any:
    """Merge windows of 2 by 2."""
    return how(x.reshape(2, 4, 2, 2, 2, 2), axis=(3, 5))


def neighbours(x: Any) -> Any:
    """Sum the squares of three channels around each."""
    wide = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    return wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]


CASES: list[tuple[Any, Any, Callable[..., Any]]] = [
    (bigdl.Abs(), -X, np.abs),
    (bigdl.Exp(), X, np.exp),
    (bigdl.Log(), X, np.log),
    (bigdl.Sqrt(), X, np.sqrt),
    (bigdl.Square(), X, np.square),
    (bigdl.Sigmoid(), X, lambda x: 1 / (1 + np.exp(-x))),
    (bigdl.SoftSign(), -X, lambda x: x / (1 + np.abs(x))),
    (bigdl.LogSigmoid(), X, lambda x: -np.log1p(np.exp(-x))),
    (bigdl.TanhShrink(), X, lambda x: x - np.tanh(x)),
    (bigdl.ELU(0.5), -X, lambda x: 0.5 * np.expm1(x)),
    (bigdl.LeakyReLU(0.2), -X, lambda x: 0.2 * x),
    (bigdl.SoftPlus(2.0), X, lambda x: np.log1p(np.exp(2 * x)) / 2),
    (bigdl.HardTanh(-0.1, 2.0), X, lambda x: x),
    (bigdl.Power(2.0, 3.0, 1.0), X, lambda x: (1 + 3 * x) ** 2),
    (bigdl.AddConstant(2.0), X, lambda x: x + 2),
    (bigdl.MulConstant(3.0), X, lambda x: x * 3),
    (bigdl.SpatialAveragePooling(2, 2, 2, 2), X, lambda x: windows(x, np.mean)),
    (bigdl.SpatialAveragePooling(2, 2, 2, 2, divide=False), X, lambda x: windows(x, np.sum)),
    (
        bigdl.SpatialCrossMapLRN(3, 0.9, 0.75, 1.0),
        X,
        lambda x: x / (1 + 0.9 / 3 * neighbours(x)) ** 0.75,
    ),
    (
        bigdl.SpatialZeroPadding(1, 2, 3, 0),
        X,
        lambda x: np.pad(x, ((0, 0), (0, 0), (3, 0), (1, 2))),
    ),
    (bigdl.CAddTable(), [X, Y], lambda x, y: x + y),
    (bigdl.CSubTable(), [X, Y], lambda x, y: x - y),
    (bigdl.CMulTable(), [X, Y], lambda x, y: x * y),
    (bigdl.CDivTable(), [X, Y], lambda x, y: x / y),
    (bigdl.CMaxTable(), [X, Y], np.maximum),
    (bigdl.CMinTable(), [X, Y], np.minimum),
    (bigdl.ReLU6(), X, lambda x: x),
    (bigdl.HardSigmoid(), X, lambda x: 0.2 * x + 0.5),
    (bigdl.Negative(), X, np.negative),
    (bigdl.Threshold(0.1, 9.0), -X, lambda x: np.full_like(x, 9.0)),
    (bigdl.SoftMin(), X, lambda x: np.exp(-x) / np.exp(-x).sum(-1, keepdims=True)),
    (bigdl.SoftMax(), X, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    (bigdl.SoftMax(), X[0], lambda x: np.exp(x) / np.exp(x).sum(0, keepdims=True)),
    (bigdl.Transpose([(2, 3), (3, 4)]), X, lambda x: x.transpose(0, 2, 3, 1)),
    (bigdl.Select(-3, 2), X, lambda x: x[:, 1]),
    (bigdl.Narrow(2, 2, -1), X, lambda x: x[:, 1:]),
    (bigdl.InferReshape([0, -1]), X, lambda x: x.reshape(2, 64)),
    (bigdl.JoinTable(1, 3), [X, Y], lambda x, y: np.concatenate([x, y], 1)),
    (
        bigdl.SpatialBatchNormalization(4, init_weight=np.ones(4), init_bias=np.zeros(4)),
        X,
        lambda x: (
            (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
        ),
    ),
    (bigdl.SelectTable(2), [X, Y], lambda x, y: y),
]


@pytest.mark.parametrize(("layer", "given", "formula"), CASES, ids=lambda case: type(case).__name__)
def test_layer_is_its_formula_and_its_gradient_the_slope(
    layer: Any, given: Any, formula: Callable[..., Any]
) -> None:
    inputs = given if isinstance(given, list) else [given]
    wide = [x.astype("f8") for x in inputs]
    y = layer.forward(given)
    seed = np.random.default_rng(2).normal(size=y.shape)
    found = layer.backward(given, seed)
    ways = [np.random.default_rng(3 + k).normal(size=x.shape) for k, x in enumerate(inputs)]
    step = 1e-5
    ends = [formula(*[x + s * w for x, w in zip(wide, ways, strict=True)]) for s in (step, -step)]
    slope = ((ends[0] - ends[1]) * seed).sum() / (2 * step)
    gradients = found if isinstance(found, list) else [found]

    # Single precision against double, and sums of 128 numbers of about 1.
    np.testing.assert_allclose(y, formula(*wide), rtol=1e-4, atol=1e-5)
    total = sum((g * w).sum() for g, w in zip(gradients, ways, strict=True))
    assert total == pytest.approx(slope, rel=1e-3, abs=1e-2)


def test_a_graph_adds_the_gradients_of_its_branches_and_refuses_what_is_cut_off() -> None:
    x = bigdl.Input()
    layer = bigdl.Linear(3, 2)
    model = bigdl.Model([x], [bigdl.CAddTable()([layer(x), bigdl.Linear(3, 2)(x)])])
    given = np.ones((1, 3), "f4")
    model.forward(given)
    gradient = model.backward(given, np.ones((1, 2)))

    weights = model.get_weights()
    np.testing.assert_allclose(gradient[0], weights[0].sum(0) + weights[2].sum(0), rtol=1e-5)
    with pytest.raises(ValueError, match="lead to an output"):
        bigdl.Model([x, bigdl.Input("other")], [layer(x)])
