"""A yes is cut where the outputs' meaning says: 0 for logits, 0.5 for probabilities."""

import pickle

import numpy as np
import pytest

from sandbox.lib import metrics
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError

SHARES = np.array([[0.9], [0.2], [0.7], [0.4]])
LOGITS = np.log(SHARES / (1 - SHARES))
LABELS = np.array([1, 0, 1, 1])
KINDS = [metrics.Precision(), metrics.Recall(), metrics.F1(), metrics.Top1()]
RIGHT = [1.0, 2 / 3, 0.8, 0.75]


@pytest.mark.parametrize(("metric", "right"), [*zip(KINDS, RIGHT, strict=True)], ids=repr)
def test_logits_probabilities_and_logarithms_give_the_same_figures(metric, right):
    assert metric(LOGITS, LABELS) == pytest.approx(right)
    assert metric.reading("logits")(LOGITS, LABELS) == pytest.approx(right)
    assert metric.reading("probabilities")(SHARES, LABELS) == pytest.approx(right)
    assert metric.reading("logarithms")(np.log(SHARES), LABELS) == pytest.approx(right)


def test_a_threshold_that_is_said_goes_before_what_is_known():
    metric = metrics.Recall(threshold=0.3).reading("probabilities")
    assert metric(SHARES, LABELS) == 1.0
    assert metrics.Top1(threshold=0.3)(SHARES, LABELS) == 1.0


def test_several_labels_a_row_are_cut_by_their_meaning():
    shares, truth = np.array([[0.9, 0.2, 0.6], [0.1, 0.4, 0.7]]), [[1, 0, 1], [0, 0, 1]]
    metric = metrics.F1(3, average="micro").reading("probabilities")
    assert metric(shares, np.array(truth)) == 1.0


def test_one_metric_of_several_outputs_reads_its_own():
    meanings = {"yes": "probabilities", "size": "values"}
    metric = metrics.Recall().on("yes").reading(meanings)
    assert metric.meaning == "probabilities"
    assert metric({"yes": SHARES, "size": LOGITS}, {"yes": LABELS}) == pytest.approx(2 / 3)
    assert metrics.Recall().on("no").reading(meanings).meaning == "unknown"
    assert metrics.Recall().reading(meanings).meaning == "unknown"


def test_a_metric_that_was_read_leaves_the_first_as_it_was_and_travels():
    first = metrics.F1()
    second = pickle.loads(pickle.dumps(first.reading("probabilities")))
    assert (first.meaning, second.meaning) == ("unknown", "probabilities")


def test_values_have_no_cut_of_their_own():
    message = r"f1: `threshold` must be given .* got None for values.*F1\(threshold=0.5\)"
    with pytest.raises(ArgumentError, match=message):
        metrics.F1().reading("values")(SHARES, LABELS)
    assert metrics.F1(threshold=0.5).reading("values")(SHARES, LABELS) == pytest.approx(0.8)


@pytest.mark.parametrize("metric", [*KINDS, metrics.ConfusionMatrix(2)], ids=repr)
def test_scores_that_may_be_either_must_be_said(metric):
    kind = type(metric).__name__
    message = (
        rf"{metric.name}: `threshold` must be given for scores that may be logits or "
        rf"probabilities; got 4 of 0..1, such as 0.2. {kind}\(threshold=0.5\) for prob"
    )
    with pytest.raises(ArgumentError, match=message):
        metric(SHARES, LABELS)


def test_answers_of_0_and_1_need_no_threshold():
    assert metrics.F1()(np.array([1.0, 0.0, 1.0, 0.0]), LABELS) == pytest.approx(0.8)


def test_top1_of_one_logit_is_the_share_of_right_answers():
    for labels in (LABELS, LABELS[:, None], LABELS[:, None].astype("f4"), LABELS.astype(bool)):
        assert metrics.Top1()(LOGITS, labels) == 0.75
    assert metrics.Top5()(LOGITS, LABELS) == 1.0
    assert metrics.Top1()(np.full((2, 1), np.nan), [0, 1]) == 0.0


def test_a_confusion_matrix_of_one_logit_has_two_classes():
    assert metrics.ConfusionMatrix(2)(LOGITS, LABELS).tolist() == [[1, 0], [1, 2]]
    with pytest.raises(ShapeError, match=r"output must have shape \(rows, 3\)"):
        metrics.ConfusionMatrix(3)(LOGITS, LABELS)


def test_no_cure_measures_nothing():
    with pytest.raises(DataError, match=r"labels must be in \[0, 2\); got 2 in row 1"):
        metrics.Top1()(LOGITS, np.array([1, 2, 0, 0]))
    with pytest.raises(ShapeError, match=r"use output.reshape\(-1, 1\)"):
        metrics.Top1()(LOGITS[:, 0], LABELS)
    with pytest.raises(ShapeError, match=r"Use target.reshape\(-1\)"):
        metrics.Top1()(np.hstack((LOGITS, LOGITS)), LABELS[:, None])
