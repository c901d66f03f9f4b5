"""Trees: flattened, matched, written down and read again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib.core import ArgumentError, ShapeError, tree

TREE = {"b": (1, [2, None]), "a": {"y": 3}, "module": 4, "empty": ()}


def test_a_tree_comes_back_from_its_leaves():
    leaves, structure = tree.flatten(TREE)
    assert leaves == [3, 1, 2, 4]
    assert structure.paths == ("a.y", "b.0", "b.1.0", "module")
    assert structure.unflatten(leaves) == TREE
    assert hash(structure) == hash(tree.flatten(TREE)[1])


@pytest.mark.parametrize("container", [list, tuple])
def test_a_structure_survives_json_also_where_lists_come_back_as_tuples(container):
    def turned(data):
        if isinstance(data, list):
            return container([turned(item) for item in data])
        return {k: turned(v) for k, v in data.items()} if isinstance(data, dict) else data

    structure = tree.flatten(TREE)[1]
    data = turned(json.loads(json.dumps(structure.to_json())))
    assert tree.Structure.from_json(data) == structure


@pytest.mark.parametrize(
    "data", [3, "twig", {"dict": {"a": "leaf"}}, {"set": []}, {"dict": [[1, 2]]}]
)
def test_what_is_no_structure_is_refused(data):
    with pytest.raises(ArgumentError, match="must be tuples, lists, dicts and leaves"):
        tree.Structure.from_json(data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "x must be a dict of 'a', 'b'; got int"),
        ({"a": 1}, "x 'b' must be given; got 'a'"),
        ({"a": 1, "b": (1, 2), "c": 3}, "x must be a dict of 'a', 'b'; got the key 'c' as well"),
        ({"a": None, "b": (1, 2)}, "x 'a' must be given; got None"),
        ({"a": 1, "b": [1, 2]}, "x 'b' must be a tuple of 2; got a list of 2"),
        ({"a": 1, "b": (1, 2, 3)}, "x 'b' must be a tuple of 2; got a tuple of 3"),
        ({"a": 1, "b": np.ones(2)}, r"x 'b' must be a tuple of 2; got one ndarray of shape \(2,\)"),
    ],
)
def test_another_structure_is_refused_by_its_place(given, message):
    structure = tree.flatten({"a": 0, "b": (0, 0)})[1]
    with pytest.raises(ShapeError, match=message):
        structure.match(given, "x")


def test_what_was_absent_must_stay_absent():
    structure = tree.flatten({"a": 0, "b": None})[1]
    assert structure.match({"a": 1}) == structure.match({"a": 1, "b": None}) == [1]
    with pytest.raises(ShapeError, match="x 'b' must be None, as it was before; got int"):
        structure.match({"a": 1, "b": 2}, "x")


def test_map_needs_one_structure():
    with pytest.raises(ShapeError, match="must have the structure"):
        tree.map(lambda a, b: a, (1, 2), [1, 2])


def test_lists_of_numbers_are_arrays_and_others_stay():
    x = np.ones(2)
    found = tree.with_arrays({"n": [[1, 2]], "l": [x, (1.5,)], "e": []})
    assert found["n"].shape == (1, 2)
    assert found["l"][0] is x
    assert found["l"][1].tolist() == [1.5]
    assert found["e"] == []
