"""Positions, beam search, decoding step by step, and the models made of attention."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sandbox.lib import core, criterion, data, nn, optim, train
from sandbox.lib.core import Value, ops
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.nn.attention.positions import relative_bias

zoo = nn.zoo
END, BEGIN = 0, 1


def chain(rows, vocabulary, seed=0):
    """Make logits that depend on the row, the word before and the step, and the step function."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(rows, 9, vocabulary, vocabulary)).astype("f4")

    def step(words, state, place):
        (row,) = state
        index = ops.stack([row, ops.broadcast_to(place, row.shape), words], 1)
        return ops.gather_nd(Value(logits), index), state

    return logits, step, (np.arange(rows),)


def chance(logits, words):
    """Compute log P of a sequence of one row, until it ends."""
    total, before = 0.0, BEGIN
    for place, word in enumerate(words):
        scores = logits[place, before].astype("f8")
        total += scores[word] - np.log(np.exp(scores).sum())
        before = word
        if word == END:
            break
    return total


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_that_holds_everything_finds_what_trying_everything_finds(alpha):
    rows, vocabulary, steps = 3, 3, 4
    logits, step, state = chain(rows, vocabulary)
    words, scores = nn.beam_search(
        step, state, rows, steps, begin=BEGIN, end=END, beams=3**steps, alpha=alpha
    )
    for row in range(rows):
        found = {}
        for sequence in itertools.product(range(vocabulary), repeat=steps):
            if END in sequence:
                length = sequence.index(END) + 1
                key = (*sequence[:length], *(0,) * (steps - length))
                found[key] = chance(logits[row], sequence) / ((5 + length) / 6) ** alpha
        best = sorted(found, key=found.get, reverse=True)[:5]
        assert [tuple(w) for w in words.data[row, :5]] == best
        # float32 sums of four logarithms.
        assert np.allclose(scores.data[row, :5], [found[key] for key in best], atol=1e-5)


def test_sequences_that_do_not_end_come_last_with_their_own_score():
    logits, step, state = chain(1, 4)
    logits[..., END] = -2e9  # no chance at all
    words, scores = nn.beam_search(step, state, 1, 3, begin=BEGIN, end=END, beams=2, alpha=1.0)
    assert END not in words.data
    expected = [chance(logits[0], w) / (8 / 6) for w in words.data[0]]
    assert np.allclose(scores.data[0], expected, atol=1e-5)


def test_a_wider_beam_finds_no_worse_sequence_that_ends():
    _, step, state = chain(8, 6, seed=3)
    options = {"begin": BEGIN, "end": END}
    few, many = (nn.beam_search(step, state, 8, 6, beams=n, **options) for n in (2, 40))
    ended = (few[0].data[:, 0] == END).any(axis=1)
    assert ended.any()
    assert (few[1].data[ended, 0] <= many[1].data[ended, 0] + 1e-5).all()


def test_a_state_of_other_rows_and_logits_of_another_shape_are_refused():
    _, step, _ = chain(2, 3)
    with pytest.raises(ShapeError, match="state axis 0 must be 2"):
        nn.beam_search(step, (np.arange(3),), 2, 3, begin=1, end=0)
    with pytest.raises(ShapeError, match="logits must have the shape"):
        nn.beam_search(lambda w, s, p: (w, s), (), 2, 3, begin=1, end=0)


def test_rotary_products_know_only_how_far_apart_steps_are():
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(2, 1, 1, 8))
    layer = nn.RotaryPositions(8, period=100.0)
    turned = [layer(np.repeat(x, 12, 1).astype("f4"))[0] for x in (query, key)]
    products = turned[0] @ turned[1].T
    for distance in range(-5, 6):
        diagonal = np.diagonal(products, distance)
        assert np.allclose(diagonal, diagonal[0], atol=1e-5)
    assert np.ptp(products) > 0.1


def test_relative_buckets_are_those_of_the_paper():
    def bucket(far, both_ways, buckets, most):
        found = 0
        if both_ways:
            buckets //= 2
            found = buckets if far > 0 else 0
            far = abs(far)
        else:
            far = max(-far, 0)
        exact = buckets // 2
        if far < exact:
            return found + far
        large = exact + int(np.log(far / exact) / np.log(most / exact) * (buckets - exact))
        return found + min(large, buckets - 1)

    weight = np.arange(32, dtype="f4")[:, None]
    for both_ways in (True, False):
        options = {"max_distance": 128, "both_ways": both_ways}
        found = relative_bias(Value(weight), 300, 200, **options).data[0, 0]
        places = [(0, 0), (5, 0), (0, 5), (20, 3), (3, 60), (299, 0), (150, 199), (40, 47)]
        for i, j in places:
            assert found[i, j] == bucket(j - i, both_ways, 32, 128)


