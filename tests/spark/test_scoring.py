"""One scorer: the same numbers from DataFrames, SQL and pandas, whatever their partitions."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError, DataError

pytestmark = pytest.mark.spark

ROWS = 1000


@pytest.fixture
def frame(local):
    from pyspark.ml.linalg import Vectors

    numbers = np.random.default_rng(0).standard_normal((ROWS, 4))
    rows = [
        (k, Vectors.sparse(4, [1], [row[1]]) if k % 3 else Vectors.dense(row), {"at": k}, k / 7)
        for k, row in enumerate(numbers)
    ]
    return local.createDataFrame(rows, ["id", "a.b", "nested", "x"])


def scorer(inputs="a.b", kind="vector", model=None, **kwargs):
    from sandbox.lib.spark.scoring import Outputs, Scorer

    model = nn.zoo.mlp([4, 8, 3], rng=0) if model is None else model
    return Scorer(model, inputs, Outputs("prediction", kind), **kwargs)


def predictions(frame):
    rows = frame.select("id", "prediction").collect()
    return np.array([row.prediction for row in sorted(rows)])


def test_transform_sql_and_pandas_give_the_same_bits_however_rows_are_cut(frame) -> None:
    made = scorer()
    scored = made.transform(frame)
    assert scored.columns == [*frame.columns, "prediction"]
    assert scored.schema["prediction"].dataType == frame.schema["a.b"].dataType
    expected = predictions(scored)
    assert expected.shape == (ROWS, 3)
    for other in (frame.coalesce(1), frame.repartition(7)):
        np.testing.assert_array_equal(predictions(made.transform(other)), expected)
    spark = frame.sparkSession
    spark.udf.register("predict", made.udf())
    frame.createOrReplaceTempView("rows")
    np.testing.assert_array_equal(
        predictions(spark.sql("select id, predict(`a.b`) as prediction from rows")), expected
    )
    scored.createOrReplaceTempView("scored")
    assert spark.sql("select * from scored where id < 5").count() == 5
    table = made.pandas(frame.toPandas())
    np.testing.assert_array_equal(np.array(list(table["prediction"])), expected)
    kept = scored.drop("prediction").where("id = 3").collect()
    assert kept == frame.where("id = 3").collect()


def test_a_transform_uses_the_weights_as_of_its_call(frame) -> None:
    model = nn.Sequential(fc=nn.Linear(4, 1, bias=False, rng=0))
    before = scorer(kind="double", model=model).transform(frame.limit(3))
    expected = predictions(before)
    model.fc.weight.set(np.zeros((1, 4)))
    np.testing.assert_array_equal(predictions(before), expected)
    assert not predictions(scorer(kind="double", model=model).transform(frame.limit(3))).any()


def test_several_columns_and_inputs_are_read_as_in_training(frame) -> None:
    both = nn.Sequential(fc=nn.Linear(2, 1, rng=0))
    table = frame.selectExpr("id", "x", "cast(id as int) as n")
    made = scorer(["n", "x"], "double", both)
    rows = np.stack([np.arange(ROWS), np.arange(ROWS) / 7], axis=1).astype("f4")
    found = predictions(made.transform(table))
    np.testing.assert_allclose(found, np.asarray(both(rows))[:, 0], rtol=1e-4)
    udf = table.select("id", made.udf()("n", "x").alias("prediction"))
    np.testing.assert_array_equal(predictions(udf), found)


def test_an_answer_does_not_replace_a_column(frame) -> None:
    with pytest.raises(DataError, match=r"'prediction' must not be there yet.*'Prediction'"):
        scorer().transform(frame.withColumnRenamed("x", "Prediction"))


def test_a_missing_column_is_refused_with_the_one_that_may_be_meant(frame) -> None:
    with pytest.raises(DataError, match=r"got no a_b\..*'a_b': is 'a.b' meant"):
        scorer("a_b").transform(frame)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1.0, 2.0], None], "'v' must have a value in each row; got none in row 1"),
        ([[1.0, 2.0], [1.0, None]], "'v' must have a value in each row; got none in row 1"),
        ([[1.0, 2.0], [1.0, np.nan]], "'v' must hold finite numbers; got nan in row 1, place 1"),
        ([[1.0], [1.0, 2.0]], "'v' must hold 2 numbers in each row; got 1 in row 0"),
    ],
)
def test_a_bad_row_is_named(local, values, said) -> None:
    from pyspark.errors import PySparkException

    frame = local.createDataFrame([(v,) for v in values], "v array<double>").coalesce(1)
    made = scorer("v", model=nn.Sequential(fc=nn.Linear(2, 1, rng=0)), shape=(2,))
    with pytest.raises(PySparkException, match="partition 0 of the DataFrame: column " + said):
        made.transform(frame).collect()
    if "none in row 1" in said:
        said = "'v' must "  # pandas has NaN in lists where Spark has nothing
    with pytest.raises(DataError, match="table: column " + said):
        made.pandas(frame.toPandas())


def test_answers_without_their_methods_are_refused() -> None:
    from sandbox.lib.spark.scoring import Scorer

    with pytest.raises(ArgumentError, match="`answers` must have the methods"):
        Scorer(nn.Linear(2, 1, rng=0), "x", "prediction")
