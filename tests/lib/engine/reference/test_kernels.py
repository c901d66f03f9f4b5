"""The reference kernels against loops that follow the formulas word by word."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.lib.engine.interpreter import call
from sandbox.lib.engine.oplist import Op, OpList, Spec
from sandbox.lib.engine.ops import OPERATIONS
from sandbox.lib.engine.ops.comparison import COMPARISONS, LOGIC
from sandbox.lib.engine.radix import stable_order
from sandbox.lib.engine.random import RandomKey

PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


def numpy_kernel(name):
    return OPERATIONS[name].reference


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def looped_conv(x, w, b, stride, padding, dilation, groups):
    n, _, height, width = x.shape
    out, per_group, kh, kw = w.shape
    (top, bottom), (left, right) = padding
    rows = (height + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    columns = (width + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((n, out, rows, columns))
    for s, o, i, j in itertools.product(range(n), range(out), range(rows), range(columns)):
        first = o // (out // groups) * per_group
        total = b[o]
        for k, u, v in itertools.product(range(per_group), range(kh), range(kw)):
            p = i * stride[0] + u * dilation[0] - top
            q = j * stride[1] + v * dilation[1] - left
            if 0 <= p < height and 0 <= q < width:
                total += w[o, k, u, v] * x[s, first + k, p, q]
        y[s, o, i, j] = total
    return y


pairs = st.tuples(st.integers(1, 2), st.integers(1, 2))
ends = st.tuples(st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=25, deadline=None)
@given(pairs, st.tuples(ends, ends), pairs, st.sampled_from([1, 2]), pairs)
def test_conv2d_is_its_formula(stride, padding, dilation, groups, kernel):
    x = normal(2, 2 * groups, 5, 4)
    w, b = normal(2 * groups, 2, *kernel, seed=1), normal(2 * groups, seed=2)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    y = numpy_kernel("conv2d")(x, w, b, **attrs)

    np.testing.assert_allclose(looped_conv(x, w, b, **attrs), y, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(pairs, st.tuples(ends, ends), pairs, st.sampled_from([1, 2]), pairs)
def test_conv2d_gradients_are_the_transposed_maps(stride, padding, dilation, groups, kernel):
    """<dy, conv(x, w)> is linear in x and in w: both gradients must give the same number."""
    x, w = normal(2, 2 * groups, 5, 4), normal(2 * groups, 2, *kernel, seed=1)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = numpy_kernel("conv2d")(x, w, **attrs)
    dy = normal(*y.shape, seed=2)

    dx = numpy_kernel("conv2d_grad_input")(dy, w, input_shape=x.shape, **attrs)
    dw, db = numpy_kernel("conv2d_grad_weight")(
        x, dy, weight_shape=w.shape, **attrs, with_bias=True
    )

    np.testing.assert_allclose((dy * y).sum(), (dx * x).sum(), atol=1e-9)
    np.testing.assert_allclose((dy * y).sum(), (dw * w).sum(), atol=1e-9)
    np.testing.assert_allclose(dy.sum((0, 2, 3)), db)


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 0), (0, 2))])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_pooling_is_its_formula(padding, stride):
    x = normal(2, 3, 6, 5)
    (top, bottom), (left, right) = padding
    padded = np.full((2, 3, 6 + top + bottom, 5 + left + right), np.nan)
    padded[:, :, top : top + 6, left : left + 5] = x
    attrs = {"kernel": (2, 3), "stride": stride, "padding": padding}

    y, index = numpy_kernel("max_pool2d")(x, **attrs)
    means = numpy_kernel("avg_pool2d")(x, **attrs, include_padding=False)
    with_zeros = numpy_kernel("avg_pool2d")(x, **attrs, include_padding=True)

    assert np.uint8 == index.dtype
    for i, j in itertools.product(range(y.shape[2]), range(y.shape[3])):
        a, b = i * stride[0], j * stride[1]
        window = padded[:, :, a : a + 2, b : b + 3].reshape(2, 3, 6)
        np.testing.assert_array_equal(np.nanmax(window, -1), y[:, :, i, j])
        chosen = np.take_along_axis(window, index[:, :, i, j, None].astype(int), -1)[..., 0]
        np.testing.assert_array_equal(y[:, :, i, j], chosen)
        np.testing.assert_allclose(np.nanmean(window, -1), means[:, :, i, j])
        np.testing.assert_allclose(np.nansum(window, -1) / 6, with_zeros[:, :, i, j])


def test_max_pooling_gives_the_gradient_to_the_first_of_equal_maxima():
    x = np.ones((1, 1, 2, 2))
    attrs = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    _, index = numpy_kernel("max_pool2d")(x, **attrs)
    dx = numpy_kernel("max_pool2d_grad")(np.ones((1, 1, 1, 1)), index, input_shape=x.shape, **attrs)

    np.testing.assert_array_equal([[1, 0], [0, 0]], dx[0, 0])


def test_batch_norm_gives_mean_zero_and_variance_one():
    x = 5 + 3 * normal(8, 4, 3, 2)
    y, mean, variance = numpy_kernel("batch_norm")(x, np.ones(4), np.zeros(4), epsilon=0.0)

    np.testing.assert_allclose(0, y.mean((0, 2, 3)), atol=1e-12)
    np.testing.assert_allclose(1, y.var((0, 2, 3)))
    np.testing.assert_allclose(x.mean((0, 2, 3)), mean)
    np.testing.assert_allclose(x.var((0, 2, 3)), variance)


def test_fused_relu_is_the_relu_of_the_plain_result():
    x, w, b = normal(2, 3, 5, 5), normal(4, 3, 3, 3, seed=1), normal(4, seed=2)
    for name, inputs, attrs in [
        ("conv2d", (x, w, b), PLAIN),
        ("linear", (normal(3, 5), normal(4, 5), b), {}),
        ("add", (x, -x[::-1]), {}),
        ("batch_norm_inference", (x, *normal(3, 3), np.ones(3)), {"epsilon": 1e-5}),
    ]:
        (plain,) = call(name, inputs, attrs, None)
        (fused,) = call(name, inputs, {**attrs, "post_ops": (("relu", 0.0, 0.0),)}, None)

        assert plain.min() < 0
        np.testing.assert_array_equal(np.maximum(plain, 0), fused)


def test_fused_relu_of_batch_norm_has_the_gradient_of_both():
    x, gamma, beta = normal(6, 3), np.array([1.0, -2.0, 0.5]), np.array([0.1, 0.2, -0.3])
    dy = normal(6, 3, seed=4)
    y, mean, variance, passed = numpy_kernel("batch_norm")(
        x, gamma, beta, epsilon=1e-5, post_ops=(("relu", 0.0, 0.0),)
    )
    fused = numpy_kernel("batch_norm_grad")(dy, x, gamma, mean, variance, passed, epsilon=1e-5)
    apart = numpy_kernel("batch_norm_grad")(
        numpy_kernel("relu_grad")(dy, y), x, gamma, mean, variance, epsilon=1e-5
    )

    for expected, actual in zip(apart, fused, strict=True):
        np.testing.assert_array_equal(expected, actual)


def test_functions_that_could_overflow_do_not():
    x = np.array([[-1e4, 0.0, 1e4]])

    np.testing.assert_array_equal([[0.0, 0.5, 1.0]], numpy_kernel("sigmoid")(x))
    np.testing.assert_array_equal([[0.0, 0.0, 1.0]], numpy_kernel("softmax")(x, axis=1))
    np.testing.assert_array_equal([[-2e4, -1e4, 0.0]], numpy_kernel("log_softmax")(x, axis=1))
    loss, probabilities = numpy_kernel("softmax_cross_entropy")(x, np.array([0]))
    assert loss == 2e4
    np.testing.assert_array_equal([[0.0, 0.0, 1.0]], probabilities)


def test_cross_entropy_is_nll_of_log_softmax():
    x, labels, weights = normal(5, 4), np.array([3, 0, 1, 1, 2]), np.array([1.0, 2.0, 0.5, 3.0])
    logp = numpy_kernel("log_softmax")(x, axis=1)
    expected = numpy_kernel("nll")(logp, labels, weights)

    np.testing.assert_allclose(
        expected, numpy_kernel("softmax_cross_entropy")(x, labels, weights)[0]
    )
    by_hand = -sum(weights[k] * logp[row, k] for row, k in enumerate(labels))
    np.testing.assert_allclose(by_hand, expected)


def test_label_smoothing_is_a_mixture_with_the_uniform_distribution():
    x, labels = normal(5, 4), np.array([3, 0, 1, 1, 2])
    logp = numpy_kernel("log_softmax")(x, axis=1)
    loss, _ = numpy_kernel("softmax_cross_entropy")(x, labels, label_smoothing=0.2)

    np.testing.assert_allclose(
        0.8 * numpy_kernel("nll")(logp, labels) - 0.2 * logp.mean(axis=1).sum(), loss
    )


def over_time(f):
    """Return calls of the kernels over sequences."""
    ids, lengths, index = np.array([[0, 2, 2], [4, 1, 0]]), np.array([3, 1]), np.array([[0, 1]] * 2)
    x, y, none = f(2, 3, 2), f(2, 3, 4), {"padding_index": None}
    winners = {**PLAIN, "map_shape": (2, 2, 1, 3)}
    named = {
        "layer_norm": ((x, f(2), f(2)), {"epsilon": 1e-5, "axes_from": 2}),
        "layer_norm_grad": (
            (x, x, f(2), f(2, 3), f(2, 3)),
            {"epsilon": 1e-5, "axes_from": 2},
        ),
        "embedding": ((ids, f(5, 2)), none),
        "embedding_grad": ((x, ids), {"num_embeddings": 5, "padding_index": 2}),
        "max_with_index": ((x,), {"axis": 1}),
        "max_with_index_grad": ((f(2, 2), index), {"axis": 1, "input_shape": (2, 3, 2)}),
        "mask_sequence": ((x, lengths), {"value": 0.5}),
        "sequence_lengths": ((ids,), {"padding_index": 0}),
        "conv2d_peak_grad_input": (
            (f(2, 2), index, f(2, 3, 1, 2)),
            {"input_shape": (2, 3, 1, 4), **winners},
        ),
        "conv2d_peak_grad_weight": (
            (f(2, 3, 1, 4), f(2, 2), index),
            {"weight_shape": (2, 3, 1, 2), "with_bias": True, **winners},
        ),
    }
    for name, gates, biases, space in (("lstm", 4, 4, 5), ("gru", 3, 4, 4), ("rnn", 1, 1, 1)):
        attrs = {"reverse": True} | ({"activation": "tanh"} if name == "rnn" else {})
        weights = (f(gates * 4, 2), f(gates * 4, 4), f(biases * 4))
        named[name] = ((x, *weights, lengths), attrs)
        behind = (x, y, *weights, f(2, 3, space * 4), lengths)
        named[f"{name}_grad"] = ((y, f(2, 4), *behind), {"given": "yh", **attrs})
    return named


def calls(dtype):
    """Return one call for every kernel."""

    def f(*shape):
        return np.asarray(np.abs(normal(*shape)) + 0.1, dtype)

    image, pool = f(2, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    labels, shape = np.array([0, 1, 1]), (2, 2, 4, 4)
    index = numpy_kernel("max_pool2d")(image, **pool)[1]
    two = (f(3, 2), f(3, 2))
    axes = {"axes": (1,), "keepdims": False}
    named = {
        "conv2d": ((image, f(4, 2, 3, 3), f(4)), PLAIN),
        "conv2d_grad_input": ((f(2, 4, 2, 2), f(4, 2, 3, 3)), {"input_shape": shape, **PLAIN}),
        "conv2d_grad_weight": (
            (image, f(2, 4, 2, 2)),
            {"weight_shape": (4, 2, 3, 3), **PLAIN, "with_bias": True},
        ),
        "max_pool2d": ((image,), pool),
        "max_pool2d_grad": ((f(2, 2, 2, 2), index), {"input_shape": shape, **pool}),
        "avg_pool2d": ((image,), {**pool, "include_padding": False}),
        "avg_pool2d_grad": (
            (f(2, 2, 2, 2),),
            {"input_shape": shape, **pool, "include_padding": True},
        ),
        "linear": ((f(3, 2), f(4, 2), f(4)), {}),
        "linear_grad_input": ((f(3, 4), f(4, 2)), {}),
        "linear_grad_weight": ((f(3, 2), f(3, 4)), {"with_bias": True}),
        "matmul": ((f(2, 3, 4), f(4, 2)), {}),
        "batch_norm": ((image, f(2), f(2)), {"epsilon": 1e-5}),
        "batch_norm_inference": ((image, f(2), f(2), f(2), f(2)), {"epsilon": 1e-5}),
        "batch_norm_grad": ((image, image, f(2), f(2), f(2)), {"epsilon": 1e-5}),
        "scale_add": (two, {"alpha": 0.9, "beta": 0.1}),
        "power": ((f(3, 2),), {"exponent": 0.5}),
        "softmax_cross_entropy": ((f(3, 2), labels, f(2)), {"label_smoothing": 0.1}),
        "softmax_cross_entropy_grad": ((f(), f(3, 2), labels), {}),
        "nll": ((f(3, 2), labels), {}),
        "nll_grad": ((f(), labels, f(2)), {"shape": (3, 2)}),
        "reshape": ((image,), {"shape": (4, 16)}),
        "transpose": ((image,), {"axes": (0, 2, 3, 1)}),
        "broadcast_to": ((f(3, 1),), {"shape": (2, 3, 4)}),
        "sum_to": ((f(2, 3, 4),), {"shape": (3, 1)}),
        "concat": (two, {"axis": 1}),
        "slice": (two[:1], {"starts": (1, 0), "stops": (3, 1)}),
        "slice_grad": (two[:1], {"starts": (1, 0), "stops": (4, 2), "input_shape": (5, 2)}),
        "dropout": (two[:1], {"p": 0.5, "path": "drop", "random": RandomKey(0)}),
    }
    named.update(over_time(f))
    named.update(lists(f, dtype))
    for name in ("sum", "mean", "max"):
        named[name] = ((image,), axes)
    for name in ("softmax", "log_softmax"):
        named[name] = ((f(3, 2),), {"axis": 1})
        named[f"{name}_grad"] = (two, {"axis": 1})
    for name in (
        "relu",
        "tanh",
        "sigmoid",
        "exp",
        "log",
        "sqrt",
        "square",
        "abs",
        "negative",
        "sign",
    ):
        named[name] = ((f(3, 2),), {})
    for name in ("relu_grad", "tanh_grad", "sigmoid_grad"):
        named[name] = (two, {})
    constants = {
        "leaky_relu": {"slope": 0.1},
        "elu": {"alpha": 0.5},
        "gelu": {"approximate": False},
        "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
        "clip": {"low": -0.5, "high": 0.5},
        **{key: {} for key in ("silu", "mish", "softplus", "softsign")},
    }
    for name, attrs in constants.items():
        named[name] = (two[:1], attrs)
        named[f"{name}_grad"] = (two, attrs)
    turned = {**PLAIN, "output_padding": (0, 0)}
    named["conv_transpose2d"] = ((image, f(2, 3, 2, 2), f(3)), turned)
    named["conv_transpose2d_grad_input"] = ((f(2, 3, 5, 5), f(2, 3, 2, 2)), turned)
    named["conv_transpose2d_grad_weight"] = (
        (image, f(2, 3, 5, 5)),
        {"weight_shape": (2, 3, 2, 2), **turned, "with_bias": True},
    )
    named["bce_with_logits"] = ((f(3, 2), labels[:, None] * np.ones(2, int), f(2)), {})
    named["bce_with_logits_grad"] = ((f(), f(3, 2), f(3, 2), f(2)), {})
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", *COMPARISONS):
        named[name] = (two, {})
    truth = two[0] > two[1]
    for name in LOGIC:
        named[name] = ((truth,) if name == "logical_not" else (truth, ~truth), {})
    named["cast"] = ((np.arange(6),), {"dtype": dtype})
    named["where"] = ((truth, *two), {})
    return named


def lists(f, dtype):
    """Return calls of the kernels whose attributes are lists: y = c · x, c = c + x."""
    one = Spec((2,), dtype)
    inputs = [("", 0), ("", 1)]
    step = OpList([one] * 4, [Op("add", (0, 1), (2,)), Op("multiply", (0, 1), (3,))], inputs)
    step.outputs = [("", 2), ("", 3)]
    less = OpList(
        [one, one, Spec((2,), "bool"), Spec((), "int64")],
        [Op("greater", (1, 0), (2,)), Op("sum", (2,), (3,), {"axes": (0,), "keepdims": False})],
        inputs,
        outputs=[("", 3)],
    )
    body = OpList([one] * 3, [Op("add", (0, 1), (2,))], inputs, outputs=[("", 2)])
    scan = {"body": step, "carry": 1, "xs": 1, "length": 3, "reverse": True, "keep": True}
    other = OpList([one] * 3, [Op("multiply", (0, 1), (2,))], inputs, outputs=[("", 2)])
    once = np.abs(f(2))
    return {
        "scan": ((f(2), f(3, 2)), scan),
        "cond": ((f(1), f(2), f(2)), {"on_true": body, "on_false": other}),
        "while_loop": ((-once, once), {"condition": less, "body": body, "carry": 1}),
        "stack": ((f(2), f(2)), {}),
        "unstack": ((f(2, 3),), {}),
    }


NAMES = sorted(name for name in OPERATIONS if "." not in name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_keep_the_dtype_and_do_not_write_into_inputs(name, dtype):
    inputs, attrs = calls(dtype)[name]
    before = [np.array(x) for x in inputs]
    for x in inputs:
        x.flags.writeable = False

    results = numpy_kernel(name)(*inputs, **attrs)

    whole = dict.fromkeys((*COMPARISONS, *LOGIC), np.bool_) | {
        "max_pool2d": np.uint8,
        "max_with_index": np.int64,
        "sequence_lengths": np.int64,
    }
    for y in results if isinstance(results, tuple) else (results,):
        assert y.dtype in (dtype, whole.get(name, dtype))
    for expected, actual in zip(before, inputs, strict=True):
        np.testing.assert_array_equal(expected, actual)


# The dropout mask is drawn, and tested with the engine; it multiplies by exact numbers.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "dropout"])
def test_float32_is_float64_to_rounding(name):
    results = []
    for dtype in ("float32", "float64"):
        inputs, attrs = calls(dtype)[name]
        found = numpy_kernel(name)(*inputs, **attrs)
        results.append(found if isinstance(found, tuple) else (found,))

    for single, double in zip(*results, strict=True):
        # The variance is a difference of numbers of the same size: a few more places are lost.
        np.testing.assert_allclose(double, single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("limit", [7, 70_000, 1 << 33])
def test_gradients_of_an_embedding_are_summed_by_id(limit):
    random = np.random.default_rng(4)
    few = random.integers(0, limit, 5)
    ids = few[random.integers(0, 5, (6, 4))]

    order = stable_order(ids.reshape(-1), limit)

    np.testing.assert_array_equal(np.argsort(ids.reshape(-1), kind="stable"), order)
    if limit < 1 << 20:
        dy, expected = normal(6, 4, 3), np.zeros((limit, 3))
        np.add.at(expected, ids, dy)
        attrs = {"num_embeddings": limit, "padding_index": None}
        np.testing.assert_allclose(expected, numpy_kernel("embedding_grad")(dy, ids, **attrs))


def test_layer_norm_gives_mean_0_and_variance_1():
    x = normal(4, 3, 50) * 3 + 5

    y, mean, variance = numpy_kernel("layer_norm")(
        x, np.ones(50), np.zeros(50), epsilon=0, axes_from=2
    )

    np.testing.assert_allclose(0, y.mean(axis=2), atol=1e-12)
    np.testing.assert_allclose(1, y.var(axis=2))
    np.testing.assert_allclose(x.mean(axis=2), mean)
    np.testing.assert_allclose(x.var(axis=2), variance)


def test_not_a_number_passes_silently():
    bad, zeros = np.array([[np.nan, np.inf], [1.0, -1.0]]), np.zeros((2, 2))

    for name, inputs, attrs in [
        ("log", (bad,), {}),
        ("divide", (zeros, zeros), {}),
        ("softmax", (bad,), {"axis": 1}),
        ("matmul", (bad, zeros), {}),
    ]:
        assert np.isnan(numpy_kernel(name)(*inputs, **attrs)).any()
