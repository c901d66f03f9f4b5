"""Models of the Keras-style front: the same numbers as the core's, in Keras's shapes."""

import numpy as np
import pytest

from sandbox.lib import criterion, keras, nn, optim
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.keras import Input, Model, Sequential, layers
from sandbox.lib.train import Trainer


def _rows(n=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype("f4")
    return x, (x[:, 0] > 0).astype("i8")


def test_same_seed_gives_the_bits_of_the_core():
    x, y = _rows()
    keras.set_random_seed(0)
    model = Sequential([layers.Dense(8, input_shape=(4,)), layers.Activation("tanh")])
    model.add(layers.Dense(2, activation="softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, batch_size=16, epochs=2)
    rng = np.random.default_rng(0)
    rule = {"weight_init": "xavier_uniform", "rng": rng}
    core = nn.Sequential(nn.Linear(4, 8, **rule), nn.Tanh(), nn.Linear(8, 2, **rule), nn.Softmax())
    loss = criterion.SparseCategoricalCrossEntropy()
    trainer = Trainer(core, loss, optim.SGD(0.01), batch_size=16, seed=0, progress=None)
    trainer.fit((x, y), epochs=2)
    for theirs, ours in zip(core.get_weights(), model.module.get_weights(), strict=True):
        np.testing.assert_array_equal(theirs, ours)
    assert {"loss", "accuracy"} <= set(history.history)
    assert history.epoch == [0, 1]


@pytest.mark.parametrize("activation", [None, "relu"])
def test_channels_last_and_first_give_the_same_numbers(activation):
    x = np.random.default_rng(1).normal(size=(2, 8, 6, 3)).astype("f4")
    made = {}
    for form, shape in (("channels_last", (8, 6, 3)), ("channels_first", (3, 8, 6))):
        options = {"data_format": form}
        made[form] = Sequential(
            [
                layers.Conv2D(4, 3, activation=activation, input_shape=shape, **options),
                layers.Dropout(0.5),
                layers.MaxPooling2D(2, **options),
            ]
        )
    last, first = made["channels_last"], made["channels_first"]
    first.set_weights(last.get_weights())
    assert last.output_shape == (None, 3, 2, 4)
    out = last.predict(x)
    assert out.shape == (2, 3, 2, 4)
    np.testing.assert_array_equal(first.predict(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1), out)
    # only at the two ends are axes moved, not around every layer
    moved = [m for m in last.module.children() if isinstance(m, nn.Transpose)]
    assert len(moved) == 2


def test_flatten_goes_in_the_order_as_written():
    x = np.arange(24, dtype="f4").reshape(1, 2, 4, 3)
    model = Sequential([Input((2, 4, 3)), layers.MaxPooling2D(1), layers.Flatten()])
    np.testing.assert_array_equal(model.predict(x), x.reshape(1, 24))


def test_a_kernel_is_in_by_out_and_goes_back_as_it_came():
    layer = layers.Dense(2, activation="relu")
    model = Model(x := Input((3,)), layer(x))
    kernel = np.arange(6, dtype="f4").reshape(3, 2)
    layer.set_weights([kernel, np.float32([1, 2])])
    data = np.float32([[1, 2, 3]])
    np.testing.assert_allclose(model.predict(data), data @ kernel + [1, 2], rtol=1e-6)  # f32
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    assert layer.count_params() == 8


def test_shared_layers_and_nested_models_and_several_inputs():
    shared = layers.Dense(3)
    inner = Model(z := Input((4,)), shared(z))
    a, b = Input((4,)), Input((4,))
    model = Model([a, b], layers.Add()([inner(a), shared(b)]))
    x = np.ones((2, 4), "f4")
    np.testing.assert_allclose(model.predict([x, x]), 2 * inner.predict(x), rtol=1e-6)  # f32
    assert len(model.module.parameters()) == 2


def test_names_of_both_ages_are_one_argument():
    assert layers.Dense(output_dim=3, name="a").units == 3
    with pytest.raises(TypeError, match="got both"):
        layers.Dense(units=3, output_dim=3)
    with pytest.raises(TypeError, match="Did you mean 'units'"):
        layers.Dense(unit=3)
    again = layers.Dense.from_config(layers.Dense(3, name="b").get_config())
    assert (again.units, again.name) == (3, "b")


def test_validation_and_evaluation_have_the_names_of_keras():
    x, y = _rows()
    model = Sequential([layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    history = model.fit(x, y, nb_epoch=2, validation_split=0.25).history
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} == set(history)
    loss, accuracy = model.evaluate(x, y)
    assert model.evaluate(x, y, return_dict=True) == {"loss": loss, "accuracy": accuracy}


def test_errors_name_the_layer_and_the_shapes():
    with pytest.raises(ShapeError, match=r"small \(Conv2D\).*\(None, 2, 2, 1\)"):
        layers.Conv2D(2, 5, name="small")(Input((2, 2, 1)))
    with pytest.raises(ArgumentError, match="must be compiled"):
        Sequential([layers.Dense(2, input_shape=(3,))]).fit(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ShapeError, match="must have the shapes"):
        Sequential([layers.Dense(2, input_shape=(3,))]).set_weights([np.ones((2, 3))])


def test_a_frozen_layer_keeps_its_weights():
    x, y = _rows()
    frozen = layers.Dense(4, trainable=False, input_shape=(4,))
    model = Sequential([frozen, layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = frozen.get_weights()
    model.fit(x, y)
    for was, now in zip(before, frozen.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
