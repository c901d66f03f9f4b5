"""A criterion for each of several outputs: exact sums, places in errors, the same in all ways."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, engine, nn
from sandbox.lib.core import FlatParameters, Spec
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.criterion import MSE, CrossEntropy, Parallel, WeightedSum


class Heads(nn.Module):
    def __init__(self):
        self.heads = {"digit": nn.Linear(3, 4, rng=0), "size": nn.Linear(3, 1, rng=1)}

    def call(self, x):
        return {name: head(x) for name, head in self.heads.items()}


def batch(rows=7):
    rng = np.random.default_rng(0)
    target = {
        "digit": rng.integers(0, 4, rows),
        "size": rng.normal(size=(rows, 1)).astype("f4"),
    }
    return rng.normal(size=(rows, 3)).astype("f4"), target


def loss():
    return Parallel({"digit": CrossEntropy(), "size": MSE()}, weights={"size": 0.5})


def test_the_loss_is_the_weighted_sum_of_the_means():
    x, target = batch()
    output = Heads()(x)
    expected = CrossEntropy()(output["digit"], target["digit"])
    expected += 0.5 * MSE()(output["size"], target["size"])
    assert loss()(output, target) == pytest.approx(expected, rel=1e-6)


def step(way, x, target, monkeypatch):
    monkeypatch.setenv("SANDBOX_EAGER", str(int(way == "eager")))
    model = Heads()
    flat = FlatParameters(model)

    def run():
        specs = Spec.of(x), core.tree.map(Spec.of, target)
        program = core.train_program(model, loss(), flat, *specs)
        assert (program.reason is None) == (way != "eager")
        found = program.run(x, target)
        return found[0], found[1], {name: flat.gradient(name).copy() for name in flat.views}

    if way == "native":
        return run()
    with engine.use_reference():
        return run()


def test_training_gives_the_same_eagerly_natively_and_by_reference(monkeypatch):
    x, target = batch()
    eager, reference, native = (
        step(way, x, target, monkeypatch) for way in ("eager", "reference", "native")
    )
    for other in (reference, native):
        assert other[:2] == (pytest.approx(eager[0], rel=1e-5), 7.0)
        for name, gradient in eager[2].items():
            # Sums of seven rows in another order.
            np.testing.assert_allclose(gradient, other[2][name], rtol=1e-4, atol=1e-6)
    assert set(eager[2]) >= {"heads.digit.weight", "heads.size.bias"}
    assert all(np.abs(gradient).max() > 1e-3 for gradient in eager[2].values())


def test_sums_of_uneven_shares_are_those_of_the_whole(monkeypatch):
    x, target = batch()
    whole = step("native", x, target, monkeypatch)
    shares = [
        step("native", x[part], {k: v[part] for k, v in target.items()}, monkeypatch)
        for part in (slice(0, 2), slice(2, 7))
    ]
    assert sum(share[0] for share in shares) == pytest.approx(whole[0], rel=1e-5)
    assert sum(share[1] for share in shares) == whole[1] == 7.0
    for name, gradient in whole[2].items():
        total = sum(share[2][name] for share in shares)
        np.testing.assert_allclose(gradient, total, rtol=1e-4, atol=1e-6)


def test_lists_and_tuples_are_alike_and_none_has_no_part():
    x, target = batch()
    output = Heads()(x)
    listed = Parallel([CrossEntropy(), MSE(), None], weights=(1, 0.5, None))
    outputs = (output["digit"], output["size"], x)
    targets = [target["digit"], target["size"], None]
    assert listed(outputs, targets) == loss()(output, target)
    named = Parallel({"digit": CrossEntropy(), "size": None})
    expected = CrossEntropy()(output["digit"], target["digit"])
    assert named(output, {"digit": target["digit"]}) == expected


def test_criterions_of_criterions_add_up():
    x, target = batch()
    output = Heads()(x)
    parts = {"digit": WeightedSum([CrossEntropy(), CrossEntropy()]), "size": MSE()}
    expected = 2 * CrossEntropy()(output["digit"], target["digit"])
    expected += MSE()(output["size"], target["size"])
    assert Parallel(parts)(output, target) == pytest.approx(expected, rel=1e-6)
    assert Parallel({"a": Parallel(parts)}).counts_rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Parallel({}), "must be a dict, tuple or list of criterions; got {}"),
        (lambda: Parallel({"a": 3}), "must be a dict, tuple or list of criterions"),
        (lambda: Parallel([CrossEntropy([1, 2])]), "means over rows, without class weights"),
        (lambda: Parallel({"a": MSE()}, {"a": -1}), r"`weights\.a` must be a number in .*; got -1"),
        (lambda: Parallel({"a": MSE()}, {"b": 1}), "must name criterions .'a'.; got 'b'"),
        (lambda: Parallel({"a": MSE()}, [1]), "must be arranged like `criterions`"),
        (lambda: Parallel([MSE()], [1, 2]), "must hold 1 numbers, one per criterion; got 2"),
        (lambda: WeightedSum([CrossEntropy([1, 2])]), "means over rows, without class weights"),
    ],
)
def test_what_cannot_add_up_is_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.pop("size"), ShapeError, "Parallel: target must be a dict of 'digit', 'size'"),
        (lambda t: t.update(more=1), ShapeError, "must be a dict of .*; got a dict of .* 'more'"),
        (lambda t: t.update(size=None), ShapeError, "target 'size' must be given; got None"),
        (lambda t: t.update(size=np.ones((6, 1))), ShapeError, "rows as the first, 7; got 6"),
        (
            lambda t: t["digit"].put(2, 9),
            DataError,
            r"Parallel/digit \(CrossEntropy\): labels must be .* got 9 in row 2",
        ),
        (lambda t: t.update(size=np.ones(7)), ShapeError, r"Parallel/size \(MSE\): target must"),
    ],
)
def test_wrong_targets_are_named_by_their_place(change, error, message):
    x, target = batch()
    change(target)
    with pytest.raises(error, match=message):
        loss()(Heads()(x), target)


def test_a_wrong_tree_is_refused_when_a_program_is_made():
    x, target = batch()
    model = Heads()
    with pytest.raises(ShapeError, match="target 'size' must have as many rows as the first, 7"):
        core.train_program(
            model,
            loss(),
            FlatParameters(model),
            Spec.of(x),
            {"digit": Spec.of(target["digit"]), "size": Spec((6, 1))},
        )


def test_labels_out_of_range_are_found_by_a_program():
    x, target = batch()
    model = Heads()
    specs = Spec.of(x), core.tree.map(Spec.of, target)
    program = core.train_program(model, loss(), FlatParameters(model), *specs)
    target["digit"][4] = 4
    with pytest.raises(DataError, match=r"target\.digit: labels must be .* got 4 in row 4"):
        program.run(x, target)


def test_keys_that_mean_something_in_a_file_come_back():
    made = Parallel({"module": MSE(), "shared": (CrossEntropy(), None)}, weights={"module": 2})
    twin = nn.deserialize(nn.serialize(made))
    assert nn.serialize(twin) == nn.serialize(made)
    assert list(twin.criterions) == ["module", "shared"]
    assert twin.criterions["shared"][1] is None
