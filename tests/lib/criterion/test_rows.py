"""Rows that count unlike: as if they were repeated or left out, in every way of computing."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.core import FlatParameters, Spec, Tape, Value, ops
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.criterion import (
    BCE,
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    Criterion,
    CrossEntropy,
    Focal,
    Hinge,
    Huber,
    KLDivergence,
    Parallel,
    PoissonNLL,
    RowWeighted,
    SmoothL1,
    TimeDistributed,
    WeightedSum,
)
from sandbox.lib.metrics import Loss, Top1

COUNTS = np.array([2, 0, 1, 3, 0, 1])
RNG = np.random.default_rng(3)
SCORES = RNG.normal(size=(6, 3)).astype("f4")
LOGS = (SCORES - np.log(np.exp(SCORES).sum(axis=1, keepdims=True))).astype("f4")
LABELS = np.array([0, 1, 2, 2, 1, 0])
NUMBERS = RNG.normal(size=(6, 3)).astype("f4")
YES = RNG.integers(0, 2, (6, 3))
CASES = {
    "labels": (CrossEntropy(), SCORES, LABELS),
    "class weights": (CrossEntropy([1.0, 3.0, 0.5], label_smoothing=0.1), SCORES, LABELS),
    "ignored": (CrossEntropy(ignore_index=2), SCORES, LABELS),
    "maps": (CrossEntropy([1.0, 3.0, 0.5]), SCORES.repeat(2, 1).reshape(6, 3, 2), YES[:, :2]),
    "logarithms": (NLL([1.0, 3.0, 0.5]), LOGS, LABELS),
    "focal": (Focal(), SCORES, LABELS),
    "logits": (BCEWithLogits(pos_weight=(1.0, 2.0, 3.0)), SCORES, YES),
    "probabilities": (BCE(), 1 / (1 + np.exp(-SCORES)), YES),
    "squares": (MSE(), SCORES, NUMBERS),
    "sizes": (MAE(), SCORES, NUMBERS),
    "huber": (Huber(0.5), SCORES, NUMBERS),
    "smooth": (SmoothL1(0.5), SCORES, NUMBERS),
    "counts": (PoissonNLL(), SCORES, RNG.integers(0, 9, (6, 3))),
    "shares": (KLDivergence(), LOGS, np.exp(LOGS)[::-1]),
    "hinge": (Hinge(), SCORES, 2 * YES - 1),
    "steps": (TimeDistributed(CrossEntropy(ignore_index=0)), SCORES.reshape(6, 1, 3), YES[:, :1]),
    "sum": (WeightedSum([MSE(), MAE()], [1.0, 0.5]), SCORES, NUMBERS),
}


def weighted(target, counts=COUNTS):
    return {"target": target, "weight": counts.astype("f4")}


@pytest.mark.parametrize("name", CASES)
def test_whole_weights_count_as_rows_repeated_and_left_out(name):
    loss, output, target = CASES[name]
    again = np.repeat(np.arange(6), COUNTS)
    value, repeated = Value(output), Value(output[again])
    with Tape() as tape:
        mean = RowWeighted(loss)(value, weighted(target))
    gradient = tape.gradients(mean, [value])[0]
    with Tape() as tape:
        expected = loss(repeated, target[again])
    parts = tape.gradients(expected, [repeated])[0]
    sums = np.zeros_like(output)
    np.add.at(sums, again, np.asarray(parts))

    assert float(mean) == pytest.approx(float(expected), rel=1e-5)  # float32
    np.testing.assert_allclose(np.asarray(gradient), sums, atol=1e-6)
    assert not np.asarray(gradient)[COUNTS == 0].any()


def test_the_mean_is_over_the_weights_or_over_the_rows():
    output, target = np.float32([[1.0], [2.0]]), np.zeros((2, 1), "f4")
    given = weighted(target, np.array([1.0, 3.0]))
    assert RowWeighted(MSE())(output, given) == 13 / 4
    assert RowWeighted(MSE(), mean="rows")(output, given) == 13 / 2
    nothing = weighted(target, np.zeros(2))
    assert RowWeighted(MSE())(output, nothing) == 0.0


def test_weights_of_rows_multiply_those_of_classes():
    rows = -LOGS.astype("f8")[np.arange(6), LABELS]
    both = np.array([1.0, 3.0, 0.5])[LABELS] * COUNTS
    loss = RowWeighted(CrossEntropy([1.0, 3.0, 0.5]))
    assert loss(SCORES, weighted(LABELS)) == pytest.approx((rows * both).sum() / both.sum())
    assert loss.weight(weighted(LABELS)) == both.sum()


def test_several_outputs_are_weighted_together_or_each_by_its_own():
    output = {"digit": SCORES, "size": NUMBERS}
    target = {"digit": LABELS, "size": YES}
    inside = {"digit": CrossEntropy(), "size": MSE()}
    whole = RowWeighted(Parallel(inside))(output, weighted(target))
    parts = [RowWeighted(loss)(output[k], weighted(target[k])) for k, loss in inside.items()]
    assert whole == pytest.approx(sum(parts), rel=1e-6)

    own = Parallel({"digit": RowWeighted(CrossEntropy(), mean="rows"), "size": MSE()})
    found = own(output, {"digit": weighted(LABELS), "size": YES})
    first = RowWeighted(CrossEntropy(), mean="rows")(SCORES, weighted(LABELS))
    assert found == pytest.approx(first + MSE()(NUMBERS, YES), rel=1e-6)
    with pytest.raises(ArgumentError, match="must have means over rows"):
        Parallel({"digit": RowWeighted(CrossEntropy()), "size": MSE()})


def step(loss, x, target, way, monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", str(int(way == "eager")))
    model = nn.Sequential(fc=nn.Linear(3, 4, rng=0))
    flat = FlatParameters(model)
    program = core.train_program(model, loss, flat, Spec.of(x), core.tree.map(Spec.of, target))
    assert (program.reason is None) == (way != "eager")
    found = program.run(x, target)
    return found[0], found[1], {name: flat.gradient(name).copy() for name in flat.views}


@pytest.mark.parametrize("base", [CrossEntropy([1.0, 2.0, 0.5, 1.0]), CrossEntropy()], ids=repr)
def test_programs_numpy_and_eager_steps_give_the_same(base, monkeypatch):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(2500, 3)).astype("f4"), rng.integers(0, 4, 2500)
    target = weighted(labels, rng.uniform(0, 2, 2500))
    loss = RowWeighted(base)
    found = {way: step(loss, x, target, way, monkeypatch) for way in ("native", "eager")}
    with engine.use_reference():
        found["numpy"] = step(loss, x, target, "numpy", monkeypatch)
    for total, weight, gradients in found.values():
        assert total == pytest.approx(found["native"][0], rel=1e-5)
        assert weight == found["native"][1]
        for name, gradient in gradients.items():
            np.testing.assert_allclose(gradient, found["native"][2][name], atol=2e-3)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_program_refuses_labels_that_are_none(label, monkeypatch):
    x, target = np.ones((3, 3), "f4"), weighted(np.array([0, label, 1]), np.ones(3))
    with pytest.raises(DataError, match=rf"in \[0, 4\); got {label}"):
        step(RowWeighted(CrossEntropy()), x, target, "native", monkeypatch)


def test_the_loss_is_a_metric_and_others_take_the_target_alone():
    target = weighted(LABELS)
    loss = RowWeighted(CrossEntropy())
    assert Loss(loss)(SCORES, target) == pytest.approx(loss(SCORES, target))
    plain = Top1().on("", "target")
    assert plain.name == "top1"
    assert plain(SCORES, target) == Top1()(SCORES, LABELS)


def test_a_criterion_that_gives_the_sum_alone_is_refused():
    @nn.register("tests.SumAlone")
    class SumAlone(Criterion):
        def call(self, output, target):
            return ops.sum(output)

    @nn.register("tests.OwnWeight")
    class OwnWeight(Criterion):
        def rows(self, output, target):
            return ops.sum(output, axes=1)

        def weight(self, target):
            return 2.0 * len(target)

    with pytest.raises(ArgumentError, match=r"SumAlone\(\), which gives their sum alone"):
        RowWeighted(SumAlone())(SCORES, weighted(LABELS))
    with pytest.raises(ArgumentError, match=r"Write its `row_weights"):
        RowWeighted(OwnWeight())(SCORES, weighted(LABELS))


def test_all_criterions_of_the_room_give_rows():
    sums_alone = [
        name
        for name, cls in vars(criterion).items()
        if isinstance(cls, type) and issubclass(cls, Criterion) and cls.rows is Criterion.rows
    ]
    assert sums_alone == ["Criterion", "ObjectCriterion"]
