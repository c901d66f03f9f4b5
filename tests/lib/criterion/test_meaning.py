"""Criterions take what they are made for: logits, probabilities, their logarithms."""

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import Tape, Value
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.criterion import (
    BCE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    KLDivergence,
    MultiLabelSoftMargin,
    Parallel,
    WeightedSum,
)

X = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("loss", "found", "message"),
    [
        (CrossEntropy(), "probabilities", "must be logits; got probabilities. Leave the softmax"),
        (BCEWithLogits(), "probabilities", "must be logits; got probabilities. .*or sigmoid"),
        (BCEWithLogits(), "logarithms", "must be logits; got logarithms. Leave the logarithm"),
        (MultiLabelSoftMargin(), "probabilities", "must be logits; got probabilities"),
        (BCE(), "logarithms", "must be probabilities; got logarithms. Put nn.Sigmoid"),
        (NLL(), "probabilities", "must be logarithms; got probabilities. Put nn.LogSoftmax"),
        (KLDivergence(), "probabilities", "must be logarithms; got probabilities"),
        (WeightedSum([MSE(), CrossEntropy()]), "probabilities", "must be logits"),
    ],
)
def test_what_a_criterion_cannot_take_is_refused_with_the_cure(loss, found, message):
    with pytest.raises(ArgumentError, match=message):
        loss.meanings(found)


@pytest.mark.parametrize(
    ("loss", "found", "told"),
    [
        (CrossEntropy(), "unknown", "logits"),
        (CrossEntropy(), "logarithms", "logarithms"),
        (BCE(), "unknown", "probabilities"),
        (BCE(), "probabilities", "probabilities"),
        (NLL(), "unknown", "logarithms"),
        (MSE(), "unknown", "values"),
        (MSE(), "probabilities", "probabilities"),
        (WeightedSum([CrossEntropy(), CrossEntropy(label_smoothing=0.1)]), "unknown", "logits"),
    ],
)
def test_a_criterion_tells_what_outputs_are_where_the_model_does_not(loss, found, told):
    assert loss.meanings(found) == told


def test_each_of_several_outputs_is_told_by_its_own_criterion():
    loss = Parallel({"digit": CrossEntropy(), "size": (MSE(), None)})
    found = {"digit": "unknown", "size": ("probabilities", "logarithms")}
    told = {"digit": "logits", "size": ("probabilities", "logarithms")}
    assert loss.meanings(found) == told
    assert loss.meanings("unknown") == {"digit": "logits", "size": ("values", "unknown")}
    with pytest.raises(ArgumentError, match=r"^digit \(CrossEntropy\): output must be logits"):
        loss.meanings({**found, "digit": "probabilities"})


@pytest.mark.parametrize("end", [nn.Softmax(), nn.Sigmoid()])
def test_a_loop_of_ones_own_hears_of_a_softmax_before_cross_entropy(end):
    model = nn.Sequential(nn.Linear(4, 3, rng=0), end)
    with Tape(), pytest.raises(ArgumentError, match=r"^CrossEntropy: output must be logits"):
        CrossEntropy()(model(X), LABELS)


def test_a_loop_of_ones_own_trains_logits_and_log_probabilities():
    for end in ([], [nn.LogSoftmax()]):
        model = nn.Sequential(nn.Linear(4, 3, rng=0), *end)
        with Tape() as tape:
            loss = CrossEntropy()(model(X), LABELS)
        assert np.abs(tape.gradients(loss, [model[0].weight])[0]).max() > 0


def test_one_class_alone_is_refused_for_its_loss_is_always_0():
    message = r"at least 2 classes on axis 1; got 1 in shape \(6, 1\).*use BCEWithLogits"
    for loss in (CrossEntropy(), NLL()):
        with pytest.raises(ShapeError, match=message):
            loss(np.zeros((6, 1), "f4"), np.zeros(6, "i8"))
    with Tape(), pytest.raises(ShapeError, match=message):
        CrossEntropy()(nn.Linear(4, 1, rng=0)(X), Value(np.zeros(6, "i8")))
