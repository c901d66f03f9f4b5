"""Areas, precision and recall, and regression figures: the numbers of scikit-learn."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.metrics import (
    AUC,
    F1,
    MAE,
    MAPE,
    MRR,
    MSE,
    NDCG,
    PRAUC,
    R2,
    RMSE,
    BalancedAccuracy,
    Brier,
    CalibrationError,
    ClassReport,
    CohenKappa,
    DiceScore,
    HitRatio,
    LogLoss,
    MatthewsCorrelation,
    MeanAveragePrecision,
    MeanIoU,
    Perplexity,
    Precision,
    Recall,
    Top1,
)

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


MATRICES = [
    (BalancedAccuracy(4), sk.balanced_accuracy_score),
    (CohenKappa(4), sk.cohen_kappa_score),
    (CohenKappa(4, weights="linear"), lambda t, o: sk.cohen_kappa_score(t, o, weights="linear")),
    (
        CohenKappa(4, weights="quadratic"),
        lambda t, o: sk.cohen_kappa_score(t, o, weights="quadratic"),
    ),
    (MatthewsCorrelation(4), sk.matthews_corrcoef),
    (MeanIoU(4), lambda t, o: sk.jaccard_score(t, o, average="macro")),
    (DiceScore(4), lambda t, o: sk.f1_score(t, o, average="macro")),
]


def judged(rows=300, classes=4, seed=2):
    """Scores that know something of the labels, of which some are rare."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, rows, p=[0.5, 0.3, 0.15, 0.05])
    return rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[labels], labels


@pytest.mark.parametrize(("metric", "oracle"), MATRICES)
def test_figures_of_the_confusion_matrix(metric, oracle):
    scores, labels = judged()
    assert metric(scores, labels) == pytest.approx(oracle(labels, scores.argmax(1)), rel=1e-12)


def test_figures_of_maps_leave_ignored_positions_out():
    scores, labels = judged(2 * 5 * 30)
    maps = scores.reshape(2, 5, 30, 4).transpose(0, 3, 1, 2)
    marked = np.where(np.arange(300) % 7, labels, 255)
    kept = marked != 255
    expected = sk.jaccard_score(labels[kept], scores.argmax(1)[kept], average="macro")
    found = MeanIoU(4, ignore_index=255)(maps, marked.reshape(2, 5, 30))
    assert found == pytest.approx(expected)
    top1 = Top1(ignore_index=255)(maps, marked.reshape(2, 5, 30))
    assert top1 == pytest.approx((scores.argmax(1) == labels)[kept].mean())


def test_one_class_alone_and_no_rows_are_nan():
    scores, labels = np.eye(4)[[1, 1, 1]], np.array([1, 1, 1])
    assert MatthewsCorrelation(4)(scores, labels) == 0.0
    assert MeanIoU(4)(scores, labels) == 1.0
    for metric, _ in MATRICES:
        assert np.isnan(metric.result(metric.zero()))


def test_the_report_has_the_figures_and_the_rows_of_each_class():
    scores, labels = judged()
    expected = sk.classification_report(labels, scores.argmax(1), output_dict=True)
    report = ClassReport(4, labels=["a", "b", "c", "d"])(scores, labels)
    for k, row in enumerate(np.asarray(report)):
        wanted = [expected[str(k)][key] for key in ("precision", "recall", "f1-score", "support")]
        np.testing.assert_allclose(row, wanted)
    assert report.accuracy == pytest.approx(expected["accuracy"])
    printed = dict(line.split(maxsplit=1) for line in str(report).splitlines()[1:5])
    assert printed["c"].split()[0] == f"{expected['2']['precision']:.3f}"
    weighted = str(report).splitlines()[-2].split()[2:5]
    keys = ("precision", "recall", "f1-score")
    assert weighted == [f"{expected['weighted avg'][key]:.3f}" for key in keys]


def softmax(scores):
    shares = np.exp(scores)
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("form", ["logits", "probabilities", "logarithms"])
def test_log_loss_and_brier_of_what_the_outputs_are(form):
    scores, labels = judged()
    shares = softmax(scores)
    given = {"logits": scores, "probabilities": shares, "logarithms": np.log(shares)}[form]
    for known in (lambda m: m.reading(form), lambda m: m):
        assert known(LogLoss())(given, labels) == pytest.approx(sk.log_loss(labels, shares))
        squares = np.square(shares - np.eye(4)[labels]).sum(axis=1).mean()
        assert known(Brier())(given, labels) == pytest.approx(squares)


