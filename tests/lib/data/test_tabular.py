"""Columns by name, the scaler, splits by time, weights and costs; bad tables named."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import (
    ArrayDataset,
    Scaler,
    class_weights,
    features,
    labels_of,
    threshold_costs,
    time_split,
)


def table(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "time": np.sort(rng.integers(0, 1000, rows)),
        "amount": rng.lognormal(3, 1, rows),
        "v1": rng.normal(2, 5, rows).astype("f4"),
        "still": np.full(rows, 0.1),
        "class": (rng.random(rows) < 0.1).astype("i8"),
    }


COLUMNS = ["v1", "time", "still"]


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pa.table], ids=["dict", "pandas", "arrow"])
def test_scaler_gives_the_numbers_of_scikit_learn(kind):
    data = table()
    x = np.column_stack([data[name] for name in COLUMNS]).astype("f8")
    expected = StandardScaler().fit(x)
    scaler = Scaler.fit(kind(data), COLUMNS)
    np.testing.assert_allclose(scaler.table(kind(data)), expected.transform(x), atol=2e-6)
    assert scaler.table(kind(data)).dtype == np.float32
    assert scaler.std[2] == 1.0


def test_columns_are_found_by_name_in_any_order():
    data = table()
    scaler = Scaler.fit(data, COLUMNS)
    turned = dict(reversed(data.items()))
    np.testing.assert_array_equal(scaler.table(data), scaler.table(turned))
    np.testing.assert_array_equal(features(turned, ["v1", "time"])[:, 0], data["v1"])


def test_logarithms_tame_amounts():
    data = table()
    scaler = Scaler.fit(data, ["amount", "v1"], log=["amount"])
    logged = np.log1p(data["amount"])
    expected = (logged - logged.mean()) / logged.std()
    np.testing.assert_allclose(scaler.table(data)[:, 0], expected, atol=1e-6)
    assert scaler.table({"amount": [-5.0], "v1": [0.0]}).shape == (1, 2)


def test_scaler_is_a_transform_and_comes_back_from_its_folder(tmp_path):
    data = table()
    scaler = Scaler.fit(data, COLUMNS, log=["time"])
    scaler.save(tmp_path / "scaler")
    again = Scaler.load(tmp_path / "scaler")
    assert scaler == again
    assert scaler == pickle.loads(pickle.dumps(scaler))
    x = np.column_stack([data[name] for name in COLUMNS])
    rows = ArrayDataset(x, data["class"], transform=again).rows(0, [3, 1])[0]
    np.testing.assert_array_equal(rows, scaler.table(data)[[3, 1]])
    assert Scaler.fit(x).columns == ("0", "1", "2")


def test_time_splits_before_and_after():
    first, second = time_split(np.arange(10), 0.7)
    assert (first.tolist(), second.tolist()) == (list(range(7)), [7, 8, 9])
    first, second = time_split([1, 2, 2, 2, 3], 0.6)
    assert (first.tolist(), second.tolist()) == ([0], [1, 2, 3, 4])


def test_class_weights_balance():
    y = np.array([0] * 90 + [1] * 9 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(class_weights(y), expected, rtol=1e-6)
    np.testing.assert_allclose(class_weights(y, power=0.5), np.sqrt(expected), rtol=1e-6)
    assert class_weights(y, power=0).tolist() == [1, 1, 1]


def test_costs_are_those_of_counting():
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.2).astype(int)
    scores = (rng.random(300) + 0.5 * y).round(2)
    amounts = rng.uniform(1, 100, 300)
    rows = threshold_costs(scores, y, false_positive=2.0, false_negative=amounts)
    for row in rows:
        flagged = scores >= row.threshold
        expected = 2.0 * (flagged & (y == 0)).sum() + amounts[~flagged & (y == 1)].sum()
        assert row.cost == pytest.approx(expected)
        assert row.true_positives == (flagged & (y == 1)).sum()
        assert row.false_positives == (flagged & (y == 0)).sum()
        assert row.false_negatives == (~flagged & (y == 1)).sum()
        assert row.true_negatives == (~flagged & (y == 0)).sum()
    assert rows[-1].threshold == np.inf
    assert len(rows) <= 201
    every = [threshold_costs(scores, y, thresholds=[t])[0].cost for t in np.unique(scores)]
    best = min(row.cost for row in threshold_costs(scores, y))
    assert best == min([*every, 10 * y.sum()])


def bad(**changes):
    return table(20) | changes


def with_nan():
    amount = np.arange(20.0)
    amount[13] = np.nan
    return bad(amount=amount)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Scaler.fit(with_nan(), ["v1", "amount"]), "column 'amount' .*got nan in row 13"),
        (lambda: features(with_nan(), ["amount"]), "'amount' must hold finite .*got nan in row 13"),
        (
            lambda: features(bad(), ["v1", "V2", "v9"]),
            "must have the columns 'V2', 'v9'; got time, amount, v1, still, class. Check the spell",
        ),
        (
            lambda: Scaler.fit(bad(v1=np.array(["x"] * 20)), ["v1"]),
            "column 'v1' must be numbers; got dtype <U1, first value .*'x'",
        ),
        (lambda: Scaler.fit({"a": []}), "at least one row; got 0"),
        (lambda: Scaler.fit({"a": [1], "b": [1, 2]}), "the same number of rows; got"),
        (lambda: Scaler.fit([1, 2]), "a table must be a mapping .*; got list"),
        (
            lambda: Scaler.fit(bad(), COLUMNS).call(np.zeros((2, 2))),
            "the 3 columns v1, time, still",
        ),
        (lambda: labels_of(bad(), "Class"), "must have the column 'Class'; got time"),
        (
            lambda: labels_of(bad(**{"class": np.array(["fraud"] * 20)}), "class"),
            "column 'class' must be numbers; got dtype <U5, first value .*'fraud'",
        ),
        (
            lambda: labels_of(bad(**{"class": np.linspace(0, 1, 20)}), "class"),
            "column 'class' must hold numbers that int64 can hold; got 0.0526.* in row 1",
        ),
        (
            lambda: labels_of(bad(**{"class": np.tile([1, 2], 10)}), "class"),
            r"must be in \[0, 2\); got 2 in row 1. Labels count from 0: subtract 1",
        ),
        (lambda: time_split([1, 5, 3]), "never decrease; got 3 in row 2 after 5. Sort the table"),
        (lambda: time_split([1, np.nan, 3]), "got NaN in row 1"),
        (lambda: time_split(["a", "b"]), "a list of at least 2 numbers"),
        (lambda: class_weights([0, 2]), "each class must have rows; got none of class 1"),
        (lambda: class_weights([0, 5], classes=2), r"in \[0, 2\); got 5 in row 1"),
        (lambda: class_weights([0.5]), "a list of integers; got float64"),
        (lambda: threshold_costs([0.5], [2]), "labels must be 0 or 1; got 2 in row 0"),
        (lambda: threshold_costs([np.nan, 1], [0, 1]), "got NaN in row 0"),
        (lambda: threshold_costs([0.5], [0, 1]), "a label for each score; got 1 and 2"),
    ],
)
def test_bad_tables_are_named(act, message):
    with pytest.raises(DataError, match=message):
        act()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Scaler(["a", "a"], [0, 0], [1, 1]), "different names; got 'a' twice"),
        (lambda: Scaler(["a"], [0], [0]), "std must be > 0"),
        (lambda: Scaler(["a"], [0, 1], [1]), "mean must be 1 finite numbers"),
        (lambda: Scaler(["a"], [0], [1], log=["b"]), "`log` must be one of 'a'"),
        (lambda: time_split([1, 2], 1.0), "`share` must be a number"),
    ],
)
def test_arguments_out_of_range_are_named(act, message):
    with pytest.raises(ArgumentError, match=message):
        act()


@pytest.mark.parametrize("text", ["", "{}", '{"format": "scaler 1", "columns": ["a"]}'])
def test_files_that_are_no_scaler_are_named(tmp_path, text):
    (tmp_path / "scaler.json").write_text(text)
    with pytest.raises(DataError, match=r"scaler\.json: must be"):
        Scaler.load(tmp_path)


def test_a_column_of_a_spark_table_as_labels_is_answered_with_how_to_bring_it_here():
    class Column:
        __module__ = "pyspark.sql.classic.column"  # the real one needs a session

    with pytest.raises(DataError, match=r"got a Spark Column\. Bring them here: df\.select"):
        class_weights(Column())
