"""Classifiers as a Spark user meets them: in pipelines, with evaluators, saved and loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.linalg import Vectors

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark.ml import NNClassifier

pytestmark = pytest.mark.spark


def classifier(**params):
    params = {"progress": False, "batchSize": 40, "maxEpoch": 12, **params}
    network = nn.zoo.mlp([3, 16, 2], rng=0)
    return NNClassifier(network, criterion.CrossEntropy(), optim.Adam(0.02), **params)


def answers(table, *names):
    rows = table.select(*names).collect()
    return [np.array([np.asarray(getattr(r[n], "values", r[n])) for r in rows]) for n in names]


@pytest.fixture
def fitted(frame):
    stage = classifier(labelCol="word", predictedLabelCol="called")
    assembler = VectorAssembler(inputCols=["a", "b", "c"], outputCol="row")
    return Pipeline(stages=[assembler, stage.setFeaturesCol("row")]).fit(frame)


def test_a_pipeline_learns_and_answers_as_sparks_own_classifiers(frame, fitted, tmp_path):
    scored = fitted.transform(frame).cache()
    more = ["row", "rawPrediction", "probability", "prediction", "called"]
    assert scored.columns == [*frame.columns, *more]
    kinds = [scored.schema[name].dataType.simpleString() for name in more[1:]]
    assert kinds == ["vector", "vector", "double", "string"]

    raw, shares, chosen, called, word = answers(scored, *more[1:], "word")
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    np.testing.assert_allclose(shares, odds / odds.sum(axis=1, keepdims=True), rtol=1e-12)
    assert (chosen == shares.argmax(axis=1)).all()
    assert (called == np.array(["no", "yes"])[chosen.astype(int)]).all()
    assert (called == word).mean() > 0.9

    model = fitted.stages[-1]
    assert (model.labels, model.numClasses, model.numFeatures) == (model.labels, 2, 3)
    assert model.getLabels() == ["no", "yes"]
    assert len(model.history) == 12 * 6
    assert model.history["loss"][-1] < 0.35
    first = frame.first()["array"]
    assert (model.predictProbability(Vectors.dense(first)).toArray() == shares[0]).all()
    assert (model.predictRaw(first).toArray() == raw[0]).all()
    assert model.predict(first) == chosen[0]

    numbered = scored.withColumn("label", scored["number"])
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(numbered)
    assert accuracy == pytest.approx((called == word).mean())
    assert BinaryClassificationEvaluator().evaluate(numbered) > 0.95

    path = (tmp_path / "pipeline").as_uri()
    fitted.write().save(path)
    frame.coalesce(1).write.parquet(str(tmp_path / "rows"))
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("load_process.py"), path, tmp_path / "rows"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["probability"] == shares.tolist()
    assert told["labels"] == ["no", "yes"]
    scored.unpersist()
