"""A metric of one output among several."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sandbox.lib import metrics
from sandbox.lib.core.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
SCORES, LABELS = RNG.normal(size=(30, 4)), RNG.integers(0, 4, 30)
SIZES, MEASURED = RNG.normal(size=(30, 1)), RNG.normal(size=(30, 1))
OUTPUT = {"digit": SCORES, "more": (SIZES, SCORES[:, 0])}
TARGET = {"digit": LABELS, "more": (MEASURED, LABELS % 2)}


@pytest.mark.parametrize(
    ("metric", "path", "output", "target"),
    [
        (metrics.Top1(), "digit", SCORES, LABELS),
        (metrics.MAE(), "more.0", SIZES, MEASURED),
        (metrics.AUC(), "more.1", SCORES[:, 0], LABELS % 2),
    ],
    ids=["sums", "numbers", "gathered"],
)
def test_a_metric_judges_the_output_at_a_path(metric, path, output, target):
    ours = metric.on(path)
    assert ours(OUTPUT, TARGET) == metric(output, target)
    assert (ours.name, metric.at) == (f"{path}_{metric.name}", None)
    assert type(ours) is type(metric)
    assert pickle.loads(pickle.dumps(ours)).at == (path, None)


def test_output_and_target_may_have_different_paths():
    ours = metrics.MAE().on("more.0", "digit", name="odd")
    assert ours(OUTPUT, TARGET | {"digit": MEASURED}) == metrics.MAE()(SIZES, MEASURED)
    assert ours.name == "odd"


def test_one_target_goes_with_every_output():
    assert metrics.Top1().on("digit")(OUTPUT, LABELS) == metrics.Top1()(SCORES, LABELS)
    assert metrics.Top1().on("", "a")(SCORES, {"a": LABELS}) == metrics.Top1()(SCORES, LABELS)


def test_keys_with_dots_are_found():
    ours = metrics.Top1().on("a.b.0")
    assert ours({"a.b": (SCORES,)}, {"a.b": (LABELS,)}) == metrics.Top1()(SCORES, LABELS)


@pytest.mark.parametrize(
    "metric",
    [metrics.Top1(), metrics.ConfusionMatrix(4), metrics.F1(), metrics.AUC(), metrics.R2()],
)
def test_several_outputs_without_a_path_are_refused_with_the_cure(metric):
    with pytest.raises(
        ShapeError, match=r"got several: digit, more\.0, more\.1\. Name one: .*on\('dig"
    ):
        metric(OUTPUT, TARGET)


def test_a_path_that_is_not_there_is_named():
    with pytest.raises(ShapeError, match=r"output must have 'size'; got 'digit', 'more\.0'"):
        metrics.Top1().on("size")(OUTPUT, TARGET)
    with pytest.raises(ShapeError, match=r"target must have 'more\.0'; got 'digit'"):
        metrics.MAE().on("more.0")(OUTPUT, {"digit": LABELS})
    with pytest.raises(ArgumentError, match=r"`output` must be text; got 0"):
        metrics.Top1().on(0)


def test_a_metric_of_ones_own_may_look_at_all_outputs():
    class Both(metrics.Metric):
        def update(self, output, target):
            return np.array([np.abs(output["a"] - output["b"]).sum(), len(target)])

        def result(self, state):
            return state[0] / state[1]

    assert Both()({"a": np.ones(2), "b": np.zeros(2)}, [0, 0]) == 1.0
