"""Modules with trees of inputs and outputs: by place, by name, in lists, absent."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec, Tape, Value, ops
from sandbox.lib.core.errors import ArgumentError, ShapeError


def ones(*shape):
    return np.ones(shape, "f4")


class Towers(nn.Module):
    """Adds up what it gets by name; gives a dict with a pair inside."""

    def __init__(self):
        self.left, self.right = nn.Linear(3, 2, rng=0), nn.Linear(4, 2, rng=1)

    def call(self, left, right, scale=None):
        total = self.left(left) + self.right(right["numbers"])
        if scale is not None:
            total = total * scale
        return {"total": total, "pair": (ops.relu(total), [total * 2.0])}


def towers_inputs():
    rng = np.random.default_rng(0)
    return {
        "left": rng.normal(size=(5, 3)).astype("f4"),
        "right": {"numbers": rng.normal(size=(5, 4)).astype("f4")},
        "scale": rng.uniform(1, 2, size=(5, 2)).astype("f4"),
    }


def test_inputs_by_name_and_by_place_are_the_same_call():
    model, inputs = Towers(), towers_inputs()
    named = model(**inputs)
    placed = model(inputs["left"], inputs["right"], inputs["scale"])
    mixed = model(inputs["left"], right=inputs["right"], scale=inputs["scale"])

    assert isinstance(named["pair"], tuple)
    assert isinstance(named["pair"][1], list)
    core.tree.map(np.testing.assert_array_equal, named, placed)
    core.tree.map(np.testing.assert_array_equal, named, mixed)
    assert isinstance(named["total"], np.ndarray)


def test_an_optional_input_may_be_none_or_left_out():
    model, inputs = Towers(), towers_inputs()
    del inputs["scale"]
    with_none, without = model(**inputs, scale=None), model(**inputs)
    core.tree.map(np.testing.assert_array_equal, with_none, without)
    assert isinstance(with_none["total"], np.ndarray)


def test_a_value_anywhere_gives_values():
    inputs = towers_inputs()
    inputs["right"]["numbers"] = Value(inputs["right"]["numbers"])
    assert isinstance(Towers()(**inputs)["pair"][1][0], Value)


def test_lists_of_numbers_are_arrays_also_inside_a_tree():
    model, inputs = Towers(), towers_inputs()
    lists = core.tree.map(lambda x: x.tolist(), inputs)
    core.tree.map(np.testing.assert_array_equal, model(**inputs), model(**lists))


def test_trees_give_the_same_eagerly_and_compiled():
    model, inputs = Towers(), towers_inputs()
    program = core.predict_program(model, None, core.tree.map(Spec.of, inputs))
    assert program.reason is None
    # 1e-6: sums of four products in another order.
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)  # noqa: E731
    core.tree.map(close, model(**inputs), program.run(inputs))


def test_backward_gives_trees_like_the_inputs():
    model, inputs = Towers(), towers_inputs()
    output = model.forward(**inputs)
    gradient = core.tree.map(np.ones_like, output)
    back = model.backward(gradient)

    values = core.tree.map(Value, inputs)
    with Tape() as tape:
        y = model(**values)
        total = y["total"].sum() + y["pair"][0].sum() + y["pair"][1][0].sum()
    leaves, structure = core.tree.flatten(values)
    expected = structure.unflatten(tape.gradients(total, leaves))
    core.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), expected, back)
    assert set(model.gradients()) == {
        f"{k}.{p}" for k in ("left", "right") for p in ("weight", "bias")
    }

    model.forward(inputs["left"], right=inputs["right"])
    left, named = model.backward(gradient)
    assert left.shape == (5, 3)
    assert named["right"]["numbers"].shape == (5, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.pop("pair"), "Towers: gradient 'pair' must be given; got 'total'"),
        (lambda g: g.update(total=ones(5, 3)), r"output's shape \(5, 2\); got \(5, 3\)"),
        (lambda g: g.update(pair=[1, 2]), "gradient 'pair' must be a tuple of 2; got a list of 2"),
    ],
)
def test_backward_refuses_another_structure(change, message):
    model = Towers()
    gradient = core.tree.map(np.ones_like, model.forward(**towers_inputs()))
    change(gradient)
    with pytest.raises(ShapeError, match=message):
        model.backward(gradient)


MERGES = {
    "add": (nn.Add(), [[4.0, 6.0]]),
    "multiply": (nn.Multiply(), [[3.0, 8.0]]),
    "concat": (nn.Concat(), [[1.0, 2.0, 3.0, 4.0]]),
    "dot": (nn.Dot(), [[11.0]]),
}


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("pack", [list, tuple, lambda ab: [x.data for x in ab]])
def test_merging_takes_several_inputs_or_one_list_of_them(name, pack):
    module, expected = MERGES[name]
    a, b = Value(np.float32([[1, 2]])), Value(np.float32([[3, 4]]))
    np.testing.assert_array_equal(expected, module(a, b).data)
    np.testing.assert_array_equal(expected, np.asarray(module(pack((a, b)))))


def test_gradients_reach_what_is_in_a_list():
    a, b = Value(ones(1, 2)), Value(2 * ones(1, 2))
    with Tape() as tape:
        y = nn.Multiply()([a, b]).sum()
    np.testing.assert_array_equal([[2, 2]], tape.gradients(y, [a])[0])


@pytest.mark.parametrize(
    ("module", "given", "message"),
    [
        (nn.Linear(2, 2), [ones(1, 2), ones(1, 2)], r"got list.*np\.stack"),
        (nn.Linear(2, 2), {"x": ones(1, 2)}, "got dict"),
        (
            nn.Sequential(fc=nn.Linear(2, 2)),
            [ones(1, 2)],
            r"Sequential/fc \(Linear\): input 0 .*list",
        ),
        (nn.ReLU(), [ones(1, 2), ones(1, 2)], r"ReLU: input 0 .*; got list.*np\.stack"),
        (nn.ReLU(), None, "got NoneType"),
    ],
)
def test_a_module_of_one_array_refuses_a_tree(module, given, message):
    with pytest.raises(ArgumentError, match=message):
        module(given)
    with pytest.raises(ArgumentError, match=message):
        core.predict_program(module, None, (core.tree.map(Spec.of, given),))


def test_text_is_named_by_its_place():
    with pytest.raises(ArgumentError, match=r"Towers: input 'right.numbers' must be .*; got str"):
        Towers()(ones(1, 3), right={"numbers": "1"})


def named_graph():
    left, right = nn.Input("left"), nn.Input("right")
    joined = nn.Concat()([left, nn.Linear(3, 2, rng=0, name="fc")(right)])
    return nn.Graph((left, right), {"sum": nn.Add()([left, left]), "rest": (joined, [right])})


def test_a_graph_takes_inputs_by_name_and_gives_a_tree():
    model, a, b = named_graph(), ones(2, 4), ones(2, 3)
    found = model(right=b, left=a)
    np.testing.assert_array_equal(2 * a, found["sum"])
    assert found["rest"][0].shape == (2, 6)
    np.testing.assert_array_equal(b, found["rest"][1][0])
    for other in (model(a, b), model(a, right=b)):
        core.tree.map(np.testing.assert_array_equal, found, other)
    program = core.predict_program(model, None, {"left": Spec.of(a), "right": Spec.of(b)})
    assert program.reason is None
    close = lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6)  # noqa: E731 - one kernel
    core.tree.map(close, found, program.run({"left": a, "right": b}))


def test_a_graph_of_trees_comes_back_from_its_config():
    model, a, b = named_graph(), ones(2, 4), ones(2, 3)
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model), sort_keys=True)))
    for name, parameter in twin.named_parameters():
        parameter.set(dict(model.named_parameters())[name].data)
    core.tree.map(np.testing.assert_array_equal, model(a, b), twin(left=a, right=b))
    assert nn.serialize(twin) == nn.serialize(model)


def test_a_graph_of_a_file_from_before_comes_back():
    x = nn.Input("x")
    config = nn.serialize(nn.Graph(x, (nn.ReLU()(x), nn.Tanh()(x))))
    del config["config"]["output"]
    config["config"]["single"] = False
    assert isinstance(nn.deserialize(config)(ones(1, 2)), tuple)
    config["config"]["single"], config["config"]["outputs"] = True, [1]
    assert isinstance(nn.deserialize(config)(ones(1, 2)), np.ndarray)


def test_inputs_of_a_graph_may_be_a_dict():
    a, b = nn.Input(), nn.Input()
    model = nn.Graph({"a": a, "b": b}, nn.Subtract()(a, b))
    np.testing.assert_array_equal(ones(1, 2), model(b=ones(1, 2), a=2 * ones(1, 2)))


@pytest.mark.parametrize(
    ("inputs", "named", "got"),
    [
        ((), {"left": ones(1, 2)}, "got 0 and 'left'"),
        ((ones(1, 2),), {"left": ones(1, 2)}, "got 1 and 'left'"),
        ((), {"left": ones(1, 2), "more": ones(1, 2)}, "got 0 and 'left' and 'more'"),
        ((ones(1, 2),) * 3, {}, "got 3"),
    ],
)
def test_a_graph_refuses_other_names(inputs, named, got):
    with pytest.raises(ShapeError, match=rf"inputs must be 2 \(left, right\); {got}"):
        named_graph()(*inputs, **named)


def test_a_module_in_a_graph_may_get_inputs_by_name():
    x, lengths = nn.Input("x"), nn.Input("lengths")
    model = nn.Graph((x, lengths), nn.LSTM(2, 3, rng=0)(x, lengths=lengths))
    rng, counts = np.random.default_rng(0), np.array([1, 4])
    data = rng.normal(size=(2, 4, 2)).astype("f4")
    layer = model["lstm_1"]
    np.testing.assert_array_equal(layer(data, counts), model(data, counts))
    np.testing.assert_array_equal(layer(data), model(data, None))
    twin = nn.deserialize(json.loads(json.dumps(nn.serialize(model))))
    assert twin(x=data, lengths=counts).shape == model(data, counts).shape


def test_arrays_among_nodes_are_refused_by_name():
    with pytest.raises(ArgumentError, match=r"input lengths must be a graph node .* got ndarray"):
        nn.LSTM(2, 3)(nn.Input(), lengths=np.array([1]))


def test_a_dict_between_modules_is_given_by_name():
    class Split(nn.Module):
        def call(self, x):
            return {"b": x * 2.0, "a": x}

    class Difference(nn.Module):
        def call(self, a, b):
            return a - b

    model = nn.Sequential(Split(), Difference())
    np.testing.assert_array_equal(-ones(1, 2), model(ones(1, 2)))
    first = nn.Sequential(diff=Difference(), relu=nn.ReLU())
    np.testing.assert_array_equal(ones(1, 2), first(b=ones(1, 2), a=2 * ones(1, 2)))
    np.testing.assert_array_equal(ones(1, 2), first(2 * ones(1, 2), b=ones(1, 2)))


def test_attention_takes_lengths_by_name():
    layer = nn.MultiHeadAttention(4, 2, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f4")
    lengths = np.array([1, 3])
    np.testing.assert_array_equal(layer(x, lengths), layer(x, lengths=lengths))
    np.testing.assert_array_equal(layer(x, x, lengths), layer(x, lengths=lengths))


def test_summary_and_observers_see_trees():
    text = str(Towers().summary((1, 3), right={"numbers": (1, 4)}))
    assert "left    Linear  (1, 2)           8" in text
    seen = {}
    with nn.observe(lambda path, module, inputs, output: seen.update({path: (inputs, output)})):
        Towers()(ones(1, 3), right={"numbers": ones(1, 4)})
    inputs, output = seen[""]
    assert list(inputs) == ["left", "right"]
    assert output["pair"][0].shape == (1, 2)
    assert isinstance(seen["left"][0], tuple)


class Held(nn.Module):
    def __init__(self):
        self.heads = {"digit": nn.Linear(2, 3, rng=0), "more": [{"size": nn.Linear(2, 1, rng=0)}]}
        self.scales = {0: core.Parameter(np.ones(2)), "names": {"a": 1, (2, 3): "b"}}
        self.nested = [[nn.BatchNorm(2)], ()]

    def call(self, x):
        x = self.nested[0][0](x * self.scales[0])
        return self.heads["digit"](x), self.heads["more"][0]["size"](x)


def test_modules_in_dicts_and_nested_lists_are_registered():
    model = Held()
    assert [name for name, _ in model.named_children()] == [
        "heads.digit",
        "heads.more.0.size",
        "nested.0.0",
    ]
    names = [name for name, _ in model.named_parameters()]
    assert names == [
        "scales.0",
        "heads.digit.weight",
        "heads.digit.bias",
        "heads.more.0.size.weight",
        "heads.more.0.size.bias",
        "nested.0.0.weight",
        "nested.0.0.bias",
    ]
    assert [name for name, _ in model.named_buffers()] == [
        "nested.0.0.running_mean",
        "nested.0.0.running_variance",
    ]
    inside = {id(part) for part in model.parts()}
    wanted = [*model.parameters(), *model.buffers(), *[m for _, m in model.named_modules()]]
    assert inside == {id(part) for part in wanted}
    assert len(model.freeze().parameters()) == 7
    assert not any(p.trainable for p in model.parameters())


def test_paths_of_modules_in_dicts_are_in_errors_and_programs():
    model = Held()
    model.heads["digit"] = nn.Linear(7, 2)
    with pytest.raises(ShapeError, match=r"^Held/heads\.digit \(Linear\): input axis 1 must be 7"):
        model(ones(3, 2))
    program = core.predict_program(Held(), None, Spec((3, 2)))
    assert program.reason is None
    assert {"heads.digit", "heads.more.0.size"} <= {op.path for op in program.oplist.ops}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: {nn.ReLU()}, "`held` must hold modules .* got a set"),
        (lambda: {"a": frozenset([core.Parameter(1.0)])}, r"`held\.a` must hold .* got a set"),
        (lambda: {"a.b": nn.ReLU()}, "keys of `held` must be .*; got 'a.b'"),
        (lambda: {"": nn.ReLU()}, "keys of `held` must be .*; got ''"),
        (lambda: {(1, 2): nn.ReLU()}, r"keys of `held` must be .*; got \(1, 2\)"),
        (lambda: {1: nn.ReLU(), "1": nn.ReLU()}, "keys of `held` must be different .* got '1'"),
    ],
)
def test_what_cannot_be_registered_is_refused(make, message):
    class Variable(nn.Module):
        def __init__(self, held):
            self.held = held

    with pytest.raises(ArgumentError, match=message):
        Variable(make()).parameters()
