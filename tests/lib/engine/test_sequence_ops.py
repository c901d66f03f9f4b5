"""Native kernels over sequences against their references, in programs."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from oplists import compare

from sandbox.lib import engine
from sandbox.lib.engine import Op, OpList, Spec, mkl_sparse
from sandbox.lib.engine.passes import peaks

pytestmark = pytest.mark.usefixtures("native")

# float32 sums of up to some thousand terms, in another order than NumPy's: a few ulp each
TOLERANCE = 2e-5


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4") * np.float32(0.5)


class Lines:
    """Write a list of operations on arrays, and run it both ways."""

    def __init__(self):
        self.list, self.arrays = OpList(), []

    def input(self, array):
        value = self.list.new_value(Spec.of(array))
        self.list.inputs.append((f"input{len(self.arrays)}", value))
        self.arrays.append(array)
        return value

    def op(self, name, inputs, *specs, **attrs):
        made = tuple(self.list.new_value(s if isinstance(s, Spec) else Spec(s)) for s in specs)
        self.list.ops.append(Op(name, tuple(inputs), made, attrs, name))
        return made

    def check(self, *values, tolerance=TOLERANCE):
        """Compare the values as outputs; run twice, as memory is used again."""
        self.list.outputs = [(f"output{i}", value) for i, value in enumerate(values)]
        program = engine.compile(self.list, {}, plan=engine.KernelPlan())
        program.run(self.arrays)
        found = [np.array(y) for y in program.run(self.arrays)]
        with engine.use_reference():
            expected = engine.compile(self.list, {}).run(self.arrays)
        for place, (wanted, got) in enumerate(zip(expected, found, strict=True)):
            assert wanted.shape == got.shape
            error = np.abs(wanted - got).max() / max(1e-3, np.abs(wanted).max())
            assert error <= tolerance, f"output {place}: {error}"
        return program


KINDS = {"lstm": (4, 4, 2, 5), "gru": (3, 4, 1, 4), "rnn": (1, 1, 1, 1)}
LENGTHS = {"full": None, "of lengths": np.array([6, 1, 4, 3, 6])}


@pytest.mark.parametrize("given", ["y", "h", "yh", "yhc"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_layers_and_gradients_equal_their_references(kind, reverse, lengths, given):
    gates, biases, states, space = KINDS[kind]
    rows, time, features, size = 5, 6, 3, 7
    if "c" in given and kind != "lstm":
        given = "yh"
    attrs = {"reverse": reverse} | ({"activation": "tanh"} if kind == "rnn" else {})
    w = Lines()
    shapes = ((rows, time, features), (gates * size, features), (gates * size, size))
    layer = [w.input(normal(*shape, seed=i)) for i, shape in enumerate(shapes)]
    layer.append(w.input(normal(biases * size, seed=9)))
    behind = [] if LENGTHS[lengths] is None else [w.input(LENGTHS[lengths])]
    y_shape, state = (rows, time, size), (rows, size)
    outputs = w.op(
        kind, (*layer, *behind), y_shape, *[state] * states, (rows, time, space * size), **attrs
    )
    made = dict(zip("yhc", outputs[:-1], strict=False))
    gradients = [w.input(normal(*(y_shape if n == "y" else state), seed=20)) for n in given]
    results = w.op(
        f"{kind}_grad",
        (*gradients, layer[0], outputs[0], *layer[1:], outputs[-1], *behind),
        *shapes,
        (biases * size,),
        given=given,
        **attrs,
    )

    program = w.check(*[made[name] for name in given], *results)

    assert "ref" in {s.implementation for s in program.steps}


VARIANTS = {
    "lstm from states": ("lstm", "h c", {}),
    "lstm with peepholes": ("lstm", "peephole", {}),
    "lstm with a projection": ("lstm", "projection", {}),
    "lstm with everything": ("lstm", "h c peephole projection", {}),
    "lstm of lengths with everything": ("lstm", "lengths h c peephole projection", {}),
    "gru from a state": ("gru", "h", {"reset_after": True}),
    "gru of lengths from a state": ("gru", "lengths h", {"reset_after": True}),
    "gru, reset before": ("gru", "", {"reset_after": False}),
    "gru of lengths, reset before": ("gru", "lengths h", {"reset_after": False}),
    "rnn from a state": ("rnn", "h", {"activation": "relu"}),
}


@pytest.mark.parametrize("given", ["y", "yh", "yhc", "hc"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_layer_may_be_given_runs_natively_and_equals_its_reference(name, reverse, given):
    kind, words, attrs = VARIANTS[name]
    optional = tuple(words.split())
    if kind != "lstm":
        given = given.replace("c", "")
    gates, biases, states, space = KINDS[kind]
    biases -= attrs.get("reset_after") is False
    rows, time, features, cells = 5, 6, 3, 7
    size = 4 if "projection" in optional else cells
    shapes = {
        "x": (rows, time, features),
        "w": (gates * cells, features),
        "u": (gates * cells, size),
        "b": (biases * cells,),
        "h": (rows, size),
        "c": (rows, cells),
        "peephole": (3 * cells,),
        "projection": (size, cells),
    }
    w = Lines()
    made = {
        n: w.input(LENGTHS["of lengths"] if n == "lengths" else normal(*shapes[n], seed=place))
        for place, n in enumerate(("x", "w", "u", "b", *optional))
    }
    attrs = {**attrs, "reverse": reverse, "optional": optional}
    y_shape = (rows, time, size)
    lasts = [shapes["h"], shapes["c"]][:states]
    outputs = w.op(kind, made.values(), y_shape, *lasts, (rows, time, space * cells), **attrs)
    named = dict(zip("yhc", outputs[:-1], strict=False))
    arriving = [w.input(normal(*{**shapes, "y": y_shape}[n], seed=20)) for n in given]
    x, *weights = list(made.values())[:4]
    results = w.op(
        f"{kind}_grad",
        (*arriving, x, outputs[0], *weights, outputs[-1], *list(made.values())[4:]),
        *[shapes[n] for n in made if n != "lengths"],
        given=given,
        **attrs,
    )

    program = w.check(*[named[n] for n in given], *results)

    assert "reference" not in {s.implementation for s in program.steps}


@pytest.mark.parametrize(("rows", "time", "features", "size"), [(1, 1, 1, 1), (64, 3, 16, 32)])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_inference_equals_its_reference(kind, rows, time, features, size):
    gates, biases, states, space = KINDS[kind]
    attrs = {"reverse": False} | ({"activation": "relu"} if kind == "rnn" else {})
    w = Lines()
    shapes = ((rows, time, features), (gates * size, features), (gates * size, size))
    layer = [w.input(normal(*shape, seed=i)) for i, shape in enumerate(shapes)]
    layer.append(w.input(normal(biases * size)))
    found = w.op(
        kind,
        layer,
        (rows, time, size),
        *[(rows, size)] * states,
        (rows, time, space * size),
        **attrs,
    )

    w.check(*found[:-1])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_lengths_of_one_run_do_not_stay_in_a_layer_whose_input_is_fixed(kind, reverse):
    gates, biases, states, space = KINDS[kind]
    attrs = {"reverse": reverse} | ({"activation": "tanh"} if kind == "rnn" else {})
    w = Lines()
    lengths = w.input(np.array([4, 1, 2]))
    layer = []
    for shape in ((3, 4, 2), (gates * 5, 2), (gates * 5, 5), (biases * 5,)):
        array = normal(*shape, seed=len(shape))
        layer.append(w.list.new_value(Spec.of(array)))
        w.list.constants.append((array, layer[-1]))
    y = w.op(kind, (*layer, lengths), (3, 4, 5), *[(3, 5)] * states, (3, 4, space * 5), **attrs)[0]
    w.op("square", (y,), (3, 4, 5))
    w.list.outputs = [("y", y), ("squares", w.list.ops[-1].outputs[0])]
    program = engine.compile(w.list, {}, plan=engine.KernelPlan())
    with engine.use_reference():
        reference = engine.compile(w.list, {})

    for now in ([1, 1, 1], [4, 3, 2], [2, 1, 4]):
        found = program.run([np.array(now)])
        for wanted, got in zip(reference.run([np.array(now)]), found, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("shape", "first"), [((3, 4, 5), 2), ((2, 3, 4), 1), ((1, 64), 1)])
def test_layer_norm_and_its_gradient_equal_their_references(shape, first):
    last, rows = shape[first:], shape[:first]
    attrs = {"epsilon": 1e-3, "axes_from": first}
    w = Lines()
    x, gamma, beta, dy = (
        w.input(normal(*s, seed=i)) for i, s in enumerate((shape, last, last, shape))
    )
    y, mean, variance = w.op("layer_norm", (x, gamma, beta), shape, rows, rows, **attrs)
    back = w.op("layer_norm_grad", (dy, x, gamma, mean, variance), shape, last, last, **attrs)

    w.check(y, *back, tolerance=1e-4)  # the variance of few elements magnifies rounding


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize(
    "ids", [np.array([[3, 0, 3], [6, 6, 1]]), np.array([5]), np.zeros(40, int)]
)
def test_embedding_and_its_gradient_equal_their_references(ids, padding):
    w = Lines()
    x, weight, dy = w.input(ids), w.input(normal(7, 5)), w.input(normal(*ids.shape, 5, seed=1))
    (y,) = w.op("embedding", (x, weight), (*ids.shape, 5), padding_index=padding)
    (dw,) = w.op("embedding_grad", (dy, x), (7, 5), num_embeddings=7, padding_index=padding)

    program = w.check(y, dw)

    served = [step.implementation for step in program.steps]
    assert served == ["check", "gather", "radix+mkl_sparse"]


def test_embedding_gradient_adds_many_positions_alike_in_each_run():
    ids = np.random.default_rng(0).integers(0, 3, 999)
    dy, expected, sizes = normal(999, 4), np.zeros((3, 4)), np.zeros((3, 4))
    np.add.at(expected, ids, dy.astype(np.float64))
    np.add.at(sizes, ids, np.abs(dy))
    oplist = OpList(values=[Spec.of(dy), Spec.of(ids), Spec((3, 4))])
    attrs = {"num_embeddings": 3, "padding_index": None}
    oplist.ops.append(Op("embedding_grad", (0, 1), (2,), attrs))
    oplist.inputs, oplist.outputs = [("dy", 0), ("ids", 1)], [("dw", 2)]
    program = engine.compile(oplist, {})

    (dw,) = (array.copy() for array in program.run([dy, ids]))
    (again,) = program.run([dy, ids])

    np.testing.assert_array_equal(dw, again)
    # the order is the library's, another one on each maker's processors: the bound of any order
    bound = np.bincount(ids)[:, None] * np.finfo(np.float32).eps * sizes
    assert (np.abs(expected - dw) <= bound).all()


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((2, 5, 3), 1), ((2, 16, 9), 2), ((2, 3, 1, 8), 3), ((2, 3, 4, 5), 2), ((4, 6), 1)],
)
def test_max_with_index_and_its_gradient_equal_their_references(shape, axis):
    w = Lines()
    small = (*shape[:axis], *shape[axis + 1 :])
    x, dy = w.input(normal(*shape)), w.input(normal(*small, seed=1))
    y, index = w.op("max_with_index", (x,), small, Spec(small, "int64"), axis=axis)
    (dx,) = w.op("max_with_index_grad", (dy, index), shape, axis=axis, input_shape=shape)

    w.check(y, index, dx, tolerance=0)


@pytest.mark.parametrize("axes", [(1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_transposed_values_are_read_right_by_every_kind_of_reader(axes):
    w = Lines()
    x, shape = w.input(normal(2, 3, 4)), tuple((2, 3, 4)[k] for k in axes)
    (t,) = w.op("transpose", (x,), shape, axes=axes)
    (r,) = w.op("relu", (t,), shape)
    (flat,) = w.op("reshape", (t,), (24,), shape=(24,))
    wide = (shape[0], shape[1], 1, shape[2])
    (image,) = w.op("reshape", (t,), wide, shape=wide)
    (again,) = w.op("relu", (image,), wide)
    (back,) = w.op("transpose", (r,), (shape[1], shape[0], shape[2]), axes=(1, 0, 2))
    (total,) = w.op("sum", (back,), (), axes=(0, 1, 2), keepdims=False)

    w.check(t, r, flat, again, back, total)


def text_cnn(rows, time, features, filters, width, *, padding=(0, 0), stride=1, three_axes=False):
    """Embedding gradient aside: convolution over time, ReLU, maximum, and back."""
    w = Lines()
    x = w.input(normal(rows, features, 1, time))
    weight = w.input(normal(filters, features, 1, width, seed=1))
    bias = w.input(normal(filters, seed=2))
    out = (time + sum(padding) - width) // stride + 1
    window = {"padding": ((0, 0), padding), "stride": (1, stride)}
    conv = {**window, "dilation": (1, 1), "groups": 1}
    full, peak = (rows, filters, 1, out), (rows, filters, 1)
    (y,) = w.op("conv2d", (x, weight, bias), full, **conv)
    axis = 3
    if three_axes:
        full, peak, axis = (rows, filters, out), (rows, filters), 2
        (y,) = w.op("reshape", (y,), full, shape=full)
    (r,) = w.op("relu", (y,), full)
    top, index = w.op("max_with_index", (r,), peak, Spec(peak, "int64"), axis=axis)
    dy = w.input(normal(*peak, seed=3))
    (d,) = w.op("max_with_index_grad", (dy, index), full, axis=axis, input_shape=full)
    (d,) = w.op("relu_grad", (d, r), full)
    if three_axes:
        whole = (rows, filters, 1, out)
        (d,) = w.op("reshape", (d,), whole, shape=whole)
    shape = (filters, features, 1, width)
    dw, db = w.op(
        "conv2d_grad_weight", (x, d), shape, (filters,), weight_shape=shape, with_bias=True, **conv
    )
    shape = (rows, features, 1, time)
    (dx,) = w.op("conv2d_grad_input", (d, weight), shape, input_shape=shape, **conv)
    return w, (top, dx, dw, db)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(
    "case",
    [
        {},
        {"three_axes": True},
        {"padding": (2, 1)},
        {"stride": 2},
        {"features": 5, "filters": 7},
        {"width": 1},
    ],
)
def test_gradients_through_a_maximum_over_time_equal_the_dense_ones(case, dense, monkeypatch):
    monkeypatch.setenv(peaks.VARIABLE, "0" if dense else "1")
    sizes = {"rows": 3, "time": 40, "features": 16, "filters": 16, "width": 3, **case}
    w, values = text_cnn(**sizes)

    program = w.check(*values)

    names = {step.name for step in program.steps}
    assert ("conv2d_peak_grad_weight" in names) is not dense
    assert ("conv2d_grad_input" in names) is dense


def test_relu_behind_a_reshape_is_part_of_the_convolution():
    w, values = text_cnn(2, 40, 16, 16, 3, three_axes=True)

    assert "relu" not in {step.name for step in w.check(*values).steps}


def test_short_maps_stay_dense():
    w, values = text_cnn(2, peaks.LEAST, 16, 16, 2)

    assert "conv2d_grad_weight" in {step.name for step in w.check(*values).steps}


def test_without_mkl_the_reference_kernels_do_it(monkeypatch):
    monkeypatch.setattr(mkl_sparse, "available", lambda: False)
    w, values = text_cnn(2, 40, 16, 16, 3)
    ids, dy = np.array([1, 3, 1]), normal(3, 2)
    inputs = [w.input(dy), w.input(ids)]
    values = (
        *values,
        *w.op("embedding_grad", inputs, (4, 2), num_embeddings=4, padding_index=None),
    )

    program = w.check(*values)

    names = {step.name: step.implementation for step in program.steps}
    assert "conv2d_peak_grad_weight" not in names
    assert names["embedding_grad"] == "reference"


def test_masks_equal_their_references():
    w = Lines()
    x, lengths = w.input(normal(3, 4, 2)), w.input(np.array([1, 4, 2]))
    (y,) = w.op("mask_sequence", (x, lengths), (3, 4, 2), value=-2.5)

    w.check(y, tolerance=0)


def test_attention_shaped_products_equal_their_references():
    for shape, order in itertools.product([(2, 3, 4, 5)], [(0, 1, 3, 2), (0, 2, 1, 3)]):
        w = Lines()
        a = w.input(normal(*shape))
        b = w.input(normal(*shape, seed=1))
        turned = tuple(shape[k] for k in order)
        (t,) = w.op("transpose", (b,), turned, axes=order)
        if order[3] == 2:
            (y,) = w.op("matmul", (a, t), (*shape[:3], shape[2]))
            w.check(y)
        else:
            w.check(t)
    compare("matmul", [(2, 3, 4, 5), (2, 3, 5, 6)], [(2, 3, 4, 6)], {}, TOLERANCE)


def test_recurrent_programs_run_in_threads_without_disturbing_each_other():
    w = Lines()
    shapes = ((8, 20, 16), (64, 16), (64, 16), (64,))
    layer = [w.input(normal(*shape, seed=i)) for i, shape in enumerate(shapes)]
    dy = w.input(normal(8, 20, 16, seed=9))
    state = (8, 16)
    y, *rest = w.op("lstm", layer, (8, 20, 16), state, state, (8, 20, 80), reverse=False)
    inputs = (dy, layer[0], y, *layer[1:], rest[-1])
    back = w.op("lstm_grad", inputs, *shapes, given="y", reverse=False)
    w.list.outputs = [(f"output{i}", value) for i, value in enumerate((y, *back))]
    program = engine.compile(w.list, {})
    batches = [[array * np.float32(1 + k) for array in w.arrays] for k in range(4)]
    expected = [[np.array(out) for out in program.run(batch)] for batch in batches]
    found: dict[int, bool] = {}

    def work(place):
        own = program.clone()
        found[place] = all(
            np.array_equal(a, b)
            for _ in range(20)
            for a, b in zip(expected[place], own.run(batches[place]), strict=True)
        )

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dict.fromkeys(range(4), True) == found
