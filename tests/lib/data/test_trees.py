"""Data sets of several inputs and targets: trees of arrays, each array by its own rule."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sandbox.lib.core import tree
from sandbox.lib.core.errors import DataError
from sandbox.lib.core.random import RandomKey
from sandbox.lib.data import ArrayDataset, PartitionedDataset, as_dataset, augment, transforms
from sandbox.lib.data.trees import arrays, is_tree, spread
from sandbox.lib.engine.oplist import Spec

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 5, 6), dtype=np.uint8)
TABLE = RNG.normal(size=(20, 3))
IDS = RNG.integers(0, 9, (20, 2))
DIGITS, SIZES = RNG.integers(0, 10, 20), RNG.normal(size=(20, 1))


def several(**more):
    return ArrayDataset({"image": IMAGES, "table": TABLE}, {"digit": DIGITS, "size": SIZES}, **more)


def test_rows_have_the_structure_of_what_was_given():
    picked = [3, 3, 19]
    x, y = several().rows(0, picked)
    assert list(x) == ["image", "table"]
    np.testing.assert_array_equal(x["image"], IMAGES[picked])
    np.testing.assert_array_equal(x["table"], TABLE[picked].astype("f4"))
    np.testing.assert_array_equal(y["digit"], DIGITS[picked])
    np.testing.assert_array_equal(y["size"], SIZES[picked].astype("f4"))
    assert several().spec == (
        {"image": Spec((5, 6), "uint8"), "table": Spec((3,), "float32")},
        {"digit": Spec((), "int64"), "size": Spec((1,), "float32")},
    )


@pytest.mark.parametrize("kind", [tuple, list])
def test_tuples_and_lists_stay_what_they_are(kind):
    x, y = ArrayDataset(kind([IDS, TABLE]), DIGITS).rows(0, [1])
    assert type(x) is kind
    np.testing.assert_array_equal(x[0], IDS[[1]])
    np.testing.assert_array_equal(y, DIGITS[[1]])


def test_trees_may_be_nested_and_have_empty_places():
    data = ArrayDataset((IDS, None, {"more": [TABLE, SIZES]}), DIGITS)
    (ids, nothing, more), _ = data.rows(0, [4, 5])
    assert nothing is None
    np.testing.assert_array_equal(ids, IDS[[4, 5]])
    np.testing.assert_array_equal(more["more"][1], SIZES[[4, 5]].astype("f4"))
    assert repr(data) == (
        "ArrayDataset(20 rows, x ((2) int64, None, {more: [(3) float64, (1) float64]}), y () int64)"
    )


def test_integers_of_a_tree_stay_integers_and_those_of_one_array_become_float32():
    big = np.array([[2**24 + 1], [2]])
    assert ArrayDataset(big - 1, [0, 1]).spec.x.dtype == "float32"
    ids = ArrayDataset((big, [True, False]), [0, 1]).rows(0, [0])[0]
    assert [array.dtype for array in ids] == [np.int64, np.bool_]
    assert ids[0][0, 0] == 2**24 + 1


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        (np.float32, ["int64", "float32"]),
        (np.float64, ["int64", "float64"]),
        (None, ["int64", "float64"]),
        ({"ids": "f4"}, ["float32", "float32"]),
        ({"ids": np.int32, "row": None}, ["int32", "float64"]),
    ],
)
def test_the_dtype_of_each_array_can_be_said(dtype, wanted):
    data = ArrayDataset({"ids": IDS, "row": TABLE}, DIGITS, dtype=dtype)
    x, _ = data.rows(0, [0, 1])
    assert [x["ids"].dtype.name, x["row"].dtype.name] == wanted
    assert [s.dtype for s in tree.leaves(data.spec.x)] == wanted


def test_transforms_are_given_by_key():
    image = transforms.Compose(transforms.AddChannel(), transforms.Normalize(1 / 255))
    x, _ = several(transform={"image": image}).rows(0, [7, 2])
    np.testing.assert_array_equal(x["image"], image(IMAGES[[7, 2]]))
    np.testing.assert_array_equal(x["table"], TABLE[[7, 2]].astype("f4"))
    pair = ArrayDataset((IDS, TABLE), DIGITS, transform=(None, lambda rows: rows * 2))
    np.testing.assert_array_equal(pair.rows(0, [0])[0][1], (TABLE[[0]] * 2).astype("f4"))


def test_what_a_function_makes_of_integers_decides_their_dtype():
    data = several(transform={"image": lambda rows: rows / 255})
    assert data.spec.x["image"].dtype == "float32"
    assert data.rows(0, [0])[0]["image"].dtype == np.float32
    ids = ArrayDataset(IDS, DIGITS, transform=lambda rows: rows / 2, dtype=None)
    assert ids.spec.x.dtype == ids.rows(0, [0])[0].dtype.name == "float64"


def test_draws_follow_the_position_in_the_global_batch_in_every_leaf():
    parts = [
        ({"image": IMAGES[a:b], "table": TABLE[a:b]}, DIGITS[a:b]) for a, b in ((0, 8), (8, 20))
    ]
    shift = {"image": augment.RandomShift(2)}
    data = PartitionedDataset(parts, transform=shift)
    key = RandomKey(seed=3)
    whole, _ = data.batch([(0, [1, 2]), (1, [3])], random=key)
    expected = shift["image"](IMAGES[[1, 2, 11]], random=key)
    np.testing.assert_array_equal(whole["image"], expected)
    np.testing.assert_array_equal(whole["table"], TABLE[[1, 2, 11]].astype("f4"))


@pytest.mark.parametrize("cut", [[(0, [5, 6, 7])], [(0, [5]), (1, [0, 4])]])
def test_results_go_into_given_trees(cut):
    parts = [((IDS, TABLE), {"d": DIGITS}), ((IDS[5:], TABLE[5:]), {"d": DIGITS[5:]})]
    data = PartitionedDataset(parts)
    expected = data.batch(cut)
    out = tree.map(np.empty_like, expected)
    found = data.batch(cut, out=out)
    for room, array, right in zip(*map(tree.leaves, (out, found, expected)), strict=True):
        assert array is room
        np.testing.assert_array_equal(array, right)
    with pytest.raises(DataError, match=r"out: x must be a tree like \(\*, \*\); got \*"):
        data.rows(0, [0], out=(np.empty((1, 2)), {"d": np.empty(1)}))


def test_batches_are_new_arrays():
    data = several(transform={"image": transforms.AddChannel()})
    first = data.rows(0, [1, 2])
    kept = tree.map(np.copy, first)
    data.rows(0, [3, 4])
    for a, b in zip(tree.leaves(first), tree.leaves(kept), strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_array_of_x_goes_with_several_targets():
    data = ArrayDataset(IMAGES, (DIGITS, SIZES), transform=transforms.Normalize(1 / 255))
    x, y = data.rows(0, [9])
    np.testing.assert_array_equal(x, transforms.Normalize(1 / 255)(IMAGES[[9]]))
    np.testing.assert_array_equal(y[1], SIZES[[9]].astype("f4"))
    assert data.spec.x == Spec((5, 6), "float32")


def test_data_sets_of_trees_may_be_pickled():
    data = several()
    data.rows(0, [0])
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.rows(0, [3])[0]["table"], data.rows(0, [3])[0]["table"])
    assert again.spec == data.spec


def test_pairs_are_told_from_trees_of_inputs():
    data = as_dataset(((IDS, TABLE), DIGITS))
    assert isinstance(data.spec.x, tuple)
    assert as_dataset(([[1, 2], [3, 4]], [0, 1])).spec.x == Spec((2,), "float32")
    with pytest.raises(
        DataError, match=r"got tuple of 3. Several inputs are one x: \(\(a, b\), y\)"
    ):
        as_dataset((IDS, TABLE, DIGITS))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        ([1, 2], False),
        (((1, 2), [3, 4]), False),
        ([np.int64(1), np.float32(2)], False),
        ([np.array(1), np.array(2)], False),
        (np.ones((2, 2)), False),
        ([np.ones(2), np.ones(2)], True),
        ((None, np.ones(2)), True),
        (([1, 2], np.ones(2)), True),
        ([[np.ones(2)]], True),
        ({"a": 1}, True),
    ],
)
def test_plain_numbers_are_arrays_and_arrays_in_lists_are_trees(values, expected):
    assert is_tree(values) is expected


def test_none_is_an_empty_place():
    assert arrays((None, [1, 2]), "x")[0] is None


def test_what_is_said_of_a_part_holds_for_all_in_it():
    like = {"pair": (0, 0), "one": 0}
    assert [said for said, _ in spread({"pair": 5, "one": 6}, like, "dtype")] == [6, 5, 5]
    with pytest.raises(DataError, match=r"dtype must go with the data, one dict of 'pair', 'one'"):
        spread({"par": 5}, like, "dtype")
    with pytest.raises(DataError, match=r"dtype.pair must go with the data, one tuple"):
        spread({"pair": [1, 2]}, like, "dtype")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({"a": IDS, "b": ["q"] * 20}, DIGITS, r"x\.b must be numbers; got dtype <U1"),
        ((IDS, [TABLE, TABLE[:4]]), DIGITS, r"x\.0 and x\.1\.1 must have the same number of rows"),
        (IDS, {"d": DIGITS[:3]}, r"x and y\.d must have the same number of rows; got 20 and 3"),
        ([row for row in TABLE], DIGITS, r"one array of rows with np\.stack"),
        ({"a": IDS, "b": 3}, DIGITS, r"x\.b must have a row axis; got the single number 3"),
        ({}, DIGITS, r"x must hold at least one array; got \{\}"),
        (IDS, None, r"y must hold at least one array; got None"),
        ((IDS[:0], TABLE[:0]), DIGITS[:0], r"must have at least one row"),
    ],
)
def test_bad_arrays_are_refused_by_their_path(x, y, message):
    with pytest.raises(DataError, match=message):
        ArrayDataset(x, y)


def test_settings_must_go_with_the_tree():
    with pytest.raises(DataError, match=r"transform must go with the data, one dict of 'image'"):
        several(transform={"picture": transforms.AddChannel()})
    with pytest.raises(DataError, match=r"dtype must go with the data, one array"):
        ArrayDataset(IDS, DIGITS, dtype=(np.float32, None))
    with pytest.raises(DataError, match=r"transform must be a Transform or a function"):
        several(transform={"image": 3})


def test_checks_name_the_array_and_the_place():
    bad = TABLE.copy()
    bad[4, 1] = np.nan
    with pytest.raises(
        DataError, match=r"x\.b must hold finite numbers; got nan in row 4, column 1"
    ):
        ArrayDataset({"a": IDS, "b": bad}, DIGITS).check()
    with pytest.raises(DataError, match=r"y\.1 must hold finite numbers; got inf in row 2"):
        ArrayDataset(IDS, (DIGITS, np.where(np.arange(20) == 2, np.inf, 0.0))).check()
    with pytest.raises(DataError, match=r"labels of y\.digit must be in \[0, 5\); got"):
        several().check(classes={"digit": 5})
    several().check(classes={"digit": 10})
    with pytest.raises(DataError, match=r"labels of y\.size must be integers"):
        several().check(classes=10)


def test_partitions_must_have_one_structure():
    with pytest.raises(DataError, match=r"rows of partition 1 must be like those of partition 0"):
        PartitionedDataset([((IDS, TABLE), DIGITS), ([IDS, TABLE], DIGITS)])
    data = PartitionedDataset([((IDS, TABLE), DIGITS), ((IDS[:0], TABLE[:0]), DIGITS[:0])])
    assert data.partition_sizes == (20, 0)
    assert data.only([0]).rows(0, [1])[0][0].tolist() == IDS[[1]].tolist()
