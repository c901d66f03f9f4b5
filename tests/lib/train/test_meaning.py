"""Model, criterion and metrics agree on what outputs are, or say that they do not."""

import numpy as np
import pytest

from sandbox.lib import criterion, data, metrics, nn, optim
from sandbox.lib.core import ops
from sandbox.lib.core.errors import ArgumentError, DataError, ShapeError
from sandbox.lib.data import augment, transforms
from sandbox.lib.train import Trainer

X = np.random.default_rng(0).normal(size=(256, 4)).astype("f4")
Y = (X[:, 0] > 0).astype("i8")
COLUMN = Y.reshape(-1, 1)
COUNTS = [metrics.F1(), metrics.Precision(), metrics.Recall(), metrics.Top1()]


def trainer(model, loss, **options):
    return Trainer(
        model, loss, optim.Adam(0.05), batch_size=32, progress=None, threads=1, **options
    )


def linear(out, *more):
    return nn.Sequential(nn.Linear(4, out, rng=0), *more)


class Gate(nn.Module):
    """A sigmoid that no trace can follow."""

    def call(self, x):
        return ops.sigmoid(x if float(x.data.max()) < 1e9 else ops.negative(x))


ENDS = {
    "logits": (linear(1), criterion.BCEWithLogits()),
    "a sigmoid": (linear(1, nn.Sigmoid()), criterion.BCE()),
    "a sigmoid and squares": (linear(1, nn.Sigmoid()), criterion.MSE()),
    "a gate of one's own": (linear(1, Gate()), criterion.BCE()),
}


@pytest.mark.parametrize("end", ENDS)
def test_metrics_cut_where_the_model_and_its_criterion_say(end):
    ours = trainer(*ENDS[end], metrics=COUNTS)
    target = COLUMN.astype("f4")
    history = ours.fit((X, target), epochs=20, validation=(X, target))
    output = ours.predict(X)
    yes = output[:, 0] > (0 if end == "logits" else 0.5)
    found = ours.evaluate((X, target))
    assert found["top1"] == np.mean(yes == Y) > 0.95
    assert found["recall"] == pytest.approx((yes & (Y == 1)).sum() / Y.sum())
    assert found["precision"] == pytest.approx((yes & (Y == 1)).sum() / yes.sum())
    assert found["f1"] > 0.95
    assert history.validations[-1]["metrics"]["f1"] == found["f1"]


def test_f1_of_a_regression_wants_a_threshold():
    ours = trainer(linear(1), criterion.MSE(), metrics=[metrics.F1()])
    with pytest.raises(ArgumentError, match=r"f1: `threshold` must be given .* F1\(threshold=0.5"):
        ours.fit((X, COLUMN), epochs=1)
    ours = trainer(linear(1), criterion.MSE(), metrics=[metrics.F1(threshold=0.5)])
    ours.fit((X, COLUMN), epochs=10)
    assert ours.evaluate((X, COLUMN))["f1"] > 0.8


@pytest.mark.parametrize(
    ("model", "loss", "message"),
    [
        (linear(2, nn.Softmax()), criterion.CrossEntropy(), "Leave the softmax or sigmoid"),
        (linear(2, nn.Sigmoid()), criterion.CrossEntropy(), "Leave the softmax or sigmoid"),
        (linear(2, Gate()), criterion.CrossEntropy(), "Leave the softmax or sigmoid"),
        (linear(2, nn.Softmax()), criterion.NLL(), "Put nn.LogSoftmax in place"),
    ],
    ids=["softmax", "sigmoid", "gate", "NLL"],
)
def test_a_softmax_before_cross_entropy_does_not_train_unsaid(model, loss, message):
    before = np.array(model[0].weight.data)
    with pytest.raises(ArgumentError, match=rf"^{type(loss).__name__}: output must be .*{message}"):
        trainer(model, loss).fit((X, Y), epochs=1)
    assert np.array_equal(before, model[0].weight.data)


def test_one_of_several_outputs_is_named_where_it_does_not_fit():
    x = nn.Input("x")
    model = nn.Graph(x, {"a": nn.Softmax()(nn.Linear(4, 2)(x)), "b": nn.Linear(4, 1)(x)})
    loss = criterion.Parallel({"a": criterion.CrossEntropy(), "b": criterion.MSE()})
    with pytest.raises(ArgumentError, match=r"Parallel/a \(CrossEntropy\): output must be logits"):
        trainer(model, loss).fit((X, {"a": Y, "b": X[:, :1]}), epochs=1)


def test_one_logit_does_not_go_with_cross_entropy():
    with pytest.raises(ShapeError, match=r"at least 2 classes.*use BCEWithLogits"):
        trainer(linear(1), criterion.CrossEntropy()).fit((X, Y * 0), epochs=1)


