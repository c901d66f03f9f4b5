"""Layers, criterions and drivers of the BigDL front with each other, as programs use them."""

import numpy as np
import pytest

from sandbox.lib.bigdl.nn.criterion import ClassNLLCriterion, MSECriterion
from sandbox.lib.bigdl.nn.layer import (
    BatchNormalization,
    Dropout,
    Linear,
    LogSoftMax,
    ReLU,
    Sequential,
)
from sandbox.lib.bigdl.optim import optimizer as front
from sandbox.lib.bigdl.util.common import RNG, Sample
from sandbox.lib.bigdl.zoo.pipeline.nnframes.nn_classifier import NNEstimator
from sandbox.lib.core.errors import ArgumentError

X = np.random.default_rng(0).random((40, 2)).astype("f4")
LABELS = (X[:, 0] > 0.5).astype("f4") + 1
SAMPLES = [Sample.from_ndarray(x, np.array([y])) for x, y in zip(X, LABELS, strict=True)]


def classifier():
    RNG().set_seed(1)
    return (
        Sequential().add(Linear(2, 8).set_name("in")).add(ReLU()).add(Linear(8, 2).set_name("out"))
    ).add(LogSoftMax())


def driver(model, method, **options):
    made = front.Optimizer(
        model=model,
        training_rdd=SAMPLES,
        criterion=ClassNLLCriterion(),
        end_trigger=front.MaxEpoch(30),
        batch_size=7,
        optim_method=method,
    )
    for name, value in options.items():
        getattr(made, name)(*value)
    return made


def test_samples_are_learned_from_and_a_model_is_evaluated_by_methods():
    model = driver(classifier(), front.Adam(0.05)).optimize()
    top, loss = model.evaluate(SAMPLES, 16, [front.Top1Accuracy(), front.Loss()])
    right = np.mean(model.predict_class(X) == LABELS)
    assert (top.result, top.total_num, top.method) == (right, 40, "Top1Accuracy")
    assert right > 0.9
    rows = model.predict(X)[np.arange(40), LABELS.astype(int) - 1]
    assert loss.result == pytest.approx(-rows.mean(), rel=1e-5)  # float32


def test_a_regularizer_is_in_the_gradient_and_in_the_training():
    layer = Linear(2, 1, with_bias=False, wRegularizer=front.L1L2Regularizer(0.1, 0.5))
    before = layer.get_weights()[0]
    zeros = np.zeros((4, 2), "f4")
    layer.forward(zeros)
    layer.backward(zeros, np.zeros((4, 1), "f4"))
    wanted = 0.1 * np.sign(before) + 0.5 * before
    np.testing.assert_allclose(layer.parameters()[layer.name()]["gradWeight"], wanted, rtol=1e-6)
    trained = front.LocalOptimizer(
        zeros, np.zeros((4, 1)), layer, MSECriterion(), front.MaxIteration(1), 4, front.SGD(0.2)
    )
    trained.optimize()  # of these rows alone nothing moves
    np.testing.assert_allclose(layer.get_weights()[0], before - 0.2 * wanted, rtol=1e-5)  # float32


def test_layers_have_methods_of_their_own_by_name():
    model = classifier()
    before = model.get_weights()
    driver(model, {"in": front.SGD(1e-12), "out": front.SGD(0.1)}).optimize()
    # A step of 1e-12 is lost in float32.
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved == [False, False, True, True]
    with pytest.raises(ArgumentError, match="for each layer with weights; got none for out"):
        driver(classifier(), {"in": front.SGD(0.1)}).optimize()
    with pytest.raises(ArgumentError, match="names must be those of layers"):
        driver(classifier(), {"inn": front.SGD(0.1)}).optimize()


def test_running_statistics_are_set_and_used():
    layer = BatchNormalization(2, eps=0.0 + 1e-12)
    layer.set_running_mean([1.0, 2.0]).set_running_std([4.0, 9.0]).evaluate()
    weight, bias = layer.get_weights()
    wanted = (X - [1, 2]) / [2, 3] * weight + bias
    np.testing.assert_allclose(layer.forward(X), wanted, rtol=1e-5, atol=1e-6)  # float32


def test_labels_of_trees_count_from_one():
    scores = np.array([[[0.1, 0.9]], [[0.7, 0.3]]])
    assert front.TreeNNAccuracy()(scores, np.array([[2], [2]])) == 0.5


def test_a_stage_takes_the_folder_of_a_summary(tmp_path):
    stage = NNEstimator(Linear(2, 1), MSECriterion(), [2], [1])
    stage.setTrainSummary(front.TrainSummary(tmp_path, "app"))
    assert stage.getSummaryPath() == str(tmp_path / "app")


def test_what_is_not_there_is_refused_and_not_passed_over():
    with pytest.raises(ArgumentError, match="`scale` must be True"):
        Dropout(0.5, scale=False)
