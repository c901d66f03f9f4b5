"""A pipeline takes probabilities as they are, and makes them of logits alone."""

import numpy as np
import pytest

from sandbox.lib import criterion, nn, optim
from sandbox.lib.core.errors import ArgumentError, DataError
from sandbox.lib.train import ModelBundle, Trainer

X = np.random.default_rng(0).normal(size=(128, 4)).astype("f4")
Y = (X[:, 0] > 0).astype("i8")


def linear(out, *more):
    return nn.Sequential(nn.Linear(4, out, rng=0), *more)


def test_a_softmax_is_not_done_twice():
    model = linear(3, nn.Softmax())
    pipeline = ModelBundle(None, model)
    np.testing.assert_allclose(pipeline.probabilities(X), model(X), rtol=1e-6)
    assert np.array_equal(pipeline.predict(X), model(X).argmax(1))
    logits = ModelBundle(None, linear(3)).probabilities(X)  # the same weights without it
    np.testing.assert_allclose(pipeline.probabilities(X), logits, rtol=1e-5)


@pytest.mark.parametrize("end", [nn.Sigmoid(), nn.LogSigmoid()], ids=["sigmoid", "log-sigmoid"])
def test_one_sigmoid_is_the_probability_of_a_yes(end):
    found = ModelBundle(None, linear(1, end)).probabilities(X)
    shares = linear(1, nn.Sigmoid())(X)[:, 0]
    np.testing.assert_allclose(found[:, 1], shares, rtol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1.0)


def test_a_trained_sigmoid_is_as_right_in_its_pipeline_as_in_its_trainer():
    model = linear(1, nn.Sigmoid())
    trainer = Trainer(model, criterion.BCE(), optim.Adam(0.05), batch_size=32, progress=None)
    trainer.fit((X, Y[:, None]), epochs=30)
    right = np.mean((trainer.predict(X)[:, 0] >= 0.5) == Y)
    assert np.mean(ModelBundle(None, model).predict(X) == Y) == right > 0.95


def test_sigmoids_of_several_classes_are_each_by_itself():
    model = linear(3, nn.Sigmoid())
    pipeline = ModelBundle(None, model)
    np.testing.assert_allclose(pipeline.probabilities(X), model(X), rtol=1e-6)
    assert np.array_equal(pipeline.predict(X), model(X).argmax(1))
    two = linear(2, nn.Sigmoid())
    assert np.array_equal(ModelBundle(None, two).predict(X), two(X).argmax(1))


def test_log_probabilities_are_taken_back():
    found = ModelBundle(None, linear(3, nn.LogSoftmax())).probabilities(X)
    np.testing.assert_allclose(found, ModelBundle(None, linear(3)).probabilities(X), rtol=1e-5)


def test_one_of_several_outputs_has_its_own_meaning():
    x = nn.Input("x")
    fc = nn.Linear(4, 3, rng=0)
    model = nn.Graph(x, {"kind": nn.Softmax()(fc(x)), "size": nn.Linear(4, 1, rng=1)(x)})
    found = ModelBundle(None, model, output="kind").probabilities(X)
    np.testing.assert_allclose(found, model(X)["kind"], rtol=1e-6)


def test_a_model_that_gets_a_softmax_later_is_looked_at_again():
    model = linear(3)
    pipeline = ModelBundle(None, model)
    before = pipeline.probabilities(X)
    model.append(nn.Softmax())
    np.testing.assert_allclose(pipeline.probabilities(X), before, rtol=1e-5)


def test_what_outputs_are_can_be_said_and_is_kept_in_the_file(tmp_path):
    model = linear(1)
    model[0].weight.set(np.zeros((1, 4), "f4"))
    model[0].bias.set(np.full(1, 0.2, "f4"))  # a rate that a linear layer gives
    pipeline = ModelBundle(None, model, gives="probabilities")
    assert np.allclose(pipeline.probabilities(X[:1]), [[0.8, 0.2]])
    again = ModelBundle.load(pipeline.save(tmp_path / "rate"))
    assert np.array_equal(again.probabilities(X), pipeline.probabilities(X))
    model[0].bias.set(np.full(1, 3.0, "f4"))
    message = r"outputs must be probabilities, in 0..1; got 3 in row 0. .*gives='logits'"
    with pytest.raises(DataError, match=message):
        pipeline.probabilities(X)
    with pytest.raises(ArgumentError, match="`gives` must be one of"):
        ModelBundle(None, model, gives="odds")


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_whole_numbers_are_taken_as_by_the_model(dtype):
    x = (X > 0).astype(dtype)
    pipeline = ModelBundle(None, linear(2))
    assert np.array_equal(pipeline.outputs(x), pipeline.outputs(x.astype("f4")))
    words = nn.Sequential(nn.Embedding(2, 3, rng=0), nn.Flatten(), nn.Linear(12, 2, rng=0))
    if dtype != "bool":
        assert ModelBundle(None, words).probabilities(x).shape == (128, 2)
