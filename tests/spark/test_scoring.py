"""One scorer: the same numbers from DataFrames, SQL and pandas, whatever their partitions."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError, DataError, SparkSetupError

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


def test_frames_of_no_rows_of_tiny_partitions_and_of_one_large_one(local) -> None:
    made = scorer(["x"], "double", nn.Sequential(fc=nn.Linear(1, 1, rng=0)), shape=(1,))
    plain = "id", "float(id % 97) as x"
    empty = made.transform(local.range(0).selectExpr(*plain))
    assert empty.collect() == []
    assert empty.toPandas().columns.tolist() == ["id", "x", "prediction"]
    small = made.transform(local.range(0, 5000, 1, 2000).selectExpr(*plain).coalesce(2))
    large = made.transform(local.range(0, 25_000, 1, 1).selectExpr(*plain))
    sums = [frame.where("id < 5000").agg({"prediction": "sum"}) for frame in (small, large)]
    assert sums[0].first()[0] == pytest.approx(sums[1].first()[0], rel=1e-12)
    assert large.count() == 25_000


def test_spark_plans_queries_through_it_and_runs_nothing_that_is_not_asked_for(
    frame, capsys
) -> None:
    from pyspark.sql import functions as f

    scored = scorer().transform(frame.withColumn("s", f.struct("id", "nested")))
    scored.explain()
    assert capsys.readouterr().out.count("predict(") == 1
    scored.select("id").explain()
    assert "predict" not in capsys.readouterr().out
    row = scored.where("s.id = 7").limit(1).first()
    assert row.s.nested == {"at": 7}
    cached = scored.persist()
    first = predictions(cached)
    np.testing.assert_array_equal(predictions(cached.join(frame.select("id"), "id")), first)
    cached.unpersist()
    with pytest.raises(DataError, match="'ID' must be there once"):
        scorer(["ID"]).transform(frame.selectExpr("id", "id as ID"))
    exact = frame.sparkSession
    exact.conf.set("spark.sql.caseSensitive", "true")
    try:
        both = scorer().transform(frame.withColumnRenamed("x", "Prediction"))
        assert both.columns[-2:] == ["Prediction", "prediction"]
        assert both.first().Prediction == 0.0
    finally:
        exact.conf.unset("spark.sql.caseSensitive")


def test_rows_that_lack_a_value_may_get_null(local) -> None:
    frame = local.createDataFrame([(0, 1.0), (1, None), (2, 3.0)], "id int, x double").coalesce(1)
    model = nn.Sequential(fc=nn.Linear(1, 1, rng=0))
    made = scorer(["x"], "double", model, shape=(1,), empty="null")
    found = [row.prediction for row in made.transform(frame).orderBy("id").collect()]
    assert found[1] is None
    assert None not in (found[0], found[2])
    table = made.pandas(frame.toPandas().astype({"x": "Float64"}))
    assert table["prediction"].isna().tolist() == [False, True, False]
    assert made.transform(frame.where("id = 1")).first().prediction is None


def test_pandas_on_spark_and_pandas_come_back_as_they_were_given(frame) -> None:
    made = scorer(["x"], "double", nn.Sequential(fc=nn.Linear(1, 1, rng=0)), shape=(1,))
    few = frame.select("id", "x").limit(20).coalesce(1)
    expected = predictions(made.transform(few))
    table = few.toPandas().set_index("id")
    here = made.transform(table)
    np.testing.assert_array_equal(here["prediction"], expected)
    assert here.index.equals(table.index)
    on_spark = made.transform(few.pandas_api(index_col="id"))
    assert on_spark.index.names == ["id"]
    back = on_spark.to_spark(index_col="id").orderBy("id").toPandas()
    np.testing.assert_array_equal(back["prediction"], expected)
    with pytest.raises(ArgumentError, match="`frame` must be a DataFrame of Spark or pandas"):
        made.transform([[1.0]])


def test_a_tree_of_inputs_bytes_and_pictures_are_read(local) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 2, rng=0)
            self.table = nn.Embedding(5, 2, rng=0)

        def call(self, ids, row):
            return {"sum": self.fc(row) + self.table(ids)}

    from sandbox.lib.spark.scoring import Outputs, Scorer

    numbers = np.arange(12, dtype="u1").reshape(3, 4)
    rows = [(k, k + 1, row.astype("f8").tolist(), bytes(row)) for k, row in enumerate(numbers)]
    kinds = "id int, shop int, row array<double>, file binary"
    frame = local.createDataFrame(rows, kinds).coalesce(1)
    model, floats = Both(), numbers.astype("f4")
    answers = Outputs("prediction", "array<float>", output="sum")
    found = predictions(Scorer(model, {"ids": "shop", "row": "row"}, answers).transform(frame))
    expected = model(ids=np.arange(1, 4), row=floats)["sum"]
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-5)

    fc = nn.Sequential(fc=nn.Linear(4, 2, rng=0))
    halves = Scorer(
        fc,
        "file",
        Outputs("prediction", "array<float>"),
        decode=lambda data: np.frombuffer(data, "u1") / np.float32(2),
    )
    whole = Scorer(fc, "file", Outputs("prediction", "array<float>"))
    for made, x in ((halves, floats / 2), (whole, floats)):
        found = predictions(made.transform(frame))
        np.testing.assert_allclose(found, np.asarray(fc(x)), rtol=1e-5)


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


@pytest.mark.campaign
def test_a_worker_that_is_killed_is_replaced_and_its_rows_are_scored_again(sessions, tmp_path):
    marker = str(tmp_path / "killed")

    class Dies(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1, rng=0)

        def call(self, x):
            return self.fc(x)

        def __setstate__(self, state):
            import os
            import signal

            vars(self).update(state)
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(os.getpid(), signal.SIGKILL)

    spark = sessions("local[2,4]")  # a task may fail three times
    frame = spark.range(0, 3000, 1, 6).selectExpr("id", "float(id % 97) as x")
    model = Dies()
    made = scorer(["x"], "double", model, shape=(1,))
    found = predictions(made.transform(frame))
    x = np.arange(3000, dtype="f4")[:, None] % 97
    np.testing.assert_allclose(found, np.asarray(model(x))[:, 0], rtol=1e-5)
    assert (tmp_path / "killed").exists()


def test_spark_connect_is_refused_with_what_to_use() -> None:
    class Session:  # none of Connect's can be made here: its packages are not installed
        pass

    made = scorer(["x"], "double")
    with pytest.raises(SparkSetupError, match=r"got Spark Connect.*scorer\.pandas"):
        made._function(made.answers.fields(), Session(), bare=True)
