"""What can be said of stages without a cluster."""

from __future__ import annotations

import inspect

import pytest
from pyspark.ml.tuning import ParamGridBuilder

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError
from sandbox.lib.spark.ml import (
    NNClassifier,
    NNClassifierModel,
    NNEstimator,
    NNModel,
    NNRegressor,
    NNRegressorModel,
)
from sandbox.lib.train import EarlyStopping, MaxScore

STAGES = (
    NNEstimator,
    NNModel,
    NNClassifier,
    NNClassifierModel,
    NNRegressor,
    NNRegressorModel,
)


def network():
    return nn.zoo.mlp([3, 4, 2], rng=0)


@pytest.mark.parametrize("kind", STAGES)
def test_each_param_has_a_setter_a_getter_a_keyword_and_a_line_that_explains_it(kind):
    stage = kind()
    told = stage.explainParams().splitlines()
    assert [line.split(":")[0] for line in told] == [param.name for param in stage.params]
    for param in stage.params:
        word = param.name[0].upper() + param.name[1:]
        assert callable(getattr(stage, f"set{word}"))
        assert callable(getattr(stage, f"get{word}"))
        assert param.name in inspect.signature(kind).parameters


def test_setters_return_the_stage_and_getters_the_value():
    stage = NNClassifier(network(), criterion.CrossEntropy(), optim.SGD(0.1))
    assert stage.setBatchSize(7).setMaxEpoch(2).setLabelCol("y") is stage
    assert (stage.getBatchSize(), stage.getMaxEpoch(), stage.getLabelCol()) == (7, 2, "y")
    assert stage.getLearningRate() is None
    assert stage.setBatchSize(None).getBatchSize() == 128
    stage.set(stage.batchSize, 9)
    assert stage.getBatchSize() == 9


def test_features_are_one_column_or_one_for_each_input():
    stage = NNEstimator(featuresCol=("user", "item"))
    assert (stage.getFeaturesCols(), stage.getFeaturesCol()) == (["user", "item"], "features")
    assert stage.setFeaturesCol("x").getFeaturesCols() is None
    assert stage.copy({stage.featuresCols: ["a", "b"]}).getFeaturesCols() == ["a", "b"]
    both = NNEstimator(featuresCol=["a", "b"])
    assert both.copy().getFeaturesCols() == ["a", "b"]
    assert both.copy({both.featuresCol: "x"}).getFeaturesCols() is None


def test_the_threshold_that_is_set_last_holds():
    stage = NNClassifierModel(threshold=0.25)
    assert stage.setThresholds([0.5, 0.5]).getThreshold() is None
    assert stage.copy().getThresholds() == [0.5, 0.5]
    assert stage.setThreshold(0.1).isSet("thresholds") is False


def test_a_copy_has_the_same_uid_and_values_of_its_own():
    stage = NNClassifier(network(), criterion.CrossEntropy(), maxEpoch=3)
    other = stage.copy({stage.maxEpoch: 5, stage.learningRate: 0.5})
    assert (other.uid, other.getMaxEpoch(), other.getLearningRate()) == (stage.uid, 5, 0.5)
    assert (stage.getMaxEpoch(), stage.getLearningRate()) == (3, None)
    assert other.getModel() is stage.getModel()
    found = {param.name: value for param, value in stage.extractParamMap().items()}
    assert (found["maxEpoch"], found["batchSize"], found["featuresCol"]) == (3, 128, "features")


def test_grids_go_over_numbers_and_over_networks():
    stage = NNClassifier(network(), criterion.CrossEntropy())
    grid = (
        ParamGridBuilder()
        .addGrid(stage.learningRate, [0.1, 0.2])
        .addGrid(stage.model, [network(), nn.zoo.mlp([3, 2], rng=1)])
        .addGrid(stage.optimizer, [optim.SGD(0.1), optim.Adam(0.1)])
        .build()
    )
    assert len(grid) == 8
    assert {type(point[stage.optimizer]).__name__ for point in grid} == {"SGD", "Adam"}
    with pytest.raises(ArgumentError, match="`batchSize` must be an int > 0; got 0"):
        ParamGridBuilder().addGrid(stage.batchSize, [0]).build()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batchSize": 0}, "NNClassifier: `batchSize` must be an int > 0; got 0"),
        ({"maxEpoch": 2.5}, "`maxEpoch` must be an int > 0; got 2.5"),
        ({"learningRate": -1}, "`learningRate` must be a number in .0, inf.; got -1"),
        ({"validationSplit": 1.0}, r"`validationSplit` must be a number in \[0, 1\); got 1.0"),
        ({"precision": "f16"}, "`precision` must be"),
        ({"model": criterion.MSE()}, "`model` must be a Module"),
        ({"criterion": network()}, "`criterion` must be a Criterion"),
        ({"optimizer": "adam"}, "`optimizer` must be an Optimizer"),
        ({"endTrigger": 3}, "`endTrigger` must be a Trigger"),
        ({"earlyStopping": True}, "`earlyStopping` must be an EarlyStopping"),
        ({"metrics": ["top1"]}, "`metrics` must be a list of metrics"),
        ({"classWeights": "even"}, '`classWeights` must be a dict .* or "balanced"'),
        ({"labels": ["a", "a"]}, "`labels` must be a list of two or more different texts"),
        ({"featuresCol": ["a", 3]}, "`featuresCols` must be a list of names of columns"),
        ({"featureShape": [0, 3]}, "`featureShape` must be"),
        ({"batchsize": 3}, "no Param 'batchsize'. Did you mean 'batchSize'"),
        ({"threshold": 2}, r"`threshold` must be a number in \[0, 1\]; got 2"),
        ({"progress": "yes"}, "`progress` must be"),
    ],
)
def test_wrong_values_are_refused_when_they_are_set(given, said):
    with pytest.raises(ArgumentError, match=said):
        NNClassifier(**given)


def test_what_is_explained_of_objects_is_short():
    stage = NNClassifier(
        nn.zoo.mlp([3, *[16] * 9, 2], rng=0),
        criterion.CrossEntropy(),
        endTrigger=MaxScore(0.9),
        earlyStopping=EarlyStopping("loss"),
    )
    lines = stage.explainParams().splitlines()
    assert max(map(len, lines)) < 450  # Spark's own texts are the longest
    assert any(line.startswith("model: the network (current: Sequential(") for line in lines)
    assert "endTrigger" in str(stage.explainParam(stage.endTrigger))


@pytest.mark.parametrize("kind", STAGES)
def test_no_param_takes_the_place_of_a_method(kind):
    methods = {
        name
        for base in kind.__mro__
        if base.__module__.startswith("pyspark")
        for name, thing in vars(base).items()
        if inspect.isfunction(thing) or isinstance(thing, property)
    }
    assert not methods & {param.name for param in kind().params}
