"""Wrong calls: the error says what was expected, what was got, where, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError


def ones(*shape):
    return np.ones(shape, "f4")


CALLS = {
    "a float as size": (lambda: nn.Linear(2.0, 2), ArgumentError, "an int > 0; got 2.0"),
    "a negative size": (lambda: nn.Linear(-1, 2), ArgumentError, "`in_features`.*got -1"),
    "a negative seed": (lambda: nn.Linear(2, 2, rng=-1), ArgumentError, "an int >= 0; got -1"),
    "text as seed": (lambda: nn.Linear(2, 2, rng="0"), ArgumentError, "got '0'.*default_rng"),
    "an unknown rule": (
        lambda: nn.Linear(2, 2, weight_init="hee"),
        ArgumentError,
        "he_normal, he_uniform",
    ),
    "half an axis": (lambda: nn.Softmax(1.5), ArgumentError, "`axis` must be an int; got 1.5"),
    "half an axis to join": (lambda: nn.Concat("1"), ArgumentError, "`axis` must be an int"),
    "the batch axis": (lambda: nn.Sum(0), ArgumentError, "another axis than 0.*got 0"),
    "text as scale": (lambda: nn.Scale("3"), ArgumentError, "`shape` must be an int > 0; got '3'"),
    "an empty scale": (lambda: nn.Scale(()), ArgumentError, "`shape` must hold ints > 0"),
    "no batch axis": (lambda: nn.Linear(2, 2)(ones(2)), ShapeError, "batch axis missing"),
    "rows of unlike length": (
        lambda: nn.Linear(2, 2)([[1.0, 2.0], [3.0]]),
        ArgumentError,
        "Linear: input 0 must be an array of numbers; got list",
    ),
    "too many inputs": (
        lambda: nn.Sequential(act=nn.ReLU())(ones(1, 2), ones(1, 2)),
        ArgumentError,
        r"Sequential/act \(ReLU\): inputs must be \(x\); got 2: too many positional arguments",
    ),
    "too few inputs": (
        lambda: nn.MultiHeadAttention(4, 2, rng=0)(),
        ArgumentError,
        r"MultiHeadAttention: inputs must be \(query, .*\); got 0: missing",
    ),
    "an input of another name": (
        lambda: nn.ReLU()(ones(1, 2), mask=ones(1, 2)),
        ArgumentError,
        r"ReLU: inputs must be \(x\); got 1 and `mask`: .*unexpected keyword",
    ),
    "a single number to decode": (
        lambda: nn.RecurrentDecoder(nn.GRUCell(3, 3, rng=0), 4)(np.float32(3)),
        ShapeError,
        "RecurrentDecoder: input must be rows of a batch",
    ),
    "a vector too many": (
        lambda: nn.MatMul(transpose_b=True)(ones(2, 4, 3), ones(4)),
        ShapeError,
        r"MatMul: input 1 must hold matrices or vectors; got shape \(4,\)",
    ),
    "a series of no steps": (
        lambda: nn.ConvTranspose1d(2, 3, 2, rng=0)(ones(2, 2, 0)),
        ShapeError,
        r"ConvTranspose1d: input axis 2 must be > 0; got shape \(2, 2, 0\)",
    ),
    "half a number around integers": (
        lambda: nn.PadAxis(1, 2, value=0.5)(np.ones((2, 3), int)),
        ArgumentError,
        "PadAxis: `value` must be a whole number beside int64; got 0.5",
    ),
    "nothing": (lambda: nn.Linear(2, 2)(None), ArgumentError, "got NoneType"),
    "channels last": (
        lambda: nn.zoo.lenet5(0)(ones(2, 28, 28, 3)),
        ShapeError,
        r"Sequential/conv1 \(Conv2d\): input axis 1 must be 1 \(in_channels\); got 28",
    ),
    "an id too many": (
        lambda: nn.Embedding(5, 2)(np.array([[0, 5]])),
        DataError,
        r"\[0, 5\); got 5 in row 0, position 1",
    ),
    "an empty text": (
        lambda: nn.LSTM(2, 3)(ones(2, 4, 2), np.array([0, 4])),
        DataError,
        r"lengths must be integers in \[1, 4\]; got 0 in row 0",
    ),
    "a class": (lambda: nn.Sequential(nn.ReLU), ArgumentError, "add brackets"),
    "one size": (lambda: nn.zoo.mlp(3), ArgumentError, "`sizes` must hold.*got 3"),
    "text as depth": (lambda: nn.zoo.resnet("20"), ArgumentError, "`depth`.*got '20'"),
    "no filters": (
        lambda: nn.zoo.text_cnn(10, 2, 0, widths=()),
        ArgumentError,
        "`widths` must hold at least one",
    ),
    "too many stages": (
        lambda: nn.zoo.vgg(0, widths=(2,) * 6),
        ArgumentError,
        "`widths` must hold 1 to 5 stages; got 6",
    ),
    "a summary of nothing": (
        lambda: nn.zoo.lenet5(0).summary(),
        ArgumentError,
        r"a shape for each input; got none.*summary\(\(1, 1, 28, 28\)\)",
    ),
    "an array as spec": (
        lambda: core.predict_program(nn.ReLU(), None, ones(1, 2)),
        ArgumentError,
        r"must hold a Spec for each array; got ndarray.*Spec\.of",
    ),
    "gradients of an array": (
        lambda: core.Tape().gradients(ones(1), []),
        ArgumentError,
        "`y` must be a Value computed while the tape recorded; got ndarray",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_answered_with(call):
    make, error, message = CALLS[call]
    with pytest.raises(error, match=message):
        make()


def test_summary_takes_an_array_where_the_model_takes_ids():
    summary = nn.zoo.gru_sentiment(10, 2, 0).summary(np.zeros((1, 5), int))
    text = " ".join(str(summary).split())
    assert "Embedding (1, 5, 100), (1,) 1,000" in text


def test_summary_leaves_running_statistics_and_mode_alone():
    model = nn.Sequential(bn=nn.BatchNorm(3)).train()
    before = model.bn.running_mean.data.copy()
    model.summary(np.random.default_rng(0).normal(5, 1, (4, 3)).astype("f4"))
    assert np.array_equal(before, model.bn.running_mean.data)
    assert model.bn.training
