"""Normalisation that PyTorch has not, against the published formulas written down step by step."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import Value, ops
from sandbox.lib.core.errors import ArgumentError

ROW = np.array([1.0, 2.0, 4.0, 2.0, 1.0])
KERNELS = {"all alike": 3, "Gaussian": ROW, "any": [[0.0, 1.0, 0.5], [1.0, 2.0, 1.0], [3.0] * 3]}


def normal(*shape):
    return np.random.default_rng(3).normal(size=shape)


def weights_of(kernel):
    found = np.ones((kernel, kernel)) if isinstance(kernel, int) else np.asarray(kernel)
    found = np.outer(found, found) if found.ndim == 1 else found
    return found / found.sum()


def around(image, weights):
    """Sum over the window around each position of one image (channels, height, width)."""
    channels, height, width = image.shape
    rows, columns = weights.shape
    found = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            for u in range(rows):
                for v in range(columns):
                    y, x = i + u - rows // 2, j + v - columns // 2
                    if 0 <= y < height and 0 <= x < width:
                        found[i, j] += weights[u, v] * image[:, y, x].sum() / channels
    return found


def subtracted(image, weights):
    return image - around(image, weights) / around(np.ones_like(image), weights)


def divided(image, weights, threshold, value):
    deviation = np.sqrt(around(image**2, weights)) / around(np.ones_like(image), weights)
    return image / np.where(deviation > threshold, deviation, value)


@pytest.mark.parametrize("kernel", KERNELS)
def test_surroundings_are_subtracted_and_divided_by_as_torch7_does(kernel):
    x, given = normal(2, 3, 5, 6), KERNELS[kernel]
    w = weights_of(given)
    found = nn.SubtractiveNorm(3, given).call(Value(x)).data
    np.testing.assert_allclose(found, [subtracted(image, w) for image in x], atol=1e-12)
    layer = nn.DivisiveNorm(3, given, threshold=0.9, value=0.5)
    expected = [divided(image, w, 0.9, 0.5) for image in x]
    np.testing.assert_allclose(layer.call(Value(x)).data, expected, atol=1e-12)
    both = nn.ContrastiveNorm(3, given).call(Value(x)).data
    expected = [divided(subtracted(image, w), w, 1e-4, 1e-4) for image in x]
    np.testing.assert_allclose(both, expected, atol=1e-10)


def test_a_black_image_has_finite_gradients():
    layer = nn.ContrastiveNorm(1, 3)
    layer.forward(np.zeros((1, 1, 4, 4), "f4"))
    assert np.isfinite(layer.backward(np.ones((1, 1, 4, 4), "f4"))).all()


@pytest.mark.parametrize("kernel", [2, [1.0, 2.0], [[1.0, 2.0, 1.0]] * 2, [[1.0, -2.0, 0.5]]])
def test_kernels_have_odd_sizes_and_a_positive_sum(kernel):
    with pytest.raises(ArgumentError, match="kernel"):
        nn.SubtractiveNorm(1, kernel)


def test_neighbours_within_the_channel_damp():
    x, size = normal(2, 3, 5, 4), 3
    found = nn.LocalResponseNorm(size, alpha=0.7, beta=0.6, k=1.3, within_channel=True)
    sums = np.zeros_like(x)
    for i in range(5):
        for j in range(4):
            near = x[:, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            sums[:, :, i, j] = (near**2).sum(axis=(2, 3))
    expected = x / (1.3 + 0.7 / size**2 * sums) ** 0.6
    np.testing.assert_allclose(found.call(Value(x)).data, expected, rtol=1e-12)


def test_vectors_of_channels_get_their_length_from_the_weights():
    x, layer = normal(2, 3, 4), nn.NormalizeScale(3)
    layer.astype("float64")
    layer.weight.set(np.array([1.0, 2.0, 3.0]))
    length = np.sqrt((x**2).sum(axis=1, keepdims=True))
    expected = x / length * np.array([1.0, 2.0, 3.0])[:, None]
    np.testing.assert_allclose(layer.call(Value(x)).data, expected, rtol=1e-12)


@pytest.mark.parametrize("mean", [0.0, 30.0, 3000.0])
def test_groups_far_from_zero_keep_their_digits(mean):
    x = (normal(4, 6, 20) + mean).astype("f4")
    parts = x.astype("f8").reshape(4, 2, 60)
    parts = (parts - parts.mean(2, keepdims=True)) / np.sqrt(parts.var(2, keepdims=True) + 1e-5)
    found = nn.GroupNorm(2, 6)(x)
    # The numbers themselves have an error of mean · 2^-24.
    np.testing.assert_allclose(found, parts.reshape(x.shape), atol=2e-6 * max(1.0, mean))


def test_one_group_is_a_layer_normalisation_and_a_group_for_each_an_instance_normalisation():
    x = normal(3, 4, 5).astype("f4")
    whole, each = nn.GroupNorm(1, 4)(x), nn.GroupNorm(4, 4)(x)
    gamma, beta = np.ones((4, 5), "f4"), np.zeros((4, 5), "f4")
    np.testing.assert_allclose(whole, ops.layer_norm(x, gamma, beta).data, atol=1e-5)
    np.testing.assert_allclose(each, nn.InstanceNorm(4)(x), atol=1e-6)
