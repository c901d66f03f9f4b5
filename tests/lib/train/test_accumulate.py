"""Batches run in pieces, whose gradients add up: the same training, but for rounding."""

from __future__ import annotations

import numpy as np
import pytest
from train_kit import assert_same, make_data, make_trainer, weights

from sandbox.lib import nn, optim
from sandbox.lib.core.errors import DataError, ShapeError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.metrics import Top1
from sandbox.lib.optim import ClipNorm


def model(norm=False):
    """Dropout, too: its masks go by the row, not by the piece."""
    layers = {"fc1": nn.Linear(4, 16, rng=0), "act": nn.Tanh(), "drop": nn.Dropout(0.3)}
    if norm:
        layers["norm"] = nn.BatchNorm(16)
    return nn.Sequential(**layers, fc2=nn.Linear(16, 2, rng=1))


def near(expected, actual):
    for name, value in expected.items():
        # float32 sums in another order, over 14 steps
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-6, err_msg=name)


# 200 rows in batches of 32: the last one has 8.
@pytest.mark.parametrize("pieces", [2, 3, 32, 50])
def test_pieces_train_as_the_whole_batch(pieces):
    whole, cut = (
        make_trainer(model(), accumulate=k, metrics=[Top1()], clip=ClipNorm(1.0))
        for k in (1, pieces)
    )
    told, found = (trainer.fit(make_data(), epochs=2) for trainer in (whole, cut))
    near(weights(whole.model), weights(cut.model))
    np.testing.assert_allclose(told["loss"], found["loss"], atol=1e-6)
    assert told["rows"].tolist() == found["rows"].tolist()
    for name in ("learning_rate", "top1"):
        assert told[name].tolist() == found[name].tolist()


def test_class_weights_count_over_the_whole_batch():
    loss = CrossEntropy([0.1, 2.0])
    whole, cut = (make_trainer(model(), accumulate=k, criterion=loss) for k in (1, 4))
    for trainer in (whole, cut):
        trainer.fit(make_data(), steps=14)
    near(weights(whole.model), weights(cut.model))


@pytest.mark.parametrize("pieces", [1, 4])
def test_pieces_train_as_the_whole_batch_on_ranks(run_ranks, pieces):
    alone = make_trainer(model())
    alone.fit(make_data(), steps=14)
    trainer = make_trainer(model(), accumulate=pieces)
    many = run_ranks(trainer._job(make_data(), None, 14, None, None, "epoch", None), 3)
    assert many.errors == [None] * 3
    for found in many.models:
        near(weights(alone.model), weights(found))


def test_a_run_in_pieces_goes_on_bit_for_bit():
    whole, halves = (make_trainer(model(norm=True), accumulate=3) for _ in range(2))
    whole.fit(make_data(), steps=12)
    halves.fit(make_data(), steps=5)
    halves.fit(make_data(), steps=12, resume="auto")
    assert_same(weights(whole.model), weights(halves.model))


def test_a_bad_row_is_found_in_its_piece():
    x, y = make_data()
    y[77] = 5
    texts = []
    for pieces in (1, 5):
        with pytest.raises(DataError) as caught:
            make_trainer(model(), accumulate=pieces).fit((x, y), epochs=1)
        texts.append(str(caught.value))
    assert "row 77" in texts[0]
    assert texts[0] == texts[1]


def test_pieces_of_single_rows_leave_batch_norms_nothing_to_measure():
    with pytest.raises(ShapeError, match=r"accumulate=32\). Use batch_size=64 or more"):
        make_trainer(model(norm=True), accumulate=32).fit(make_data(192), epochs=1)


def test_optimisers_by_the_names_of_modules():
    trainer = make_trainer(
        model(), optimizer={"fc1": optim.Adam(0.01), "*": optim.SGD(0.1, momentum=0.9)}
    )
    by_hand = make_trainer(
        model(),
        optimizer=optim.ParameterGroups(
            optim.SGD(0.1, momentum=0.9),
            [optim.ParameterGroup("fc1.*", optimizer=optim.Adam(0.01))],
        ),
    )
    for one in (trainer, by_hand):
        one.fit(make_data(), steps=8)
    assert_same(weights(by_hand.model), weights(trainer.model))


def test_optimisers_by_name_may_have_schedules_of_their_own():
    def train(schedule):
        rates = {"fc1": optim.SGD(0.1, schedule=schedule), "*": optim.SGD(0.1)}
        trainer = make_trainer(model(), optimizer=optim.EMA(optim.by_name(rates)))
        trainer.fit(make_data(), epochs=2)
        return weights(trainer.model)

    still, moved = train(optim.Constant(0.0)), train(optim.Epochs(optim.Cosine()))
    first = weights(model())
    assert_same({"fc1.weight": first["fc1.weight"]}, {"fc1.weight": still["fc1.weight"]})
    assert not np.array_equal(first["fc1.weight"], moved["fc1.weight"])


def test_schedules_of_passes_are_told_their_length():
    schedule = optim.Epochs(optim.StepDecay(1, gamma=0.5))
    trainer = make_trainer(model(), optimizer=optim.SGD(0.4, schedule=schedule))
    rates = trainer.fit(make_data(), epochs=3)["learning_rate"]
    assert rates.tolist() == [0.4] * 7 + [0.2] * 7 + [0.1] * 7
