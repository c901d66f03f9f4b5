"""Sequential and Graph."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib import nn
from sandbox.lib.core import Tape, Value, ops
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.engine.threads import limit


def ones(*shape):
    return np.ones(shape, "f4")


def test_children_are_numbered_named_by_themselves_or_by_keyword():
    model = nn.Sequential(nn.ReLU(), nn.ReLU(name="own"), last=nn.ReLU())
    assert model.names == ("0", "own", "last")
    assert model["own"] is model[1] is model.own
    assert model[-1] is model.last
    assert len(model) == 3
    assert list(model) == [model[0], model[1], model[2]]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Sequential(nn.ReLU), "must be a module; got <class"),
        (lambda: nn.Sequential(nn.ReLU), "add brackets"),
        (lambda: nn.Sequential(relu="relu"), "child 'relu' must be a module; got 'relu'"),
        (lambda: nn.Sequential(nn.ReLU(name="a"), a=nn.ReLU()), "must differ; got 'a' twice"),
        (lambda: nn.Sequential(call=nn.ReLU()), "that Sequential has no other use for; got 'call'"),
        (lambda: nn.Sequential(nn.ReLU())["x"], "Sequential: a child must be one of 0"),
        (lambda: nn.Sequential(nn.ReLU())[1], "a number below 1; got 1"),
    ],
)
def test_bad_children_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_an_empty_sequential_gives_its_input():
    assert np.array_equal(ones(2, 3), nn.Sequential()(ones(2, 3)))


def test_graph_equals_the_same_computation_by_hand():
    x = nn.Input()
    fc1, fc2 = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)
    model = nn.Graph(x, nn.Add()(fc1(x), fc2(nn.ReLU()(fc1(x)))))
    data = np.random.default_rng(0).normal(size=(4, 3)).astype("f4")
    expected = fc1(data) + fc2(np.maximum(fc1(data), 0))
    # 1e-6: float32, in another order.
    assert np.allclose(expected, model(data), atol=1e-6)


def test_a_module_used_twice_is_one_child_and_its_gradients_add():
    x, y, shared = nn.Input(), nn.Input(), nn.Linear(2, 1, rng=0)
    model = nn.Graph((x, y), nn.Add()(shared(x), shared(y)))
    assert len(model.parameters()) == 2
    with Tape() as tape:
        loss = ops.sum(model(Value(ones(1, 2)), Value(3 * ones(1, 2))))
    assert np.array_equal([[4.0, 4.0]], tape.gradients(loss, [shared.weight])[0])


def test_graph_with_several_outputs_gives_a_tuple():
    x = nn.Input()
    h = nn.ReLU()(x)
    model = nn.Graph([x], [h, nn.Tanh()(h), x])
    outputs = model(ones(1, 2))
    assert isinstance(outputs, tuple)
    assert [output.shape for output in outputs] == [(1, 2)] * 3


def test_graph_names_modules_by_class_and_number_unless_named():
    x = nn.Input()
    model = nn.Graph(x, nn.ReLU()(nn.Linear(2, 2, name="fc")(nn.ReLU()(x))))
    assert model.names == ("relu_1", "fc", "relu_2")


def test_graph_errors_carry_the_path():
    x = nn.Input()
    model = nn.Graph(x, nn.Linear(2, 2, name="fc")(nn.ReLU()(x)), name="net")
    with pytest.raises(ShapeError, match=r"^net/fc \(Linear\): input axis 1 must be 2"):
        model(ones(1, 3))


def test_graph_checks_its_nodes():
    x, y = nn.Input("x"), nn.Input("y")
    h = nn.Add()(x, y)
    with pytest.raises(ArgumentError, match=r"must hold all input nodes .* without <input node y>"):
        nn.Graph(x, h)
    with pytest.raises(ArgumentError, match="input 1 must be used by an output"):
        nn.Graph((x, y), nn.ReLU()(x))
    with pytest.raises(ArgumentError, match="different nodes made by Input"):
        nn.Graph((x, x), h)
    with pytest.raises(ArgumentError, match="different nodes made by Input"):
        nn.Graph(h, h)
    with pytest.raises(ArgumentError, match="must be a node or a sequence of nodes"):
        nn.Graph(x, [nn.ReLU()])
    with pytest.raises(ArgumentError, match="input 1 must be a graph node like the others"):
        nn.Add()(x, ones(1, 2))


def test_graph_checks_the_number_of_inputs():
    x, y = nn.Input("image"), nn.Input()
    model = nn.Graph((x, y), nn.Add()(x, y))
    with pytest.raises(ShapeError, match=r"Graph: inputs must be 2 \(image, input 1\); got 1"):
        model(ones(1, 2))


def test_a_graph_of_thousands_of_modules_works():
    x = node = nn.Input()
    for _ in range(2000):
        node = nn.ReLU()(node)
    model = nn.Graph(x, node)
    with limit(1):
        assert np.array_equal(ones(1, 1), model(ones(1, 1)))
    assert len(nn.deserialize(nn.serialize(model))) == 2000


def test_a_graph_inside_a_graph():
    x = nn.Input()
    inner = nn.Graph(x, nn.Linear(2, 2, rng=0, name="fc")(x), name="inner")
    z = nn.Input()
    outer = nn.Graph(z, inner(inner(z)))
    assert [name for name, _ in outer.named_parameters()] == ["inner.fc.weight", "inner.fc.bias"]
    assert outer(ones(3, 2)).shape == (3, 2)


def test_graph_config_is_json_and_keeps_sharing():
    x, shared = nn.Input("x"), nn.Linear(2, 2, rng=0)
    model = nn.Graph(x, nn.Add()(shared(x), nn.Sequential(shared, nn.ReLU())(x)))
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model), sort_keys=True)))
    assert len(twin.parameters()) == len(model.parameters()) == 2
    assert repr(twin) == repr(model)


def test_a_damaged_graph_config_is_refused():
    x = nn.Input()
    config = nn.serialize(nn.Graph(x, nn.ReLU()(x)))
    config["config"]["steps"] = [["relu_1", [5]]]
    with pytest.raises(ArgumentError, match="must use values that are computed before it"):
        nn.deserialize(config)
    config["config"]["steps"] = [["relu_9", [0]]]
    with pytest.raises(ArgumentError, match="a step must name one of relu_1; got 'relu_9'"):
        nn.deserialize(config)
