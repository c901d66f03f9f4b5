"""Areas, precision and recall, and regression figures: the numbers of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.metrics import AUC, F1, MAE, PRAUC, R2, Precision, Recall

AREAS = [(AUC(), sk.roc_auc_score), (PRAUC(), sk.average_precision_score)]


def scored(rows, seed=0, share=0.2, ties=False):
    """Scores that know something of the labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < share).astype("i8")
    labels[:2] = 0, 1
    scores = (rng.normal(size=rows) + labels).astype("f4")
    return (scores.round(1) if ties else scores), labels


@pytest.mark.parametrize(("metric", "oracle"), AREAS, ids=["auc", "pr_auc"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.002])
def test_areas_are_exact(metric, oracle, ties, share):
    scores, labels = scored(5000, share=share, ties=ties)
    expected = oracle(labels, scores)
    assert metric(scores, labels) == pytest.approx(expected, rel=1e-12)
    assert metric(scores[:, None], labels[:, None].astype("f4")) == pytest.approx(expected)


@pytest.mark.parametrize(("metric", "oracle"), AREAS, ids=["auc", "pr_auc"])
def test_two_columns_count_by_their_difference(metric, oracle):
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(400, 2)).astype("f4")
    labels = (rng.random(400) < 0.3).astype("i8")
    odds = np.exp(logits.astype("f8"))
    expected = oracle(labels, odds[:, 1] / odds.sum(1))
    assert metric(logits, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("metric", "oracle"), AREAS, ids=["auc", "pr_auc"])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 100.0])
def test_sums_of_bins_hold_the_exact_area_between_their_bounds(metric, oracle, scale):
    scores, labels = scored(20_000, share=0.01)
    scores = scores * np.float32(scale)
    state = metric.zero()
    for s, y in zip(np.array_split(scores, 7), np.array_split(labels, 7), strict=True):
        state += metric.update(s, y)
    low, high = metric.bounds(state)
    exact = oracle(labels, scores)
    assert low <= exact <= high
    assert low <= metric.result(state) <= high
    assert high - low < 0.02
    assert abs(metric.result(state) - exact) < 0.002


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_rows_of_parts_in_any_order_give_the_same_area(data):
    rows = data.draw(st.integers(2, 60))
    scores, labels = scored(rows, seed=rows, ties=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    for metric, _ in AREAS:
        parts = [
            metric.rows(s, y)
            for s, y in zip(np.split(scores, cuts), np.split(labels, cuts), strict=True)
        ]
        assert metric(scores, labels) == metric.figure(np.concatenate(parts[::-1]))


def test_areas_without_one_class_are_nan():
    for metric, _ in AREAS:
        assert np.isnan(metric(np.ones(3), np.zeros(3, int)))
        assert np.isnan(metric.result(metric.zero()))
        assert np.isnan(metric.figure(np.zeros((0, 2))))
        assert pickle.loads(pickle.dumps(metric)).name == metric.name
    assert np.isnan(AUC()(np.ones(3), np.ones(3, int)))
    assert PRAUC()(np.ones(3), np.ones(3, int)) == 1.0
    assert [metric.name for metric, _ in AREAS] == ["auc", "pr_auc"]


def test_negative_zero_and_infinite_scores_keep_their_order():
    scores = np.array([-np.inf, -1.0, -0.0, 0.0, 1e-30, 1.0, np.inf], "f4")
    labels = np.array([0, 0, 0, 1, 0, 1, 1])
    for metric, oracle in AREAS:
        expected = oracle(labels, np.array([0, 1, 2, 2, 3, 4, 5]))
        assert metric(scores, labels) == pytest.approx(expected)
        assert metric.result(metric.update(scores, labels)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [(Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score)],
)
@pytest.mark.parametrize("average", ["macro", "micro", "none"])
def test_counts_of_many_classes(kind, oracle, average):
    rng = np.random.default_rng(1)
    output, labels = rng.normal(size=(300, 5)), rng.integers(0, 4, 300)  # class 4 has no rows
    output[:, 2] = -9  # class 2 is never predicted
    expected = oracle(
        labels,
        output.argmax(1),
        labels=range(5),
        average=None if average == "none" else average,
        zero_division=0,
    )
    np.testing.assert_allclose(kind(5, average=average)(output, labels), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "oracle"),
    [(Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score)],
)
def test_counts_of_two_classes_and_of_several_labels(kind, oracle):
    scores, labels = scored(500)
    expected = oracle(labels, scores > 0.3)
    assert kind(threshold=0.3)(scores, labels) == pytest.approx(expected)
    assert kind(threshold=0.3)(scores[:, None], labels[:, None].astype("f4")) == pytest.approx(
        expected
    )
    two = np.column_stack((np.full(500, 0.3), scores))
    assert kind()(two, labels) == pytest.approx(expected)
    rng = np.random.default_rng(2)
    output, truth = rng.normal(size=(200, 3)), rng.integers(0, 2, (200, 3))
    for average in ("macro", "micro"):
        expected = oracle(truth, output > 0, average=average)
        assert kind(3, average=average)(output, truth) == pytest.approx(expected)


def test_regression_figures():
    rng = np.random.default_rng(3)
    target = rng.normal(50, 2, (400, 3))
    output = (target + rng.normal(size=(400, 3))).astype("f4")
    assert MAE()(output, target) == pytest.approx(sk.mean_absolute_error(target, output))
    assert R2(3)(output, target) == pytest.approx(sk.r2_score(target, output))
    assert R2()(output[:, :1], target[:, 0]) == pytest.approx(
        sk.r2_score(target[:, 0], output[:, 0])
    )
    assert MAE()(output[:, :1], target[:, 0]) == pytest.approx(
        sk.mean_absolute_error(target[:, 0], output[:, 0])
    )
    halves = [R2(3).update(output[:150], target[:150]), R2(3).update(output[150:], target[150:])]
    assert R2(3).result(sum(halves)) == pytest.approx(sk.r2_score(target, output))
    assert np.isnan(R2()(np.ones(3), np.full(3, 7.3)))
    assert np.isnan(R2().result(R2().zero()))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: AUC()(np.zeros((2, 3)), [0, 1]),
            ShapeError,
            r"auc: output must have shape \(rows,",
        ),
        (lambda: AUC()(np.zeros(2), [0]), ShapeError, "one label for each of 2 rows"),
        (lambda: PRAUC()(np.zeros(2), [1, 2]), DataError, "labels must be 0 or 1; got 2 in row 1"),
        (lambda: AUC()(np.array([0, np.nan]), [0, 1]), DataError, "got NaN in row 1"),
        (lambda: F1(average="mean"), ArgumentError, "`average` must be one of 'macro'"),
        (lambda: F1(3, average="positive"), ArgumentError, "must come with 2 classes; got 3"),
        (lambda: F1(3)(np.zeros(2), [0, 1]), ShapeError, r"output must have shape \(rows, 3\)"),
        (lambda: Recall(2)(np.zeros((2, 2)), [0, 2]), DataError, "got 2 in row 1"),
        (
            lambda: Recall(3)(np.zeros((2, 3)), [[0, 1, 0], [0, 0, 5]]),
            DataError,
            "got 5 in row 1, class 2",
        ),
        (lambda: R2()(np.zeros((2, 2)), np.zeros((2, 2))), ShapeError, r"Use R2\(outputs=2\)"),
        (lambda: MAE()(np.zeros(2), np.zeros(3)), ShapeError, "one shape; got"),
        (lambda: MAE()(np.zeros(2), np.array(["a", "b"])), DataError, "must hold numbers"),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
