"""The base of the front: weights, gradients, tables, first numbers."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.bigdl.nn.initialization_method import RandomNormal, Xavier, Zeros
from sandbox.lib.bigdl.nn.layer import (
    RNG,
    Dropout,
    JTensor,
    Layer,
    Linear,
    LogSoftMax,
    Model,
    ReLU,
    Reshape,
    Sample,
    Sequential,
    SpatialConvolution,
    SpatialMaxPooling,
    Tanh,
    TimeDistributed,
    View,
)
from sandbox.lib.core.errors import ArgumentError, ShapeError


def lenet() -> Sequential:
    """Make the small network of the tutorials."""
    model = Sequential()
    for layer in (
        Reshape([1, 28, 28]),
        SpatialConvolution(1, 6, 5, 5).set_name("conv1"),
        Tanh(),
        SpatialMaxPooling(2, 2, 2, 2),
        View([6 * 12 * 12]),
        Linear(6 * 12 * 12, 10).set_name("fc"),
        LogSoftMax(),
    ):
        model.add(layer)
    return model


def test_uniform_numbers_are_those_of_the_original_for_seed_100() -> None:
    rng = RNG()
    rng.set_seed(100)

    drawn = rng.uniform(0.1, 0.2, [2, 3]).reshape(-1)

    # The constants that BigDL publishes for its own generator, to their eight digits.
    known = [0.15434049, 0.16711557, 0.12783694, 0.14120464, 0.14245176, 0.15263824]
    np.testing.assert_allclose(drawn, known, atol=1e-7)


def test_first_weights_come_weight_before_bias_from_one_over_root_of_inputs() -> None:
    RNG().set_seed(7)
    weight, bias = Linear(4, 3).get_weights()
    drawn = np.random.RandomState(7).randint(0, 2**32, 15, dtype=np.uint32) / 2**32 - 0.5

    np.testing.assert_array_equal(weight, drawn[:12].reshape(3, 4).astype("f4"))
    np.testing.assert_array_equal(bias, drawn[12:].astype("f4"))


def test_normal_numbers_keep_the_second_of_two_for_the_next_call() -> None:
    RNG().set_seed(3)
    apart = [RandomNormal(0.0, 1.0).draw((n,), 1, 1) for n in (3, 2, 1)]
    RNG().set_seed(3)

    np.testing.assert_array_equal(np.concatenate(apart), RandomNormal(0.0, 1.0).draw((6,), 1, 1))


def test_rules_of_first_weights_are_drawn_anew() -> None:
    layer = Linear(4, 3).set_init_method(Xavier(), Zeros())
    weight, bias = layer.get_weights()

    assert np.abs(weight).max() <= np.sqrt(6 / 7)
    np.testing.assert_array_equal(bias, 0)


def test_gradients_are_those_of_finite_differences() -> None:
    RNG().set_seed(1)
    model = Sequential().add(SpatialConvolution(1, 2, 3, 3)).add(Tanh())
    model.add(Reshape([2 * 26 * 26])).add(Linear(2 * 26 * 26, 10)).add(LogSoftMax())
    x = np.random.default_rng(0).normal(size=(3, 1, 28, 28)).astype("f4")
    seed = np.random.default_rng(1).normal(size=(3, 10)).astype("f4")
    model.forward(x)
    gradient = model.backward(x, seed)

    def loss(at: np.ndarray) -> float:
        return float((model.forward(at) * seed).sum())

    way = np.random.default_rng(2).normal(size=x.shape).astype("f4")
    step = 1e-2
    slope = (loss(x + step * way) - loss(x - step * way)) / (2 * step)
    # Single precision over a step of 1e-2: two digits of the slope.
    assert slope == pytest.approx(float((gradient * way).sum()), rel=2e-2, abs=2e-2)


def test_gradients_of_weights_add_up_until_they_are_cleared() -> None:
    layer, x = Linear(2, 1), np.array([[1.0, 2.0]])
    for _ in range(2):
        layer.forward(x)
        layer.backward(x, np.ones((1, 1)))
    arrays = layer.parameters()[layer.name()]

    np.testing.assert_array_equal(arrays["gradWeight"], [[2.0, 4.0]])
    before = arrays["weight"]
    layer.update_parameters(0.5)
    np.testing.assert_allclose(layer.get_weights()[0], before - [[1.0, 2.0]], rtol=1e-6)
    layer.zero_grad_parameters()
    np.testing.assert_array_equal(layer.parameters()[layer.name()]["gradBias"], [0.0])


def test_one_sample_and_a_batch_go_in_and_weights_carry_the_group_axis() -> None:
    convolution = SpatialConvolution(2, 4, 3, 2, 1, 1, 0, 0, 2)
    x = np.random.default_rng(0).normal(size=(2, 5, 6)).astype("f4")

    assert convolution.get_weights()[0].shape == (2, 2, 1, 2, 3)
    assert convolution.forward(x).shape == (4, 4, 4)
    np.testing.assert_array_equal(convolution.forward(x[None])[0], convolution.forward(x))
    assert Linear(3, 2).forward(np.ones(3)).shape == (2,)
    assert SpatialMaxPooling(2, 2, 2, 2, -1, -1).forward(x).shape == (2, 3, 3)


def test_the_same_mask_goes_back_as_came_in() -> None:
    layer, x = Dropout(0.5), np.ones((4, 8))
    y = layer.forward(x)

    np.testing.assert_array_equal(layer.backward(x, np.ones_like(y)), y)
    np.testing.assert_array_equal(layer.evaluate().forward(x), x)


def test_classes_count_from_1_and_predictions_go_in_batches() -> None:
    model, x = lenet(), np.random.default_rng(0).normal(size=(5, 28, 28))

    # Other batch sizes may take other kernels: equal to single precision.
    np.testing.assert_allclose(model.predict(x, 2), model.predict(x), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.predict_class(x), model.predict(x).argmax(-1) + 1)


def test_a_module_of_ones_own_is_a_layer() -> None:
    layer = Layer(nn.Linear(2, 1, weight_init="zeros"))

    assert list(layer.parameters()[layer.name()]) == ["weight", "gradWeight", "bias", "gradBias"]


def test_samples_and_tensors_go_through_a_pipe() -> None:
    sample = pickle.loads(pickle.dumps(Sample.from_ndarray(np.ones((2, 2)), np.array(3.0))))

    np.testing.assert_array_equal(sample.label.to_ndarray(), [3.0])
    sparse = JTensor.sparse(np.array([1.0, 2.0]), np.array([0, 1, 2, 0]), np.array([2, 3]))
    np.testing.assert_array_equal(sparse.to_ndarray(), [[0, 0, 1], [2, 0, 0]])


def test_errors_name_the_layer_and_what_was_expected() -> None:
    with pytest.raises(ShapeError, match=r"conv1.*input axis 1 must be 1"):
        Sequential().add(SpatialConvolution(1, 6, 5, 5).set_name("conv1")).forward(
            np.ones((1, 2, 9, 9))
        )
    with pytest.raises(ArgumentError, match="does not have weight"):
        ReLU().set_weights([np.ones(2)])
    with pytest.raises(ArgumentError, match="must be given a layer"):
        Sequential().add(3)
    with pytest.raises(ShapeError, match=r"weight must have shape \(2, 3\)"):
        Linear(3, 2).set_weights([np.ones((2, 2)), np.ones(2)])


def test_a_model_is_read_again_from_its_file(tmp_path: Path) -> None:
    model, x = lenet(), np.random.default_rng(0).normal(size=(2, 28, 28))
    path = str(tmp_path / "lenet.model")
    model.save(path)

    np.testing.assert_array_equal(Model.load(path).forward(x), model.forward(x))
    with pytest.raises(ArgumentError, match="over_write=True"):
        model.save(path)
    model.save(path, True)


def test_a_layer_goes_over_the_steps_of_a_sequence() -> None:
    inner = Linear(3, 2)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("f4")
    weight, bias = TimeDistributed(inner).get_weights()

    # Sums of three products in single precision.
    np.testing.assert_allclose(
        TimeDistributed(inner).forward(x), x @ weight.T + bias, rtol=1e-4, atol=1e-6
    )
