"""What a model's outputs are is read off the operations that made them."""

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import ops
from sandbox.lib.engine.oplist import Spec

ROW = Spec((4,))


class Custom(nn.Module):
    """A linear layer and a function of it."""

    def __init__(self, function, out=3):
        self.fc = nn.Linear(4, out, rng=0)
        self.function = function

    def call(self, x):
        return self.function(self.fc(x))


def _looks_at_numbers(y):
    return ops.sigmoid(y if float(y.data.sum()) > -1e9 else ops.negative(y))


def _ensemble():
    x = nn.Input()
    parts = [nn.Softmax()(nn.Linear(4, 3, rng=k)(x)) for k in range(3)]
    return nn.Graph(x, nn.Average()(*parts))


def _softmax_by_hand(y):
    shares = ops.exp(ops.subtract(y, 1.0))
    return ops.divide(shares, ops.sum(shares, 1, keepdims=True))


PROBABILITIES = {
    "a softmax": lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.Softmax()),
    "a sigmoid": lambda: nn.Sequential(nn.Linear(4, 1, rng=0), nn.Sigmoid()),
    "a hard sigmoid": lambda: nn.Sequential(nn.Linear(4, 1, rng=0), nn.HardSigmoid()),
    "a softmax inside": lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 3, rng=0), nn.Softmax())),
    "a reshape behind": lambda: nn.Sequential(nn.Linear(4, 1, rng=0), nn.Sigmoid(), nn.Flatten()),
    "a dropout behind": lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.Softmax(), nn.Dropout()),
    "an ensemble": _ensemble,
    "a module of one's own": lambda: Custom(lambda y: ops.softmax(y, axis=1)),
    "one that cannot be traced": lambda: Custom(_looks_at_numbers),
    "a softmax by hand": lambda: Custom(_softmax_by_hand),
    "a sigmoid by hand": lambda: Custom(
        lambda y: ops.divide(1.0, ops.add(1.0, ops.exp(ops.negative(y))))
    ),
    "the other side": lambda: Custom(lambda y: ops.subtract(1.0, ops.sigmoid(y))),
    "a tanh moved": lambda: Custom(lambda y: ops.multiply(ops.add(ops.tanh(y), 1.0), 0.5)),
    "logarithms taken back": lambda: Custom(lambda y: ops.exp(ops.log_softmax(y, axis=1))),
}
UNKNOWN = {
    "a linear layer": lambda: nn.Linear(4, 3, rng=0),
    "a ReLU": lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU()),
    "a tanh": lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.Tanh()),
    "a softmax in the middle": lambda: nn.Sequential(
        nn.Linear(4, 3, rng=0), nn.Softmax(), nn.Linear(3, 2, rng=0)
    ),
    "a gate": lambda: Custom(lambda y: ops.multiply(y, ops.sigmoid(y))),
    "a scale": lambda: Custom(lambda y: ops.multiply(ops.sigmoid(y), 10.0)),
    "a logit made of probabilities": lambda: Custom(
        lambda y: ops.subtract(ops.log(ops.sigmoid(y)), ops.log(ops.sigmoid(ops.negative(y))))
    ),
    "distances": lambda: Custom(lambda y: ops.negative(ops.square(y))),
    "another row": lambda: nn.Linear(5, 3, rng=0),
}


@pytest.mark.parametrize("model", PROBABILITIES)
def test_what_lies_in_0_to_1_is_a_probability(model):
    assert nn.output_meanings(PROBABILITIES[model](), ROW) == "probabilities"


@pytest.mark.parametrize("model", UNKNOWN)
def test_what_is_not_known_stays_unknown(model):
    assert nn.output_meanings(UNKNOWN[model](), ROW) == "unknown"


@pytest.mark.parametrize(
    "function",
    [
        lambda y: ops.log_softmax(y, axis=1),
        ops.log_sigmoid,
        lambda y: ops.log(ops.add(ops.sigmoid(y), 1e-7)),
    ],
    ids=["log-softmax", "log-sigmoid", "logarithm of a sigmoid"],
)
def test_logarithms_of_probabilities_are_known(function):
    assert nn.output_meanings(Custom(function), ROW) == "logarithms"


def test_each_of_several_outputs_has_a_meaning_of_its_own():
    x = nn.Input("x")
    digit = nn.Softmax()(nn.Linear(4, 3, rng=0)(x))
    model = nn.Graph(x, {"digit": digit, "rest": (nn.Linear(4, 1, rng=0)(x), nn.LogSoftmax()(x))})
    assert nn.output_meanings(model, ROW) == {
        "digit": "probabilities",
        "rest": ("unknown", "logarithms"),
    }


def test_ids_of_an_embedding_are_taken():
    model = nn.Sequential(
        nn.Embedding(9, 2, rng=0), nn.Flatten(), nn.Linear(8, 1, rng=0), nn.Sigmoid()
    )
    assert nn.output_meanings(model, Spec((4,), "int64")) == "probabilities"


def test_looking_leaves_the_model_as_it_is():
    model = nn.Sequential(nn.BatchNorm(4), nn.Linear(4, 2, rng=0))
    before = {name: np.array(b.data) for name, b in model.named_buffers()}
    nn.output_meanings(model, ROW)
    assert all(np.array_equal(before[name], b.data) for name, b in model.named_buffers())
