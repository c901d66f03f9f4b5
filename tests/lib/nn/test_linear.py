"""Linear layers, sparse rows: formulas written down, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, nn
from sandbox.lib.core import Spec, Tape, Value, ops
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.engine import mkl_sparse

IDS = np.array([[4, 0, -1, 4], [-1, -1, -1, -1], [6, -1, 2, -1]])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def dense(ids, values, features):
    """Write sparse rows out."""
    rows = np.zeros((len(ids), features))
    for row, (own, amounts) in enumerate(zip(ids, values, strict=True)):
        for place, amount in zip(own, amounts, strict=True):
            if place >= 0:
                rows[row, place] += amount
    return rows


def test_linear_multiplies_the_last_axis_whatever_is_in_front():
    layer, x = nn.Linear(3, 2, rng=0), normal(2, 4, 5, 3)
    flat = layer(x.reshape(-1, 3))
    assert np.array_equal(flat.reshape(2, 4, 5, 2), layer(x))


def test_an_image_before_a_linear_layer_is_told_to_be_flattened():
    with pytest.raises(ShapeError, match=r"axis 3 must be 12 .* Put a Flatten\(\) before it"):
        nn.Linear(12, 2, rng=0)(normal(5, 1, 3, 4))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.Scale(1, bias=False), lambda x, p: x * p[0]),
        (nn.Scale((2, 1), bias=False), lambda x, p: x * p),
        (nn.Scale((2, 1), weight=False), lambda x, p: x + p),
        (nn.Scale(3, weight=False), lambda x, p: x + p),
    ],
)
def test_a_scale_of_one_kind_only(layer, function):
    x = normal(4, 2, 3)
    (parameter,) = layer.parameters()
    parameter.set(normal(*parameter.shape, seed=1))
    assert np.array_equal(function(x, parameter.data), layer(x))


def test_a_scale_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="`weight` or `bias` must be True"):
        nn.Scale(3, weight=False, bias=False)


def test_highway_passes_its_input_where_the_gate_is_shut():
    layer, x = nn.Highway(3, gate_bias=-100.0, rng=0), normal(2, 3)
    assert np.allclose(x, layer(x), atol=1e-6)  # exp(-100), and rounding


def test_cosine_of_nothing_is_0_with_finite_gradients():
    layer, x = nn.Cosine(3, 2, rng=0), Value(np.zeros((1, 3), "f4"))
    with Tape() as tape:
        y = layer(x)
    assert not y.data.any()
    assert np.isfinite(tape.gradients(ops.sum(y), [x, layer.weight])[0]).all()


@pytest.mark.parametrize("make", [lambda: nn.Euclidean(3, 2), lambda: nn.PairwiseDistance()])
def test_distances_of_0_have_a_gradient_of_0(make):
    module, x = make(), Value(np.ones((1, 3), "f4"))
    others = [Value(np.ones((1, 3), "f4"))] if not module.parameters() else []
    for parameter in module.parameters():
        parameter.set(np.ones(parameter.shape, "f4"))
    with Tape() as tape:
        y = module(x, *others)
    assert not y.data.any()
    assert not tape.gradients(ops.sum(y), [x])[0].any()


def test_short_vectors_are_looked_up_as_they_are():
    layer = nn.Embedding(3, 2, max_norm=1.0)
    layer.weight.set(np.float32([[3, 4], [0.3, 0.4], [0, 0]]))
    expected = np.float32([[0.6, 0.8], [0.3, 0.4], [0, 0]])
    assert np.allclose(expected, layer(np.array([0, 1, 2])), atol=1e-6)  # a square root


@pytest.mark.parametrize("mode", ["sum", "mean", "sqrtn"])
def test_bags_are_weighted_sums(mode):
    layer, values = nn.EmbeddingBag(7, 3, mode=mode, rng=0), np.abs(normal(3, 4)) + 0.1
    shares = dense(IDS, values, 7)
    present = np.where(IDS < 0, 0, values)
    divisor = {
        "sum": np.ones(3),
        "mean": present.sum(1),
        "sqrtn": np.sqrt((present**2).sum(1)),
    }[mode]
    expected = shares @ layer.weight.data / np.where(divisor, divisor, 1)[:, None]
    assert np.allclose(expected, layer(IDS, values), atol=1e-6)  # sums of few float32
    assert not layer(IDS, values)[1].any()


@pytest.mark.parametrize("mode", ["reference", "eager", "program"])
def test_sparse_linear_equals_linear_of_the_dense_rows(mode, monkeypatch):
    if mode == "reference":
        monkeypatch.setattr(mkl_sparse, "available", lambda: False)
    sparse, values = nn.SparseLinear(7, 3, rng=0), normal(3, 4)
    plain = nn.Linear(7, 3)
    plain.weight.set(sparse.weight.data.T)
    rows = Value(dense(IDS, values, 7).astype("f4"))
    with Tape() as tape:
        expected = plain(rows)
        weights = Value(normal(3, 3, seed=5))
        loss = ops.sum(ops.multiply(expected, weights))
    gradient = tape.gradients(loss, [plain.weight])[0]
    given = Value(values)
    with Tape() as tape:
        y = sparse(IDS, given)
        loss = ops.sum(ops.multiply(y, weights))
    found, of_values = tape.gradients(loss, [sparse.weight, given])
    if mode == "program":
        specs = (Spec(IDS.shape, "int64"), Spec(values.shape))
        out = core.predict_program(sparse, None, specs).run((IDS, values))
    else:
        out = y.data
    assert np.allclose(expected.data, out, atol=1e-5)
    assert np.allclose(gradient.T, found, atol=1e-5)
    assert not of_values[IDS < 0].any()


def test_the_largest_of_a_bag_leaves_absent_ids_out():
    layer = nn.EmbeddingBag(7, 3, mode="max", rng=0)
    table = layer.weight.data
    expected = np.stack([table[[4, 0]].max(0), np.zeros(3), table[[6, 2]].max(0)])
    assert np.array_equal(expected.astype("f4"), layer(IDS))
    with pytest.raises(ShapeError, match="values must be None for mode 'max'"):
        layer(IDS, normal(3, 4))


def test_rows_without_any_ids_are_0_and_teach_nothing():
    layer, ids = nn.SparseLinear(5, 2, bias=False, rng=0), np.full((2, 3), -1)
    with Tape() as tape:
        y = layer(Value(ids))
    assert not y.data.any()
    assert not tape.gradients(ops.sum(y), [layer.weight])[0].any()


def test_what_stands_where_no_id_is_counts_nothing():
    layer = nn.SparseLinear(5, 2, rng=0)
    ids = np.array([[1, -1]])
    assert np.array_equal(
        layer(ids, np.float32([[2.0, 0.0]])), layer(ids, np.float32([[2.0, np.nan]]))
    )


@pytest.mark.parametrize("bad", [7, -2])
def test_an_id_out_of_range_is_named(bad):
    ids = IDS.copy()
    ids[2, 1] = bad
    with pytest.raises(DataError, match=rf"SparseLinear.*got {bad} in row 2, position 1"):
        nn.SparseLinear(7, 3, rng=0)(ids)


def test_a_sparse_form_of_dense_rows_gives_the_same_numbers():
    x = np.where(normal(4, 7) > 0.3, normal(4, 7), 0).astype("f4")
    layer = nn.SparseLinear(7, 3, rng=0)
    plain = x @ layer.weight.data + layer.bias.data
    assert np.allclose(plain, nn.Sequential(nn.DenseToSparse(), layer)(x), atol=1e-6)


def test_sparse_rows_behind_each_other_equal_joined_dense_rows():
    first, second = (IDS, normal(3, 4)), (IDS[:, :2], normal(3, 2, seed=1))
    ids, values = nn.SparseConcat([7, 9])(first, second)
    expected = np.concatenate([dense(*first, 7), dense(*second, 9)], 1)
    assert np.array_equal(expected, dense(ids, values, 16))


def test_a_sparse_model_is_one_program_for_training():
    model = nn.Sequential(nn.SparseConcat([7, 7]), nn.SparseLinear(14, 2, rng=0))

    pair = (Spec((3, 4), "int64"), Spec((3, 4)))
    program = core.train_program(
        model, criterion.MSE(), core.FlatParameters(model), (pair, pair), Spec((3, 2))
    )
    assert program.reason is None
    given = ((IDS, normal(3, 4)), (IDS, normal(3, 4, seed=1)))
    loss, _, output = program.run(given, normal(3, 2, seed=2), core.RandomKey(0, 0, 0))
    assert np.isfinite(loss)
    assert np.allclose(model(*given), output, atol=1e-6)
