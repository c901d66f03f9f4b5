"""Every gradient rule against central differences in float64."""

from __future__ import annotations

import numpy as np
import pytest

from sandbox.lib import core
from sandbox.lib.core import FUNCTIONS, GradientError, RandomKey, gradcheck, ops
from sandbox.lib.engine.ops.comparison import COMPARISONS, LOGIC
from sandbox.lib.engine.ops.functions import BITS, ROUNDING, TESTS


def normal(*shape):
    return core.random.rng(sum(shape) + 7).normal(size=shape)


def positive(*shape):
    return core.random.rng(3).uniform(0.5, 2.0, size=shape)


def distinct(*shape):
    """Numbers at least 0.1 apart: no maximum and no sign changes within a difference's step."""
    count = int(np.prod(shape))
    return (core.random.rng(5).permutation(count).reshape(shape) - count / 2 + 0.25) * 0.1


STEPS = (*ROUNDING, *TESTS, *BITS, "bitwise_not", "floor_divide", "any", "all")
STEPS += ("arg_max", "arg_min", "arg_sort", "arg_top_k")
LABELS = np.array([0, 2, 1, 2])
WEIGHTS = np.array([0.5, 1.0, 2.0])
MASK_OF_KEYS = np.arange(6) % 3 != 1
SHARES = np.linspace(0.0, 1.0, 12).reshape(4, 3)


def smoothed(x):
    return ops.softmax_cross_entropy(x, LABELS, WEIGHTS, label_smoothing=0.1)


BOXES = np.array([[0, 0.5, 1.0, 3.9, 3.2], [1, -1.0, 0.0, 6.0, 2.5], [-1, 0, 0, 3, 3]])
SQUARES = np.array([[0.5, 0.2, 2.5, 1.9], [1.1, -1.0, 4.0, 1.7]])
IDS = np.array([[0, 3, 3], [1, 0, 4]])
LENGTHS = np.array([3, 1, 4])


def gated(gates, biases):
    """Input of 3 rows, 4 steps, 2 features; weights of 5 hidden units."""
    return [normal(3, 4, 2), normal(gates * 5, 2), normal(gates * 5, 5), normal(biases * 5)]


def lstm_by(**attrs):
    lengths = attrs.pop("lengths", None)
    return lambda x, w, u, b: ops.lstm(x, w, u, b, lengths, **attrs)


def gru_by(**attrs):
    lengths = attrs.pop("lengths", None)
    return lambda x, w, u, b: ops.gru(x, w, u, b, lengths, **attrs)


def rnn_by(**attrs):
    lengths = attrs.pop("lengths", None)
    return lambda x, w, u, b: ops.rnn(x, w, u, b, lengths, **attrs)


# Of an LSTM of 5 cells and 3 projected features: x, weights, h, c, peepholes, projection.
EVERYTHING = [(3, 4, 2), (20, 2), (20, 3), (20,), (3, 3), (3, 5), (15,), (3, 5)]


def lstm_with(x, w, u, b, h, c, p, q):
    return sum_of(
        ops.lstm(x, w, u, b, LENGTHS, state=(h, c), peephole=p, projection=q, reverse=True)
    )


def gru_from(**attrs):
    return lambda x, w, u, b, h: sum_of(ops.gru(x, w, u, b, LENGTHS, state=h, **attrs))


def sum_of(results):
    """Return one number that all results change."""
    return ops.sum(results[0]) + sum(ops.sum(ops.square(last)) for last in results[1:])


def dropped(x, **attrs):
    with core.using(training=True, random=RandomKey(1, 2, 3)), core.scope("drop"):
        return ops.dropout(x, 0.4, **attrs)


def drawn(function, x, **attrs):
    with core.using(random=RandomKey(1, 2, 3)), core.scope("noise"):
        return function(x, **attrs)


def scanned(w, x):
    """A carry that x multiplies; the step's results are read as well."""
    last, ys = ops.scan(lambda c, row: (ops.tanh(c * row + w), c * w), x[0] * 0.5, x, reverse=True)
    return last, ys


