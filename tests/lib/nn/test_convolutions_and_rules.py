"""Series, transposed convolutions, first weights and the ready networks, by known results."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError, ShapeError


# 1e-5 and 1e-6 below: float32 sums of a few tens of products near 1; 1e-4: of some thousands.
def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def test_conv1d_is_its_formula():
    layer = nn.Conv1d(4, 6, 3, stride=2, padding=(2, 1), dilation=2, groups=2, rng=0)
    layer.bias.set(draw(6, seed=1))
    x = draw(2, 4, 9)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 1)))
    w = layer.weight.data
    expected = np.zeros((2, 6, 4))
    for o in range(6):
        first = o // 3 * 2
        for i in range(4):
            window = padded[:, first : first + 2, 2 * i : 2 * i + 5 : 2]
            expected[:, o, i] = (window * w[o]).sum(axis=(1, 2)) + layer.bias.data[o]

    np.testing.assert_allclose(expected, layer(x), atol=1e-5)


def test_a_causal_conv1d_sees_no_later_step():
    layer = nn.Conv1d(2, 3, 3, dilation=2, padding="causal", rng=0)
    x = draw(1, 2, 10)
    later = x.copy()
    later[:, :, 6:] += 1

    np.testing.assert_array_equal(layer(x)[:, :, :6], layer(later)[:, :, :6])


def test_conv_transpose2d_is_the_transpose_of_conv2d():
    window = {"stride": (2, 3), "padding": ((1, 0), (2, 1)), "dilation": (1, 2), "groups": 2}
    down = nn.Conv2d(4, 6, (3, 2), bias=False, rng=0, **window)
    up = nn.ConvTranspose2d(6, 4, (3, 2), output_padding=(1, 2), bias=False, rng=1, **window)
    up.weight.set(down.weight.data)
    small = draw(2, 6, 4, 3, seed=2)
    large = draw(*up(small).shape, seed=3)

    assert small.shape == down(large).shape
    np.testing.assert_allclose((down(large) * small).sum(), (large * up(small)).sum(), rtol=1e-4)


def test_bilinear_weights_enlarge_without_changing_a_constant():
    up = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, groups=3, weight_init="bilinear")
    y = up(np.full((1, 3, 5, 5), 2.0, "f4"))

    assert y.shape == (1, 3, 10, 10)
    np.testing.assert_allclose(np.full((1, 3, 8, 8), 2.0), y[:, :, 1:-1, 1:-1], rtol=1e-6)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (8, 2, 3, 3)])
def test_orthogonal_weights_keep_lengths(shape):
    w = nn.init.draw("orthogonal", shape, 0).reshape(shape[0], -1).astype("f8")
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w

    np.testing.assert_allclose(np.eye(len(product)), product, atol=1e-6)


def test_truncated_normal_has_the_variance_of_he_and_no_far_values():
    w = nn.init.draw("truncated_normal", (500, 200), 0)

    assert abs(w.std() - 0.1) < 0.002
    assert np.abs(w).max() < 2.0 * 0.1 / 0.8796 + 1e-6


def test_constant_weights_are_written_with_their_number():
    assert (nn.init.draw("constant(-0.5)", (2, 3), None) == -0.5).all()
    for wrong in ("constant", "constant()", "constant(x)", "constant(1.2.3)"):
        with pytest.raises(ArgumentError, match="weight_init"):
            nn.init.draw(wrong, (2, 3), None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.ConvTranspose2d(1, 1, 3, stride=2, output_padding=2), "less than `stride`"),
        (
            lambda: nn.ConvTranspose2d(1, 1, 3, padding="causal"),
            "`padding` must be 'same', 'valid'",
        ),
        (lambda: nn.Conv1d(1, 1, 3, padding="full"), "'same', 'causal', 'valid'"),
        (lambda: nn.HardTanh(1.0, -1.0), "`low` must be less"),
        (lambda: nn.LeakyReLU(float("nan")), "finite number"),
        (lambda: nn.Scale((3, 0)), "an int > 0; got 0"),
        (lambda: nn.Sum(0), "batch axis"),
        (lambda: nn.zoo.resnet(19), "6n \\+ 2"),
        (lambda: nn.zoo.wide_and_deep((), 1, 2), "at least one"),
    ],
)
def test_wrong_arguments_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


def test_merging_needs_the_right_number_of_inputs():
    x = draw(2, 3)
    with pytest.raises(ShapeError, match="inputs must be 2; got 3"):
        nn.Subtract()(x, x, x)


def test_cosines_are_between_minus_one_and_one_also_of_zeros():
    a, b = draw(5, 4), draw(5, 4, seed=1)
    a[0] = 0
    y = nn.Dot(normalize=True)(a, b)

    assert y[0] == 0
    np.testing.assert_allclose(1.0, nn.Dot(normalize=True)(b, 3 * b), rtol=1e-5)
    assert np.abs(y).max() <= 1


def test_the_ready_networks_have_their_sizes():
    def parameters(model):
        return sum(p.data.size for p in model.parameters())

    assert parameters(nn.zoo.resnet20(0)) == 272_474
    assert nn.zoo.resnet20(0)(np.zeros((2, 3, 32, 32), "f4")).shape == (2, 10)
    assert nn.zoo.vgg(0)(np.zeros((2, 3, 32, 32), "f4")).shape == (2, 10)
    assert parameters(nn.zoo.fraud_mlp(0)) == 29 * 64 + 64 + 64 * 32 + 32 + 32 * 2 + 2
    assert nn.zoo.fraud_mlp(0, outputs=1)(np.zeros((3, 29), "f4")).shape == (3, 1)
