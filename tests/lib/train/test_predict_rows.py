"""`predict` and `evaluate` take what `fit` takes, and labels may be stored as floats."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.data import ArrayDataset, PartitionedDataset, SequenceDataset, transforms
from sandbox.lib.train import Trainer


def make_trainer(model=None, loss=None):
    model = model or nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))
    return Trainer(
        model, loss or criterion.CrossEntropy(), optim.SGD(0.1), batch_size=4, progress=None
    )


def rows():
    x = np.random.default_rng(0).integers(0, 255, (11, 3)).astype("u1")
    return x, (x[:, 0] > 127).astype("i8")


def test_a_data_set_is_predicted_row_by_row_in_its_order():
    x, y = rows()
    scale = transforms.Normalize(1 / 255)
    trainer = make_trainer()
    trainer.fit(ArrayDataset(x, y, transform=scale), epochs=1)
    expected = trainer.predict(x)
    whole = ArrayDataset(x, y, transform=scale)
    parts = PartitionedDataset([(x[:4], y[:4]), (x[4:4], y[4:4]), (x[4:], y[4:])], transform=scale)
    for data in (whole, parts):
        np.testing.assert_array_equal(trainer.predict(data), expected)
        np.testing.assert_array_equal(trainer.predict(data, batch_size=2), expected)
    assert trainer.evaluate((x, y)) == trainer.evaluate(whole) == trainer.evaluate(parts)


def test_sequences_are_predicted_in_their_order():
    model = nn.Sequential(
        embedding=nn.Embedding(9, 4, rng=0),
        gru=nn.GRU(4, 4, return_sequences=False, rng=1),
        fc=nn.Linear(4, 2, rng=2),
    )
    data = SequenceDataset([[5, 6], [7, 8, 1, 2, 3], [4]], [0, 1, 0], buckets=[2, 6])
    trainer = make_trainer(model)
    trainer.fit(data, epochs=1)
    found = trainer.predict(data, batch_size=1)
    assert found.shape == (3, 2)
    np.testing.assert_allclose(found[1:2], trainer.predict(data.batch([(0, [1])])[0]), rtol=1e-6)


def test_whole_float_labels_are_classes_and_others_are_named_with_their_row():
    x, y = rows()
    ours, theirs = make_trainer(), make_trainer()
    ours.fit((x / 255, y), epochs=2)
    theirs.fit((x / 255, y.astype("f8")), epochs=2)
    np.testing.assert_array_equal(ours.predict(x / 255), theirs.predict(x / 255))
    assert theirs.evaluate((x / 255, y.astype("f4"))) == ours.evaluate((x / 255, y))
    for value in (0.5, np.nan):
        bad = y.astype("f8")
        bad[7] = value
        with pytest.raises(DataError, match=f"labels of y must hold .* got {value}.* in row 7"):
            make_trainer().fit((x / 255, bad), epochs=1)


def test_float_labels_of_one_of_several_targets_are_classes():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2, rng=0)

        def call(self, x):
            y = self.fc(x)
            return {"class": y, "size": y[:, :1]}

    x, y = rows()
    loss = criterion.Parallel({"class": criterion.CrossEntropy(), "size": criterion.MSE()})
    target = {"class": y.astype("f8"), "size": np.ones((11, 1), "f4")}
    trainer, whole = make_trainer(Both(), loss), make_trainer(Both(), loss)
    trainer.fit((x / 255, target), epochs=1)
    whole.fit((x / 255, target | {"class": y}), epochs=1)
    assert trainer.evaluate((x / 255, target)) == whole.evaluate((x / 255, target))


def test_labels_of_the_other_byte_order_and_tables_of_pandas_are_taken():
    x, y = rows()
    frame = pd.DataFrame(x.astype("f4") / 255, columns=["a", "b", "c"])
    trainer = make_trainer()
    trainer.fit((frame, pd.Series(y, dtype="Int64")), epochs=1)
    other = make_trainer()
    other.fit(((x.astype("f4") / 255).astype(">f4"), y.astype(">i8")), epochs=1)
    np.testing.assert_array_equal(trainer.predict(frame), other.predict(x.astype("f4") / 255))


def test_a_pair_is_not_predicted_but_named():
    x, y = rows()
    with pytest.raises(ArgumentError, match=r"got a tuple of 2 inputs.*Labels are not wanted here"):
        make_trainer().predict((x / 255, y))
