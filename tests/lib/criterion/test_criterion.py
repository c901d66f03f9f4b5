"""Numbers of the criterions, and the messages about bad targets."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import criterion
from sandbox.lib.core import Tape, Value
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.criterion import MSE, NLL, CrossEntropy


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def log_softmax(x):
    x = x.astype("f8")
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def test_cross_entropy_is_nll_of_log_softmax():
    x, t = draw(6, 4), np.array([0, 3, 1, 2, 2, 0])
    expected = -log_softmax(x)[np.arange(6), t].mean()
    # 1e-6: float32.
    assert np.isclose(expected, CrossEntropy()(x, t), rtol=1e-6)
    assert np.isclose(expected, NLL()(log_softmax(x).astype("f4"), t), rtol=1e-6)


def test_class_weights_weigh_sum_and_mean():
    x, t, w = draw(5, 3), np.array([0, 1, 2, 2, 1]), np.array([1.0, 0.5, 4.0])
    rows = -log_softmax(x)[np.arange(5), t]
    loss = CrossEntropy(class_weights=w)
    assert np.isclose((w[t] * rows).sum() / w[t].sum(), loss(x, t), rtol=1e-6)
    assert loss.weight(t) == w[t].sum()


def test_the_gradient_of_the_sum_is_probability_minus_one_hot():
    x, t = draw(3, 4), np.array([1, 0, 3])
    value = Value(x)
    with Tape() as tape:
        total = CrossEntropy().call(value, t)
    expected = np.exp(log_softmax(x)) - np.eye(4)[t]
    assert np.allclose(expected, tape.gradients(total, [value])[0], atol=1e-6)


def test_mse_is_the_mean_over_all_elements():
    x, t = draw(4, 3), draw(4, 3, seed=1)
    assert np.isclose(((x - t) ** 2).mean(), MSE()(x, t), rtol=1e-6)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([1, 2, 4, 3], "4 in row 2 (1 of 4 rows are out of range). Do the labels count from 1?"),
        ([0, -1, -1, 3], "-1 in row 1 (2 of 4 rows are out of range). Are these marks for missing"),
        ([0, 1, 9, 3], "9 in row 2 (1 of 4 rows are out of range). Does the model need 10 outputs"),
    ],
)
def test_labels_out_of_range_name_row_value_and_cure(labels, text):
    for loss in (CrossEntropy(), NLL()):
        with pytest.raises(DataError) as caught:
            loss(draw(4, 4), np.array(labels))
        form = f"{type(loss).__name__}: labels must be integers in [0, 4); got {text}"
        assert form in str(caught.value)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (np.zeros(3), "must hold whole numbers (labels); got float64"),
        (np.eye(3, 4), "One-hot rows? use labels.argmax(axis=1)"),
        (np.eye(3, 4, dtype=int), "One-hot rows? use labels.argmax(axis=1)"),
        (np.zeros((3, 1), int), "one label per row; got (3, 1). Use labels.reshape(-1)."),
        (np.zeros(2, int), "must have the same number of rows; got shapes (3, 4) and (2,)"),
    ],
)
def test_targets_of_a_wrong_form_get_the_cure(target, text):
    with pytest.raises(ShapeError) as caught:
        CrossEntropy()(draw(3, 4), target)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "output", "target", "text"),
    [
        (criterion.BCE(), [[0.5], [1.7]], [[0], [1]], "in 0..1; got 1.7 in row 1 (1 of 2 are"),
        (criterion.BCE(), [[-0.5], [0.2]], [[0], [1]], "got -0.5 in row 0 (1 of 2 are"),
        (NLL(), np.zeros((2, 2)), [0, 1], "add up to 1; got 2 in row 0. Put nn.LogSoftmax"),
        (NLL(), np.log([[0.5, 0.5], [0.2, 0.2]]), [0, 1], "got 0.4 in row 1. Put nn.LogSoftmax"),
        (criterion.KLDivergence(), [[0.5, 0.5]], [[1.0, 0.0]], "got 3.29744 in row 0. Put nn."),
        (criterion.WeightedSum([NLL()]), np.zeros((2, 2)), [0, 1], "got 2 in row 0. Put nn.Log"),
    ],
)
def test_outputs_that_are_no_probabilities_get_the_cure(loss, output, target, text):
    with pytest.raises(DataError) as caught:
        loss(np.float32(output), np.array(target))
    assert text in str(caught.value)


def test_logarithms_may_be_rounded():
    # 1 %: bf16 keeps 8 bits.
    logs = np.log(np.float32([[0.7, 0.2, 0.1]])) * 1.01
    assert np.isclose(NLL()(logs, np.array([0])), -logs[0, 0])


def test_class_weights_must_fit_the_output():
    with pytest.raises(ShapeError, match="`class_weights` must hold 4 numbers"):
        CrossEntropy(class_weights=[1, 2])(draw(3, 4), np.zeros(3, int))


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [], [[1.0]], [float("nan")], [0.0, 0.0]])
def test_bad_class_weights_are_refused(weights):
    with pytest.raises(ArgumentError, match="`class_weights` must be a list of numbers >= 0"):
        CrossEntropy(class_weights=weights)


def test_labels_beyond_the_class_weights_are_refused_by_weight():
    with pytest.raises(DataError, match="got 2 in row 1"):
        NLL([1.0, 2.0]).weight(np.array([0, 2]))


@pytest.mark.parametrize("kind", [CrossEntropy, NLL])
def test_a_batch_of_rows_that_do_not_count_has_mean_and_gradients_0(kind):
    loss, x, t = kind(class_weights=[0.0, 1.0]), log_softmax(draw(2, 2)), np.array([0, 0])
    assert loss(x, t) == 0.0
    assert loss.weight(t) == 0.0
    value = Value(x)
    with Tape() as tape:
        mean = loss(value, t)
    assert not tape.gradients(mean, [value])[0].any()


def test_an_empty_batch_has_no_mean():
    with pytest.raises(DataError, match="at least one row"):
        MSE()(np.zeros((0, 2), "f4"), np.zeros((0, 2), "f4"))


def test_repr_tells_what_is_given():
    assert repr(CrossEntropy([1.0, 2.0])) == (
        "CrossEntropy(class_weights=[1.0, 2.0], label_smoothing=0.0)"
    )
    assert repr(MSE()) == "MSE()"


def test_class_weights_may_be_a_dict_of_all_classes():
    for make in (criterion.CrossEntropy, criterion.NLL):
        ours = make({1: 2.5, 0: 1.0})
        assert ours.class_weights.tolist() == [1.0, 2.5]
        assert ours.config()["class_weights"] == [1.0, 2.5]
        for keys in ({1: 1.0, 2: 2.0}, {"0": 1.0}, {}):
            with pytest.raises(ArgumentError, match="must name each class from 0 on"):
                make(keys)


@pytest.mark.parametrize("weights", ["balanced", {1, 2}, [[1.0]], [], [-1.0], [float("nan")]])
def test_unusable_weights_are_refused_by_name(weights):
    for make in (criterion.CrossEntropy, criterion.NLL):
        with pytest.raises(ArgumentError, match="`class_weights` must be a list of numbers >= 0"):
            make(weights)
    with pytest.raises(ArgumentError, match="`pos_weight` must be a number >= 0"):
        criterion.BCEWithLogits(pos_weight=weights)


def test_one_criterion_alone_is_no_list():
    with pytest.raises(ArgumentError, match=r"must be a list of criterions; got MSE\(\)"):
        criterion.WeightedSum(criterion.MSE())


def test_a_criterion_without_its_rule_cannot_be_made():
    for base in (criterion.Criterion, criterion.Regression, criterion.Shares):
        with pytest.raises(TypeError, match="abstract"):
            type("Unfinished", (base,), {})()
