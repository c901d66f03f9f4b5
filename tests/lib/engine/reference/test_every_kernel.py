"""Every reference kernel, called once: dtypes, inputs left alone, float32 against float64."""

from __future__ import annotations

import numpy as np
import pytest
from kernels import PLAIN, normal, numpy_kernel

from sandbox.lib.engine.oplist import Op, OpList, Spec
from sandbox.lib.engine.ops import OPERATIONS
from sandbox.lib.engine.ops.comparison import COMPARISONS, LOGIC
from sandbox.lib.engine.ops.functions import BITS, REAL, ROUNDING, SMOOTH, TESTS, WITHOUT_REST
from sandbox.lib.engine.random import RandomKey

PAIRED = (*REAL, *WITHOUT_REST)


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
        "embedding_bag": ((ids, f(2, 3), f(5, 2)), {}),
        "embedding_bag_grad_weight": ((ids, f(2, 3), f(2, 4)), {"num_embeddings": 5}),
        "embedding_bag_grad_values": ((ids, f(5, 2), f(2, 2)), {}),
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


def by_index(f):
    """Return calls of the kernels that find, order and move elements."""
    x, ids = f(3, 4), np.array([[0, 2, -1], [1, 1, 0], [3, 0, 2]])
    axis = {"axis": 1}
    return {
        "flip": ((x,), {"axes": (1,)}),
        "pad": ((x,), {"widths": ((1, 0), (0, 2)), "mode": "constant", "value": 0.5}),
        "pad_grad": (
            (f(4, 6),),
            {"widths": ((1, 0), (0, 2)), "mode": "edge", "input_shape": (3, 4)},
        ),
        "split": ((x,), {"sizes": (1, 3), "axis": 1}),
        "take": ((x, ids), axis),
        "take_grad": ((f(3, 3, 3), ids), {"axis": 1, "input_shape": (3, 4)}),
        "gather": ((x, ids), axis),
        "gather_grad": ((f(3, 3), ids), {"axis": 1, "input_shape": (3, 4)}),
        "scatter": ((x, ids, f(3, 3)), {"axis": 1, "reduce": "add"}),
        "ravel_index": ((ids,), {"sizes": (4, 4, 4)}),
        "arg_max": ((x,), axis),
        "arg_min": ((x,), axis),
        "arg_sort": ((x,), {"axis": 1, "descending": True}),
        "arg_top_k": ((x,), {"axis": 1, "k": 2, "largest": False}),
        "cum_sum": ((x,), axis),
        "cum_prod": ((x,), axis),
        "cum_prod_grad": ((f(3, 4), x), axis),
        "nms": (
            (f(3, 4), f(3)),
            {"iou_threshold": 0.5, "score_threshold": 0.0, "max_outputs": 2},
        ),
        "detections": (
            (f(2, 3, 1, 4), f(2, 3, 2)),
            {"iou_threshold": 0.5, "score_threshold": 0.0, "candidates": 3, "max_outputs": 2},
        ),
    }


def pooled(f):
    """Return calls of the kernels that pool and resize."""
    named = {}
    for axes in (2, 3):
        x, small = f(2, 2, *(4,) * axes), f(2, 2, *(2,) * axes)
        pool = {"kernel": (2,) * axes, "stride": (2,) * axes, "padding": ((0, 0),) * axes}
        index = numpy_kernel(f"max_pool{axes}d")(x, **pool)[1]
        back = {"input_shape": x.shape, **pool}
        named[f"max_pool{axes}d"] = ((x,), pool)
        named[f"max_pool{axes}d_grad"] = ((small, index), back)
        named[f"avg_pool{axes}d"] = ((x,), {**pool, "include_padding": False})
        named[f"avg_pool{axes}d_grad"] = ((small,), {**back, "include_padding": True})
    named["adaptive_max"] = ((x,), {"size": (2, 2, 2)})
    named["adaptive_max_grad"] = ((small, index.astype(int)), {"input_shape": x.shape})
    named["max_pool_index"] = ((index,), {"sizes": (4, 4, 4), **pool})
    boxes, rows = f(3, 4) * np.asarray([1, 1, 4, 3], f(1).dtype), np.array([0, -1, 1])
    image = f(2, 3, 4, 5)
    box, pooled_box = {"size": (2, 2), "scale": 1.0, "ratio": 2, "aligned": True}, f(3, 3, 2, 2)
    cut = numpy_kernel("roi_pool")(image, boxes, rows, size=(2, 2), scale=1.0)[1]
    named["roi_align"] = ((image, boxes, rows), box)
    named["roi_align_grad"] = ((pooled_box, boxes, rows), {"input_shape": image.shape, **box})
    named["roi_pool"] = ((image, boxes, rows), {"size": (2, 2), "scale": 1.0})
    named["roi_pool_grad"] = ((pooled_box, cut), {"input_shape": image.shape})
    named["resize"] = ((f(2, 2, 4, 4),), {"size": (3, 5), **GRID})
    named["sum_copies"] = ((f(2, 2, 4, 6),), {"factors": (2, 3)})
    return named


