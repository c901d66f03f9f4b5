"""What is asked of a finished module: weights in and out, predictions, parts of a graph."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core.errors import ArgumentError, ShapeError


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def network(rng=0):
    given = nn.init.generator(rng)
    return nn.Sequential(
        fc=nn.Linear(3, 4, rng=given),
        norm=nn.BatchNorm(4),
        gate=nn.Highway(4, rng=given),
        out=nn.Linear(4, 2, rng=given),
    )


def test_weights_go_from_one_model_to_its_like():
    one, two = network(0), network(1)
    two.set_weights(one.get_weights())
    assert np.array_equal(one(normal(5, 3)), two(normal(5, 3)))


def test_weights_that_are_given_out_are_copies():
    layer = nn.Linear(2, 1, rng=0)
    before = layer.weight.data.copy()
    layer.get_weights()[0][:] = 7
    assert np.array_equal(before, layer.weight.data)


def test_weights_that_do_not_fit_change_nothing():
    layer = nn.Linear(2, 3, rng=0)
    before = layer.get_weights()
    with pytest.raises(ShapeError, match=r"weight 'bias' must have shape \(3,\); got \(2,\)"):
        layer.set_weights([np.ones((3, 2)), np.ones(2)])
    with pytest.raises(ArgumentError, match=r"must hold 2 arrays \(weight, bias\); got 1"):
        layer.set_weights([np.ones((3, 2))])
    assert all(map(np.array_equal, before, layer.get_weights()))


def test_reset_begins_as_a_new_model_of_the_same_seed():
    model = network(1)
    model.train().forward(normal(6, 3))
    model.set_weights([w + 1 for w in model.get_weights()])
    model.norm.running_mean.set(np.ones(4))
    assert model.reset(5) is model
    fresh = network(5)
    assert all(map(np.array_equal, fresh.get_weights(), model.get_weights()))
    assert not model.norm.running_mean.data.any()
    assert (model.gate.gate.bias.data == -1).all()


def test_reset_of_a_module_nobody_can_make_says_so():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

    with pytest.raises(ArgumentError, match="must be registered"):
        Own().reset(0)


def test_a_step_by_hand_goes_down_and_leaves_frozen_parameters():
    layer, x = nn.Linear(3, 1, rng=0), normal(8, 3)
    layer.bias.trainable = False
    target, losses = x.sum(1, keepdims=True), []
    for _ in range(30):
        error = layer.forward(x) - target
        losses.append(float((error**2).mean()))
        layer.backward(2 * error / len(x))
        layer.update_parameters(0.1)
    assert losses[-1] < losses[0] / 10
    assert not layer.bias.data.any()
    with pytest.raises(ArgumentError, match="must follow forward"):
        nn.Linear(2, 1).update_parameters(0.1)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_predictions_do_not_depend_on_the_batch_size(batch_size):
    model, x = network().train(), normal(7, 3)
    assert np.allclose(model.eval()(x), model.predict(x, batch_size=batch_size), atol=1e-6)


def test_predict_is_inference_whatever_mode_the_model_is_in():
    model, x = nn.Sequential(nn.Dropout(0.5)).train(), np.ones((4, 3), "f4")
    assert np.array_equal(x, model.predict(x, batch_size=3))
    assert model.training


def test_predict_takes_and_gives_trees():
    model = nn.Parallel(a=nn.Add(), b=nn.ReLU())
    x = normal(5, 2)
    y = model.predict(a=(x, x), b=x, batch_size=2)
    assert np.allclose(2 * x, y["a"])
    assert y["b"].shape == (5, 2)
    assert nn.ReLU().predict(np.zeros((0, 3), "f4")).shape == (0, 3)


def test_predict_refuses_inputs_of_unlike_rows():
    with pytest.raises(ShapeError, match=r"as many rows each; got \(2, 3\), \(3, 3\)"):
        nn.Add().predict(np.ones((2, 3)), np.ones((3, 3)))


def test_classes_are_places_of_the_largest_and_need_two():
    assert nn.ReLU().predict_class(np.float32([[0, 2, 1], [3, 0, 0]])).tolist() == [1, 0]
    with pytest.raises(ShapeError, match="two or more"):
        nn.ReLU().predict_class(np.ones((3, 1), "f4"))


def test_a_sequential_becomes_a_graph_of_the_same_names():
    model = network()
    graph = nn.Graph.of(model)
    assert np.array_equal(model(normal(4, 3)), graph(normal(4, 3)))
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in graph.named_parameters()]


def test_a_graph_up_to_some_modules_shares_them_and_drops_the_rest():
    left, right = nn.Input("left"), nn.Input("right")
    shared = nn.Linear(3, 4, rng=0, name="shared")
    a, b = shared(left), shared(right)
    model = nn.Graph((left, right), nn.Add(name="sum")(nn.ReLU(name="relu")(a), b))
    x, y = normal(2, 3), normal(2, 3, seed=1)
    part = model.up_to("relu")
    assert part.names == ("shared", "relu")
    assert part.shared is shared
    assert np.allclose(np.maximum(shared(x), 0), part(left=x), atol=1e-6)
    both = model.up_to("shared", "relu")(x, y)
    assert np.allclose(shared(y), both[0], atol=1e-6)
    whole = nn.deserialize(nn.serialize(model.up_to("sum")))
    assert whole.inputs == ("left", "right")
    for names in ((), ("spam",)):
        with pytest.raises(ArgumentError, match="must be among shared, relu"):
            model.up_to(*names)


def test_a_module_put_in_keeps_the_names_of_the_others():
    model = nn.Sequential(nn.Linear(3, 2, rng=0), nn.ReLU())
    before = [name for name, _ in model.named_parameters()]
    model.insert(1, nn.Tanh()).insert(-1, nn.Softmax(), "soft").insert(4, nn.ReLU())
    assert model.names == ("0", "2", "soft", "1", "4")
    assert [name for name, _ in model.named_parameters()] == before
    model.insert(0, nn.Linear(3, 3, rng=0), "first")
    twin = nn.deserialize(nn.serialize(model))
    assert twin.names == model.names
    assert [n for n, _ in twin.named_parameters()] == [n for n, _ in model.named_parameters()]
    with pytest.raises(ArgumentError, match=r"`place` must be in \[-6, 6\]"):
        model.insert(7, nn.ReLU())
