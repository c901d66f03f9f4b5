"""Numbers of the layers, against loops and known results."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import RandomKey, Spec, using
from sandbox.lib.core.errors import ShapeError
from sandbox.lib.testing.modules import Projected


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def slow_conv(x, w, b, stride, padding, dilation, groups):
    """Write the formula down as loops."""
    (sh, sw), ((top, bottom), (left, right)), (dh, dw) = stride, padding, dilation
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    out, per_group, kh, kw = w.shape
    height = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((x.shape[0], out, height, width))
    for o in range(out):
        first = o // (out // groups) * per_group
        for i in range(height):
            for j in range(width):
                window = x[
                    :,
                    first : first + per_group,
                    i * sh : i * sh + dh * (kh - 1) + 1 : dh,
                    j * sw : j * sw + dw * (kw - 1) + 1 : dw,
                ]
                y[:, o, i, j] = (window * w[o]).sum(axis=(1, 2, 3)) + b[o]
    return y


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": 1},
        {"stride": (2, 1), "padding": ((0, 1), (2, 0))},
        {"dilation": (1, 2)},
        {"groups": 2, "padding": "same", "stride": 2},
        {"groups": 4},
    ],
)
def test_conv2d_is_its_formula(arguments):
    layer = nn.Conv2d(4, 8, (3, 2), rng=0, **arguments)
    layer.bias.set(draw(8, seed=2))
    x = draw(2, 4, 7, 6)
    expected = slow_conv(
        x,
        layer.weight.data,
        layer.bias.data,
        layer.stride,
        layer.sides(7, 6),
        layer.dilation,
        layer.groups,
    )
    # float32 sums of at most 24 products.
    assert np.allclose(expected, layer(x), atol=1e-5)


@pytest.mark.parametrize("size", [5, 6, 7, 28])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_padding_same_gives_size_by_stride_rounded_up(size, stride):
    layer = nn.Conv2d(1, 1, (4, 3), padding="same", stride=stride, rng=0)
    assert (1, 1, -(-size // stride), -(-size // stride)) == layer(draw(1, 1, size, size)).shape


def test_channels_last_images_get_the_cure():
    with pytest.raises(ShapeError, match=r"Channels last\? turn it with x.transpose\(0, 3, 1, 2\)"):
        nn.Conv2d(3, 8, 5)(draw(2, 32, 32, 3))


def test_images_without_channels_get_the_cure():
    with pytest.raises(ShapeError, match=r"add the channel axis: x\[:, None\]"):
        nn.Conv2d(1, 8, 5)(draw(2, 28, 28))


def test_linear_on_images_asks_for_flatten():
    with pytest.raises(ShapeError, match=r"Put a Flatten\(\) before it"):
        nn.Linear(4, 2)(draw(2, 1, 2, 2))


def test_max_pool_padding_is_never_the_largest():
    assert nn.MaxPool2d(2, padding=1)(-np.ones((1, 1, 2, 2), "f4")).max() == -1.0


@pytest.mark.parametrize(("include", "corner"), [(True, 4 / 9), (False, 1.0)])
def test_avg_pool_counts_padding_as_told(include, corner):
    layer = nn.AvgPool2d(3, stride=1, padding=1, include_padding=include)
    assert np.isclose(corner, layer(np.ones((1, 1, 4, 4), "f4"))[0, 0, 0, 0])


def test_batch_norm_normalises_and_moves_the_running_statistics():
    layer, x = nn.BatchNorm(3, momentum=0.25), draw(8, 3, 4, 4) * 3 + 2
    y = layer.train()(x)
    # 1e-5: epsilon makes the variance a little less than 1.
    assert np.allclose(0, y.mean(axis=(0, 2, 3)), atol=1e-5)
    assert np.allclose(1, y.var(axis=(0, 2, 3)), atol=1e-4)
    assert np.allclose(0.25 * x.mean(axis=(0, 2, 3)), layer.running_mean.data, atol=1e-5)
    variance = 0.75 + 0.25 * x.var(axis=(0, 2, 3), ddof=1)
    assert np.allclose(variance, layer.running_variance.data, rtol=1e-5)


def test_batch_norm_in_inference_uses_the_running_statistics():
    layer = nn.BatchNorm(2, epsilon=1e-3)
    layer.running_mean.set([1.0, -1.0])
    layer.running_variance.set([4.0, 0.25])
    x = draw(5, 2)
    expected = (x - [1.0, -1.0]) / np.sqrt(np.array([4.0, 0.25]) + 1e-3)
    assert np.allclose(expected, layer(x), atol=1e-6)
    assert np.array_equal([1.0, -1.0], layer.running_mean.data)


def test_frozen_batch_norm_leaves_its_statistics_alone():
    layer, x = nn.BatchNorm(2), draw(5, 2) + 3
    expected = layer(x)
    assert np.array_equal(expected, layer.freeze().train()(x))
    assert np.array_equal([0.0, 0.0], layer.running_mean.data)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_batch_norm_of_one_value_per_channel_goes_by_the_running_statistics(shape):
    layer, x = nn.BatchNorm(3), np.arange(3, dtype="f4").reshape(shape)
    layer.train()(np.random.default_rng(0).normal(size=(8, 3)).astype("f4"))
    mean, variance = layer.running_mean.data.copy(), layer.running_variance.data.copy()
    expected = layer.eval()(x)
    assert np.array_equal(expected, layer.train()(x))
    assert expected.any()
    assert np.array_equal(mean, layer.running_mean.data)
    assert np.array_equal(variance, layer.running_variance.data)


def test_dropout_masks_do_not_depend_on_how_a_batch_is_cut():
    model = nn.Sequential(a=nn.Dropout(0.5), b=nn.Dropout(0.3))
    x = np.ones((8, 13), "f4")
    with using(training=True, random=RandomKey(1, 5, 0)):
        whole = model(x)
    parts = []
    for start, stop in ((0, 3), (3, 8)):
        with using(training=True, random=RandomKey(1, 5, start)):
            parts.append(model(x[start:stop]))
    assert np.array_equal(whole, np.concatenate(parts))


def test_dropouts_at_different_paths_draw_different_masks():
    model = nn.Sequential(a=nn.Dropout(0.5), b=nn.Dropout(0.5))
    x = np.ones((4, 64), "f4")
    with using(training=True, random=RandomKey(1, 5, 0)):
        first, both = model.a(x), model(x)
    assert not np.array_equal(first * 2, both)


def test_dropout_keeps_the_mean():
    with using(training=True, random=RandomKey(0, 0, 0)):
        y = nn.Dropout(0.25)(np.ones((100, 1000), "f4"))
    # 4 standard deviations of a mean of 1e5 draws.
    assert abs(y.mean() - 1) < 4 * np.sqrt(0.25 / 0.75 / 1e5)


def test_softmax_of_large_numbers_is_finite():
    y = nn.Softmax()(np.array([[1e4, 0.0, -1e4]], "f4"))
    assert np.allclose([[1, 0, 0]], y)
    assert np.isfinite(nn.LogSoftmax()(np.array([[1e4, 0.0]], "f4"))).all()


def test_a_missing_axis_is_named():
    with pytest.raises(ShapeError, match=r"must have an axis 2 \(axis\); got 2 axes"):
        nn.Softmax(2)(draw(2, 3))


@pytest.mark.parametrize(
    ("build", "shape", "count"),
    [
        (nn.zoo.lenet5, (2, 1, 28, 28), 44_426),
        (nn.zoo.fast_mnist, (2, 1, 28, 28), 212_682),
        (nn.zoo.cifar_net, (2, 3, 32, 32), 94_762),
        (lambda rng: nn.zoo.mlp((784, 100, 10), rng), (2, 784), 79_510),
    ],
)
def test_zoo_models_have_ten_outputs_and_the_stated_size(build, shape, count):
    model = build(0)
    assert model(draw(*shape)).shape == (2, 10)
    assert count == sum(p.size for p in model.parameters())
    twin = build(np.random.Generator(np.random.PCG64(0)))
    for one, two in zip(model.parameters(), twin.parameters(), strict=True):
        assert np.array_equal(one.data, two.data)


@pytest.mark.parametrize(
    ("rule", "deviation"),
    [
        ("he_normal", (2 / 300) ** 0.5),
        ("he_uniform", (2 / 300) ** 0.5),
        ("lecun_normal", (1 / 300) ** 0.5),
        ("lecun_uniform", (1 / 300) ** 0.5),
        ("xavier_normal", (2 / 500) ** 0.5),
        ("xavier_uniform", (2 / 500) ** 0.5),
        ("uniform", (1 / 900) ** 0.5),
        ("zeros", 0.0),
    ],
)
def test_first_weights_spread_as_the_rule_says(rule, deviation):
    weight = nn.init.draw(rule, (200, 300), 0)
    assert weight.dtype == np.float32
    # 60,000 draws: the deviation is known to 1 %.
    assert np.isclose(deviation, weight.std(), rtol=0.02)


def test_layers_without_a_generator_differ():
    assert not np.array_equal(nn.Linear(4, 4).weight.data, nn.Linear(4, 4).weight.data)


class Shifted(nn.Module):
    """A threshold of a parameter, so that a training program has its gradient."""

    def __init__(self):
        super().__init__()
        self.shift = core.Parameter(np.zeros(6, "f4"), "shift")
        self.threshold = nn.Threshold(0, 5)

    def call(self, x):
        return self.threshold(core.ops.add(x, self.shift))


def test_a_threshold_of_infinities_is_its_value_and_has_no_gradient():
    x = np.array([[-np.inf, -1, 0, 2, np.inf, np.nan]], "f4")
    expected = np.array([[5, 5, 5, 2, np.inf, np.nan]], "f4")
    module = nn.Threshold(0, 5)
    np.testing.assert_array_equal(module(x), expected)
    program = core.predict_program(module, None, (Spec.of(x),))
    np.testing.assert_array_equal(program.run((x,)), expected)
    np.testing.assert_array_equal(module.forward(x), expected)
    np.testing.assert_array_equal(module.backward(np.ones_like(x)), [[0, 0, 0, 1, 1, 1]])


def test_a_threshold_in_a_training_program_gives_the_same():
    x, target = np.array([[-np.inf, -1, 0, 2, 3, 1]], "f4"), np.ones((1, 6), "f4")
    module = Shifted()
    flat = core.FlatParameters(module)
    program = core.train_program(module, Projected(), flat, (Spec.of(x),), Spec.of(target))
    assert program.reason is None
    _, _, output = program.run((x,), target, RandomKey(0))
    np.testing.assert_array_equal(output, [[5, 5, 5, 2, 3, 1]])
    np.testing.assert_array_equal(flat.gradients[:6], [0, 0, 0, 1, 1, 1])
