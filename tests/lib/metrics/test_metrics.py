"""Metrics against naive formulas; sums of parts equal the whole."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib import criterion, metrics
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError


class Squared:
    """A criterion: class-weighted squares."""

    weights = np.arange(1.0, 8.0)

    def __call__(self, output, target):
        losses = self.weights[target] * (output**2).sum(axis=1)
        return float(losses.sum() / self.weight(target))

    def weight(self, target):
        return float(self.weights[target].sum())


ALL = [
    metrics.Top1(),
    metrics.Top5(),
    metrics.TopK(3),
    metrics.Loss(Squared()),
    metrics.ConfusionMatrix(7),
    metrics.Precision(7),
    metrics.Recall(7, average="none"),
    metrics.F1(7, average="micro"),
    metrics.BalancedAccuracy(7),
    metrics.CohenKappa(7, weights="linear"),
    metrics.MatthewsCorrelation(7),
    metrics.MeanIoU(7),
    metrics.DiceScore(7),
    metrics.ClassReport(7),
    metrics.LogLoss(),
    metrics.Perplexity(),
    metrics.Brier(),
    metrics.CalibrationError(4),
    metrics.HitRatio(3),
    metrics.NDCG(3),
    metrics.MRR(),
]


def batch(rows, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, 7)).astype("f4"), rng.integers(0, 7, rows)


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m.name)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_sums_over_any_parts_equal_the_whole(metric, data):
    rows = data.draw(st.integers(0, 40))
    cuts = sorted(data.draw(st.lists(st.integers(0, rows), max_size=4)))
    output, target = batch(rows)
    state = metric.zero()
    for o, t in zip(np.split(output, cuts), np.split(target, cuts), strict=True):
        part = metric.update(o, t)
        assert part.dtype == np.float64
        assert part.shape == state.shape
        state += part
    np.testing.assert_allclose(metric.result(state), metric(output, target), rtol=1e-12)


@pytest.mark.parametrize("metric", ALL, ids=lambda m: m.name)
def test_metric_survives_pickling_and_keeps_its_name(metric):
    again = pickle.loads(pickle.dumps(metric))
    output, target = batch(10)
    np.testing.assert_array_equal(metric(output, target), again(output, target))
    assert metric.name == again.name
    assert repr(metric)


def test_names_are_short_and_can_be_chosen():
    assert [m.name for m in ALL] == [
        *("top1", "top5", "top3", "loss", "confusion"),
        *("precision_macro", "recall_by_class", "f1_micro"),
        *("balanced_accuracy", "cohen_kappa", "matthews", "mean_iou", "dice_score"),
        *("class_report", "log_loss", "perplexity", "brier", "calibration_error"),
        *("hit_ratio3", "ndcg3", "mrr10"),
    ]
    assert metrics.Top1(name="accuracy").name == "accuracy"


@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
def test_top_k_agrees_with_sorting(k):
    output, target = batch(200)
    first = np.argsort(-output, axis=1, kind="stable")[:, :k]
    assert np.mean((first == target[:, None]).any(axis=1)) == metrics.TopK(k)(output, target)


def test_ties_go_to_the_lower_class_as_in_argmax():
    output = np.zeros((3, 4))
    assert metrics.Top1()(output, [0, 1, 3]) == pytest.approx(1 / 3)
    assert metrics.TopK(2)(output, [0, 1, 3]) == pytest.approx(2 / 3)


def test_nan_is_never_right():
    assert metrics.Top1()(np.full((2, 3), np.nan), [0, 1]) == 0.0
    assert metrics.Top1()(np.array([[np.nan, 1.0]]), [1]) == 1.0


def test_confusion_matrix_counts_labels_by_predictions():
    output, target = batch(300)
    expected = np.zeros((7, 7), int)
    for row, label in zip(output, target, strict=True):
        expected[label, row.argmax()] += 1
    np.testing.assert_array_equal(expected, metrics.ConfusionMatrix(7)(output, target))


def test_figures_per_class_and_classes_without_rows():
    found = metrics.per_class(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]))
    np.testing.assert_array_equal([4, 4, 0], found["rows"])
    np.testing.assert_allclose(found["recall"], [0.75, 1, np.nan])
    np.testing.assert_allclose(found["precision"], [1, 0.8, np.nan])
    np.testing.assert_allclose(found["f1"], [6 / 7, 8 / 9, np.nan])


def test_loss_is_weighted_by_the_criterion():
    output, target = batch(64)
    weights = Squared.weights[target]
    expected = (weights * (output**2).sum(axis=1)).sum() / weights.sum()
    assert metrics.Loss(Squared())(output, target) == pytest.approx(expected)


def test_loss_takes_the_criterions_of_the_library():
    output, target = batch(32)
    log_sum = np.log(np.exp(output.astype("f8")).sum(axis=1))
    expected = np.mean(log_sum - output[np.arange(32), target])
    actual = metrics.Loss(criterion.CrossEntropy())(output, target)
    assert actual == pytest.approx(expected, rel=1e-5)


def test_no_rows_give_nan():
    assert np.isnan(metrics.Top1().result(metrics.Top1().zero()))


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 7], DataError, r"labels must be in \[0, 7\); got 7 in row 1"),
        ([-1, 0], DataError, r"labels must be in \[0, 7\); got -1 in row 0"),
        ([0.0, 1.0], DataError, "must hold integer labels; got dtype float64"),
        ([0], ShapeError, "one label for each of 2 rows; got shape"),
        ([[0], [1]], ShapeError, "one label for each of 2 rows"),
    ],
)
@pytest.mark.parametrize("metric", [metrics.Top1(), metrics.ConfusionMatrix(7)], ids=repr)
def test_bad_labels_are_named(metric, target, error, message):
    with pytest.raises(error, match=message):
        metric(batch(2)[0], target)


def test_outputs_of_another_shape_are_named():
    with pytest.raises(ShapeError, match=r"confusion: output must have shape \(rows, 3\)"):
        metrics.ConfusionMatrix(3)(*batch(2))
    with pytest.raises(ShapeError, match=r"top1: output must have shape \(rows, classes\)"):
        metrics.Top1()(np.zeros(3), np.zeros(3, int))
    with pytest.raises(ShapeError, match=r"must have shape \(classes, classes\); got \(2, 3\)"):
        metrics.per_class(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.TopK(0), "`k` must be an int > 0"),
        (lambda: metrics.Top1(name=""), "Top1: `name` must be text; got ''"),
        (lambda: metrics.Loss(3), r"such as CrossEntropy\(\); got 3"),
        (lambda: metrics.Loss(criterion.MSE), r"such as CrossEntropy\(\); got <class"),
    ],
)
def test_arguments_that_cannot_be_are_named(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_metrics_say_whether_more_is_better():
    less = {
        name
        for name in metrics.__all__
        if not getattr(getattr(metrics, name), "higher_is_better", True)
    }
    assert less == {
        *("Brier", "CalibrationError", "LogLoss", "Loss", "Perplexity"),
        *("MAE", "MAPE", "MSE", "RMSE"),
    }
