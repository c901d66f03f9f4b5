"""The reference kernels against loops that follow the formulas word by word."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels import PLAIN, normal, numpy_kernel

from sandbox.lib.engine.interpreter import call
from sandbox.lib.engine.radix import stable_order


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
