"""Types of rows from Spark: the exact value, or at once an error with row and column."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.spark import SparkBackend, SparkDataset
from sandbox.lib.train import Trainer

sys.path.insert(0, str(Path(__file__).parents[1] / "lib" / "data"))
import type_cases as cases

pytestmark = pytest.mark.spark

SQL = {
    "bool": "boolean",
    "int8": "byte",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "float32": "float",
    "float64": "double",
    "small float64": "double",
    "whole float64": "double",
    "nan": "double",
    "null": "int",
    "decimal": "decimal(10,2)",
}
RDD = ("bool", "uint8", "int32", "int64", "uint64", "float64", "nan", "null")
SAMPLE = {("int32", "ids"), ("null", "x")}


def more(*values):
    """Mark a case that `test` leaves out."""
    return pytest.param(*values, marks=pytest.mark.campaign)


def crossed(kinds, sample):
    """Give every kind with every use; `test` takes a sample."""
    return [
        pytest.param(kind, use, marks=[] if (kind, use) in sample else pytest.mark.campaign)
        for kind in kinds
        for use in cases.USES
    ]


@pytest.fixture
def reusing(sessions):
    """A session whose Python processes serve several jobs: many small ones are asked here."""
    return sessions("local[2]", spark_python_worker_reuse="true")


def rows_of(data):
    """Give x and y of all rows, in the driver."""
    parts = [data.rows(p, np.arange(n)) for p, n in enumerate(data.partition_sizes) if n]
    return [np.concatenate(side) for side in zip(*parts, strict=True)]


@pytest.mark.parametrize(("kind", "use"), crossed(SQL, SAMPLE))
def test_columns_keep_their_numbers_or_say_where_not(reusing, kind, use):
    rows = [(value, k) for k, value in enumerate(cases.VALUES[kind])]
    frame = reusing.createDataFrame(rows, f"a {SQL[kind]}, b int").coalesce(1)
    names = {"features": "b", "label": "a"} if use == "y" else {"features": "a", "label": "b"}
    dtype = None if use == "ids" else np.float32
    cases.judge(
        kind,
        use,
        lambda: rows_of(SparkDataset(frame, dtype=dtype, **names))[int(use == "y")],
        "'a'",
    )


@pytest.mark.parametrize(("kind", "use"), crossed(RDD, ()))
def test_rows_of_an_rdd_keep_their_numbers_or_say_where_not(reusing, kind, use):
    dtype = cases.dtype_of(kind)
    values = [v if dtype is None else np.array(v, dtype) for v in cases.VALUES[kind]]
    pairs = [(k, v) if use == "y" else (v, k) for k, v in enumerate(values)]
    rdd = reusing.sparkContext.parallelize(pairs, 1)
    data = SparkDataset(rdd, dtype=None if use == "ids" else np.float32)
    cases.judge(kind, use, lambda: rows_of(data)[int(use == "y")], "y" if use == "y" else "x")


@pytest.mark.parametrize(
    ("rows", "x", "y"),
    [
        ([([1, 2], 0), ([0.44, 0.1], 1)], [[1, 2], [0.44, 0.1]], [0, 1]),
        more([([1.5], 0), ([2.5], 0.5)], [[1.5], [2.5]], [0, 0.5]),
        more([([True], 0), ([3], 1)], [[1], [3]], [0, 1]),
        more([(np.array([5], "u1"), 0), (np.array([300]), 1)], [[5], [300]], [0, 1]),
    ],
)
def test_the_types_of_all_rows_decide_not_those_of_the_first(local, rows, x, y):
    found = rows_of(SparkDataset(local.sparkContext.parallelize(rows, 2)))
    np.testing.assert_array_equal(found[0], np.float32(x))
    np.testing.assert_array_equal(found[1], np.float32(y))


def test_ids_of_several_columns_stay_what_they_are(local):
    frame = local.createDataFrame([(2**24 + 1, 3, 1), (2, 2**40 + 1, 0)], "a long, b long, y int")
    frame = frame.coalesce(1)
    x, _ = rows_of(SparkDataset(frame, features=["a", "b"], label="y", dtype=None))
    assert x.tolist() == [[2**24 + 1, 3], [2, 2**40 + 1]]
    with pytest.raises(DataError, match=r"column 'a' .*float32 can hold; got 16777217.* row 0"):
        rows_of(SparkDataset(frame, features=["a", "b"], label="y"))


def fit(local, data, states=None):
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.ReLU(), nn.Linear(3, 2, rng=1))
    trainer = Trainer(
        model,
        criterion.CrossEntropy(),
        optim.SGD(0.1),
        batch_size=4,
        progress=None,
        backend=SparkBackend(local, ranks=2),
    )
    if states is not None:
        trainer.subscribe(lambda event: states.append(event.get("state")))
    trainer.fit(data, epochs=1)
    return trainer


def columns(local, change):
    """Give a table whose row 13 is changed."""
    rows = [[float(i), float(-i), float(i % 2)] for i in range(20)]
    for column, value in change.items():
        rows[13][column] = value
    return local.createDataFrame(rows, "a double, b double, label double").repartition(1)


def test_labels_stored_as_doubles_are_classes(local):
    frame = columns(local, {})
    trainer = fit(local, SparkDataset(frame, features=["a", "b"]))
    whole = fit(
        local, SparkDataset(frame.selectExpr("a", "b", "int(label) label"), features=["a", "b"])
    )
    for ours, theirs in zip(trainer.model.parameters(), whole.model.parameters(), strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({2: None}, "column 'label' must have a value in each row; got none in row 13"),
        more({1: None}, "column 'b' must have a value in each row; got none in row 13"),
        ({2: 0.5}, r"labels of column 'label' .* int64 can hold; got 0\.5 .*in row 13"),
        more({2: float("nan")}, "labels of column 'label' .* int64 can hold; got nan .*in row 13"),
    ],
)
def test_a_bad_row_ends_the_run_at_once(local, change, message):
    data = SparkDataset(columns(local, change), features=["a", "b"])
    states = []
    with pytest.raises(DataError, match=message):
        fit(local, data, states)
    assert "retrying" not in states


def test_an_error_of_the_users_own_code_is_raised_as_itself(local):
    rdd = local.sparkContext.parallelize(range(20), 2).map(lambda i: ([1 / (i - 13), 1.0], 0))
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        fit(local, rdd)


@pytest.mark.parametrize("what", [more("context"), "lock"])
def test_what_a_transform_may_not_hold_is_said_once(local, what, capfd):
    import threading

    held = local.sparkContext if what == "context" else threading.Lock()
    data = SparkDataset(columns(local, {}), features=["a", "b"], transform=lambda x: (held, x)[1])
    with pytest.raises(ArgumentError, match="cannot travel to the workers"):
        fit(local, data)
    assert "Traceback" not in capfd.readouterr().err


def test_columns_with_dots_and_columns_of_one_name(local):
    frame = local.createDataFrame([(1.0, 2.0, 0), (3.0, 4.0, 1)], "a double, b double, y int")
    dotted = frame.withColumnRenamed("a", "a.b").coalesce(1)
    x, _ = rows_of(SparkDataset(dotted, features=["a.b", "b"], label="y"))
    assert x.tolist() == [[1, 2], [3, 4]]
    joined = frame.crossJoin(frame.select("b"))
    with pytest.raises(DataError, match=r"column 'b' must be there once; got b, b. After a join"):
        SparkDataset(joined, features=["a", "b"], label="y")


def test_frames_and_rdds_are_predicted_and_evaluated_by_the_columns_of_the_training(local):
    frame = columns(local, {})
    trainer = fit(local, SparkDataset(frame, features=["a", "b"]))
    table = frame.toPandas()
    x = table[["a", "b"]].to_numpy("f4")
    expected = trainer.predict(x)
    np.testing.assert_array_equal(trainer.predict(frame.drop("label")), expected)
    np.testing.assert_array_equal(
        trainer.predict(SparkDataset(frame, features=["a", "b"])), expected
    )
    pairs = local.sparkContext.parallelize(list(zip(x, table["label"], strict=True)), 1)
    np.testing.assert_array_equal(trainer.predict(pairs), expected)
    assert trainer.evaluate(frame) == trainer.evaluate((x, table["label"].to_numpy()))


def test_bytes_are_predicted_without_labels_and_not_trained(local):
    pixels = np.arange(8, dtype="u1").reshape(4, 2)
    frame = local.createDataFrame(
        [(bytearray(row.tobytes()), k % 2) for k, row in enumerate(pixels)],
        "features binary, label int",
    ).coalesce(1)
    trainer = fit(local, frame)
    expected = trainer.predict(pixels)
    np.testing.assert_array_equal(trainer.predict(frame.drop("label")), expected)
    with pytest.raises(DataError, match="must have labels; got label=None"):
        fit(local, SparkDataset(frame, label=None))