GRID = {"mode": "linear", "coordinates": "half_pixel", "rounding": "floor", "scales": None}


def calls(dtype):
    """Return one call for every kernel."""

    def f(*shape):
        return np.asarray(np.abs(normal(*shape)) + 0.1, dtype)

    image = f(2, 2, 4, 4)
    labels, shape = np.array([0, 1, 1]), (2, 2, 4, 4)
    two = (f(3, 2), f(3, 2))
    axes = {"axes": (1,), "keepdims": False}
    near = {"size": 3, "alpha": 0.1, "beta": 0.6, "k": 1.0, "axes": (1,)}
    named = {
        "conv2d": ((image, f(4, 2, 3, 3), f(4)), PLAIN),
        "conv2d_grad_input": ((f(2, 4, 2, 2), f(4, 2, 3, 3)), {"input_shape": shape, **PLAIN}),
        "conv2d_grad_weight": (
            (image, f(2, 4, 2, 2)),
            {"weight_shape": (4, 2, 3, 3), **PLAIN, "with_bias": True},
        ),
        "linear": ((f(3, 2), f(4, 2), f(4)), {}),
        "linear_grad_input": ((f(3, 4), f(4, 2)), {}),
        "linear_grad_weight": ((f(3, 2), f(3, 4)), {"with_bias": True}),
        "matmul": ((f(2, 3, 4), f(4, 2)), {}),
        "batch_norm": ((image, f(2), f(2)), {"epsilon": 1e-5}),
        "batch_norm_inference": ((image, f(2), f(2), f(2), f(2)), {"epsilon": 1e-5}),
        "fold_batch_norm": ((f(2, 3, 1, 1), f(2), f(2), f(2), f(2)), {"epsilon": 1e-5}),
        "batch_norm_grad": ((image, image, f(2), f(2), f(2)), {"epsilon": 1e-5}),
        "scale_add": (two, {"alpha": 0.9, "beta": 0.1}),
        "power": ((f(3, 2),), {"exponent": 0.5}),
        "softmax_cross_entropy": ((f(3, 2), labels, f(2)), {"label_smoothing": 0.1}),
        "softmax_cross_entropy_grad": ((f(), f(3, 2), labels), {}),
        "nll": ((f(3, 2), labels), {}),
        "ctc": (
            (f(2, 4, 3), np.array([[1, 1], [2, 0]]), np.array([4, 3])),
            {"blank": 0},
        ),
        "nll_grad": ((f(), labels, f(2)), {"shape": (3, 2)}),
        "reshape": ((image,), {"shape": (4, 16)}),
        "transpose": ((image,), {"axes": (0, 2, 3, 1)}),
        "broadcast_to": ((f(3, 1),), {"shape": (2, 3, 4)}),
        "sum_to": ((f(2, 3, 4),), {"shape": (3, 1)}),
        "concat": (two, {"axis": 1}),
        "slice": (two[:1], {"starts": (1, 0), "stops": (3, 1)}),
        "slice_grad": (two[:1], {"starts": (1, 0), "stops": (4, 2), "input_shape": (5, 2)}),
        "dropout": (two[:1], {"p": 0.5, "path": "drop", "random": RandomKey(0)}),
        "random_uniform": (two[:1], {"axes": None, "path": "noise", "random": RandomKey(0)}),
        "random_normal": (two[:1], {"axes": None, "path": "noise", "random": RandomKey(0)}),
        "group_norm": ((image, f(2), f(2)), {"groups": 1, "epsilon": 1e-5}),
        "group_norm_grad": (
            (image, image, f(2), f(2, 1), f(2, 1)),
            {"groups": 1, "epsilon": 1e-5},
        ),
        "rms_norm": ((*two[:1], f(2)), {"epsilon": 1e-5}),
        "rms_norm_grad": ((*two, f(2), f(3)), {"epsilon": 1e-5}),
        "normalize": (two[:1], {"axis": 1, "epsilon": 1e-5}),
        "normalize_grad": ((*two, f(3, 1)), {"axis": 1, "epsilon": 1e-5}),
        "local_response_norm": ((image,), near),
        "local_response_norm_grad": ((image, image, image), near),
        "scale_gradient": (two[:1], {"factor": -1.0}),
        "penalize": (two[:1], {"l1": 0.1, "l2": 0.0, "entropy": 0.0}),
        "prelu": ((image, f(1, 2, 1, 1)), {}),
        "prelu_grad": ((image, image, f(1, 2, 1, 1)), {}),
        "glu": ((f(3, 4),), {"axis": 1}),
        "glu_grad": ((f(3, 2), f(3, 4)), {"axis": 1}),
        "hard_shrink": (two[:1], {"threshold": 0.5}),
        "soft_shrink": (two[:1], {"threshold": 0.5}),
        "shrink_grad": (two, {"threshold": 0.5}),
    }
    named.update(over_time(f))
    named.update(pooled(f))
    named.update(lists(f, dtype))
    named.update(by_index(f))
    for name in ("sum", "mean", "max", "min", "prod"):
        named[name] = ((image,), axes)
    named["sum_of_products"] = ((image, image), axes)
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
        "stop_gradient",
        *SMOOTH,
        *ROUNDING,
        *TESTS,
        "erf",
    ):
        named[name] = ((f(3, 2),), {})
    for name in ("relu_grad", "tanh_grad", "sigmoid_grad"):
        named[name] = (two, {})
    constants = {
        "leaky_relu": {"slope": 0.1},
        "elu": {"alpha": 0.5},
        "gelu": {"approximate": False},
        "hard_sigmoid": {"slope": 0.2, "offset": 0.5},
        "hard_swish": {"slope": 0.2, "offset": 0.5},
        "clip": {"low": -0.5, "high": 0.5},
        "threshold": {"at": 0.5, "value": 0.1},
        **{key: {} for key in ("silu", "mish", "softplus", "softsign", "tanh_shrink")},
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
    volume, window = f(2, 2, 3, 3, 3), {"stride": (1,) * 3, "dilation": (1,) * 3, "groups": 1}
    window["padding"] = ((0, 0),) * 3
    named["conv3d"] = ((volume, f(4, 2, 2, 2, 2), f(4)), window)
    named["conv3d_grad_input"] = (
        (f(2, 4, 2, 2, 2), f(4, 2, 2, 2, 2)),
        {"input_shape": volume.shape, **window},
    )
    named["conv3d_grad_weight"] = (
        (volume, f(2, 4, 2, 2, 2)),
        {"weight_shape": (4, 2, 2, 2, 2), **window, "with_bias": True},
    )
    turned = {**window, "output_padding": (0, 0, 0)}
    named["conv_transpose3d"] = ((volume, f(2, 3, 2, 2, 2), f(3)), turned)
    named["conv_transpose3d_grad_input"] = ((f(2, 3, 4, 4, 4), f(2, 3, 2, 2, 2)), turned)
    named["conv_transpose3d_grad_weight"] = (
        (volume, f(2, 3, 4, 4, 4)),
        {"weight_shape": (2, 3, 2, 2, 2), **turned, "with_bias": True},
    )
    slid = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    named["unfold"] = ((image,), slid)
    named["fold"] = ((f(4, 8, 2),), {"input_shape": shape, **slid})
    named["bce_with_logits"] = ((f(3, 2), labels[:, None] * np.ones(2, int), f(2)), {})
    named["bce_with_logits_grad"] = ((f(), f(3, 2), f(3, 2), f(2)), {})
    for name in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "maximum",
        "minimum",
        *COMPARISONS,
        *PAIRED,
    ):
        named[name] = (two, {})
    truth = two[0] > two[1]
    for name in LOGIC:
        named[name] = ((truth,) if name == "logical_not" else (truth, ~truth), {})
    for name in ("any", "all"):
        named[name] = ((truth,), axes)
    for name in BITS:
        named[name] = ((truth, ~truth), {})
    named["bitwise_not"] = ((truth,), {})
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


# Kernels of bytes take and give types of their own: tests/lib/engine/test_int8.py.
NAMES = sorted(name for name in OPERATIONS if "." not in name and not name.endswith("_int8"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_keep_the_dtype_and_do_not_write_into_inputs(name, dtype):
    inputs, attrs = calls(dtype)[name]
    before = [np.array(x) for x in inputs]
    for x in inputs:
        x.flags.writeable = False

    results = numpy_kernel(name)(*inputs, **attrs)

    truths = (*COMPARISONS, *LOGIC, *TESTS, *BITS, "bitwise_not", "any", "all")
    places = ("arg_max", "arg_min", "arg_sort", "arg_top_k", "ravel_index", "nms")
    whole = dict.fromkeys(truths, np.bool_) | dict.fromkeys(places, np.int64)
    whole |= {
        "max_pool2d": np.uint8,
        "max_pool3d": np.uint8,
        "max_pool_index": np.int64,
        "adaptive_max": np.int64,
        "roi_pool": np.int64,
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
