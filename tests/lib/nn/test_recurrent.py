"""Cells over time: those of users, stacks, decoders, both directions, images."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core, nn
from sandbox.lib.core import Spec, ops
from sandbox.lib.core.errors import ArgumentError, ShapeError
from sandbox.lib.testing.modules import Projected

# float32 sums of a few tens of products of numbers near 1, added up in another order
NEAR = {"rtol": 1e-5, "atol": 1e-6}
LENGTHS = np.array([3, 1, 5])


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@nn.register("test_recurrent.Mixing")
class Mixing(nn.Cell):
    """A cell as users write them: a layer inside, a dict as state."""

    def __init__(self, rng=None):
        super().__init__()
        self.mix = nn.Linear(6, 3, rng=rng)

    def first_state(self, z):
        return {"sum": self.zeros(z, 3)}

    def step(self, z, state):
        y = ops.tanh(self.mix(ops.concat([z, state["sum"]], 1)))
        return y, {"sum": state["sum"] + y}


def by_hand(cell, x, total, steps):
    weight, bias = cell.mix.weight.data, cell.mix.bias.data
    ys = {}
    for t in steps:
        ys[t] = np.tanh(np.concatenate([x[t], total]) @ weight.T + bias)
        total = total + ys[t]
    return ys, total


@pytest.mark.parametrize("reverse", [False, True])
def test_a_cell_of_the_users_is_read_row_by_row_to_its_length(reverse):
    cell, x, first = Mixing(0), normal(3, 5, 3), normal(3, 3, seed=2)
    layer = nn.Recurrent(cell, reverse=reverse, return_state=True)
    ends = nn.Recurrent(cell, reverse=reverse, return_sequences=False)

    ys, last = layer(x, LENGTHS, {"sum": first})
    y = ends(x, LENGTHS, {"sum": first})

    for row, length in enumerate(LENGTHS):
        steps = range(length)[:: -1 if reverse else 1]
        expected, total = by_hand(cell, x[row], first[row], steps)
        for t in steps:
            np.testing.assert_allclose(expected[t], ys[row, t], **NEAR)
        np.testing.assert_allclose(expected[steps[-1]], y[row], **NEAR)
        np.testing.assert_allclose(total, last["sum"][row], **NEAR)
        np.testing.assert_array_equal(0, ys[row, length:])


def test_a_cell_of_the_users_trains_in_a_program_as_eagerly():
    layer, x = nn.Recurrent(Mixing(0)), normal(2, 6, 3)
    flat = core.FlatParameters(layer)
    target = normal(2, 6, 3, seed=3)
    program = core.train_program(layer, Projected(), flat, Spec.of(x), Spec.of(target))

    assert program.reason is None
    program.run(x, target)

    layer.forward(x)
    layer.backward(target)
    for name, gradient in layer.gradients().items():
        np.testing.assert_allclose(gradient, flat.gradient(name), rtol=1e-4, atol=1e-5)


def test_tracing_takes_no_longer_for_longer_sequences():
    def operations(time):
        spec = Spec((2, time, 3))
        return len(core.predict_program(nn.Recurrent(Mixing(0)), None, spec).oplist.ops)

    assert operations(4) == operations(200)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_layer_is_its_cell_in_a_loop(kind):
    layer = getattr(nn, kind)(3, 4, return_state=True, rng=0)
    x, cell, state, ys = normal(2, 5, 3), layer.layers[0], None, []

    for t in range(5):
        y, state = cell(x[:, t], state)
        ys.append(y)

    found, (last,) = layer(x)
    np.testing.assert_allclose(np.stack(ys, 1), found, **NEAR)
    core.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **NEAR), state, last)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_sequence_may_be_read_in_parts(kind):
    layer = getattr(nn, kind)(3, 4, num_layers=2, return_state=True, rng=0)
    x = normal(2, 7, 3)

    whole, last = layer(x)
    first, state = layer(x[:, :3])
    rest, end = layer(x[:, 3:], state=state)

    np.testing.assert_allclose(whole, np.concatenate([first, rest], 1), **NEAR)
    core.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **NEAR), last, end)


def test_stacked_cells_are_layers_above_each_other():
    layer = nn.LSTM(3, 4, num_layers=2, rng=0)
    stack = nn.Recurrent(nn.StackedCells(layer.layers))
    x = normal(3, 5, 3)

    np.testing.assert_allclose(layer(x, LENGTHS), stack(x, LENGTHS), **NEAR)


@pytest.mark.parametrize("cell", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells_of_the_engine_read_a_sequence_with_one_kernel(cell):
    stack = nn.Recurrent(nn.StackedCells([cell(3, 4, rng=0), cell(4, 2, rng=1)]))
    program = core.predict_program(stack, None, Spec((2, 9, 3)))

    names = [op.name for op in program.oplist.ops]
    assert "scan" not in names
    assert names.count(cell.__name__.removesuffix("Cell").lower()) == 2


def test_a_summary_tells_what_cells_give():
    table = nn.Sequential(lstm=nn.LSTM(3, 4, rng=0)).summary((2, 5, 3))
    assert "lstm.layers.0  LSTMCell  (2, 5, 4), (2, 4), (2, 4)         128" in table


def test_both_directions_are_merged():
    one, two, x = nn.GRUCell(3, 4, rng=0), nn.GRUCell(3, 4, rng=1), normal(3, 5, 3)
    a, b = nn.Recurrent(one)(x, LENGTHS), nn.Recurrent(two, reverse=True)(x, LENGTHS)
    merged = {"concat": np.concatenate([a, b], 2), "sum": a + b, "mean": (a + b) / 2}

    for how, expected in (merged | {"multiply": a * b}).items():
        found = nn.BiRecurrent(one, two, merge=how)(x, LENGTHS)
        np.testing.assert_allclose(expected, found, **NEAR)


def test_a_decoder_is_fed_with_what_it_gave():
    cell, output, x = nn.GRUCell(3, 4, rng=0), nn.Linear(4, 3, rng=1), normal(2, 3)
    state, y = normal(2, 4, seed=2), x
    found = nn.RecurrentDecoder(cell, 4, output=output)(x, state)

    for t in range(4):
        y, state = cell(y, state)
        y = output(y)
        np.testing.assert_allclose(y, found[:, t], **NEAR)


def convolved(x, weight):
    """Slide 3 x 3 filters over images whose border is 0, pixel by pixel."""
    wide = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, _, height, width = x.shape
    y = np.zeros((rows, len(weight), height, width), x.dtype)
    for i in range(height):
        for j in range(width):
            y[:, :, i, j] = np.einsum("ncuv,ocuv->no", wide[:, :, i : i + 3, j : j + 3], weight)
    return y


def test_a_convolutional_lstm_is_its_formula():
    cell = nn.ConvLSTMCell2d(2, 3, 3, peephole=True, rng=0)
    cell.weight_peephole.set(normal(9, seed=4))
    x = normal(2, 4, 2, 3, 5)
    w, u = cell.weight_input.data, cell.weight_hidden.data
    b = cell.bias.data[:, None, None]
    pi, pf, po = cell.weight_peephole.data.reshape(3, 3, 1, 1)
    h = c = np.zeros((2, 3, 3, 5), "f4")

    found = nn.Recurrent(cell)(x)

    for t in range(4):
        i, f, g, o = np.split(convolved(x[:, t], w) + convolved(h, u) + b, 4, axis=1)
        c = sigmoid(f + pf * c) * c + sigmoid(i + pi * c) * np.tanh(g)
        h = sigmoid(o + po * c) * np.tanh(c)
        np.testing.assert_allclose(h, found[:, t], rtol=1e-4, atol=1e-5)


def test_model_files_of_before_still_load():
    config = {
        "in_features": 3,
        "hidden_features": 4,
        "num_layers": 2,
        "bidirectional": True,
        "return_sequences": False,
        "weight_init": "xavier_uniform",
    }
    for kind, biases in (("LSTM", 16), ("GRU", 16), ("RNN", 4)):
        layer = nn.deserialize({"module": f"nn.{kind}", "config": config})
        shapes = {name: p.shape for name, p in layer.named_parameters()}
        assert list(shapes)[:3] == [
            f"layers.0.{n}" for n in ("weight_input", "weight_hidden", "bias")
        ]
        assert shapes["layers.3.bias"] == (biases,)


def test_states_of_another_number_are_refused():
    x, h = normal(2, 5, 3), normal(2, 4)
    with pytest.raises(ArgumentError, match=r"`state` must be a tuple of 2.*; got 1"):
        nn.GRU(3, 4, num_layers=2, rng=0)(x, None, (h,))
    with pytest.raises(ArgumentError, match=r"pair \(h, c\)"):
        nn.LSTM(3, 4, rng=0)(x, None, (h,))
    with pytest.raises(ShapeError, match=r"the first h must have shape \(2, 4\); got \(2, 5\)"):
        nn.GRU(3, 4, rng=0)(x, None, (normal(2, 5),))


def test_binary_trees_are_read_by_their_formula():
    model = nn.BinaryTreeLSTM(3, 2, rng=0)
    x, trees = normal(2, 3, 3), np.full((2, 5, 3), -1)
    trees[0] = [[-1, -1, 2], [-1, -1, 0], [0, 1, -1], [-1, -1, 1], [2, 3, -1]]
    trees[1, :3] = [[-1, -1, 1], [-1, -1, 1], [1, 0, 2]]
    w, u, b = (model.weight_input.data, model.weight_hidden.data, model.bias.data)

    found = model(x, trees, np.array([5, 3]))

    for row, count in enumerate((5, 3)):
        states = []
        for left, right, word in trees[row, :count]:
            none = np.zeros(2, "f4"), np.zeros(2, "f4")
            (hl, cl), (hr, cr) = (states[k] if k >= 0 else none for k in (left, right))
            z = u @ np.concatenate([hl, hr]) + b + (w @ x[row, word] if word >= 0 else 0)
            i, fl, fr, o = (sigmoid(part) for part in np.split(z, 5)[:4])
            c = i * np.tanh(z[-2:]) + fl * cl + fr * cr
            states.append((o * np.tanh(c), c))
        np.testing.assert_allclose(np.stack([h for h, _ in states]), found[row, :count], **NEAR)
        np.testing.assert_array_equal(0, found[row, count:])
    root = nn.BinaryTreeLSTM(3, 2, root_only=True, rng=0)(x, trees, np.array([5, 3]))
    np.testing.assert_allclose([found[0, 4], found[1, 2]], root, **NEAR)


def test_trees_of_any_number_of_children_are_read_by_their_formula():
    model = nn.ChildSumTreeLSTM(3, 2, rng=0)
    x, parents = normal(1, 6, 3), np.array([[3, 3, 5, 5, 5, -1]])
    w, u, b = (model.weight_input.data, model.weight_hidden.data, model.bias.data)
    states = []
    for node in range(6):
        below = [states[k] for k in range(node) if parents[0, k] == node]
        total = sum([h for h, _ in below], np.zeros(2, "f4"))
        z = w @ x[0, node] + b
        i, _, o, g = np.split(z + u @ total, 4)
        c = sigmoid(i) * np.tanh(g)
        for h, cell in below:
            c = c + sigmoid(z[2:4] + u[2:4] @ h) * cell
        states.append((sigmoid(o) * np.tanh(c), c))

    np.testing.assert_allclose(np.stack([h for h, _ in states]), model(x, parents)[0], **NEAR)
