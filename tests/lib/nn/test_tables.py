"""Modules of several values, and containers side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core.errors import ArgumentError, ShapeError


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


A, B = normal(4, 3), normal(4, 3, seed=1)


def test_branches_with_a_sum_are_a_residual_block():
    body = nn.Linear(3, 3, rng=0)
    block = nn.Branches(body=body, same=nn.Sequential(), merge=nn.Add())
    assert np.allclose(A + body(A), block(A), atol=1e-6)
    assert [name for name, _ in block.named_children()] == ["body", "same", "merge"]


def test_branches_give_trees_on_to_every_module():
    block = nn.Branches(nn.Add(), nn.Multiply())
    total, product = block(A, B)
    assert np.array_equal(A + B, total)
    assert np.array_equal(A * B, product)


def test_parallel_takes_inputs_by_place_in_a_list_and_by_name():
    towers = nn.Parallel(left=nn.ReLU(), right=nn.Tanh())
    expected = np.maximum(A, 0), np.tanh(B)
    for found in (towers(A, B), towers([A, B]), tuple(towers(right=B, left=A).values())):
        for x, y in zip(expected, found, strict=True):
            assert np.allclose(x, y, atol=1e-6)
    assert set(towers({"left": A, "right": B})) == {"left", "right"}


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda p: p(A), r"must be 2 \(left, right\)"),
        (lambda p: p(A, B, A), "got a tuple of 3"),
        (lambda p: p(left=A), "got a dict of 'left'"),
        (lambda p: p(left=A, middle=B), "'middle'"),
    ],
)
def test_parallel_names_its_inputs_where_they_do_not_fit(call, text):
    with pytest.raises(ShapeError, match=text):
        call(nn.Parallel(left=nn.ReLU(), right=nn.Tanh()))


def test_parallel_modules_of_several_inputs_are_nested():
    model = nn.Parallel(sum=nn.Add(), rest=nn.Parallel(nn.ReLU(), nn.Concat()))
    y = model((A, B), (A, (A, B)))
    assert np.array_equal(A + B, y[0])
    assert y[1][1].shape == (4, 6)


def test_a_branch_inside_has_its_path_in_errors():
    model = nn.Sequential(fork=nn.Branches(first=nn.Linear(2, 2, rng=0)), name="model")
    with pytest.raises(ShapeError, match=r"^model/fork/first \(Linear\)"):
        model(A)


def test_side_by_side_needs_a_module_and_keeps_merge_for_itself():
    for empty in (nn.Branches(), nn.Parallel()):
        with pytest.raises(ArgumentError, match="at least one module"):
            empty(A)
    with pytest.raises(ArgumentError, match="no other use for"):
        nn.Branches(nn.ReLU()).add("merge", nn.ReLU())
    with pytest.raises(ArgumentError, match="`merge` must be a Module"):
        nn.Parallel(nn.ReLU(), merge="sum")


def test_branches_grow_and_keep_what_merges_behind_them():
    model = nn.Branches(merge=nn.Sequential(nn.Concat(), fc=nn.Linear(6, 2, rng=0)))
    model.append(nn.Linear(3, 4, rng=0)).insert(0, nn.Linear(3, 2, rng=1), "first")
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model))))
    names = ["first.weight", "first.bias", "0.weight", "0.bias", "merge.fc.weight", "merge.fc.bias"]
    for made in (model, twin):
        assert [name for name, _ in made.named_parameters()] == names
    assert model(A).shape == (4, 2)


def test_map_gives_back_what_holds_its_inputs():
    twins = nn.Map(nn.Linear(3, 2, rng=0))
    assert isinstance(twins([A, B]), list)
    assert isinstance(twins(A, B), tuple)
    assert set(twins(a=A, b=B)) == {"a", "b"}
    assert len(twins.parameters()) == 2
    with pytest.raises(ShapeError, match="at least one"):
        twins()


def test_shared_modules_side_by_side_stay_shared_in_files():
    shared = nn.Linear(3, 2, rng=0)
    model = nn.Branches(shared, nn.Sequential(shared))
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model))))
    assert len(twin.parameters()) == 2
    assert twin[0] is twin[1][0]


def test_split_is_undone_by_concat_and_unstack_by_stack():
    x = normal(2, 5, 3)
    for pieces in (1, 2, 5, [2, 3]):
        assert np.array_equal(x, nn.Sequential(nn.Split(pieces), nn.Concat())(x))
    for axis in (1, 2, -1):
        assert np.array_equal(x, nn.Sequential(nn.Unstack(axis), nn.Stack(axis))(x))


def test_items_and_leaves_of_nested_inputs():
    nested = (A, {"b": [B, A], "a": B})
    assert np.array_equal(B, nn.Item(1, "b", 0)(nested))
    assert len(nn.Items(0, 2)(A, B, A)) == 2
    flat = nn.Leaves()(nested)
    assert [np.array_equal(x, y) for x, y in zip(flat, (A, B, B, A), strict=True)] == [True] * 4
    for key in ((2,), ("a",), (1, "c"), (1, "b", 2), (0, 0)):
        with pytest.raises(ShapeError, match="inputs must have"):
            nn.Item(*key)(nested)
    with pytest.raises(ShapeError, match="places 3"):
        nn.Items(3)(A, B)


@pytest.mark.parametrize("p", [1, 2, 3.5, np.inf])
def test_distances_equal_norms(p):
    expected = np.linalg.norm(A - B, ord=p, axis=1)
    assert np.allclose(expected, nn.PairwiseDistance(p)(A, B)[:, 0], rtol=1e-5)


def test_interactions_are_the_products_of_all_pairs():
    vectors = [normal(4, 3, seed=k) for k in range(4)]
    expected = [(vectors[i] * vectors[j]).sum(1) for i in range(4) for j in range(i + 1, 4)]
    assert np.allclose(np.stack(expected, 1), nn.DotInteraction()(*vectors), atol=1e-5)


def test_pieces_go_on_by_themselves_in_a_graph():
    x = nn.Input()
    halves = nn.Split(2)(x)
    gate, rest = nn.Sigmoid()(nn.Item(0)(halves)), nn.Item(1)(halves)
    model = nn.Graph(x, {"gated": nn.Multiply()(gate, rest), "all": halves})
    data = normal(3, 8)
    expected = data[:, 4:] / (1 + np.exp(-data[:, :4]))
    program = core.predict_program(model, None, core.Spec((3, 8)))
    assert program.reason is None
    for found in (model(data), program.run(data)):
        assert np.allclose(expected, found["gated"], atol=1e-6)
        assert np.array_equal(data[:, 4:], found["all"][1])


def test_a_mixture_of_experts_behind_a_gate():
    gate, experts = (
        nn.Sequential(nn.Linear(3, 2, rng=0), nn.Softmax()),
        nn.Branches(nn.Linear(3, 5, rng=1), nn.Linear(3, 5, rng=2)),
    )
    model = nn.Sequential(nn.Branches(gate=gate, experts=experts), nn.Mixture())
    shares, (one, two) = gate(A), experts(A)
    assert np.allclose(shares[:, :1] * one + shares[:, 1:] * two, model(A), atol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ((A,), "must be two or three; got 1"),
        ((normal(2, 3, 4), normal(3, 4, 5)), "same axes in front"),
        ((normal(2, 3, 4), normal(2, 4, 5), normal(2, 2, 5)), "input 2 must stretch"),
        ((normal(3), normal(3)), "must hold matrices"),
    ],
)
def test_products_say_what_does_not_fit(inputs, text):
    with pytest.raises(ShapeError, match=text):
        nn.MatMul()(*inputs)
