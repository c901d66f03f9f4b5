"""Spark's own model selection over networks: fits beside each other share the ranks."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.tuning import (
    CrossValidator,
    ParamGridBuilder,
    TrainValidationSplit,
)

from sandbox.lib import criterion, nn, optim
from sandbox.lib.spark.ml import NNClassifier, NNRegressor

# Spark's tuning leaves its pools of threads open
pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore:unclosed running multiprocessing:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def _pools():
    yield
    gc.collect()


def network(seed=0):
    return nn.zoo.mlp([3, 8, 2], rng=seed)


@pytest.mark.parametrize("ranks", [None, pytest.param(1, marks=pytest.mark.campaign)])
def test_two_fits_at_once_give_the_bits_of_one_after_the_other(frame, ranks):
    stage = NNClassifier(
        network(),
        criterion.CrossEntropy(),
        labelCol="number",
        progress=False,
        maxIter=5,
        ranks=ranks,
    )
    grid = ParamGridBuilder().addGrid(stage.model, [network(1), network(2)]).build()
    judge = MulticlassClassificationEvaluator(labelCol="number", metricName="logLoss")

    def search(parallelism):
        validator = CrossValidator(
            estimator=Pipeline(stages=[stage]),
            estimatorParamMaps=grid,
            evaluator=judge,
            numFolds=2,
            seed=1,
            parallelism=parallelism,
        )
        return validator.fit(frame)

    one, two = search(1), search(2)
    assert one.avgMetrics == two.avgMetrics
    assert len(set(one.avgMetrics)) == 2
    best = [found.bestModel.stages[-1] for found in (one, two)]
    weights = [[p.data for _, p in stage.getModel().named_parameters()] for stage in best]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_search_is_saved_and_loaded(frame, tmp_path):
    stage = NNRegressor(
        nn.zoo.mlp([3, 8, 1], rng=0),
        criterion.MSE(),
        optim.SGD(0.01, momentum=0.9),
        labelCol="total",
        progress=False,
        maxIter=2,
    )
    grid = ParamGridBuilder().addGrid(stage.batchSize, [20, 60]).build()
    judge = RegressionEvaluator(labelCol="total")
    split = TrainValidationSplit(
        estimator=stage, estimatorParamMaps=grid, evaluator=judge, seed=1, parallelism=2
    )
    found = split.fit(frame)
    assert len(found.validationMetrics) == 2
    path = (tmp_path / "split").as_uri()
    found.write().save(path)
    again = type(found).load(path)
    assert judge.evaluate(again.transform(frame)) == judge.evaluate(found.transform(frame))
    assert again.validationMetrics == found.validationMetrics
    assert repr(again.getEstimator().getOptimizer()) == repr(stage.getOptimizer())
