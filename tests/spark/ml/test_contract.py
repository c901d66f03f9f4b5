"""What all stages of Spark ML keep: ours, and Spark's own, by which the clauses are proved."""

from __future__ import annotations

import pytest
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import StringIndexer, VectorAssembler

from sandbox.lib import criterion, nn, optim
from sandbox.lib.data.tables.columns import Category, Number
from sandbox.lib.spark.ml import FeatureEncoder, NNClassifier, NNEstimator, NNRegressor
from sandbox.lib.testing.stages import StageCase, check_stage

pytestmark = pytest.mark.spark

FITTING = {"batchSize": 60, "maxEpoch": 1, "progress": False, "ranks": 1}


def network(outputs):
    return nn.zoo.mlp([3, 4, outputs], rng=0)


KINDS = {
    "NNEstimator": dict(
        make=lambda: NNEstimator(network(2), criterion.CrossEntropy(), optim.SGD(0.1), **FITTING),
        changes={"batchSize": 80, "seed": 3, "learningRate": 0.5, "predictionCol": "said"},
        wrong={"batchSize": "many", "learningRate": -1.0, "maxEpoch": 0, "model": 3},
        reads=("features",),
        empties="features",
        apart=("batchSize",),
    ),
    "NNClassifier": dict(
        make=lambda: NNClassifier(network(2), criterion.CrossEntropy(), **FITTING),
        changes={"batchSize": 80, "clipNorm": 2.0, "thresholds": [0.4, 0.6], "labels": ["a", "b"]},
        wrong={"batchSize": 0, "labels": "yes", "classWeights": 3, "validationSplit": 1.5},
        reads=("features",),
        empties="features",
        apart=("batchSize",),
    ),
    "NNRegressor": dict(
        make=lambda: NNRegressor(network(1), criterion.MSE(), labelCol="total", **FITTING),
        changes={"batchSize": 80, "maxIter": 2, "predictionCol": "said"},
        wrong={"optimizer": "sgd", "criterion": None.__class__, "threads": 0},
        reads=("features",),
        empties="features",
        apart=("batchSize",),
    ),
    "FeatureEncoder": dict(
        make=lambda: FeatureEncoder([Number("number"), Category("word")]),
        changes={"outputCols": ["i", "n"]},
        wrong={"outputCols": ["same", "same"], "columns": "age"},
        reads=("number", "word"),
        clash="ids",
        empties="number",
        apart=("columns",),
    ),
    "LogisticRegression": dict(
        make=lambda: LogisticRegression(maxIter=2),
        changes={"maxIter": 1, "threshold": 0.3, "predictionCol": "said"},
        wrong={"maxIter": "many", "threshold": "high"},
        reads=("features",),
    ),
    "StringIndexer": dict(
        make=lambda: StringIndexer(inputCol="word", outputCol="index"),
        changes={"handleInvalid": "keep", "outputCol": "another"},
        wrong={"inputCol": 3},
        reads=("word",),
        clash="index",
        trains=False,
        misses=False,
    ),
    "VectorAssembler": dict(
        make=lambda: VectorAssembler(inputCols=["a", "b"], outputCol="both"),
        changes={"outputCol": "another", "handleInvalid": "skip"},
        wrong={"inputCols": 3},
        reads=("a", "b"),
        clash="both",
    ),
}


@pytest.fixture(scope="session")
def cases(tmp_path_factory):
    """A case for each kind of stage, fitted once for all of its clauses."""
    return {}


FIRST = ("NNClassifier", "FeatureEncoder")  # the others run in `test --all`


@pytest.mark.parametrize(
    "kind", [k if k in FIRST else pytest.param(k, marks=pytest.mark.campaign) for k in KINDS]
)
def test_a_stage_keeps_what_all_stages_keep(kind, frame, tmp_path):
    rows = frame.withColumn("label", frame.truth.cast("int"))
    check_stage(StageCase(frame=rows, folder=tmp_path, **KINDS[kind]))
