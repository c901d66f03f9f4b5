"""Layers over time: lengths, padding, errors that name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.criterion import CrossEntropy

# 1e-6 and 1e-5 below: numbers near 1, of float32 sums of a few tens of products that the kernels
# add up in another order for another length; gradients add up over more steps.
IDS = np.array([[4, 2, 7, 0, 0], [1, 0, 0, 0, 0], [3, 0, 5, 6, 2]])
LENGTHS = np.array([3, 1, 5])


def normal(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("f4")


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_padded_row_gives_what_the_short_row_alone_gives(layer, bidirectional):
    model = layer(4, 3, num_layers=2, bidirectional=bidirectional, rng=0)
    x = normal(3, 5, 4)

    padded = model(x, LENGTHS)

    for row, length in enumerate(LENGTHS):
        alone = model(x[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], padded[row, :length], atol=1e-6)
        np.testing.assert_array_equal(0, padded[row, length:])


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_last_state_is_that_at_the_length(layer, bidirectional):
    model = layer(4, 3, bidirectional=bidirectional, return_sequences=False, rng=0)
    x = normal(3, 5, 4)

    padded = model(x, LENGTHS)

    for row, length in enumerate(LENGTHS):
        alone = model(x[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], padded[row], atol=1e-6)


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_lengths_give_the_gradients_of_the_short_rows(layer):
    model = layer(4, 3, bidirectional=True, rng=0)
    x, dy = normal(3, 5, 4), normal(3, 5, 6)
    model.forward(x, LENGTHS)
    dx = model.backward(dy)[0]
    total = model.gradients()

    expected = {name: np.zeros_like(g) for name, g in total.items()}
    for row, length in enumerate(LENGTHS):
        model.forward(x[row : row + 1, :length])
        alone = model.backward(dy[row : row + 1, :length])
        np.testing.assert_allclose(alone[0], dx[row, :length], atol=1e-6)
        np.testing.assert_array_equal(0, dx[row, length:])
        for name, gradient in model.gradients().items():
            expected[name] += gradient
    for name, gradient in total.items():
        np.testing.assert_allclose(expected[name], gradient, atol=1e-5)


def test_embedding_tells_the_lengths_to_the_next_layer():
    embedding = nn.Embedding(8, 4, padding_index=0, with_lengths=True, rng=0)

    vectors, lengths = embedding(IDS)

    assert vectors.shape == (3, 5, 4)
    np.testing.assert_array_equal(LENGTHS, lengths)
    model = nn.Sequential(embedding, nn.LSTM(4, 3, return_sequences=False, rng=0))
    longer = np.pad(IDS, ((0, 0), (0, 6)))
    np.testing.assert_allclose(model(IDS), model(longer), atol=1e-6)


def test_a_row_of_padding_alone_counts_one_step():
    embedding = nn.Embedding(8, 4, padding_index=0, with_lengths=True, rng=0)

    assert embedding(np.array([[0, 0], [0, 3]]))[1].tolist() == [1, 2]


def test_padding_is_zero_and_learns_nothing():
    layer = nn.Embedding(8, 4, padding_index=0, rng=0)
    layer.forward(IDS)
    layer.backward(np.ones((3, 5, 4), "f4"))

    assert not layer.weight.data[0].any()
    assert not layer.gradients()["weight"][0].any()
    np.testing.assert_array_equal(2, layer.gradients()["weight"][2])


@pytest.mark.parametrize(("bad", "where"), [(8, "row 1, position 2"), (-1, "row 1, position 2")])
def test_ids_out_of_range_are_named_by_row_and_position(bad, where):
    ids = IDS.copy()
    ids[1, 2] = bad
    model = nn.Sequential(nn.Embedding(8, 4, rng=0), nn.GRU(4, 3, return_sequences=False, rng=0))

    with pytest.raises(DataError, match=rf"Embedding.*in \[0, 8\); got {bad} in {where}"):
        model(ids)
    flat = core.FlatParameters(model)
    program = core.train_program(model, CrossEntropy(), flat, Spec.of(ids), Spec((3,), "int64"))
    assert program.reason is None
    with pytest.raises(DataError, match=rf"in \[0, 8\); got {bad} in {where}"):
        program.run(ids, np.zeros(3, "i8"))
    with pytest.raises(DataError, match=where):
        core.predict_program(model, flat, Spec.of(ids)).run(ids)


@pytest.mark.parametrize("bad", [0, 6, -2])
def test_lengths_out_of_range_are_named_by_row(bad):
    lengths = np.array([3, bad, 5])
    model, x = nn.LSTM(4, 3, rng=0), normal(3, 5, 4)

    with pytest.raises(
        DataError,
        match=rf"LSTM/layers.0 \(LSTMCell\): lengths must be .*\[1, 5\]; got {bad} in row 1",
    ):
        model(x, lengths)
    specs = (Spec.of(x), Spec.of(lengths))
    with pytest.raises(DataError, match="in row 1"):
        core.predict_program(model, None, specs).run((x, lengths))


def test_ids_must_be_integers():
    with pytest.raises(ShapeError, match=r"must be integer ids; got float32.*dtype=None"):
        nn.Embedding(8, 4, rng=0)(np.ones((2, 3), "f4"))


@pytest.mark.parametrize("index", [8, -1, 1.5, True, "0"])
def test_padding_index_must_be_an_id(index):
    with pytest.raises(ArgumentError, match=r"`padding_index` must be an int in \[0, 8\) or None"):
        nn.Embedding(8, 4, padding_index=index)


def test_lengths_need_a_padding_index():
    with pytest.raises(ArgumentError, match="It tells where a row ends"):
        nn.Embedding(8, 4, with_lengths=True)


def test_causal_attention_does_not_look_ahead():
    layer, x = nn.MultiHeadAttention(6, 2, causal=True, rng=0), normal(2, 5, 6)
    changed = x.copy()
    changed[:, 3:] += 1

    np.testing.assert_allclose(layer(x)[:, :3], layer(changed)[:, :3], atol=1e-6)
    assert np.abs(layer(x)[:, 3:] - layer(changed)[:, 3:]).max() > 1e-3


def test_attention_does_not_look_at_padding():
    layer, x = nn.MultiHeadAttention(6, 3, rng=0), normal(3, 5, 6)

    found = layer(x, LENGTHS)

    for row, length in enumerate(LENGTHS):
        short = x[row : row + 1, :length]
        np.testing.assert_allclose(layer(x[row : row + 1], short)[0], found[row], atol=1e-6)


def test_max_and_mean_over_time_leave_padding_out():
    x = normal(3, 5, 4)

    for row, length in enumerate(LENGTHS):
        short = x[row, :length]
        np.testing.assert_array_equal(short.max(0), nn.GlobalMaxOverTime()(x, LENGTHS)[row])
        mean = nn.GlobalMeanOverTime()(x, LENGTHS)[row]
        np.testing.assert_allclose(short.mean(0), mean, atol=1e-6)


def test_layers_over_time_refuse_lengths_with_another_axis():
    with pytest.raises(ShapeError, match="axis 1 must be the time where lengths are given"):
        nn.GlobalMaxOverTime(axis=2)(normal(3, 5, 4), LENGTHS)


def test_text_cnn_refuses_texts_shorter_than_its_filters():
    with pytest.raises(ShapeError, match=r"conv5.*axis 2 must be >= 5"):
        nn.zoo.text_cnn(50, 2, 0)(np.ones((2, 4), "i8"))
