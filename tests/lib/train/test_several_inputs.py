"""Models of several inputs in a Trainer: trained, validated, resumed, by ranks, put to use."""

from __future__ import annotations

import pickle
import time
from typing import Any

import numpy as np
import pytest
from train_kit import Ranks, assert_same, weights

from sandbox.lib import nn
from sandbox.lib.core import Tape
from sandbox.lib.core.errors import DataError
from sandbox.lib.criterion import CrossEntropy
from sandbox.lib.data import ArrayDataset, PartitionedDataset
from sandbox.lib.metrics import AUC, Top1
from sandbox.lib.nn.zoo import offsets, wide_and_deep
from sandbox.lib.optim import SGD, Adam
from sandbox.lib.train import MaxSteps, SingleGroup, Trainer, TrainJob
from sandbox.lib.train.batches import Batches

FIELDS, NUMBERS = (7, 5), 3


def table(rows: int = 150, seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Rows of two categories and three numbers; the class depends on both kinds."""
    rng = np.random.default_rng(seed)
    categories = np.stack([rng.integers(0, n, rows) for n in FIELDS], axis=1)
    numbers = rng.normal(size=(rows, NUMBERS))
    y = (numbers[:, 0] + (categories[:, 0] > 3) - 0.5 > 0).astype(np.int64)
    return (categories + offsets(FIELDS), numbers), y


def model(seed: int = 0) -> nn.Module:
    return wide_and_deep(FIELDS, NUMBERS, 2, seed, dimension=4, hidden=(8,))


def make(**options: Any) -> Trainer:
    settings = {"batch_size": 32, "threads": 1, "progress": None, "seed": 5} | options
    optimizer = settings.pop("optimizer", None) or SGD(0.2, momentum=0.9)
    return Trainer(settings.pop("model", None) or model(), CrossEntropy(), optimizer, **settings)


def test_wide_and_deep_follows_its_gradients_step_by_step() -> None:
    x, y = table()
    trainer = make(optimizer=SGD(0.2))
    trainer.fit((x, y), steps=7)

    by_hand = model()
    data = ArrayDataset(x, y)
    order = data.order(32, seed=5)
    for step in range(7):
        parts = order.batch(*divmod(step, order.steps_per_epoch))
        (ids, numbers), target = data.batch(parts)
        parameters = list(by_hand.parameters())
        with Tape() as tape:
            loss = CrossEntropy()(by_hand(ids, numbers), target)
        for parameter, gradient in zip(parameters, tape.gradients(loss, parameters), strict=True):
            parameter.set(parameter.data - 0.2 * gradient)
    expected = weights(by_hand)
    for name, value in weights(trainer.model).items():
        # 1e-5: compiled programs add up float32 in another order.
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_wide_and_deep_learns_from_categories_and_numbers() -> None:
    trainer = make(optimizer=Adam(0.02), metrics=[Top1(), AUC()])
    trainer.fit(table(600), epochs=12, validation=table(200, seed=1))
    assert trainer.history.validations[-1]["metrics"]["top1"] > 0.9
    found = trainer.evaluate(table(200, seed=1))
    assert found == trainer.history.validations[-1]["metrics"]


def test_every_input_counts() -> None:
    """Neither input is dropped or taken twice: without it the outputs differ."""
    (ids, numbers), y = table()
    trainer = make()
    trainer.fit(((ids, numbers), y), steps=5)
    whole = trainer.predict((ids, numbers))
    assert whole.shape == (150, 2)
    np.testing.assert_allclose(
        whole, trainer.model(ids, numbers.astype("f4")), rtol=1e-5, atol=1e-6
    )
    assert np.abs(trainer.predict((ids, 0 * numbers)) - whole).max() > 0.1
    assert np.abs(trainer.predict((0 * ids, numbers)) - whole).max() > 0.1
    assert trainer.predict((ids[:0], numbers[:0])).shape == (0, 2)
    np.testing.assert_allclose(
        trainer.predict((ids, numbers), batch_size=7), whole, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_ranks_equal_one_process(ranks: int, shared: bool) -> None:
    (ids, numbers), y = table()
    cuts = [(0, 60), (60, 61), (61, 61), (61, 150)]
    parts = [((ids[a:b], numbers[a:b]), y[a:b]) for a, b in cuts]
    data = ArrayDataset((ids, numbers), y) if shared else PartitionedDataset(parts)
    trainer = make()
    trainer.fit(data, steps=12)
    job = TrainJob(
        model=model(),
        criterion=CrossEntropy(),
        optimizer=SGD(0.2, momentum=0.9),
        data=data,
        end=MaxSteps(12),
        batch_size=32,
        seed=5,
        metrics=(Top1(),),
    )
    run = Ranks(job, ranks, lambda: None)
    assert run.errors == [None] * ranks
    expected = weights(trainer.model)
    for name, value in weights(run.models[ranks - 1]).items():
        # 1e-5: the ranks' sums are added in another order than those of one process.
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Any) -> None:
    whole, cut = make(), make(checkpoint=tmp_path)
    whole.fit(table(), epochs=4)
    cut.fit(table(), epochs=2)
    again = make(checkpoint=tmp_path, model=model(3))
    again.fit(table(), epochs=4, resume="auto")
    assert_same(weights(whole.model), weights(again.model))


def test_a_checkpoint_of_other_rows_of_one_input_is_refused(tmp_path: Any) -> None:
    (ids, numbers), y = table()
    make(checkpoint=tmp_path).fit(((ids, numbers), y), epochs=1)
    from sandbox.lib.core.errors import CheckpointError

    with pytest.raises(CheckpointError):
        make(checkpoint=tmp_path).fit(((ids, numbers + 1), y), epochs=2, resume="auto")


class Slow(ArrayDataset):
    """Reads as from a slow disk."""

    def rows(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(0.003)
        return super().rows(*args, **kwargs)


def test_reading_ahead_changes_no_number() -> None:
    x, y = table()
    order = ArrayDataset(x, y).order(32, seed=1)
    quick = Batches(ArrayDataset(x, y), order, SingleGroup())
    slow = Batches(Slow(x, y), order, SingleGroup())
    for epoch in range(6):
        for k in range(order.steps_per_epoch):
            one, other = quick.get(epoch, k), slow.get(epoch, k)
            for a, b in zip((*one.inputs, one.target), (*other.inputs, other.target), strict=True):
                np.testing.assert_array_equal(a, b)
            ids, numbers = one.inputs
            picked = np.concatenate([i for _, i in one.parts])
            np.testing.assert_array_equal(ids, x[0][picked])
            np.testing.assert_array_equal(numbers, x[1][picked].astype("f4"))
    assert slow.ahead is not None
    slow.close()


def test_a_bad_row_is_named_with_its_input_and_its_place_in_the_data() -> None:
    (ids, numbers), y = table()
    numbers[77, 2] = np.nan
    message = (
        r"step \d \(epoch 1, batch \d\): input '1' must hold finite numbers; got nan in row \d+\."
        r" .*is row 77 of the data set"
    )
    with pytest.raises(DataError, match=message):
        make().fit(((ids, numbers), y), epochs=1)
    good = table(40)
    with pytest.raises(DataError, match=r"validation batch 1: input '1' must hold finite numbers"):
        make().fit(good, epochs=1, validation=((ids, numbers), y))


def test_an_id_that_cannot_be_is_named_by_its_row() -> None:
    (ids, numbers), y = table()
    ids[31, 1] = 12
    with pytest.raises(DataError, match=r"is row 31 of the data set"):
        make().fit(((ids, numbers), y), epochs=1)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ((np.ones((3, 2), int), np.ones((4, 3))), "same number of rows; got 3 in '0' and 4 in '1'"),
        ((np.ones((3, 2), int), 3.0), "`x` at '1' must have a row axis"),
        ((None, None), "must hold at least one array"),
    ],
)
def test_inputs_that_cannot_be_predicted_are_refused(x: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make().predict(x)


def test_batches_of_trees_travel_with_the_job() -> None:
    x, y = table()
    data = pickle.loads(pickle.dumps(ArrayDataset(x, y)))
    assert data.spec == ArrayDataset(x, y).spec
