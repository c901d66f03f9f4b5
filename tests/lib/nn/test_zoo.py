"""The networks of the speed tables: their sizes, that programs compute them, that they learn.

Small widths and images: the formulas are the same, and the contract of each layer is tested apart.
"""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, engine, nn
from sandbox.lib.core.errors import ArgumentError

zoo = nn.zoo
SMALL = {
    "resnet50": (lambda: zoo.resnet50(0, width=4, classes=3), (4, 3, 40, 33)),
    "vgg16": (lambda: zoo.vgg16(0, image=32, width=4, features=8, classes=3, p=0), (4, 3, 32, 32)),
    "mobilenet_v2": (lambda: zoo.mobilenet_v2(0, width=0.1, classes=3, p=0), (4, 3, 40, 33)),
    "squeezenet": (lambda: zoo.squeezenet(0, classes=3, p=0), (4, 3, 40, 33)),
    "googlenet": (lambda: zoo.googlenet(0, width=0.1, classes=3, p=0), (4, 3, 40, 33)),
    "transformer": (
        lambda: zoo.transformer_classifier(
            30, 3, 0, length=9, features=8, heads=2, layers=2, hidden=12, p=0
        ),
        (4, 7),
    ),
}


def small(name):
    make, shape = SMALL[name]
    rng = np.random.default_rng(0)
    if len(shape) == 2:
        return make(), rng.integers(1, 30, shape)
    return make(), rng.normal(size=shape).astype("f4")


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (zoo.resnet50, 25_557_032),
        (zoo.mobilenet_v2, 3_504_872),
        (zoo.squeezenet, 1_235_496),
        (zoo.googlenet, 6_624_904),
    ],
)
def test_as_many_parameters_as_published(build, count):
    assert count == sum(parameter.size for parameter in build(0).parameters())


def test_vgg_16_has_as_many_parameters_as_published():
    # For images of 32 pixels 1x1 is left of them, for 224 it is 7x7: 48 pixels of 512 more.
    size = sum(parameter.size for parameter in zoo.vgg16(0, image=32).parameters())
    assert size + 48 * 512 * 4096 == 138_357_544


def test_images_that_vgg_16_cannot_halve_five_times_are_refused():
    with pytest.raises(ArgumentError, match="`image` must be >= 32"):
        zoo.vgg16(0, image=31)
    assert zoo.vgg16(0, image=70, width=2, features=4)["fc6"].in_features == 16 * 4


@pytest.mark.parametrize("name", SMALL)
def test_a_program_predicts_what_the_network_does_eagerly(name):
    model, x = small(name)
    program = core.predict_program(model, model, core.Spec.of(x))
    assert program.reason is None
    expected = model(x)
    assert expected.shape == (4, 3)
    # Dozens of layers of float32 sums in another order.
    assert np.abs(expected - program.run(x)).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_moves_all_parameters_and_lowers_the_loss(name):
    model, x = small(name)
    labels, loss_of = np.array([0, 1, 2, 1]), criterion.CrossEntropy()
    parameters = [parameter for _, parameter in model.named_parameters()]

    def loss():
        with core.using(training=True), engine.use_reference(), core.Tape() as tape:
            found = loss_of.call(model(core.Value(x)), labels)
        return float(found.data), tape.gradients(found, parameters)

    before, gradients = loss()
    assert np.isfinite(before)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    length = np.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.set(parameter.data - 1e-2 / length * gradient)
    assert loss()[0] < before


@pytest.mark.parametrize("name", SMALL)
def test_gradients_are_those_of_finite_differences(name):
    model, x = small(name)
    rng = np.random.default_rng(1)
    for parameter in model.parameters():  # biases of 0 put dead ReLUs right onto their kink
        parameter.set(parameter.data + rng.normal(0, 0.05, parameter.shape).astype("f4"))
    variables = [*model.parameters(), *model.buffers()]
    last = len(model.parameters()) - 1
    some = [model.parameters()[place] for place in (0, last // 2, last)]
    # Small steps: larger ones bring some of the ReLUs of dozens of layers past their kink.
    options = {"epsilon": 1e-8, "tolerance": 1e-4, "rng": 0}
    core.gradcheck(model, [x[:2]], some, variables=variables, **options)


def test_mobile_channels_are_multiples_of_8_and_lose_at_most_a_tenth():
    model = zoo.mobilenet_v2(0, width=0.35, classes=3)
    widths = {m.out_channels for _, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert all(width % 8 == 0 for width in widths)
    assert model["conv1"].out_channels == 16  # 11.2, of which 8 would be less than 90 %


def test_padding_behind_a_text_does_not_change_what_the_transformer_says():
    model, text = small("transformer")
    padded = np.concatenate([text, np.zeros((4, 2), int)], axis=1)
    # float32 sums of other lengths.
    assert np.allclose(model(text), model(padded), atol=1e-6)
