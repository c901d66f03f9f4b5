"""Layers of the Keras-style front by the formulas of its documentation, in both orders of axes."""

import numpy as np
import pytest

from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.keras import Input, Model, Sequential, layers

RNG = np.random.default_rng(0)


def run(layer, x):
    """Return what a layer makes of rows."""
    head = Input(x.shape[1:])
    found = Model(head, layer(head))
    answer = found.predict(x)
    assert answer.shape[1:] == found.output_shape[1:]
    return answer


def windows(x, reduce):
    """Reduce windows of 2 along all middle axes, channels last."""
    for axis in range(1, x.ndim - 1):
        half = x.shape[axis] // 2
        shape = (*x.shape[:axis], half, 2, *x.shape[axis + 1 :])
        x = reduce(np.take(x, range(2 * half), axis).reshape(shape), axis=axis + 1)
    return x


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("kind", "reduce"), [("Max", np.max), ("Average", np.mean)])
def test_pooling_reduces_windows_and_whole_maps(axes, kind, reduce):
    x = RNG.normal(size=(2, *(5, 4, 6)[:axes], 3)).astype("f4")
    middle = tuple(range(1, axes + 1))
    small = getattr(layers, f"{kind}Pooling{axes}D")
    whole = getattr(layers, f"Global{kind}Pooling{axes}D")
    turned = np.moveaxis(x, -1, 1)
    close = {"rtol": 1e-5, "atol": 1e-6}  # sums of float32 in another order
    np.testing.assert_allclose(run(small(), x), windows(x, reduce), **close)
    np.testing.assert_allclose(run(whole(), x), reduce(x, axis=middle), **close)
    kept = reduce(x, axis=middle, keepdims=True)
    np.testing.assert_allclose(run(whole(keepdims=True), x), kept, **close)
    first = run(small(data_format="channels_first"), turned)
    np.testing.assert_allclose(np.moveaxis(first, 1, -1), windows(x, reduce), **close)
    np.testing.assert_allclose(
        run(whole(data_format="channels_first"), turned), reduce(x, axis=middle), **close
    )


def test_padding_never_counts_in_a_mean():
    x = np.ones((1, 3, 1), "f4")
    np.testing.assert_array_equal(run(layers.AveragePooling1D(2, padding="same"), x), x[:, :2])
    old = layers.MaxPooling1D(pool_length=3, stride=1, border_mode="same")
    assert (old.pool_size, old.strides, old.padding) == ((3,), (1,), "same")


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalisation_moves_its_statistics_as_keras_does(axis):
    x = RNG.normal(2.0, 3.0, size=(64, 4, 5)).astype("f4")
    layer = layers.BatchNormalization(axis, momentum=0.5)
    model = Sequential([Input((4, 5)), layer])
    model.compile("sgd", "mse")
    others = tuple(k for k in range(3) if k != axis % 3)
    model.fit(x, x, batch_size=64)
    _, _, mean, variance = layer.get_weights()
    np.testing.assert_allclose(mean, 0.5 * x.mean(axis=others), rtol=1e-4)  # float32 sums
    unbiased = x.var(axis=others, ddof=1)
    np.testing.assert_allclose(variance, 0.5 + 0.5 * unbiased, rtol=1e-4)  # as above
    layer.set_weights([np.ones_like(mean), np.zeros_like(mean), mean, variance])
    shape = [-1 if k == axis % 3 else 1 for k in range(3)]
    wanted = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-3)
    np.testing.assert_allclose(model.predict(x), wanted, rtol=1e-4, atol=1e-5)  # as above


def test_layer_normalisation_is_over_the_last_axis():
    x = RNG.normal(size=(3, 2, 6)).astype("f4")
    wanted = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    found = run(layers.LayerNormalization(), x)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)  # float32 sums


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        (layers.Add, lambda a, b: a + b),
        (layers.Subtract, lambda a, b: a - b),
        (layers.Multiply, lambda a, b: a * b),
        (layers.Average, lambda a, b: (a + b) / 2),
        (layers.Maximum, np.maximum),
        (layers.Minimum, np.minimum),
        (layers.Concatenate, lambda a, b: np.concatenate([a, b], -1)),
        (lambda: layers.Concatenate(concat_axis=1), lambda a, b: np.concatenate([a, b], 1)),
    ],
)
def test_tensors_are_merged_behind_layers_of_any_order(kind, formula):
    a, b = RNG.normal(size=(2, 3, 4, 4, 2)).astype("f4")
    left, right = Input((4, 4, 2)), Input((4, 4, 2))
    pool = layers.MaxPooling2D(1)  # its output lies channels first inside
    model = Model([left, right], kind()([pool(left), right]))
    np.testing.assert_allclose(model.predict([a, b]), formula(a, b), rtol=1e-6)  # float32
    with pytest.raises(ArgumentError, match="two tensors or more"):
        kind()([left])


def test_rows_are_reshaped_permuted_and_repeated_in_the_order_as_written():
    x = np.arange(24, dtype="f4").reshape(2, 3, 4)
    np.testing.assert_array_equal(run(layers.Reshape((2, -1)), x), x.reshape(2, 2, 6))
    np.testing.assert_array_equal(run(layers.Permute((2, 1)), x), x.transpose(0, 2, 1))
    flat = x.reshape(2, 12)
    np.testing.assert_array_equal(run(layers.RepeatVector(3), flat), np.stack([flat] * 3, 1))
    with pytest.raises(ShapeError, match="must hold the 12 elements"):
        layers.Reshape((5, 2))(Input((3, 4)))
    with pytest.raises(ArgumentError, match=r"must be the axes 1\.\.2"):
        layers.Permute((0, 1))


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        ("log_softmax", lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
        ("leaky_relu", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("selu", lambda x: 1.05070099 * np.where(x > 0, x, 1.67326324 * np.expm1(x))),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("softsign", lambda x: x / (1 + np.abs(x))),
        ("exponential", np.exp),
        ("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        ("relu6", lambda x: np.clip(x, 0, 6)),
    ],
)
def test_an_activation_of_this_name_is_that_of_keras(name, formula):
    x = RNG.normal(size=(2, 3, 5)).astype("f4")
    found = run(layers.Activation(name), x)
    np.testing.assert_allclose(found, formula(x), rtol=2e-5, atol=2e-6)  # float32 exponentials


def test_the_config_of_each_layer_makes_an_equal_one():
    made = [
        layers.Dense(3, "relu"),
        layers.Conv2D(2, 3, padding="same"),
        layers.MaxPooling2D(3, 1),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.BatchNormalization(1, momentum=0.9),
        layers.Concatenate(1),
        layers.Reshape((4, 2)),
        layers.Permute((2, 1)),
        layers.RepeatVector(2),
    ]
    for layer in made:
        config = layer.get_config()
        assert type(layer).from_config(config).get_config() == config