def test_a_log_softmax_before_cross_entropy_is_the_same_loss():
    plain, log = linear(2), linear(2, nn.LogSoftmax())
    losses = [
        trainer(model, criterion.CrossEntropy()).fit((X, Y), epochs=2)["loss"]
        for model in (plain, log)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_predict_and_the_model_take_the_arrays_that_fit_takes(dtype):
    x = (X > 0).astype(dtype)
    for model in (linear(2), nn.Sequential(Plain())):
        ours = trainer(model, criterion.CrossEntropy())
        ours.fit((x, Y), epochs=1)
        assert np.array_equal(ours.predict(x), ours.predict(x.astype("f4")))
    ours = trainer(linear(2), criterion.CrossEntropy())  # that was never fitted
    assert np.array_equal(ours.predict(x), ours.predict(x.astype("f4")))
    assert np.allclose(ours.model(x), ours.predict(x))


class Plain(nn.Module):
    """An operation on the input, without a layer that takes whole numbers."""

    def __init__(self):
        self.fc = nn.Linear(4, 2, rng=0)

    def call(self, x):
        return ops.linear(x, self.fc.weight, self.fc.bias)


SHIFT = transforms.Normalize(0.5, mean=[3.0, -1.0, 0.0, 2.0], std=[2.0, 0.5, 1.0, 4.0])
RAW = (X * [2.0, 0.5, 1.0, 4.0] + [3.0, -1.0, 0.0, 2.0]) * 2.0


def test_predict_applies_the_transform_of_the_training_data():
    train = data.ArrayDataset(RAW, Y, transform=SHIFT)
    ours = trainer(linear(2), criterion.CrossEntropy(), metrics=[metrics.Top1()])
    ours.fit(train, epochs=10, validation=(RAW, Y))
    right = ours.evaluate(train)["top1"]
    assert np.mean(ours.predict(RAW).argmax(1) == Y) == right > 0.95
    assert ours.evaluate((RAW, Y))["top1"] == right
    assert ours.history.validations[-1]["metrics"]["top1"] == right
    ready = train.rows(0, np.arange(len(RAW)))[0]
    assert np.array_equal(ours.predict(ready, prepared=True), ours.predict(RAW))
    assert not np.array_equal(ours.predict(RAW, prepared=True), ours.predict(RAW))
    small, large = ours.predict(RAW, batch_size=7), ours.predict(RAW, batch_size=256)
    np.testing.assert_allclose(small, large, rtol=1e-5, atol=1e-6)  # other kernels, other sums


def test_predict_takes_images_as_stored_or_as_transformed_and_no_others():
    images = np.random.default_rng(0).integers(0, 256, (64, 5, 5)).astype("u1")
    labels = (images[:, 2, 2] > 127).astype("i8")
    chain = transforms.Compose(
        transforms.AddChannel(), augment.RandomFlip(), transforms.Normalize(1 / 255)
    )
    train = data.ArrayDataset(images, labels, transform=chain)
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 2, rng=0))
    ours = trainer(model, criterion.CrossEntropy())
    ours.fit(train, epochs=1)
    found = ours.predict(images)
    assert np.array_equal(found, ours.predict(chain(images)))
    assert np.array_equal(found[:0], ours.predict(images[:0]))
    message = r"x must have rows as the training data store them, \(5, 5\) uint8.*float32.*prepared"
    with pytest.raises(DataError, match=message):
        ours.predict(images.astype("f4"))


def test_rows_that_are_taken_as_transformed_are_told(caplog):
    train = data.ArrayDataset((RAW * 4 + 128).astype("u1"), Y, transform=SHIFT)
    ours = trainer(linear(2), criterion.CrossEntropy())
    ours.fit(train, epochs=1)
    ready = train.rows(0, np.arange(len(RAW)))[0]
    ours.predict(train.x)
    ours.predict(ready, prepared=True)
    assert not caplog.records
    assert np.array_equal(ours.predict(ready), ours.predict(train.x))
    assert "predict: x: rows are (4) float32 where the training data store (4) uint8" in caplog.text
    assert "Normalize(0.5, mean=[3.0, -1.0, 0.0, 2.0]" in caplog.text
    assert len(caplog.records) == 1


def test_each_of_several_inputs_keeps_its_transform_and_ids_stay_ids():
    ids = np.arange(256) % 5
    x = {"ids": ids[:, None], "row": RAW}
    train = data.ArrayDataset(x, Y, transform={"row": SHIFT})
    ours = trainer(Both(), criterion.CrossEntropy(), metrics=[metrics.Top1()])
    ours.fit(train, epochs=10)
    right = ours.evaluate(train)["top1"]
    assert np.mean(ours.predict(x).argmax(1) == Y) == right > 0.9
    assert ours.evaluate((x, Y))["top1"] == right
    with pytest.raises(DataError, match="x must be a tree like that of the training data"):
        ours.predict(RAW)


def test_ids_of_a_data_set_are_ids_for_predict_and_validation():
    ids = np.random.default_rng(0).integers(0, 5, (64, 3))
    labels = (ids[:, 0] > 2).astype("i8")
    model = nn.Sequential(nn.Embedding(5, 4, rng=0), nn.Flatten(), nn.Linear(12, 2, rng=0))
    ours = trainer(model, criterion.CrossEntropy())
    ours.fit(data.ArrayDataset(ids, labels, dtype=None), epochs=2, validation=(ids, labels))
    assert np.array_equal(ours.predict(ids), ours.predict(ids.astype("u1")))


class Both(nn.Module):
    """A model of ids and of numbers."""

    def __init__(self):
        self.table = nn.Embedding(5, 2, rng=0)
        self.fc = nn.Linear(6, 2, rng=0)

    def call(self, ids, row):
        first = ops.reshape(self.table(ids), (row.shape[0], 2))
        return self.fc(ops.concat([first, row], 1))
