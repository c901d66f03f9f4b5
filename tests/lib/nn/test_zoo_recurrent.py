"""Ready networks that read step by step: sizes, that they learn, what decoding gives."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, criterion, nn
from sandbox.lib.core.errors import ArgumentError

zoo = nn.zoo
WORDS = criterion.TimeDistributed(criterion.CrossEntropy(ignore_index=0))


def ids(high, *shape, low=1):
    return np.random.default_rng(0).integers(low, high, shape)


def lstm_size(features, hidden):
    """Count what an LSTM holds: four gates, of input, state and one bias each."""
    return 4 * hidden * (features + hidden + 1)


def count(model):
    return sum(parameter.size for parameter in model.parameters())


def test_the_small_language_model_has_the_size_of_its_formula():
    # Zaremba et al. 2014: 10,000 words, 200 units, 2 layers; theirs counts two biases a gate.
    table, scores = 10_000 * 200, 10_000 * 201
    assert count(zoo.lstm_language_model(10_000, 0)) == table + 2 * lstm_size(200, 200) + scores
    tied = zoo.lstm_language_model(50, 0, features=8, hidden=8, layers=1, tied=True)
    assert count(tied) == 50 * 8 + lstm_size(8, 8) + 50
    with pytest.raises(ArgumentError, match=r"`features` must be `hidden` \(4\)"):
        zoo.lstm_language_model(50, 0, features=8, hidden=4, tied=True)


def test_seq2seq_and_tree_lstm_have_the_size_of_their_formulas():
    model = zoo.Seq2Seq(30, 20, features=5, hidden=6, num_layers=2, rng=0)
    both = 2 * (lstm_size(5, 6) + lstm_size(6, 6))
    assert count(model) == (30 + 20) * 5 + both + 6 * 6 + 6 * 13 + 20 * 7
    tree = zoo.tree_lstm_sentiment(30, 3, 0, features=5, hidden=6)
    assert count(tree) == 30 * 5 + 5 * 6 * (5 + 12 + 1) + 3 * 7


TREE = np.array([[-1, -1, 0], [-1, -1, 1], [0, 1, -1], [-1, -1, 2], [2, 3, -1]])
LEARNERS = {
    "language model": (
        lambda: zoo.lstm_language_model(12, 0, features=6, hidden=8),
        (ids(12, 4, 7),),
        ids(12, 4, 7),
        WORDS,
    ),
    "tied language model": (
        lambda: zoo.lstm_language_model(12, 0, features=6, hidden=6, tied=True),
        (ids(12, 4, 7),),
        ids(12, 4, 7),
        WORDS,
    ),
    "seq2seq": (
        lambda: zoo.Seq2Seq(9, 8, features=5, hidden=6, rng=0),
        (ids(9, 4, 5), ids(8, 4, 6)),
        ids(8, 4, 6),
        WORDS,
    ),
    "tree lstm": (
        lambda: zoo.tree_lstm_sentiment(9, 3, 0, features=5, hidden=6, p=0.0),
        (ids(9, 4, 3), np.stack([TREE] * 4), np.array([5, 3, 5, 1])),
        np.array([0, 1, 2, 1]),
        criterion.CrossEntropy(),
    ),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_steps_of_training_move_all_parameters_and_lower_the_loss(name):
    make, inputs, target, loss_of = LEARNERS[name]
    model = make()
    flat = core.FlatParameters(model)
    specs = core.tree.map(core.Spec.of, inputs if len(inputs) > 1 else inputs[0])
    program = core.train_program(model, loss_of, flat, specs, core.Spec.of(target))
    assert program.reason is None

    losses = []
    for _ in range(4):
        loss, *_ = program.run(inputs if len(inputs) > 1 else inputs[0], target)
        losses.append(float(loss))
        assert np.isfinite(flat.gradients).all()
        for part in flat.names:
            assert np.any(flat.gradient(part)), part
        flat.values -= 0.1 / np.linalg.norm(flat.gradients) * flat.gradients
        flat.touch()

    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("attention", [True, False])
def test_decoding_takes_the_likeliest_word_at_each_step(attention):
    model = zoo.Seq2Seq(9, 8, features=5, hidden=6, attention=attention, rng=0)
    for parameter in model.parameters():  # so that the words differ
        parameter.set(parameter.data * 4)
    source = np.array([[3, 5, 8, 2], [4, 1, 0, 0]])

    found = model.decode(source, 5, begin=1)

    told = np.concatenate([np.ones((2, 1), int), found[:, :-1]], axis=1)
    np.testing.assert_array_equal(model(source, told).argmax(2), found)


def test_behind_the_mark_of_the_end_there_are_zeros():
    model = zoo.Seq2Seq(9, 8, features=5, hidden=6, rng=0)
    for parameter in model.parameters():
        parameter.set(parameter.data * 4)
    source = np.array([[3, 5, 8, 2], [4, 1, 0, 0]])
    found = model.decode(source, 5)
    end = int(found[0, 1])
    assert end not in (0, 1, found[0, 0], *found[1])

    cut = model.decode(source, 5, end=end)

    np.testing.assert_array_equal([found[0, 0], end, 0, 0, 0], cut[0])
    np.testing.assert_array_equal(found[1], cut[1])


def test_padding_behind_the_source_changes_nothing():
    model = zoo.Seq2Seq(9, 8, features=5, hidden=6, rng=0)
    source, target = ids(9, 3, 4), ids(8, 3, 5)
    longer = np.pad(source, ((0, 0), (0, 3)))

    # float32 sums of other lengths
    np.testing.assert_allclose(model(source, target), model(longer, target), atol=1e-6)
