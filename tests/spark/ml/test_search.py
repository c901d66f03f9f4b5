"""A search over a stage's Params as a stage: alone, in a Pipeline, in a CrossValidator."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark import tune
from sandbox.lib.spark.ml import NNClassifier, NNClassifierModel, NNEstimator, NNSearch

# Spark's tuning leaves its pools of threads open
pytestmark = [
    pytest.mark.spark,
    pytest.mark.filterwarnings("ignore:unclosed running multiprocessing:ResourceWarning"),
]
SPACE = {"learningRate": tune.log_uniform(1e-4, 0.3), "batchSize": tune.choice([30, 60])}


@pytest.fixture(autouse=True)
def _pools():
    yield
    gc.collect()


def stage(**params):
    params = {"maxEpoch": 4, "validationSplit": 0.3, "progress": False, **params}
    network = nn.zoo.mlp([3, 8, 2], rng=0)
    return NNClassifier(network, optimizer=optim.Adam(), **{"labelCol": "word", **params})


def searching(inner=None, space=None, **params):
    params = {"trials": 4, "minEpochs": 2, "reduction": 2, "progress": False, **params}
    return NNSearch(inner or stage(), space or SPACE, **params)


@pytest.mark.campaign
def test_a_search_in_a_pipeline_gives_the_best_trials_model(frame, tmp_path):
    heard = []
    inner = stage(featuresCol="row", predictedLabelCol="called", classWeights="balanced")
    search = searching(
        inner, searchPath=str(tmp_path / "kept"), progress=lambda found, one: heard.append(one)
    )
    line = Pipeline(stages=[VectorAssembler(inputCols=["a", "b", "c"], outputCol="row"), search])
    fitted = line.fit(frame)
    model = fitted.stages[-1]
    assert type(model) is NNClassifierModel
    found = model.search
    assert len(found.table) == 4
    assert set(found.table.epochs) == {2, 4}
    best = found.best
    assert model.getLabels() == ["no", "yes"]
    for mine, its in zip(model.getModel().parameters(), best.model.parameters(), strict=True):
        np.testing.assert_array_equal(mine.data, its.data)
    assert set(best.config) == {"learningRate", "batchSize"}

    scored = fitted.transform(frame).select("called", "word").collect()
    assert np.mean([row.called == row.word for row in scored]) > 0.6

    told = len(heard)
    assert line.fit(frame).stages[-1].search.best.metrics == best.metrics
    assert len(heard) == told  # it was all known
    assert len(list((tmp_path / "kept").iterdir())) == 1


def test_what_cannot_be_searched_is_refused(frame):
    for space, said in (
        ({"batchsize": tune.choice([1])}, "a name of `space`.*'batchsize'"),
        ({"featuresCol": tune.choice(["a"])}, "a name of `space`.*'featuresCol'"),
        ([], "`space` must be a dict of Param"),
    ):
        with pytest.raises(ArgumentError, match=said):
            NNSearch(stage(), space)
    with pytest.raises(ArgumentError, match="`estimator` must be a NNEstimator"):
        NNSearch(nn.Linear(3, 1), SPACE)
    with pytest.raises(ArgumentError, match="`space` must be set before fit"):
        NNSearch(stage()).fit(frame)
    with pytest.raises(ArgumentError, match=r"must end by `maxEpoch`.*maxIter=3"):
        searching(stage(maxIter=3)).fit(frame)
    with pytest.raises(ArgumentError, match="must have rows to validate on"):
        searching(stage(validationSplit=0.0)).fit(frame)
    assert isinstance(NNSearch(NNEstimator(), SPACE).getEstimator(), NNEstimator)


@pytest.mark.campaign
def test_a_cross_validator_judges_a_search_over_networks(frame, tmp_path):
    networks = [nn.zoo.mlp([3, 4, 2], rng=1), nn.zoo.mlp([3, 16, 2], rng=1)]
    inner = stage(labelCol="number")
    search = searching(
        inner, {**SPACE, "model": tune.choice(networks)}, trials=3, searchPath=str(tmp_path)
    )
    grid = ParamGridBuilder().addGrid(inner.validationSplit, [0.2, 0.4]).build()
    judge = MulticlassClassificationEvaluator(labelCol="number", metricName="logLoss")
    validator = CrossValidator(
        estimator=search, estimatorParamMaps=grid, evaluator=judge, numFolds=2, parallelism=2
    )
    found = validator.fit(frame)
    assert len(found.avgMetrics) == 2
    assert all(np.isfinite(found.avgMetrics))
    assert len(list(tmp_path.iterdir())) == 5  # two folds of two shares, and the best on all rows
    assert sum(p.data.size for p in found.bestModel.getModel().parameters()) in (26, 98)


def test_trials_of_several_ranks_run_one_after_the_other(frame):
    model = searching(stage(ranks=2), trials=2, method="random").fit(frame)
    assert set(model.search.table.epochs) == {4}
    assert model.predict([0.1, 0.2, 0.3]) in (0.0, 1.0)