def test_log_loss_and_brier_of_one_score_a_row():
    scores, labels = scored(400, share=0.4)
    shares = 1 / (1 + np.exp(-scores.astype("f8")))
    expected = sk.log_loss(labels, shares), sk.brier_score_loss(labels, shares)
    for output, form in (
        (scores, "logits"),
        (shares, "probabilities"),
        (np.log(shares), "logarithms"),
    ):
        column = output[:, None]
        found = [m.reading(form)(column, labels) for m in (LogLoss(), Brier())]
        np.testing.assert_allclose(found, expected, rtol=1e-6)  # the scores are float32
    with pytest.raises(ArgumentError, match="must be known to be logits or probabilities"):
        LogLoss()(shares[:, None], labels)


def test_calibration_error_is_the_mean_distance_of_the_bins():
    scores, labels = judged(500)
    shares = softmax(scores)
    sure, right = shares.max(1), shares.argmax(1) == labels
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (sure > low) & (sure <= low + 0.1)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert CalibrationError(10)(scores, labels) == pytest.approx(expected)


def test_perplexity_is_e_to_the_log_loss_without_padding():
    scores, labels = judged(60)
    marked = np.where(np.arange(60) % 5, labels, 0)
    shares = softmax(scores)[marked > 0]
    expected = np.exp(sk.log_loss(marked[marked > 0], shares, labels=range(4)))
    series = scores.reshape(6, 10, 4), marked.reshape(6, 10)
    assert Perplexity(ignore_index=0)(*series) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_ndcg_of_graded_lists(k):
    rng = np.random.default_rng(0)
    scores, wanted = rng.normal(size=(30, 12)), rng.integers(0, 4, (30, 12))
    wanted[3] = 0
    assert NDCG(k)(scores, wanted) == pytest.approx(sk.ndcg_score(wanted, scores, k=k))


def test_lists_in_rows_are_those_of_one_wanted_and_its_negatives():
    rng = np.random.default_rng(1)
    scores, wanted = rng.normal(size=(40, 5)), np.eye(5, dtype=int)[[0] * 40]
    place = (scores > scores[:, :1]).sum(axis=1)
    for metric, figures in ((HitRatio, place < 2), (NDCG, (place < 2) / np.log2(place + 2))):
        assert metric(2)(scores, np.zeros(40, int)) == pytest.approx(figures.mean())
        rows = metric(2, negatives=4)(scores.reshape(-1, 1), wanted.reshape(-1))
        assert rows == pytest.approx(figures.mean())
    assert MRR(5)(scores, wanted) == pytest.approx((1 / (place + 1)).mean())
    with pytest.raises(ShapeError, match=r"a multiple of 5 rows \(negatives \+ 1\)"):
        NDCG(2, negatives=4)(np.zeros(7), np.zeros(7))


@pytest.mark.parametrize("ties", [False, True])
def test_mean_average_precision_over_classes(ties):
    scores, labels = judged()
    scores = scores.round(0) if ties else scores
    expected = sk.average_precision_score(np.eye(4)[labels], scores, average="macro")
    metric = MeanAveragePrecision(4)
    assert metric(scores, labels) == pytest.approx(expected)
    assert metric(scores, np.eye(4)[labels]) == pytest.approx(expected)
    parts = [metric.rows(scores[k::3], labels[k::3]) for k in range(3)]
    assert metric.figure(np.concatenate(parts)) == pytest.approx(expected)
    with pytest.raises(ArgumentError, match="rows must be gathered"):
        metric.update(scores, labels)


def test_regression_figures_by_squares_and_shares():
    rng = np.random.default_rng(3)
    target = rng.normal(5, 2, (400, 3))
    output = target + rng.normal(size=(400, 3))
    for metric, oracle in (
        (MSE(), sk.mean_squared_error),
        (RMSE(), sk.root_mean_squared_error),
        (MAPE(), sk.mean_absolute_percentage_error),
    ):
        whole = metric.update(output[:100], target[:100]) + metric.update(
            output[100:], target[100:]
        )
        # Raveled: over all elements, not the mean of the columns' roots.
        assert metric.result(whole) == pytest.approx(oracle(target.ravel(), output.ravel()))
