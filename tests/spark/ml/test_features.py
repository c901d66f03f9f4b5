"""Feature columns as stages of Spark ML: the same bits as here, files, errors of one screen."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import BinaryClassificationEvaluator

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import FeatureColumns, census, sources
from sandbox.lib.data.tables.columns import (
    Buckets,
    Category,
    Cross,
    Number,
)
from sandbox.lib.spark.ml import FeatureEncoder, NNClassifier

pytestmark = pytest.mark.spark

ROWS = 500
KINDS = [
    Number("age"),
    Number("the gain.in $", log=True),
    Number("hours", missing="mean"),
    Buckets("age", 5),
    Buckets("hours", boundaries=[20, 40]),
    Category("job", min_count=3),
    Category("town", max_size=4),
    Category("code", buckets=50),
    Category("day"),
    Category("member"),
    Cross(["job", "age"]),
    Cross(["town", "code", "hours"], buckets=100),
]


def people(seed=0, rows=ROWS):
    rng = np.random.default_rng(seed)
    words = np.array(["cook", "smith", "clerk", "Ärztin", "diver", None], object)
    towns = np.array([f"town {k}" for k in range(12)], object)
    hours = rng.uniform(0, 60, rows)
    return pa.table(
        {
            "age": pa.array(rng.integers(17, 90, rows), pa.int16()),
            "the gain.in $": rng.exponential(1000.0, rows) * (rng.random(rows) < 0.2),
            "hours": pa.array(hours.astype("f4"), mask=rng.random(rows) < 0.1),
            "job": pa.array(rng.choice(words, rows, p=[0.4, 0.2, 0.13, 0.1, 0.004, 0.166])),
            "town": pa.array(rng.choice(towns, rows)),
            "code": pa.array(rng.integers(0, 1000, rows), pa.int64()),
            "day": pa.array([date(2026, 1, 1 + k) for k in rng.integers(0, 5, rows)]),
            "member": pa.array(rng.random(rows) < 0.5),
            "tags": pa.array([["a", "b"]] * rows),
        }
    )


def test_a_dataframe_gives_the_statistics_and_bits_of_a_table(local, tmp_path):
    table = people()
    frame = local.createDataFrame(table).repartition(3)
    here = FeatureColumns.fit(table, KINDS)
    encoder = FeatureEncoder(KINDS, outputCols=["which", "how much"])
    model = encoder.fit(frame)
    assert model.features == here
    assert model.uid == encoder.uid
    assert here.columns[5].vocabulary == ("cook", "smith", "clerk", "Ärztin")

    new = people(seed=1)
    made = model.transform(local.createDataFrame(new).repartition(2))
    assert made.columns == [*new.column_names, "which", "how much"]
    assert [kind for _, kind in made.dtypes[-2:]] == ["array<int>", "array<float>"]
    got = made.toArrow()
    ids, row = here.table(got)
    assert np.array_equal(np.stack(got["which"].to_numpy()), ids)
    assert np.stack(got["how much"].to_numpy()).tobytes() == row.tobytes()
    assert sorted(map(str, got.select(new.column_names).to_pylist())) == sorted(
        map(str, new.to_pylist())
    )
    plan = made.select("which", "how much")._jdf.queryExecution().toString()
    optimized = plan.partition("Physical Plan")[2]
    assert optimized.count("ArrowEvalPython") == 1  # both columns of one pass

    here_too = model.pandas(got.select(new.column_names).to_pandas())
    assert list(here_too.columns) == made.columns
    assert np.stack(here_too["which"]).tobytes() == ids.tobytes()
    assert np.stack(here_too["how much"]).tobytes() == row.tobytes()

    folder = f"file:{tmp_path}/model"
    PipelineModel([model]).write().overwrite().save(folder)
    encoder.save(f"file:{tmp_path}/encoder")
    assert FeatureEncoder.load(f"file:{tmp_path}/encoder").getColumns() == KINDS
    again = PipelineModel.load(folder).stages[0]
    assert again.features == here
    assert again.getOutputCols() == ["which", "how much"]
    assert again.uid == model.uid


def test_streams_and_empty_frames_are_encoded(local, tmp_path):
    frame = local.createDataFrame(people())
    model = Pipeline(stages=[FeatureEncoder(KINDS)]).fit(frame)
    assert model.transform(frame.limit(0)).count() == 0
    frame.write.parquet(f"{tmp_path}/rows")
    stream = local.readStream.schema(frame.schema).parquet(f"{tmp_path}/rows")
    query = (
        model.transform(stream)
        .select("ids", "row")
        .writeStream.format("memory")
        .queryName("encoded")
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    assert local.table("encoded").count() == ROWS


def test_params_are_checked_copied_and_explained():
    encoder = FeatureEncoder([Number("age")])
    assert encoder.getOutputCols() == ["row"]
    assert FeatureEncoder([Category("job")]).getOutputCols() == ["ids"]
    other = encoder.copy({encoder.outputCols: ["x"]})
    assert (encoder.getOutputCols(), other.getOutputCols()) == (["row"], ["x"])
    assert "columns" in encoder.explainParams()
    assert encoder.setColumns([Category("job")]).getColumns() == [Category("job")]
    with pytest.raises(ArgumentError, match="`outputCols` must be 1 names, of ids; got a, b"):
        encoder.setOutputCols(["a", "b"]).getOutputCols()
    for wrong in ([], ["age"], 3, [{"kind": "spam"}]):
        with pytest.raises((ArgumentError, DataError), match=r"columns|kind"):
            FeatureEncoder(wrong)
    with pytest.raises(ArgumentError, match="`columns` must be set"):
        FeatureEncoder().getColumns()
    with pytest.raises(ArgumentError, match="Did you mean 'outputCols'"):
        FeatureEncoder(outputCol=["x"])


WRONG_FRAMES = [
    ("select *, 1 as ids from rows", r"output columns must be new; got 'ids'.*outputCols="),
    ("select age as Age, job from rows", r"the column 'age'; got Age, job.*'Age'\?"),
    ("select null as age, job from rows where age is null", "'age' must hold numbers; got void"),
    ("select cast(age as int) age, job from rows where age < 0", "at least one number; got none"),
    ("select cast(null as int) as age, job from rows", "at least one number; got none"),
    ("select double('infinity') as age, job from rows", "finite numbers; got 500 rows"),
    ("select if(age < 30, null, age) as age, job from rows", "must have a number .*dropna"),
    ("select age, tags as job from rows", "'job' must hold words; got array"),
    ("select string(age) as age, job from rows", "'age' must hold numbers; got string"),
]


def test_bad_frames_are_refused_by_column_when_fitted(local):
    local.createDataFrame(people()).createOrReplaceTempView("rows")
    encoder = FeatureEncoder([Number("age"), Category("job")])
    for query, message in WRONG_FRAMES[1:]:
        with pytest.raises(DataError, match=message):
            encoder.fit(local.sql(query))
    model = encoder.fit(local.sql("select age, job from rows"))
    for query, message in WRONG_FRAMES[:2]:
        with pytest.raises(DataError, match=message):
            model.transform(local.sql(query))
    gap = local.sql("select if(age < 30, null, age) as age, job from rows").coalesce(1)
    with pytest.raises(Exception, match=r"partition 0: column 'age' must have .* got none in row"):
        model.transform(gap).collect()


FRESH = """
import json, sys
from pyspark.ml import PipelineModel
from sandbox.lib.spark import spark_session
spark = spark_session("local[1]")
frame = spark.read.parquet(sys.argv[2])
rows = PipelineModel.load(sys.argv[1]).transform(frame).select("ids").collect()
print("answer", json.dumps([row[0] for row in rows]))
spark.stop()
"""


@pytest.mark.campaign
def test_a_fresh_process_encodes_alike(local, tmp_path):
    frame = local.createDataFrame(people(rows=20)).coalesce(1)
    frame.write.parquet(f"{tmp_path}/rows")
    model = Pipeline(stages=[FeatureEncoder(KINDS)]).fit(frame)
    model.save(f"file:{tmp_path}/model")
    told = subprocess.run(
        [sys.executable, "-c", FRESH, f"file:{tmp_path}/model", f"{tmp_path}/rows"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    expected = [row[0] for row in model.transform(frame).select("ids").collect()]
    assert json.loads(told.partition("answer ")[2]) == expected


def test_people_of_the_census_come_as_a_dataframe(local, tmp_path, monkeypatch):
    monkeypatch.setenv("SANDBOX_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("SANDBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SANDBOX_OFFLINE", "1")
    monkeypatch.setattr(sources, "IMAGE_FOLDER", tmp_path / "image")
    frame = census.frame(local, "test")
    assert tuple(frame.columns) == census.COLUMNS
    assert {kind for _, kind in frame.dtypes} == {"int", "string"}
    table = census.load("test").table
    assert frame.count() == len(table)
    assert frame.where("occupation is null").count() == table.occupation.isna().sum()


def test_networks_of_a_grid_are_judged_as_trained(local):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, (2, 400))
    table = pa.table({"a": a, "b": b, "label": ((a > 1) == (b > 1)).astype(float)})
    frame = local.createDataFrame(table).coalesce(1)
    encoder = FeatureEncoder([Category("a"), Category("b"), Cross(["a", "b"])]).fit(frame)
    sizes = encoder.features
    wide, flat = (
        nn.zoo.wide_and_deep(fields, 0, 2, 0, hidden=(), embedded=2)
        for fields in (sizes.fields, (*sizes.fields[:2], 99))
    )
    stage = NNClassifier(
        wide, criterion.CrossEntropy(), optim.Adam(0.05), featuresCol="ids", maxEpoch=6, ranks=1
    )
    data = encoder.transform(frame)
    fitted = stage.fit(data)
    judge = BinaryClassificationEvaluator()
    assert judge.evaluate(fitted.transform(data)) > 0.99
    for other in (wide, flat):  # as a CrossValidator does: with the Params it was fitted with
        again = fitted.transform(data, {stage.model: other})
        assert judge.evaluate(again) > 0.99