CASES = {
    "conv2d": (ops.conv2d, [normal(2, 3, 6, 5), normal(4, 3, 3, 2), normal(4)]),
    "conv2d without bias": (ops.conv2d, [normal(2, 3, 6, 5), normal(4, 3, 3, 2)]),
    "conv2d strided, dilated, grouped, padded on one side": (
        lambda x, w, b: ops.conv2d(
            x, w, b, stride=(2, 1), dilation=(1, 2), groups=2, padding=((1, 0), (2, 1))
        ),
        [normal(2, 4, 7, 6), normal(6, 2, 3, 3), normal(6)],
    ),
    "conv2d depthwise": (
        lambda x, w: ops.conv2d(x, w, groups=4, padding=1),
        [normal(2, 4, 4, 3), normal(4, 1, 3, 3)],
    ),
    "conv_transpose2d": (ops.conv_transpose2d, [normal(2, 3, 4, 3), normal(3, 2, 3, 2), normal(2)]),
    "conv_transpose2d without bias": (
        ops.conv_transpose2d,
        [normal(2, 3, 2, 3), normal(3, 4, 2, 2)],
    ),
    "conv_transpose2d strided, dilated, grouped, padded on one side": (
        lambda x, w, b: ops.conv_transpose2d(
            x,
            w,
            b,
            stride=(2, 3),
            dilation=(1, 2),
            groups=2,
            padding=((1, 0), (2, 1)),
            output_padding=(1, 2),
        ),
        [normal(2, 4, 3, 4), normal(4, 3, 3, 3), normal(6)],
    ),
    "conv1d strided, dilated, grouped, padded at one end": (
        lambda x, w, b: ops.conv1d(x, w, b, stride=2, dilation=2, groups=2, padding=(1, 0)),
        [normal(2, 4, 7), normal(6, 2, 3), normal(6)],
    ),
    "conv3d": (ops.conv3d, [normal(2, 2, 3, 4, 3), normal(3, 2, 2, 2, 3), normal(3)]),
    "conv3d strided, dilated, grouped, padded on one side": (
        lambda x, w, b: ops.conv3d(
            x,
            w,
            b,
            stride=(1, 2, 1),
            dilation=(1, 1, 2),
            groups=2,
            padding=((1, 0), (0, 1), (1, 1)),
        ),
        [normal(1, 4, 2, 4, 3), normal(2, 2, 2, 2, 2), normal(2)],
    ),
    "conv_transpose1d strided, dilated, grouped, padded at one end": (
        lambda x, w, b: ops.conv_transpose1d(
            x, w, b, stride=2, dilation=2, groups=2, padding=(1, 0), output_padding=1
        ),
        [normal(2, 4, 3), normal(4, 3, 2), normal(6)],
    ),
    "conv_transpose3d strided, dilated, grouped, padded on one side": (
        lambda x, w, b: ops.conv_transpose3d(
            x,
            w,
            b,
            stride=(1, 2, 2),
            dilation=(1, 1, 2),
            groups=2,
            padding=((0, 0), (1, 0), (0, 1)),
            output_padding=(0, 1, 0),
        ),
        [normal(1, 2, 2, 2, 3), normal(2, 2, 2, 3, 2), normal(4)],
    ),
    "unfold strided, dilated, padded on one side": (
        lambda x: ops.unfold(x, (2, 3), stride=(2, 1), dilation=(1, 2), padding=((1, 0), (0, 2))),
        [normal(2, 3, 4, 5)],
    ),
    "fold over one axis": (lambda x: ops.fold(x, (2, 3, 5), 2, stride=2), [normal(2, 6, 2)]),
    "linear": (ops.linear, [normal(4, 3), normal(5, 3), normal(5)]),
    "linear without bias": (ops.linear, [normal(4, 3), normal(5, 3)]),
    "linear over three axes": (ops.linear, [normal(2, 4, 3), normal(5, 3), normal(5)]),
    "matmul": (ops.matmul, [normal(3, 4), normal(4, 2)]),
    "matmul over batches": (ops.matmul, [normal(2, 1, 3, 4), normal(5, 4, 2)]),
    "max_pool2d": (lambda x: ops.max_pool2d(x, 2), [distinct(2, 2, 4, 4)]),
    "max_pool2d overlapping and padded": (
        lambda x: ops.max_pool2d(x, 3, stride=2, padding=1),
        [distinct(2, 2, 5, 6)],
    ),
    "avg_pool2d": (lambda x: ops.avg_pool2d(x, 2), [normal(2, 2, 4, 4)]),
    "avg_pool2d without padding in the mean": (
        lambda x: ops.avg_pool2d(x, 3, stride=2, padding=1, include_padding=False),
        [normal(2, 2, 5, 6)],
    ),
    "max_pool1d with gaps": (
        lambda x: ops.max_pool1d(x, 2, stride=1, dilation=2),
        [distinct(2, 3, 7)],
    ),
    "max_pool3d": (
        lambda x: ops.max_pool3d(x, 2, padding=1, ceil_mode=True),
        [distinct(2, 2, 3, 4, 5)],
    ),
    "avg_pool1d with a window of what is left over": (
        lambda x: ops.avg_pool1d(x, 3, stride=2, padding=1, ceil_mode=True),
        [normal(2, 3, 6)],
    ),
    "avg_pool3d": (lambda x: ops.avg_pool3d(x, (1, 2, 3)), [normal(2, 2, 3, 4, 5)]),
    "adaptive_avg_pool": (lambda x: ops.adaptive_avg_pool(x, (2, 3)), [normal(2, 2, 5, 7)]),
    "sum_copies": (lambda x: FUNCTIONS["sum_copies"](x, factors=(2, 1)), [normal(2, 2, 4, 3)]),
    "adaptive_max": (lambda x: ops.adaptive_max_pool(x, (2, 3)), [distinct(2, 2, 5, 7)]),
    "max_pool_with_index": (
        lambda x: ops.max_pool_with_index(x, 2)[0],
        [distinct(2, 2, 4, 4)],
    ),
    "max_unpool": (
        lambda x: ops.max_unpool(x, np.array([[[0, 3, 5], [1, 4, 2]]] * 2), 6),
        [normal(2, 2, 3)],
    ),
    "roi_align": (
        lambda x: ops.roi_align(x, BOXES, (2, 3), scale=0.5, sampling_ratio=2),
        [normal(2, 2, 4, 5)],
    ),
    "roi_align of the largest samples": (
        lambda x: ops.roi_align(x, BOXES, 2, sampling_ratio=2, mode="max", aligned=False),
        [distinct(2, 2, 4, 5)],
    ),
    "roi_pool": (lambda x: ops.roi_pool(x, BOXES, (2, 3)), [distinct(2, 2, 4, 5)]),
    "resize": (lambda x: ops.resize(x, (7, 3)), [normal(2, 2, 4, 5)]),
    "resize to nearest": (
        lambda x: ops.resize(x, scale=(2, 1, 3), mode="nearest"),
        [normal(1, 2, 2, 3, 2)],
    ),
    "resize by cubic weights": (
        lambda x: ops.resize(x, 9, mode="cubic", exclude_outside=True),
        [normal(2, 2, 5)],
    ),
    "global_avg_pool2d": (ops.global_avg_pool2d, [normal(2, 3, 4, 5)]),
    "global_max_pool2d": (ops.global_max_pool2d, [distinct(2, 3, 4, 5)]),
    "batch_norm": (lambda *a: ops.batch_norm(*a)[0], [normal(4, 3, 2, 2), normal(3), normal(3)]),
    "batch_norm of rows": (lambda *a: ops.batch_norm(*a)[0], [normal(6, 3), normal(3), normal(3)]),
    "batch_norm_inference": (
        ops.batch_norm_inference,
        [normal(4, 3, 2, 2), normal(3), normal(3), normal(3), positive(3)],
    ),
    "relu": (ops.relu, [distinct(3, 4)]),
    "tanh": (ops.tanh, [normal(3, 4)]),
    "sigmoid": (ops.sigmoid, [normal(3, 4)]),
    "softmax": (ops.softmax, [normal(3, 4)]),
    "softmax over channels": (lambda x: ops.softmax(x, 1), [normal(2, 3, 2, 2)]),
    "log_softmax": (ops.log_softmax, [normal(3, 4)]),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2), [distinct(3, 4)]),
    "elu": (lambda x: ops.elu(x, 0.7), [distinct(3, 4)]),
    "celu": (lambda x: ops.celu(x, 0.7), [distinct(3, 4)]),
    "glu": (lambda x: ops.glu(x, 1), [normal(3, 4, 2)]),
    "hard_shrink": (ops.hard_shrink, [distinct(3, 4)]),
    "soft_shrink": (lambda x: ops.soft_shrink(x, 0.3), [distinct(3, 4)]),
    "tanh_shrink": (ops.tanh_shrink, [normal(3, 4)]),
    "selu": (ops.selu, [distinct(3, 4)]),
    "gelu": (ops.gelu, [normal(3, 4)]),
    "gelu by tanh": (lambda x: ops.gelu(x, approximate=True), [normal(3, 4)]),
    "silu": (ops.silu, [normal(3, 4)]),
    "silu, steeper": (lambda x: ops.silu(x, 1.7), [normal(3, 4)]),
    "mish": (ops.mish, [normal(3, 4)]),
    "softplus": (ops.softplus, [normal(3, 4)]),
    "softplus, sharper": (lambda x: ops.softplus(x, 3.0), [normal(3, 4)]),
    "log_sigmoid": (ops.log_sigmoid, [normal(3, 4)]),
    "softsign": (ops.softsign, [normal(3, 4)]),
    "hard_swish": (lambda x: ops.hard_swish(x * 4.0), [distinct(3, 4)]),
    "hard_sigmoid": (lambda x: ops.hard_sigmoid(x, 0.6, 0.4), [distinct(3, 4)]),
    "clip": (lambda x: ops.clip(x, -0.7, 0.6), [distinct(3, 4)]),
    "hard_tanh": (ops.hard_tanh, [2 * distinct(3, 4)]),
    "threshold": (lambda x: ops.threshold(x, 0.3, -1.0), [distinct(3, 4)]),
    "prelu": (ops.prelu, [distinct(3, 4, 2), normal(4)]),
    "prelu of one slope": (ops.prelu, [distinct(3, 4), normal(1)]),
    "add": (ops.add, [normal(2, 3), normal(3)]),
    "subtract": (ops.subtract, [normal(2, 1), normal(2, 3)]),
    "multiply": (ops.multiply, [normal(2, 3), normal(1, 3)]),
    "divide": (ops.divide, [normal(2, 3), positive(3)]),
    "maximum": (ops.maximum, [distinct(2, 3), 0.03 + distinct(2, 3)[::-1]]),
    "minimum": (ops.minimum, [distinct(2, 3), 0.03 + distinct(2, 3)[::-1]]),
    "cast": (lambda x: ops.cast(ops.cast(x, "float64"), x.dtype), [distinct(2, 3)]),
    "where": (lambda a, b: ops.where(a.data > 0, a, b), [distinct(2, 3), 0.03 + distinct(2, 3)]),
    "scale_add": (lambda a, b: ops.scale_add(a, b, 0.9, 0.1), [normal(2, 3), normal(3)]),
    "exp": (ops.exp, [normal(2, 3)]),
    "log": (ops.log, [positive(2, 3)]),
    "sqrt": (ops.sqrt, [positive(2, 3)]),
    "square": (ops.square, [normal(2, 3)]),
    "abs": (ops.abs, [distinct(2, 3)]),
    "negative": (ops.negative, [normal(2, 3)]),
    "sign": (ops.sign, [distinct(2, 3)]),
    "power": (lambda x: ops.power(x, -1.5), [positive(2, 3)]),
    "transpose": (lambda x: ops.transpose(x, (2, 0, 1)), [normal(2, 3, 4)]),
    "reshape": (lambda x: ops.reshape(x, (4, -1)), [normal(2, 3, 4)]),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (4, 2, 3)), [normal(2, 1)]),
    "sum_to": (lambda x: ops.sum_to(x, (2, 1)), [normal(4, 2, 3)]),
    "stack": (lambda a, b: ops.stack([a, b, a], 1), [normal(2, 3), normal(2, 3) + 1]),
    "unstack": (lambda x: ops.unstack(x, 1)[1:], [normal(2, 3)]),
    "stop_gradient": (lambda x: ops.stop_gradient(np.full(3, 2.0)) * x, [normal(2, 3)]),
    "flip": (lambda x: ops.flip(x, (0, 2)), [normal(2, 3, 2)]),
    "pad": (lambda x: ops.pad(x, ((1, 0), (0, 2)), value=2.0), [normal(2, 3)]),
    "pad_grad": (
        lambda x: FUNCTIONS["pad_grad"](
            x, widths=((1, 2), (2, 0)), mode="reflect", input_shape=(3, 4)
        ),
        [normal(6, 6)],
    ),
    "split": (lambda x: ops.split(x, (1, 2, 1), 1)[1:], [normal(2, 4)]),
    "pad reflecting": (lambda x: ops.pad(x, ((1, 0), (1, 2)), "reflect"), [normal(2, 3)]),
    "pad by the edge": (lambda x: ops.pad(x, ((1, -1), (0, 2)), "edge"), [normal(2, 3)]),
    "pad round": (lambda x: ops.pad(x, ((2, 0), (1, 2)), "circular"), [normal(2, 3)]),
    "take": (lambda x: ops.take(x, IDS, 1), [normal(2, 5, 2)]),
    "take_grad": (
        lambda x: FUNCTIONS["take_grad"](x, IDS, axis=1, input_shape=(2, 5, 2)),
        [normal(2, 2, 3, 2)],
    ),
    "gather": (lambda x: ops.gather(x, IDS, 1), [normal(2, 5)]),
    "gather_grad": (
        lambda x: FUNCTIONS["gather_grad"](x, IDS, axis=1, input_shape=(2, 5)),
        [normal(2, 3)],
    ),
    "gather_nd": (lambda x: ops.gather_nd(x, [[0, 1], [1, -1], [0, 1]]), [normal(2, 3, 2)]),
    "scatter": (lambda x, u: ops.scatter(x, [[0, -1], [1, 2]], u), [normal(2, 3), normal(2, 2)]),
    "scatter adding": (
        lambda x, u: ops.scatter(x, IDS, u, 1, reduce="add"),
        [normal(2, 5), normal(2, 3)],
    ),
    "scatter multiplying": (
        lambda x, u: ops.scatter(x, IDS, u, 1, reduce="multiply"),
        [positive(2, 5), positive(2, 3)],
    ),
    "scatter of maxima": (
        lambda x, u: ops.scatter(x, IDS, u, 1, reduce="maximum"),
        [distinct(2, 5), 0.03 + distinct(2, 3)],
    ),
    "scatter of minima": (
        lambda x, u: ops.scatter(x, IDS, u, 1, reduce="minimum"),
        [distinct(2, 5), 0.03 + distinct(2, 3)],
    ),
    "ravel_index": (lambda x: x[[0, 1], [[2], [0]]], [normal(2, 3)]),
    "take_first": (lambda x: ops.take_first(x, np.int64(2)), [normal(4, 2)]),
    "nonzero": (lambda x: x[x.data > 0], [distinct(3, 2)]),
    "unique": (lambda x: ops.unique(x)[0], [distinct(3, 2)]),
    "box_iou": (lambda x: ops.box_iou(x, np.array([[0.0, 0, 2, 2]])), [SQUARES]),
    "box_encode": (lambda x, a: ops.box_encode(x, a), [SQUARES, SQUARES + 0.1]),
    "box_decode": (lambda x, a: ops.box_decode(x, a), [normal(2, 4), SQUARES]),
    "match_boxes": (lambda x: x[ops.match_boxes(x.data, np.ones((1, 1, 5)))[0]], [SQUARES[None]]),
    "detections": (
        lambda x: x * np.float64(ops.detections(x.data, np.ones((1, 2, 1))).data[0, 0, 1]),
        [SQUARES[None]],
    ),
    "nms": (lambda x: x[ops.nms(x.data, np.ones(2))], [distinct(2, 4)]),
    "masked_scatter": (
        lambda x, v: ops.masked_scatter(x, np.array([True, False, True]), v),
        [normal(3, 2), normal(2, 2)],
    ),
    "top_k": (lambda x: ops.top_k(x, 2, 0)[0], [distinct(4, 3)]),
    "sort": (lambda x: ops.sort(x, descending=True), [distinct(2, 4)]),
    "cum_sum": (lambda x: ops.cum_sum(x, 1, exclusive=True), [normal(2, 4)]),
    "cum_prod": (lambda x: ops.cum_prod(x, 0, reverse=True), [normal(4, 2)]),
    "cum_prod of zeros": (lambda x: ops.cum_prod(x * [1.0, 0.0, 1.0, 0.0]), [normal(2, 4)]),
    "min": (lambda x: ops.min(x, -1), [distinct(2, 3, 4)]),
    "prod": (lambda x: ops.prod(x, (0, 2)), [normal(2, 3, 2)]),
    "prod of zeros": (lambda x: ops.prod(x * [1.0, 0.0, 1.0], 1), [normal(2, 3)]),
    "norm": (lambda x: ops.norm(x, 2, 1), [normal(2, 3)]),
    "norm of 1": (lambda x: ops.norm(x, 1), [distinct(2, 3)]),
    "norm of 2.5": (lambda x: ops.norm(x, 2.5, 0, keepdims=True), [distinct(2, 3)]),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), [normal(2, 3)]),
    "variance": (lambda x: ops.variance(x, 1, correction=1), [normal(2, 3)]),
    "std": (lambda x: ops.std(x, (0, 1)), [normal(2, 3)]),
    "einsum": (
        lambda a, b: ops.einsum("bij,kj->ibk", a, b),
        [normal(2, 3, 4), normal(2, 4)],
    ),
    "einsum of a diagonal": (lambda x: ops.einsum("iji->j", x), [normal(3, 2, 3)]),
    "slice by steps": (lambda x: x[::-2, 1::3], [normal(5, 7)]),
    "slice_grad by steps": (
        lambda x: FUNCTIONS["slice_grad"](
            x, starts=(0, 1), stops=(3, 3), steps=(2, 1), input_shape=(3, 4)
        ),
        [normal(2, 2)],
    ),
    **{
        name: (getattr(ops, name), [normal(2, 3)])
        for name in ("sin", "cos", "atan", "sinh", "cosh", "asinh", "exp2", "expm1", "erf")
    },
    **{
        name: (getattr(ops, name), [0.4 * positive(2, 3)])
        for name in ("tan", "asin", "acos", "atanh", "log2", "log10", "log1p", "reciprocal")
    },
    "acosh": (ops.acosh, [1.0 + positive(2, 3)]),
    "rsqrt": (ops.rsqrt, [positive(2, 3)]),
    "atan2": (ops.atan2, [normal(2, 3), normal(2, 3) + 2.0]),
    "pow": (ops.pow, [positive(2, 3), normal(3)]),
    "remainder": (ops.remainder, [distinct(2, 3) + 0.02, np.array([0.7, -1.1, 0.9])]),
    "fmod": (ops.fmod, [distinct(2, 3) + 0.02, np.array([0.7, -1.1, 0.9])]),
    "scan": (scanned, [normal(3), normal(4, 3)]),
    "cond": (
        lambda x: ops.cond(np.ones(1), lambda x: x * x, lambda x: x, x),
        [normal(2, 3)],
    ),
    "while_loop": (
        lambda x: ops.while_loop(lambda c: ops.greater(9.0, c.sum()), lambda c: c * c + 1.0, x),
        [positive(2, 3)],
    ),
    "concat": (lambda a, b: ops.concat([a, b, a], 1), [normal(2, 1, 2), normal(2, 3, 2)]),
    "slice": (lambda x: x[1:, ..., 2, None], [normal(3, 2, 4)]),
    "slice_grad": (
        lambda x: FUNCTIONS["slice_grad"](x, starts=(0, 1), stops=(2, 3), input_shape=(3, 4)),
        [normal(2, 2)],
    ),
    "sum": (lambda x: ops.sum(x, (0, 2)), [normal(2, 3, 4)]),
    "mean": (lambda x: ops.mean(x, 1, keepdims=True), [normal(2, 3, 4)]),
    "max": (lambda x: ops.max(x, -1), [distinct(2, 3, 4)]),
    "softmax_cross_entropy": (lambda x: ops.softmax_cross_entropy(x, LABELS), [normal(4, 3)]),
    "softmax_cross_entropy smoothed and weighted": (smoothed, [normal(4, 3)]),
    "nll": (lambda x: ops.nll(x, LABELS), [normal(4, 3)]),
    "softmax_cross_entropy without a label": (
        lambda x: ops.softmax_cross_entropy(x, LABELS, label_smoothing=0.1, ignore_index=1),
        [normal(4, 3)],
    ),
    "nll without a label": (lambda x: ops.nll(x, LABELS, ignore_index=1), [normal(4, 3)]),
    "nll weighted": (lambda x: ops.nll(x, LABELS, WEIGHTS), [normal(4, 3)]),
    "bce_with_logits": (lambda x: ops.bce_with_logits(x, SHARES), [normal(4, 3)]),
    "bce_with_logits weighted": (
        lambda x: ops.bce_with_logits(x, SHARES, WEIGHTS),
        [normal(4, 3)],
    ),
    "ctc": (
        lambda x: ops.ctc(x, np.array([[1, 1], [2, 0]]), np.array([4, 3])),
        [normal(2, 4, 3)],
    ),
    "dropout": (dropped, [normal(4, 6)]),
    "dropout of channels": (lambda x: dropped(x, axes=(1,)), [normal(4, 6, 3)]),
    "random_uniform": (lambda x: drawn(ops.random_uniform, x) * x, [normal(4, 6)]),
    "random_normal": (lambda x: drawn(ops.random_normal, x, axes=(2,)) * x, [normal(4, 3, 5)]),
    "group_norm": (
        lambda *a: ops.group_norm(*a, groups=2),
        [normal(3, 4, 2, 3), normal(4), normal(4)],
    ),
    "rms_norm": (ops.rms_norm, [normal(3, 2, 4), normal(2, 4)]),
    "normalize": (lambda x: ops.normalize(x, 1), [normal(3, 4, 2)]),
    "normalize short ones": (lambda x: ops.normalize(x, epsilon=9.0), [normal(3, 4)]),
    "local_response_norm": (lambda x: ops.local_response_norm(x, 3, alpha=0.5), [normal(3, 5, 2)]),
    "local_response_norm of even windows": (
        lambda x: ops.local_response_norm(x, 4, alpha=0.5, beta=0.6, k=2.0, axes=(2, 3)),
        [normal(2, 1, 4, 5)],
    ),
    "layer_norm": (ops.layer_norm, [normal(3, 2, 4), normal(4), normal(4)]),
    "layer_norm over two axes": (ops.layer_norm, [normal(3, 2, 4), normal(2, 4), normal(2, 4)]),
    "embedding": (lambda w: ops.embedding(IDS, w), [normal(5, 3)]),
    "embedding_bag": (
        lambda v, w: ops.embedding_bag(np.where(IDS == 3, -1, IDS), v, w),
        [normal(2, 3), normal(5, 3)],
    ),
    "embedding with padding": (lambda w: ops.embedding(IDS, w, padding_index=3), [normal(5, 3)]),
    "max_with_index": (lambda x: ops.max_with_index(x, 1)[0], [distinct(2, 4, 3)]),
    "max_with_index the last axis": (lambda x: ops.max_with_index(x, -1)[0], [distinct(2, 4, 3)]),
    "mask_sequence": (lambda x: ops.mask_sequence(x, LENGTHS, value=2.0), [normal(3, 4, 2)]),
    "masked_mean": (lambda x: ops.masked_mean(x, 1, LENGTHS), [normal(3, 4, 2)]),
    "attention": (ops.attention, [normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2)]),
    "attention with mask and bias": (
        lambda q, k, v, b: ops.attention(q, k, v, mask=MASK_OF_KEYS, bias=b),
        [normal(2, 3, 4, 5), normal(2, 3, 6, 5), normal(2, 3, 6, 2), normal(1, 3, 4, 6)],
    ),
    "attention masked and causal": (
        lambda q, k, v: ops.attention(q, k, v, LENGTHS, causal=True),
        [normal(3, 2, 4, 5), normal(3, 2, 4, 5), normal(3, 2, 4, 5)],
    ),
    "lstm": (lstm_by(), gated(4, 4)),
    "lstm backwards": (lstm_by(reverse=True), gated(4, 4)),
    "lstm of lengths": (lstm_by(lengths=LENGTHS), gated(4, 4)),
    "lstm of lengths backwards": (lstm_by(lengths=LENGTHS, reverse=True), gated(4, 4)),
    "lstm, last cell": (lambda *a: ops.lstm(*a)[2], gated(4, 4)),
    "gru": (gru_by(), gated(3, 4)),
    "gru backwards": (gru_by(reverse=True), gated(3, 4)),
    "gru of lengths": (gru_by(lengths=LENGTHS), gated(3, 4)),
    "gru of lengths backwards": (gru_by(lengths=LENGTHS, reverse=True), gated(3, 4)),
    "gru, last state": (lambda *a: ops.gru(*a)[1], gated(3, 4)),
    "lstm with everything": (
        lstm_with,
        [normal(*shape) for shape in EVERYTHING],
    ),
    "gru from a state": (gru_from(), [*gated(3, 4), normal(3, 5)]),
    "gru, reset before": (gru_from(reset_after=False), [*gated(3, 3), normal(3, 5)]),
    "rnn from a state": (
        lambda x, w, u, b, h: sum_of(ops.rnn(x, w, u, b, state=h, reverse=True)),
        [*gated(1, 1), normal(3, 5)],
    ),
    "rnn": (rnn_by(), gated(1, 1)),
    "rnn backwards": (rnn_by(reverse=True), gated(1, 1)),
    "rnn with relu": (rnn_by(activation="relu"), gated(1, 1)),
    "rnn of lengths": (rnn_by(lengths=LENGTHS), gated(1, 1)),
    "rnn of lengths backwards": (rnn_by(lengths=LENGTHS, reverse=True), gated(1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient_equals_finite_differences(name):
    function, inputs = CASES[name]

    gradcheck(function, inputs)


def test_every_primitive_with_a_gradient_is_checked():
    ruled = {n for n, p in FUNCTIONS.items() if p.gradient_rule is not None and "." not in n}

    stepwise = {*COMPARISONS, *LOGIC, *STEPS}  # no gradient goes through them
    changed = {"penalize", "scale_gradient"}  # what flows back is not the slope, by design
    assert ruled - stepwise - changed - {name.split()[0].strip(",") for name in CASES} == set()


def test_a_wrong_gradient_is_found():
    def wrong(x):
        return ops.tanh(x) + core.Value(x.data * x.data)

    with pytest.raises(GradientError, match="gradient of input 0 must be"):
        gradcheck(wrong, [normal(2, 3)])


def test_equal_maxima_share_the_gradient():
    x = core.Value(np.float32([1.0, 3.0, 3.0]))
    with core.Tape() as tape:
        y = ops.max(x)

    np.testing.assert_array_equal([0.0, 0.5, 0.5], tape.gradients(y, [x])[0])


def test_missing_gradient_is_named():
    x = core.Value(normal(2, 3))
    with core.Tape() as tape, core.scope("head"):
        y = FUNCTIONS["relu_grad"](x, x).sum()

    with pytest.raises(GradientError, match=r"head.*: gradient of relu_grad is not defined"):
        tape.gradients(y, [x])


def test_statistics_of_batch_norm_have_no_gradient():
    x = core.Value(normal(4, 3))
    with core.Tape() as tape:
        _, mean, _ = ops.batch_norm(x, np.ones(3), np.zeros(3))
        y = mean.sum()

    with pytest.raises(GradientError, match=r"batch_norm is defined for y only.*core\.ops\.mean"):
        tape.gradients(y, [x])


def test_parameters_get_their_numbers_back_after_a_check():
    weight = core.Parameter(normal(5, 3).astype("float32"))
    before = weight.data.copy()

    gradcheck(lambda x: ops.linear(x, weight), [normal(2, 3)], [weight])

    assert weight.dtype == np.float32
    np.testing.assert_array_equal(before, weight.data)


def test_gradcheck_looks_at_every_leaf_of_a_tree():
    def wrong_inside(x):
        frozen = core.Value(x.data)  # no gradient goes through
        return {"right": ops.tanh(x), "wrong": (ops.square(frozen),)}

    x = np.random.default_rng(0).normal(size=(2, 3))
    assert core.gradcheck(lambda x: {"a": ops.tanh(x), "b": [ops.square(x)]}, [x]) < 1e-6
    with pytest.raises(GradientError, match="gradient of input 0 must be"):
        core.gradcheck(wrong_inside, [x])