def test_what_is_generated_is_what_the_whole_model_says():
    model = zoo.GPT(11, 12, 8, 2, 2, rng=0)
    for parameter in model.parameters():  # else the first words' table decides alone
        noise = np.random.default_rng(1).normal(0, 0.3, parameter.shape)
        parameter.set(parameter.data + noise.astype("f4"))
    texts = model.generate(np.array([[3, 4], [5, 6]]), 6)
    for place in range(2, 8):
        assert (texts[:, place] == model(texts[:, :place])[:, -1].argmax(1)).all()
    drawn = [model.generate([[3]], 9, temperature=2.0, rng=seed).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    narrow = model.generate([[3]], 9, temperature=2.0, top_k=1, rng=0)
    assert narrow.tolist() == model.generate([[3]], 9).tolist()
    with pytest.raises(ArgumentError, match="at most 12 words"):
        model.generate([[1] * 10], 3)


def test_a_translation_has_the_score_that_the_whole_model_gives_it():
    model = zoo.Transformer(9, 7, 8, 2, 2, 12, rng=0)
    source = np.array([[3, 4, 5, 0], [6, 7, 8, 3]])
    words, scores = model.decode(source, 5, begin=1, end=2, beams=3, alpha=0.0)
    for row in range(2):
        for beam in range(3):
            before = np.array([[1, *words[row, beam, :-1]]])
            logits = model(source[row : row + 1], before)[0].astype("f8")
            told = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            length = 5
            if 2 in words[row, beam]:
                length = list(words[row, beam]).index(2) + 1
            total = sum(told[t, words[row, beam, t]] for t in range(length))
            assert scores[row, beam] == pytest.approx(total, abs=1e-4)


def size(model):
    return sum(parameter.size for parameter in model.parameters())


@pytest.mark.usefixtures("_undrawn")
def test_as_many_parameters_as_published_but_for_the_keys_biases():
    assert size(zoo.GPT(50_257, 1024)) + 12 * 768 == 124_439_808
    assert size(zoo.BERT(30_522, 512, 768, 12, 12)) + 12 * 768 == 109_482_240
    # Vaswani et al.: 37,000 words, 65 million parameters.
    model = zoo.Transformer(37_000, 37_000, norm_first=False, shared=True)
    attention, norms = 4 * 512 * 512 + 3 * 512, 2 * 512
    perceptron = 2 * 512 * 2048 + 2048 + 512
    encoder, decoder = attention + perceptron + 2 * norms, 2 * attention + perceptron + 3 * norms
    assert size(model) == 37_000 * 512 + 6 * (encoder + decoder)
    assert round(size(model) / 1e6) == 63  # and the keys' biases: 65 is rounded up in the paper


MODELS = {
    "GPT": (lambda: zoo.GPT(9, 8, 8, 2, 1, p=0.0, rng=0), lambda x: x),
    "MaskedWords": (
        lambda: zoo.MaskedWords(zoo.BERT(9, 8, 8, 2, 1, p=0.0, rng=0), rng=0),
        lambda x: x,
    ),
    "Transformer": (lambda: zoo.Transformer(9, 9, 8, 2, 1, 16, p=0.0, rng=0), lambda x: (x, x)),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_is_compiled_and_training_lowers_the_loss(name):
    make, given = MODELS[name]
    x = np.random.default_rng(0).integers(1, 9, (16, 6))
    model, inputs = make(), given(x)
    specs = tuple(map(core.Spec.of, inputs if isinstance(inputs, tuple) else (inputs,)))
    assert core.predict_program(model, model, specs).reason is None
    loss = criterion.TimeDistributed(criterion.CrossEntropy())
    trainer = train.Trainer(
        model, loss, optim.Adam(0.01), batch_size=16, metrics=[], progress=None, threads=1
    )
    losses = trainer.fit(data.ArrayDataset(inputs, x, dtype=None), epochs=25)["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.8 * losses[0]


def test_positions_are_refused_where_one_step_does_not_know_them():
    layer = nn.MultiHeadAttention(8, 2, positions="rotary", rng=0)
    with pytest.raises(ArgumentError, match="`positions` must be None"):
        layer.step(np.zeros((1, 1, 8), "f4"), layer.first_cache(1, 2), 0)
    with pytest.raises(ArgumentError, match="must be even"):
        nn.MultiHeadAttention(6, 2, positions="rotary")
