"""What a module hands out is nobody else's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import Parameter, Tape, Value, ops


class Gives(nn.Module):
    """A module that returns what a function makes of its input and weight."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.weight = Parameter(np.ones((2, 3), "f4"))
        self.function = function

    def call(self, x: Any) -> Any:
        return self.function(x, self.weight)


WAYS = [
    lambda x, w: x,
    lambda x, w: ops.reshape(x, (3, 2)),
    lambda x, w: x[:1],
    lambda x, w: ops.transpose(x, (1, 0)),
    lambda x, w: w,
    lambda x, w: ops.reshape(w, (6,)),
    lambda x, w: w[0],
    lambda x, w: {"a": x, "b": [w, x * 2.0]},
]


def leaves(result: Any) -> list[np.ndarray]:
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [leaf for item in result for leaf in leaves(item)]
    return [result]


@pytest.mark.parametrize("way", WAYS)
def test_results_share_nothing_with_inputs_and_weights(way):
    module, x = Gives(way), np.ones((2, 3), "f4")
    found = leaves(module(x))
    before = [array.copy() for array in found]
    x[:] = 7.0
    module.weight.set(np.full((2, 3), 9.0))

    for array, kept in zip(found, before, strict=True):
        assert isinstance(array, np.ndarray)
        np.testing.assert_array_equal(kept, array)
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 5.0


def test_inputs_stay_writeable_and_unchanged():
    model, x = nn.zoo.lenet5(0), np.ones((1, 1, 28, 28), "f4")
    model(x)
    model.forward(x)
    with Tape():
        model(Value(x))

    assert x.flags.writeable
    assert (x == 1.0).all()


def test_backward_does_not_see_what_was_written_after_forward():
    x, dy = np.float32([[1.0, 2.0]]), np.float32([[1.0]])
    models = [nn.Linear(2, 1, rng=0) for _ in range(2)]
    for model in models:
        model.forward(x)
    expected = models[0].backward(dy)
    models[1].weight.set([[0.0, 0.0]])
    x[:] = 0.0

    np.testing.assert_array_equal(expected, models[1].backward(dy))
    for name, gradient in models[0].gradients().items():
        np.testing.assert_array_equal(gradient, models[1].gradients()[name])


def test_astype_turns_floats_and_leaves_whole_numbers():
    model = Gives(lambda x, w: x * w)
    model.table = Parameter(np.array([1, 2]))
    assert model.astype("float64") is model

    assert (model.weight.dtype, model.table.dtype) == (np.float64, np.int64)
    assert model(np.ones((2, 3), "f4")).dtype == np.float64
    with pytest.raises(nn.module.ArgumentError, match="`dtype` must be float32 or float64; got"):
        model.astype("int32")
