"""The layers of Transformers: positions, and the encoder layer against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ShapeError


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("f4")


def perceptron(layer, x):
    fc1, fc2 = layer.fc1, layer.fc2
    return ops.gelu(x @ fc1.weight.data.T + fc1.bias.data).data @ fc2.weight.data.T + fc2.bias.data


@pytest.mark.parametrize("norm_first", [True, False])
def test_the_encoder_layer_computes_its_formula(norm_first):
    layer = nn.TransformerEncoderLayer(6, 2, hidden=10, norm_first=norm_first, rng=0)
    x = draw(3, 5, 6)
    if norm_first:
        h = x + layer.attention(layer.norm1(x))
        expected = h + perceptron(layer, layer.norm2(h))
    else:
        h = layer.norm1(x + layer.attention(x))
        expected = layer.norm2(h + perceptron(layer, h))
    # float32 sums in another order
    assert np.allclose(expected, layer(x), atol=1e-5)


def test_the_encoder_layer_hides_padding_and_gives_the_lengths_on():
    layer = nn.TransformerEncoderLayer(6, 2, rng=0)
    x, lengths = draw(2, 5, 6), np.array([3, 5])
    y, same = layer(x, lengths)
    assert np.array_equal(lengths, same)
    assert np.allclose(layer(x[:1, :3]), y[:1, :3], atol=1e-5)
    assert np.allclose(layer(x[1:]), y[1:], atol=1e-5)


def test_its_two_dropouts_draw_different_masks_and_rest_in_inference():
    layer = nn.TransformerEncoderLayer(6, 2, p=0.5, rng=0)
    x = draw(2, 5, 6)
    assert np.array_equal(layer(x), nn.TransformerEncoderLayer(6, 2, rng=0)(x))
    assert not np.allclose(layer(x), layer.train()(x))
    assert layer.dropout1 is not layer.dropout2


def test_positions_are_added_to_the_steps_from_the_first():
    layer = nn.PositionEmbedding(8, 4, rng=0)
    x = draw(2, 3, 4)
    assert np.array_equal(x + layer.weight.data[:3], layer(x))
    y, lengths = layer(x, np.array([1, 3]))
    assert np.array_equal(layer(x), y)
    assert np.array_equal([1, 3], lengths)


def test_a_sequence_that_is_too_long_for_the_positions_is_refused():
    with pytest.raises(ShapeError, match=r"axis 1 must be <= 8 \(length\); got 9"):
        nn.PositionEmbedding(8, 4, rng=0)(draw(2, 9, 4))
