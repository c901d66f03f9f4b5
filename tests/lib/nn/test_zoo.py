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
    "resnet18": (lambda: zoo.resnet18(0, width=4, classes=3), (4, 3, 40, 33)),
    "preact_resnet": (lambda: zoo.preact_resnet(8, 0, width=4, classes=3), (4, 3, 16, 12)),
    "alexnet": (
        lambda: zoo.alexnet(0, image=63, width=4, features=8, classes=3, p=0),
        (4, 3, 63, 63),
    ),
    "vgg11": (
        lambda: zoo.vgg11(0, image=32, width=4, features=8, classes=3, p=0, batch_norm=True),
        (4, 3, 32, 32),
    ),
    "densenet": (lambda: zoo.densenet(0, growth=3, classes=3, stages=(2, 3)), (4, 3, 40, 33)),
    "inception_v2": (lambda: zoo.inception_v2(0, width=0.05, classes=3, p=0), (4, 3, 40, 33)),
    "inception_v3": (lambda: zoo.inception_v3(0, width=0.08, classes=3, p=0), (4, 3, 91, 91)),
    "mobilenet_v1": (lambda: zoo.mobilenet_v1(0, width=0.1, classes=3), (4, 3, 40, 33)),
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


DEEP = {"resnet50", "mobilenet_v2", "googlenet", "inception_v2", "inception_v3"}
NAMES = [pytest.param(name, marks=pytest.mark.campaign if name in DEEP else ()) for name in SMALL]


def small(name):
    make, shape = SMALL[name]
    rng = np.random.default_rng(0)
    if len(shape) == 2:
        return make(), rng.integers(1, 30, shape)
    return make(), rng.normal(size=shape).astype("f4")


PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "squeezenet": 1_235_496,
    "googlenet": 6_624_904,
    "inception_v3": 23_834_568,
    "densenet": 7_978_856,
}
# For images of 32 pixels 1x1 is left of them, for 224 it is 7x7: 48 pixels of 512 more.
VGG = {11: 132_863_336, 13: 133_047_848, 16: 138_357_544, 19: 143_667_240}


def size(model):
    return sum(parameter.size for parameter in model.parameters())


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("name", PUBLISHED)
def test_as_many_parameters_as_published(name):
    assert size(getattr(zoo, name)(0)) == PUBLISHED[name]


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("depth", VGG)
def test_vgg_has_as_many_parameters_as_published(depth):
    model = getattr(zoo, f"vgg{depth}")(0, image=32)
    assert size(model) + 48 * 512 * 4096 == VGG[depth]


@pytest.mark.usefixtures("_undrawn")
def test_other_published_sizes():
    assert size(zoo.squeezenet(0, version="1.0")) == 1_248_424
    # AlexNet for 63 pixels has 1x1 of them before the first wide layer, for 224 it is 6x6.
    assert size(zoo.alexnet(0, image=63)) + 35 * 256 * 4096 == 61_100_840
    v2 = zoo.inception_v2(0)
    convolutions = [m for _, m in v2.named_modules() if isinstance(m, nn.Conv2d)]
    biases = sum(m.out_channels for m in convolutions)  # of the published model, before batch norm
    assert size(v2) + biases == 11_295_240
    kinds = nn.Conv2d | nn.ConvTranspose2d
    assert sum(isinstance(m, kinds) for _, m in zoo.unet(0, width=4).named_modules()) == 23


def test_images_that_vgg_16_cannot_halve_five_times_are_refused():
    with pytest.raises(ArgumentError, match="`image` must be >= 32"):
        zoo.vgg16(0, image=31)
    assert zoo.vgg16(0, image=70, width=2, features=4)["fc6"].in_features == 16 * 4


@pytest.mark.parametrize("name", NAMES)
def test_a_program_predicts_what_the_network_does_eagerly(name):
    model, x = small(name)
    program = core.predict_program(model, model, core.Spec.of(x))
    assert program.reason is None
    expected = model(x)
    assert expected.shape == (4, 3)
    # Dozens of layers of float32 sums in another order.
    assert np.abs(expected - program.run(x)).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", NAMES)
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
        parameter.set(parameter.data - 1e-3 / length * gradient)
    assert loss()[0] < before


@pytest.mark.parametrize("name", NAMES)
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
