"""Recommenders, rankers, series, U-Net and autoencoders: that they compute and learn."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, nn, optim, train
from sandbox.lib.core.errors import ArgumentError

zoo = nn.zoo
RNG = np.random.default_rng(0)


def ids(high, *shape):
    return RNG.integers(0, high, shape)


def floats(*shape):
    return RNG.normal(size=shape).astype("f4")


BOX = np.zeros((8, 1, 12, 8), "f4")
BOX[:4, :, 3:7, 2:6] = 1
BOX[4:, :, 6:10, 3:5] = 1
# What is built, its inputs, its target, the criterion.
MODELS = {
    "neural_cf": (
        lambda: zoo.neural_cf(9, 7, 3, 0, features=4, hidden=(6, 5), factors=3),
        (ids(9, 8), ids(7, 8)),
        ids(3, 8),
        criterion.CrossEntropy(),
    ),
    "session_recommender": (
        lambda: zoo.session_recommender(11, 0, features=4, hidden=(6, 5), history=(4,)),
        (ids(11, 8, 5), ids(11, 8, 3)),
        ids(11, 8),
        criterion.CrossEntropy(),
    ),
    "knrm": (
        lambda: zoo.knrm(20, 0, features=6, kernels=5, sigma=0.5, exact_sigma=0.2),
        (ids(20, 8, 4), ids(20, 8, 7)),
        ids(2, 8, 1).astype("f4"),
        criterion.BCEWithLogits(),
    ),
    "anomaly_detector": (
        lambda: zoo.anomaly_detector(3, 0, hidden=(4, 5), p=0.0),
        (floats(8, 6, 3),),
        floats(8, 1),
        criterion.MSE(),
    ),
    "unet": (
        lambda: zoo.unet(0, width=4, depth=2),
        (BOX + 0.1 * floats(*BOX.shape),),
        BOX[:, 0].astype("i8"),
        criterion.CrossEntropy(),
    ),
    "autoencoder": (
        lambda: zoo.autoencoder(0, image=(1, 12, 8), hidden=5),
        (BOX,),
        BOX,
        criterion.BCEWithLogits(),
    ),
    "conv_autoencoder": (
        lambda: zoo.conv_autoencoder(0, widths=(6, 4)),
        (BOX,),
        BOX,
        criterion.BCEWithLogits(),
    ),
    "variational_autoencoder": (
        lambda: zoo.variational_autoencoder(0, image=(1, 12, 8), hidden=16, codes=2),
        (BOX,),
        (BOX, np.zeros(8)),
        criterion.Parallel(
            (criterion.BCEWithLogits(), criterion.GaussianKL()), weights=(96.0, 1.0)
        ),
    ),
    "neural_cf, plain products": (
        lambda: zoo.neural_cf(
            9, 7, 1, 0, features=4, hidden=(6,), factors=3, weighted=False, item_bias=True, l2=0.01
        ),
        (ids(9, 8), ids(7, 8)),
        ids(2, 8, 1),
        criterion.BCEWithLogits(),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_compiled_and_training_lowers_the_loss(name):
    make, inputs, target, loss = MODELS[name]
    model = make()
    program = core.predict_program(model, model, tuple(map(core.Spec.of, inputs)))
    assert program.reason is None
    trainer = train.Trainer(
        model, loss, optim.Adam(0.01), batch_size=8, metrics=[], progress=None, threads=1
    )
    x = inputs[0] if len(inputs) == 1 else inputs
    losses = trainer.fit((x, target), epochs=25)["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.9 * losses[0]


def test_sizes_follow_from_the_formulas():
    def size(model):
        return sum(parameter.size for parameter in model.parameters())

    users, items, classes = 100, 50, 5
    towers = (users + items) * (20 + 20)
    layers = 40 * 40 + 40 + 40 * 20 + 20 + 20 * 10 + 10
    assert size(zoo.neural_cf(users, items, classes, 0)) == towers + layers + 30 * 5 + 5
    assert size(zoo.autoencoder(0)) == 784 * 32 + 32 + 32 * 784 + 784
    assert size(zoo.knrm(100, 0)) == 100 * 300 + 21 + 1
    encoder, decoder = 784 * 400 + 400 + 2 * (400 * 20 + 20), 20 * 400 + 400 + 400 * 784 + 784
    assert size(zoo.variational_autoencoder(0)) == encoder + decoder


def test_products_that_are_not_weighed_add_up_as_in_matrix_factorisation():
    model = zoo.neural_cf(4, 5, 1, 0, features=2, hidden=(3,), factors=6, weighted=False,
                          item_bias=True)  # fmt: skip
    model.item_bias.weight.set(np.arange(5, dtype="f4")[:, None])
    model.classes.weight.set(np.zeros((1, 3), "f4"))
    users, items = np.divmod(np.arange(20), 5)
    found = model(users, items)
    u, v = (np.asarray(part.weight) for part in (model.user_factors, model.item_factors))
    expected = (u @ v.T + np.arange(5)).reshape(-1, 1) + np.asarray(model.classes.bias)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with pytest.raises(ArgumentError, match="`weighted` must be True for 2 classes and 6 factors"):
        zoo.neural_cf(4, 5, 2, 0, factors=6, weighted=False)


def test_kernels_count_as_the_paper_says():
    x = RNG.uniform(-1, 1, (2, 3, 4)).astype("f4")
    found = nn.KernelPooling(5, sigma=0.3, exact_sigma=0.1, scale=1.0)(x)
    means, sigmas = [-0.75, -0.25, 0.25, 0.75, 1.0], [0.3] * 4 + [0.1]
    for k, (mean, sigma) in enumerate(zip(means, sigmas, strict=True)):
        soft = np.exp(-((x.astype("f8") - mean) ** 2) / (2 * sigma**2)).sum(axis=2)
        # float32, of logarithms of sums of a few terms.
        assert np.allclose(found[:, k], np.log(np.maximum(soft, 1e-10)).sum(axis=1), atol=1e-3)


@pytest.mark.parametrize(
    "build",
    [
        lambda: zoo.neural_cf(3, 3, 2, hidden=()),
        lambda: zoo.session_recommender(3, hidden=()),
        lambda: zoo.anomaly_detector(3, hidden=()),
        lambda: zoo.conv_autoencoder(widths=()),
        lambda: zoo.densenet(stages=()),
    ],
)
def test_a_model_without_layers_is_refused(build):
    with pytest.raises(ArgumentError, match="must name at least one"):
        build()
