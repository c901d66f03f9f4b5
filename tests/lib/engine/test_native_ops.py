"""Every native kernel against its NumPy reference, through programs and eagerly."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from oplists import compare, one_op

from sandbox.lib import engine
from sandbox.lib.engine.ops import OPERATIONS

pytestmark = pytest.mark.usefixtures("native")

# float32 sums of up to some thousand terms, in another order than NumPy's: a few ulp each
TOLERANCE = 2e-5
RELU = (("relu", 0.0, 0.0),)


def conv(x, w, *, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1):
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    size = [
        (x[2 + i] + sum(padding[i]) - dilation[i] * (w[2 + i] - 1) - 1) // stride[i] + 1
        for i in range(len(x) - 2)
    ]
    return x, w, (x[0], w[0], *size), attrs


CONVOLUTIONS = {
    "lenet1": conv((4, 1, 28, 28), (6, 1, 5, 5)),
    "lenet2": conv((3, 6, 12, 12), (16, 6, 5, 5)),
    "batch 1": conv((1, 3, 9, 7), (5, 3, 3, 3)),
    "odd": conv((2, 7, 11, 13), (17, 7, 3, 5), padding=((1, 1), (2, 2))),
    "asymmetric": conv((2, 4, 8, 9), (8, 4, 3, 3), padding=((0, 1), (2, 0))),
    "stride": conv((2, 16, 15, 14), (32, 16, 3, 3), stride=(2, 3), padding=((1, 1), (1, 1))),
    "dilation": conv((2, 3, 12, 12), (4, 3, 3, 3), dilation=(2, 1)),
    "groups": conv((2, 8, 6, 6), (12, 4, 3, 3), padding=((1, 1), (1, 1)), groups=2),
    "depthwise": conv((2, 16, 6, 6), (16, 1, 3, 3), padding=((1, 1), (1, 1)), groups=16),
    "pointwise": conv((2, 16, 5, 5), (32, 16, 1, 1)),
    "wide kernel": conv((1, 2, 6, 20), (3, 2, 1, 7)),
    "whole map": conv((3, 4, 5, 5), (6, 4, 5, 5)),
}


WINDOW3 = {"stride": (1, 1, 1), "padding": ((0, 0),) * 3, "dilation": (1, 1, 1)}
VOLUMES = {
    "first layer": conv((2, 1, 6, 9, 8), (8, 1, 3, 3, 3), **WINDOW3),
    "batch 1": conv((1, 16, 4, 5, 6), (32, 16, 3, 3, 3), **WINDOW3),
    "odd": conv(
        (2, 5, 5, 4, 7), (7, 5, 2, 3, 1), **{**WINDOW3, "padding": ((1, 0), (1, 1), (0, 2))}
    ),
    "stride": conv((2, 16, 5, 6, 7), (16, 16, 3, 3, 3), **{**WINDOW3, "stride": (1, 2, 3)}),
    "dilation": conv((2, 4, 5, 6, 7), (8, 4, 2, 3, 2), **{**WINDOW3, "dilation": (2, 1, 3)}),
    "groups": conv((2, 8, 3, 4, 4), (12, 4, 2, 2, 2), **WINDOW3, groups=2),
    "depthwise": conv((2, 16, 4, 4, 4), (16, 1, 3, 3, 3), **WINDOW3, groups=16),
    "depthwise, odd": conv(
        (3, 5, 4, 5, 6),
        (5, 1, 3, 2, 3),
        **{**WINDOW3, "padding": ((2, 1), (0, 1), (1, 2)), "dilation": (1, 2, 1)},
        groups=5,
    ),
    "depthwise, stride": conv(
        (2, 20, 7, 6, 5),
        (20, 1, 3, 3, 3),
        **{**WINDOW3, "stride": (2, 1, 2), "padding": ((1, 1),) * 3, "dilation": (2, 1, 1)},
        groups=20,
    ),
    "depthwise, planes": conv((1, 8, 3, 6, 5), (8, 1, 1, 3, 3), **WINDOW3, groups=8),
    "pointwise": conv((2, 16, 2, 3, 4), (32, 16, 1, 1, 1), **WINDOW3),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_conv3d_and_its_gradients_equal_their_references(case):
    """The depthwise ones are made of convolutions over images; see `ops/depthwise.py`."""
    x, w, y, attrs = VOLUMES[case]
    compare("conv3d", [x, w], [y], attrs, TOLERANCE)
    compare("conv3d", [x, w, (w[0],)], [y], {**attrs, "post_ops": RELU}, TOLERANCE)
    compare("conv3d_grad_input", [y, w], [x], {**attrs, "input_shape": x}, TOLERANCE)
    for bias in (False, True):
        wanted = {**attrs, "weight_shape": w, "with_bias": bias}
        compare("conv3d_grad_weight", [x, y], [w, (w[0],)][: 1 + bias], wanted, TOLERANCE)


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("bias", [False, True])
def test_conv2d_equals_its_reference(case, bias):
    x, w, y, attrs = CONVOLUTIONS[case]
    shapes = [x, w, (w[0],)] if bias else [x, w]
    compare("conv2d", shapes, [y], attrs, TOLERANCE)


@pytest.mark.parametrize("case", ["lenet1", "asymmetric"])
def test_conv2d_with_relu_equals_its_reference(case):
    x, w, y, attrs = CONVOLUTIONS[case]
    attrs = {**attrs, "post_ops": RELU}
    compare("conv2d", [x, w, (w[0],)], [y], attrs, TOLERANCE)


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv2d_gradients_equal_their_references(case):
    x, w, y, attrs = CONVOLUTIONS[case]
    compare("conv2d_grad_input", [y, w], [x], {**attrs, "input_shape": x}, TOLERANCE)
    wanted = {**attrs, "weight_shape": w, "with_bias": True}
    compare("conv2d_grad_weight", [x, y], [w, (w[0],)], wanted, TOLERANCE)
    wanted = {**attrs, "weight_shape": w, "with_bias": False}
    compare("conv2d_grad_weight", [x, y], [w], wanted, TOLERANCE)


def transposed(x, w, *, groups=1, output_padding=(0, 0), **window):
    attrs = {**conv(x, (w[0], x[1] // groups, *w[2:]), groups=groups, **window)[3]}
    attrs["output_padding"] = output_padding
    axes = len(x) - 2
    size = [
        (x[2 + i] - 1) * attrs["stride"][i]
        - sum(attrs["padding"][i])
        + attrs["dilation"][i] * (w[2 + i] - 1)
        + output_padding[i]
        + 1
        for i in range(axes)
    ]
    return x, w, (x[0], w[1] * groups, *size), attrs


TRANSPOSED = {
    "twice as large": transposed((2, 16, 7, 7), (16, 32, 2, 2), stride=(2, 2)),
    "odd": transposed((2, 5, 4, 6), (5, 3, 3, 2), stride=(2, 1), padding=((1, 0), (0, 1))),
    "batch 1": transposed((1, 3, 5, 4), (3, 2, 3, 3), stride=(2, 2), output_padding=(1, 1)),
    "groups": transposed((2, 8, 4, 4), (8, 6, 3, 3), groups=2, dilation=(1, 2)),
    "depthwise": transposed((2, 16, 4, 4), (16, 1, 4, 4), groups=16, stride=(2, 2)),
}


TRANSPOSED_VOLUMES = {
    "twice as large": transposed(
        (2, 16, 3, 4, 4),
        (16, 8, 2, 2, 2),
        output_padding=(0, 0, 0),
        **{**WINDOW3, "stride": (2,) * 3},
    ),
    "odd": transposed(
        (1, 3, 2, 3, 4),
        (3, 5, 3, 2, 3),
        output_padding=(0, 1, 0),
        **{**WINDOW3, "stride": (1, 2, 2), "padding": ((1, 0), (0, 1), (1, 1))},
    ),
    "groups": transposed(
        (2, 4, 2, 3, 3), (4, 3, 2, 2, 2), output_padding=(0, 0, 0), groups=2, **WINDOW3
    ),
}
TRANSPOSITIONS = [("2d", case) for case in TRANSPOSED]
TRANSPOSITIONS += [("3d", case) for case in TRANSPOSED_VOLUMES]


@pytest.mark.parametrize(("axes", "case"), TRANSPOSITIONS)
def test_transposed_convolution_and_its_gradients_equal_their_references(axes, case):
    x, w, y, attrs = (TRANSPOSED if axes == "2d" else TRANSPOSED_VOLUMES)[case]
    name = f"conv_transpose{axes}"
    compare(name, [x, w], [y], attrs, TOLERANCE)
    compare(name, [x, w, (y[1],)], [y], attrs, TOLERANCE)
    compare(f"{name}_grad_input", [y, w], [x], attrs, TOLERANCE)
    for bias in (False, True):
        wanted = {**attrs, "weight_shape": w, "with_bias": bias}
        outputs = [w, (y[1],)] if bias else [w]
        compare(f"{name}_grad_weight", [x, y], outputs, wanted, TOLERANCE)


UNFOLDED = {"kernel": (2, 3), "stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}


def test_unfold_and_fold_equal_their_references():
    compare("unfold", [(2, 3, 5, 4)], [(6, 18, 2)], UNFOLDED, 0)
    compare("fold", [(6, 18, 2)], [(2, 3, 5, 4)], {"input_shape": (2, 3, 5, 4), **UNFOLDED}, 1e-6)


@pytest.mark.parametrize(("n", "i", "o"), [(1, 1, 1), (1, 7, 3), (5, 256, 120), (128, 84, 10)])
def test_linear_and_its_gradients_equal_their_references(n, i, o):
    compare("linear", [(n, i), (o, i)], [(n, o)], {}, TOLERANCE)
    compare("linear", [(n, i), (o, i), (o,)], [(n, o)], {"post_ops": RELU}, TOLERANCE)
    compare("linear_grad_input", [(n, o), (o, i)], [(n, i)], {}, TOLERANCE)
    attrs = {"with_bias": True}
    compare("linear_grad_weight", [(n, i), (n, o)], [(o, i), (o,)], attrs, TOLERANCE)
    attrs = {"with_bias": False}
    compare("linear_grad_weight", [(n, i), (n, o)], [(o, i)], attrs, TOLERANCE)


@pytest.mark.parametrize(
    ("a", "b", "y"),
    [
        ((3, 4), (4, 5), (3, 5)),
        ((2, 3, 4), (2, 4, 5), (2, 3, 5)),
        ((1, 1), (1, 1), (1, 1)),
        ((3, 4), (6, 4, 5), (6, 3, 5)),
        ((2, 1, 3, 4), (5, 4, 2), (2, 5, 3, 2)),
    ],
)
def test_matmul_equals_its_reference(a, b, y):
    compare("matmul", [a, b], [y], {}, TOLERANCE)


POOLINGS = {
    "halves": ((2, 6, 8, 8), (2, 2), (2, 2), ((0, 0), (0, 0))),
    "overlapping": ((2, 16, 9, 9), (3, 3), (2, 2), ((1, 1), (1, 1))),
    "odd": ((1, 5, 7, 11), (3, 2), (2, 1), ((0, 1), (1, 0))),
    "whole map": ((3, 4, 5, 6), (5, 6), (5, 6), ((0, 0), (0, 0))),
    "large window": ((1, 2, 20, 20), (18, 18), (1, 1), ((0, 0), (0, 0))),
    "volume": ((2, 6, 4, 8, 8), (2, 2, 2), (2, 2, 2), ((0, 0),) * 3),
    "odd volume": ((1, 5, 5, 7, 6), (3, 2, 1), (2, 1, 3), ((1, 1), (0, 1), (0, 0))),
}


def pooled(case):
    x, kernel, stride, padding = POOLINGS[case]
    size = [(x[2 + i] + sum(padding[i]) - kernel[i]) // stride[i] + 1 for i in range(len(kernel))]
    attrs = {"kernel": kernel, "stride": stride, "padding": padding}
    return len(kernel), x, (*x[:2], *size), attrs


@pytest.mark.parametrize("case", POOLINGS)
@pytest.mark.parametrize("include_padding", [False, True])
def test_average_pooling_and_its_gradient_equal_their_references(case, include_padding):
    axes, x, y, attrs = pooled(case)
    attrs = {**attrs, "include_padding": include_padding}
    compare(f"avg_pool{axes}d", [x], [y], attrs, TOLERANCE)
    compare(f"avg_pool{axes}d_grad", [y], [x], {**attrs, "input_shape": x}, TOLERANCE)


def test_max_pooling_of_windows_with_gaps_and_its_gradient_equal_their_references():
    attrs = {"kernel": (3, 2), "stride": (1, 2), "padding": ((1, 1), (0, 1)), "dilation": (2, 3)}
    random = np.random.Generator(np.random.PCG64(0))
    x = random.standard_normal((2, 5, 9, 8), np.float32)
    back = {**attrs, "input_shape": x.shape}
    y, places = engine.execute("max_pool2d", [x], attrs)
    dy = random.standard_normal(y.shape, np.float32)
    (dx,) = engine.execute("max_pool2d_grad", [dy, places], back)
    with engine.use_reference():
        expected, best = engine.execute("max_pool2d", [x], attrs)
        (gradient,) = engine.execute("max_pool2d_grad", [dy, best], back)

    np.testing.assert_array_equal(expected, y)
    np.testing.assert_array_equal(best, places)
    np.testing.assert_allclose(gradient, dx, atol=1e-6)


@pytest.mark.parametrize("case", POOLINGS)
def test_max_pooling_and_its_gradient_equal_their_references(case):
    axes, x_shape, y_shape, attrs = pooled(case)
    random = np.random.Generator(np.random.PCG64(zlib.crc32(case.encode())))
    x = random.standard_normal(x_shape, np.float32)
    dy = random.standard_normal(y_shape, np.float32)
    results = []
    for reference in (False, True):
        run = engine.use_reference if reference else _nothing
        with run():
            y, workspace = engine.execute(f"max_pool{axes}d", [x], attrs)
            back = {**attrs, "input_shape": x_shape}
            (dx,) = engine.execute(f"max_pool{axes}d_grad", [dy, workspace], back)
        results.append((y, dx))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-6)


RESIZED = {
    "twice as large": ((2, 16, 6, 6), (12, 12)),
    "odd": ((1, 3, 5, 7), (8, 5)),
    "series": ((2, 5, 9), (4,)),
    "volume": ((1, 3, 3, 4, 5), (6, 4, 7)),
}
GRIDS = [("linear", "half_pixel"), ("nearest", "half_pixel"), ("nearest", "asymmetric")]


@pytest.mark.parametrize("case", RESIZED)
@pytest.mark.parametrize(("mode", "coordinates"), GRIDS)
def test_resizing_equals_its_reference(case, mode, coordinates):
    x, size = RESIZED[case]
    attrs = {"size": size, "mode": mode, "coordinates": coordinates}
    attrs |= {"rounding": "round_prefer_ceil", "scales": None}
    compare("resize", [x], [(*x[:2], *size)], attrs, TOLERANCE)


@pytest.mark.parametrize(
    ("y", "factors"), [((2, 16, 6, 6), (2, 3)), ((1, 3, 4), (4,)), ((2, 5, 4, 2, 6), (2, 1, 3))]
)
def test_sums_over_copies_equal_their_reference(y, factors):
    x = (*y[:2], *(n // factor for n, factor in zip(y[2:], factors, strict=True)))
    compare("sum_copies", [y], [x], {"factors": factors}, TOLERANCE)


@pytest.mark.parametrize("shape", [(4, 3, 5, 5), (2, 16, 4, 4), (8, 5), (1, 2, 3, 3), (64, 32)])
def test_batch_norm_and_its_gradient_equal_their_references(shape):
    c = (shape[1],)
    epsilon = {"epsilon": 1e-3}
    # the variance of few elements magnifies rounding
    compare("batch_norm", [shape, c, c], [shape, c, c], epsilon, 1e-4)
    positive = {4: lambda v: np.abs(v) + 0.5}
    compare("batch_norm_inference", [shape, c, c, c, c], [shape], epsilon, 1e-4, positive)
    compare("batch_norm_grad", [shape, shape, c, c, c], [shape, c, c], epsilon, 1e-4, positive)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4, 5), (1, 16, 32, 32)])
def test_activations_and_their_gradients_equal_their_references(name, shape):
    compare(name, [shape], [shape], {}, TOLERANCE)
    # a gradient is computed from the output: 0..1 suits all three
    compare(f"{name}_grad", [shape, shape], [shape], {}, TOLERANCE, {1: lambda v: np.abs(v) % 1})


SMOOTH = {
    "leaky_relu": ({"slope": 0.2}, {"slope": -0.5}),
    "elu": ({"alpha": 1.0}, {"alpha": 0.3}),
    "gelu": ({"approximate": False}, {"approximate": True}),
    "silu": ({},),
    "mish": ({},),
    "softplus": ({},),
    "softsign": ({},),
    "hard_sigmoid": ({"slope": 0.2, "offset": 0.5},),
    "hard_swish": ({"slope": 0.2, "offset": 0.5},),
    "clip": ({"low": 0.0, "high": 6.0}, {"low": -0.5, "high": 0.5}),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4, 5), (1, 16, 32, 32)])
def test_activations_with_gradients_from_the_input_equal_their_references(name, shape):
    far = {0: lambda v: 8 * v, 1: lambda v: 8 * v}
    for attrs in SMOOTH[name]:
        for change in ({}, far):
            compare(name, [shape], [shape], attrs, TOLERANCE, change)
            compare(f"{name}_grad", [shape, shape], [shape], attrs, TOLERANCE, change)


@pytest.mark.parametrize("name", [*SMOOTH, "relu", "sigmoid", "tanh"])
def test_activations_do_not_overflow_at_the_ends(name):
    x = np.array([-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4] * 8, np.float32)
    attrs = SMOOTH.get(name, ({},))[0]
    compare(name, [x.shape], [x.shape], attrs, TOLERANCE, {0: lambda v: x})
    if name in SMOOTH:
        compare(f"{name}_grad", [x.shape] * 2, [x.shape], attrs, TOLERANCE, {1: lambda v: x})


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 4), (3, 4)), ((2, 16, 20, 20),) * 2, ((2, 3, 1), (4,)), ((), (5,)), ((1, 4), (3, 1))],
)
def test_arithmetic_equals_its_reference(name, a, b):
    y = np.broadcast_shapes(a, b)
    away = {1: lambda v: np.where(np.abs(v) < 0.1, 1, v).astype(np.float32)}
    compare(name, [a, b], [y], {}, TOLERANCE, away)


def test_addition_with_relu_equals_its_reference():
    compare(
        "add",
        [(4, 16, 16, 16)] * 2,
        [(4, 16, 16, 16)],
        {"post_ops": RELU},
        TOLERANCE,
    )


@pytest.mark.parametrize("name", ["exp", "sqrt", "square", "abs", "negative", "sign", "log"])
def test_unary_functions_equal_their_references(name):
    compare(name, [(3, 7)], [(3, 7)], {}, TOLERANCE, {0: lambda v: np.abs(v) + 0.1})


def test_scaled_sums_transposes_and_joins_equal_their_references():
    compare("scale_add", [(5,), (5,)], [(5,)], {"alpha": 0.9, "beta": 0.1}, TOLERANCE)
    compare("scale_add", [(5, 3), (3,)], [(5, 3)], {"alpha": 2.0, "beta": -1.0}, TOLERANCE)
    compare("transpose", [(2, 3, 4)], [(4, 2, 3)], {"axes": (2, 0, 1)}, 0)
    compare("concat", [(2, 3), (2, 1), (2, 4)], [(2, 8)], {"axis": 1}, 0)


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 3, 5), (1,)), ((4, 3, 5), (0, 2)), ((6,), (0,)), ((2, 70, 60), (1, 2)), ((3, 4), (0, 1))],
)
def test_sums_and_means_equal_their_references(name, keepdims, shape, axes):
    y = [1 if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes]
    compare(name, [shape], [y], {"axes": axes, "keepdims": keepdims}, TOLERANCE)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 3, 5), (1,)), ((4, 30), (1,)), ((4, 3, 5), (0, 2)), ((6,), (0,))]
)
def test_sums_of_products_equal_their_references(keepdims, shape, axes):
    y = [1 if k in axes else n for k, n in enumerate(shape) if keepdims or k not in axes]
    attrs = {"axes": axes, "keepdims": keepdims}
    compare("sum_of_products", [shape, shape], [y], attrs, TOLERANCE)


def test_repeated_values_and_sums_over_the_repeats_equal_their_references():
    compare("broadcast_to", [(3, 1)], [(2, 3, 4)], {"shape": (2, 3, 4)}, 0)
    compare("sum_to", [(2, 3, 4)], [(3, 1)], {"shape": (3, 1)}, TOLERANCE)
    compare("sum_to", [(2, 3)], [()], {"shape": ()}, TOLERANCE)
    compare("sum_to", [(2, 3)], [(2, 3)], {"shape": (2, 3)}, TOLERANCE)


@pytest.mark.parametrize(("shape", "axis"), [((3, 5), 1), ((300, 40), 1), ((20, 30, 40), -2)])
def test_softmax_equals_its_reference(shape, axis):
    compare("softmax", [shape], [shape], {"axis": axis}, TOLERANCE)
    compare("softmax_grad", [shape, shape], [shape], {"axis": axis}, TOLERANCE)


@pytest.mark.parametrize("n", [1, 7, 4096])
@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("attrs", [{}, {"ignore_index": -1}], ids=["all", "some"])
def test_cross_entropy_equals_its_reference_also_far_from_the_label(n, scale, attrs):
    random = np.random.Generator(np.random.PCG64(n))
    logits = random.standard_normal((n, 10), np.float32) * np.float32(scale)
    labels = random.integers(0, 10, n)
    if "ignore_index" in attrs:
        labels[::2] = attrs["ignore_index"]
    loss, p = engine.execute("softmax_cross_entropy", [logits, labels], attrs)
    one = np.ones((), np.float32)
    (d,) = engine.execute("softmax_cross_entropy_grad", [3 * one, p, labels], attrs)
    with engine.use_reference():
        loss0, p0 = engine.execute("softmax_cross_entropy", [logits, labels], attrs)
        (d0,) = engine.execute("softmax_cross_entropy_grad", [3 * one, p0, labels], attrs)
    np.testing.assert_allclose(loss, loss0, rtol=TOLERANCE, atol=1e-6)
    np.testing.assert_allclose(p, p0, atol=TOLERANCE)
    np.testing.assert_allclose(d, d0, atol=TOLERANCE)


def test_cross_entropy_with_class_weights_is_the_reference_kernels():
    logits = np.zeros((3, 4), np.float32)
    weights = np.arange(1, 5, dtype=np.float32)
    attrs = {"label_smoothing": 0.1}
    inputs = [logits, np.array([0, 1, 3]), weights]
    loss, _ = engine.execute("softmax_cross_entropy", inputs, attrs)
    with engine.use_reference():
        expected, _ = engine.execute("softmax_cross_entropy", inputs, attrs)
    assert expected == loss


def test_inputs_are_never_written():
    for name, shapes, attrs in (
        ("relu_grad", [(64, 300), (64, 300)], {}),
        ("add", [(64, 300), (64, 300)], {}),
        ("conv2d", list(CONVOLUTIONS["odd"][:2]), CONVOLUTIONS["odd"][3]),
    ):
        arrays = [np.full(shape, 0.5, np.float32) for shape in shapes]
        engine.execute(name, arrays, attrs)
        assert all((array == 0.5).all() for array in arrays), name


def test_arrays_that_are_not_contiguous_are_taken():
    x = np.random.Generator(np.random.PCG64(0)).standard_normal((6, 8), np.float32)
    w = np.ones((3, 6), np.float32)
    np.testing.assert_allclose(engine.execute("linear", [x.T, w], {})[0], x.T @ w.T, rtol=1e-5)


def test_copies_of_strided_arrays_live_until_the_kernel_has_run():
    random = np.random.Generator(np.random.PCG64(0))
    x = random.standard_normal((300, 200), np.float32)
    y = random.standard_normal((300, 200), np.float32)
    for _ in range(20):  # a copy freed too early is soon overwritten by the next one
        (got,) = engine.execute("relu_grad", [x.T, y.T], {})
        np.testing.assert_array_equal(np.where(y.T > 0, x.T, 0), got)


def test_float64_and_empty_arrays_go_to_the_reference_kernels():
    (y,) = engine.execute("relu", [np.array([-1.0, 1.0])], {})
    assert y.dtype == np.float64
    (y,) = engine.execute("relu", [np.zeros((0, 3), np.float32)], {})
    assert y.shape == (0, 3)


def test_results_stay_when_the_same_operation_runs_again():
    x = np.ones((64, 1024), np.float32)
    first = engine.execute("relu", [x], {})[0]
    engine.execute("relu", [2 * x], {})
    assert (first == 1).all()
    view = first[3:].reshape(-1)
    del first
    engine.execute("relu", [3 * x], {})
    assert (view == 1).all()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_lowering_is_also_a_reference_kernel(name):
    from sandbox.lib.engine.ops import OPERATIONS

    assert name == "dropout" or name in OPERATIONS


def test_generic_reference_kernels_of_the_library_are_refused():
    from sandbox.lib.engine import dnnl

    shape = (2, 3, 8, 8)
    layout = dnnl.strided(shape, (192, 1, 8 * 3, 3))
    odd = dnnl.strided((2, 3, 8, 8), (192, 64, 1, 8))  # width outermost: nobody's layout
    with pytest.raises(dnnl.RefusedError, match="ref"):
        dnnl.pooling(
            "max",
            layout,
            dnnl.plain((2, 3, 4, 4)),
            (2, 2),
            ((2, 2), (0, 0), (0, 0), (0, 0)),
            training=True,
        )
    assert odd.plain is False


def test_no_step_of_a_program_is_a_generic_reference_kernel():
    oplist = one_op("conv2d", [(2, 3, 8, 8), (4, 3, 3, 3)], [(2, 4, 6, 6)], CONVOLUTIONS["odd"][3])
    for step in engine.compile(oplist, {}).steps:
        assert not step.implementation.startswith("ref")


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_inputs_that_are_not_contiguous_do_not_share_a_copy():
    random = np.random.Generator(np.random.PCG64(3))
    a = random.standard_normal((2, 4, 2, 3), np.float32).transpose(0, 2, 1, 3)
    b = random.standard_normal((2, 4, 2, 3), np.float32).transpose(0, 2, 3, 1)

    (y,) = engine.execute("matmul", [a, b], {})

    np.testing.assert_allclose(np.matmul(a, b), y, atol=1e-5)


@pytest.mark.parametrize(
    "shape", [(2, 6, 5, 7), (1, 6), (4, 18), (4, 6, 1, 1), (5, 6, 2), (3, 12, 9), (2, 6, 3, 2, 4)]
)
@pytest.mark.parametrize("groups", [1, 3, 6])
def test_group_norm_and_its_gradients_equal_their_references(shape, groups):
    attrs, vector = {"groups": groups, "epsilon": 1e-2}, shape[1:2]
    statistics = (shape[0], groups)
    compare("group_norm", [shape, vector, vector], [shape, statistics, statistics], attrs, 1e-4)
    given = [shape, shape, vector, statistics, statistics]
    change = {4: lambda x: np.abs(x) + 0.5}
    compare("group_norm_grad", given, [shape, vector, vector], attrs, 1e-4, change)


@pytest.mark.parametrize(
    ("shape", "last"), [((5, 7), (7,)), ((2, 3, 40), (40,)), ((4, 3, 5), (3, 5))]
)
def test_rms_norm_and_its_gradients_equal_their_references(shape, last):
    rows, attrs = shape[: len(shape) - len(last)], {"epsilon": 1e-3}
    compare("rms_norm", [shape, last], [shape, rows], attrs, TOLERANCE)
    compare("rms_norm_grad", [shape, shape, last, rows], [shape, last], attrs, 1e-4)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((300, 40), 1), ((30, 40, 20), 1), ((8, 10, 12, 11), 2), ((90, 100), 0)]
)
def test_softmax_along_any_axis_equals_its_reference(name, shape, axis):
    compare(name, [shape], [shape], {"axis": axis}, 1e-4)
    logarithm = {1: lambda x: x - 3} if name == "log_softmax" else {1: lambda x: np.abs(x) / 9}
    compare(f"{name}_grad", [shape, shape], [shape], {"axis": axis}, 1e-4, logarithm)


@pytest.mark.parametrize("shape", [(3, 4), (2, 5, 7, 3), (40, 500), (7,)])
def test_what_is_kept_or_dropped_equals_its_reference(shape):
    for at, value in ((0.3, -1.0), (0.3, 2.0), (-0.3, 0.0), (0.0, 0.0)):
        attrs = {"at": at, "value": value}
        compare("threshold", [shape], [shape], attrs, 0)
        compare("threshold_grad", [shape, shape], [shape], attrs, 0)
    for size in (0.0, 0.4):
        compare("hard_shrink", [shape], [shape], {"threshold": size}, 0)
        compare("soft_shrink", [shape], [shape], {"threshold": size}, TOLERANCE)
        compare("shrink_grad", [shape, shape], [shape], {"threshold": size}, 0)


@pytest.mark.parametrize("slope", [(1, 6, 1, 1), (1, 1, 1, 1), (1, 1, 1, 7), (1, 6, 5, 7)])
def test_prelu_and_its_gradients_equal_their_references(slope):
    shape = (3, 6, 5, 7)
    compare("prelu", [shape, slope], [shape], {}, TOLERANCE)
    compare("prelu_grad", [shape, shape, slope], [shape, slope], {}, 1e-4)
