"""Losses, metrics and optimisers by Keras's names, by the formulas of its documentation."""

import numpy as np
import pytest

from sandbox.lib import criterion, optim
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.keras import Input, Model, Sequential, layers, losses, metrics, optimizers

RNG = np.random.default_rng(0)
Y = RNG.uniform(0.1, 0.9, (5, 3)).astype("f4")
T = RNG.uniform(0.1, 0.9, (5, 3)).astype("f4")
P = Y / Y.sum(axis=1, keepdims=True)
HOT = np.eye(3, dtype="f4")[[0, 2, 1, 1, 0]]
SIGNS = np.where(T > 0.5, 1, -1).astype("f4")
SMALL = np.abs(Y - T) <= 1
LOSSES = {
    "mse": (Y, T, np.mean((Y - T) ** 2)),
    "mean_absolute_error": (Y, T, np.mean(np.abs(Y - T))),
    "mape": (Y, T, 100 * np.mean(np.abs((T - Y) / T))),
    "msle": (Y, T, np.mean((np.log1p(T) - np.log1p(Y)) ** 2)),
    "hinge": (Y, SIGNS, np.mean(np.maximum(1 - SIGNS * Y, 0))),
    "squared_hinge": (Y, SIGNS, np.mean(np.maximum(1 - SIGNS * Y, 0) ** 2)),
    "huber": (Y, T, np.mean(np.where(SMALL, 0.5 * (Y - T) ** 2, np.abs(Y - T) - 0.5))),
    "logcosh": (Y, T, np.mean(np.log(np.cosh(Y - T)))),
    "binary_crossentropy": (Y, HOT, -np.mean(HOT * np.log(Y) + (1 - HOT) * np.log(1 - Y))),
    "categorical_crossentropy": (P, HOT, -np.mean((HOT * np.log(P)).sum(axis=1))),
    "sparse_categorical_crossentropy": (
        P,
        HOT.argmax(axis=1),
        -np.mean((HOT * np.log(P)).sum(axis=1)),
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_of_this_name_is_that_of_keras(name):
    output, target, wanted = LOSSES[name]
    loss = losses.get(name)
    found = loss.fitted(output.shape)(output, loss.prepared(target, output.shape))
    # 1e-7 stands inside the logarithms; the rest is float32.
    assert found == pytest.approx(wanted, rel=2e-6)


def test_classes_are_the_last_axis_of_sequences_too():
    output = np.stack([P, P[::-1]], axis=1)  # (5, 2, 3)
    labels = np.stack([HOT.argmax(axis=1), HOT[::-1].argmax(axis=1)], axis=1)
    loss = losses.get("sparse_categorical_crossentropy")
    wanted = LOSSES["sparse_categorical_crossentropy"][2]
    found = loss.fitted(output.shape)(output, loss.prepared(labels, output.shape))
    assert found == pytest.approx(wanted, rel=2e-6)  # as above


def test_targets_of_the_other_kind_are_told_the_other_loss():
    with pytest.raises(ShapeError, match="Use categorical_crossentropy"):
        losses.get("sparse_categorical_crossentropy").prepared(HOT, (None, 3))
    with pytest.raises(ShapeError, match="Use sparse_categorical_crossentropy"):
        losses.get("categorical_crossentropy").prepared(HOT.argmax(axis=1), (None, 3))
    assert losses.get("mse").prepared([1, 2], (None, 1)).shape == (2, 1)


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("sgd", {}, optim.SGD),
        ("adam", {"lr": 0.1}, optim.Adam),
        ("adamw", {}, optim.AdamW),
        ("adamax", {}, optim.Adamax),
        ("nadam", {}, optim.NAdam),
        ("rmsprop", {"rho": 0.8}, optim.RMSprop),
        ("adagrad", {}, optim.Adagrad),
    ],
)
def test_an_optimiser_of_this_name_is_made_and_comes_back_from_its_config(name, given, kind):
    by_name = optimizers.get(name)
    made = type(by_name)(**given)
    assert isinstance(made.core(), kind)
    assert type(made).from_config(made.get_config()).core() == made.core()
    assert made.learning_rate == given.get("lr", by_name.learning_rate)


def test_momentum_moves_as_the_formula_of_keras_says():
    x, y = np.float32([[1.0]]), np.float32([[0.0]])
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))])
    model.set_weights([np.float32([[1.0]])])
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    model.fit(x, y, epochs=3)
    weight, speed = 1.0, 0.0
    for _ in range(3):
        speed = 0.9 * speed - 0.1 * 2 * weight
        weight += speed
    assert model.get_weights()[0][0, 0] == pytest.approx(weight, rel=1e-6)  # float32


def test_accuracy_is_the_one_that_goes_with_the_loss():
    for name, output, target, wanted in (
        ("sparse_categorical_crossentropy", P, P.argmax(axis=1), 1.0),
        ("categorical_crossentropy", P, np.roll(np.eye(3)[P.argmax(axis=1)], 1, axis=1), 0.0),
        ("binary_crossentropy", np.float32([[0.2], [0.7]]), np.float32([[1], [1]]), 0.5),
    ):
        assert metrics.get("accuracy", losses.get(name))(output, target) == wanted
    logits = losses.BinaryCrossentropy(from_logits=True)
    assert metrics.get("acc", logits)(np.float32([[0.2], [-1]]), np.float32([[1], [0]])) == 1.0


def test_one_hot_targets_and_flat_ones_are_learned_from():
    x = RNG.normal(size=(64, 4)).astype("f4")
    classes = (x[:, 0] > 0).astype(int)
    model = Sequential([layers.Dense(2, activation="softmax", input_shape=(4,))])
    model.compile(optimizers.Adam(0.1), "categorical_crossentropy", ["accuracy"])
    history = model.fit(x, np.eye(2)[classes], epochs=8, validation_split=0.25).history
    assert history["val_accuracy"][-1] > 0.8
    yes = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(4,))])
    yes.compile("adam", "binary_crossentropy", ["accuracy"])
    yes.fit(x, classes, validation_data=(x, classes))
    assert 0 <= yes.evaluate(x, classes)[1] <= 1


def test_core_objects_go_in_as_they_are():
    model = Model(x := Input((4,)), layers.Dense(2)(x))
    model.compile(optim.SGD(0.1), criterion.CrossEntropy(), ["accuracy"])
    model.fit(np.ones((4, 4), "f4"), np.array([0, 1, 1, 0]))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"optimizer": "adma"}, "`optimizer` must be one of sgd, adam"),
        ({"loss": "mean"}, "`loss` must be one of binary_crossentropy"),
        ({"metrics": ["precise"]}, "a metric must be one of accuracy"),
    ],
)
def test_a_name_that_is_none_is_told_all_names(given, says):
    model = Sequential([layers.Dense(2, input_shape=(4,))])
    with pytest.raises(ArgumentError, match=says):
        model.compile(**given)
