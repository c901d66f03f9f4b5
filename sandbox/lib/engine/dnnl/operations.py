"""The operations: what each C function is given, layouts and attributes in its order."""

from __future__ import annotations

from typing import Any

from .attributes import PostOps, Scale
from .layout import Layout, Wanted, any_layout
from .primitive import ENGINE, Primitive, describe, make

TRAINING, INFERENCE, BACKWARD = 64, 96, 128  # kinds of propagation
_DIRECT = 1
_POOLING = {"max": 511, "average": 767, "average_valid": 1023}
_REDUCTION = {"mean": 196598}
_RESAMPLING = {"nearest": 196592, "linear": 196593}
ELTWISE = {"relu": 32, "tanh": 33, "sigmoid": 41, "abs": 36, "exp": 42, "square": 35, "sqrt": 37}
LINEAR = 38  # alpha · x + beta
# From the input; the names of the attributes that become alpha and beta.
ELTWISE_FROM_INPUT: dict[str, tuple[int, tuple[str, ...]]] = {
    "leaky_relu": (32, ("slope",)),
    "elu": (34, ("alpha",)),
    "softplus": (39, ("beta",)),
    "hard_sigmoid": (40, ("slope", "offset")),
    "silu": (44, ("beta",)),
    "clip": (47, ("low", "high")),
    "gelu": (49, ()),
    "gelu_tanh": (43, ()),
    "mish": (51, ()),
    "hard_swish": (52, ("slope", "offset")),
}
ELTWISE_FROM_OUTPUT = {"relu": 256, "tanh": 257, "sigmoid": 260}
BINARY = {
    "add": 131056,
    "multiply": 131057,
    "maximum": 131058,
    "minimum": 131059,
    "divide": 131060,
    "subtract": 131061,
}
_SOFTMAX, _LOG_SOFTMAX = 196608, 196609
_GIVEN_STATISTICS, _SCALE, _SCALE_AND_SHIFT, _FUSE_RELU = 1, 2, 2 | 4, 8

Pair = tuple[int, ...]
Window = tuple[Pair, Pair, Pair, Pair]  # strides, dilations (0 = dense), padding before, after


def way(training: bool) -> int:
    """Return the kind of propagation of a forward kernel."""
    return TRAINING if training else INFERENCE


def _free(*layouts: Wanted) -> tuple[Wanted, Wanted, None, Wanted]:
    """Return any layouts for a hint's arguments; in bf16 if one of them is."""
    narrow = any(layout.dtype == "bfloat16" for layout in layouts)
    src, weights, dst = (
        any_layout(layout.dims, "bfloat16" if narrow else "float32") for layout in layouts
    )
    return src, weights, None, dst


def convolution(
    src: Wanted,
    weights: Wanted,
    bias: Wanted | None,
    dst: Wanted,
    window: Window,
    *,
    training: bool,
    post_ops: PostOps = (),
    scales: tuple[Scale, ...] = (),
) -> Primitive:
    """Convolution forward, with bias and what follows in one."""
    arguments = (ENGINE, way(training), _DIRECT, src, weights, bias, dst, *window)
    return make("convolution", "convolution_forward", *arguments, post_ops=post_ops, scales=scales)


def _convolution_hint(src: Wanted, weights: Wanted, dst: Wanted, window: Window) -> Any:
    """Return a forward description as backward kernels want it; it is never run."""
    free = _free(src, weights, dst)
    return describe(
        "convolution", "convolution_forward", (ENGINE, TRAINING, _DIRECT, *free, *window)
    )


def convolution_data(
    diff_src: Wanted, weights: Wanted, diff_dst: Wanted, window: Window
) -> Primitive:
    """Gradient of a convolution by its input."""
    return make(
        "convolution_data",
        "convolution_backward_data",
        *(ENGINE, _DIRECT, diff_src, weights, diff_dst, *window),
        lambda: _convolution_hint(diff_src, weights, diff_dst, window),
    )


def convolution_weights(
    src: Wanted,
    diff_weights: Wanted,
    diff_bias: Wanted | None,
    diff_dst: Wanted,
    window: Window,
) -> Primitive:
    """Gradient of a convolution by its weights and bias."""
    return make(
        "convolution_weights",
        "convolution_backward_weights",
        *(ENGINE, _DIRECT, src, diff_weights, diff_bias, diff_dst, *window),
        lambda: _convolution_hint(src, diff_weights, diff_dst, window),
    )


def inner_product(
    src: Wanted,
    weights: Wanted,
    bias: Wanted | None,
    dst: Wanted,
    *,
    training: bool,
    post_ops: PostOps = (),
    scales: tuple[Scale, ...] = (),
) -> Primitive:
    """Fully connected layer, with bias and what follows in one; src may have four axes."""
    arguments = (ENGINE, way(training), src, weights, bias, dst)
    return make(
        "inner_product", "inner_product_forward", *arguments, post_ops=post_ops, scales=scales
    )


def _inner_hint(src: Wanted, weights: Wanted, dst: Wanted) -> Any:
    free = _free(src, weights, dst)
    return describe("inner_product", "inner_product_forward", (ENGINE, TRAINING, *free))


def inner_product_data(diff_src: Wanted, weights: Wanted, diff_dst: Wanted) -> Primitive:
    """Gradient of a fully connected layer by its input."""
    return make(
        "inner_product_data",
        "inner_product_backward_data",
        *(ENGINE, diff_src, weights, diff_dst),
        lambda: _inner_hint(diff_src, weights, diff_dst),
    )


def inner_product_weights(
    src: Wanted, diff_weights: Wanted, diff_bias: Wanted | None, diff_dst: Wanted
) -> Primitive:
    """Gradient of a fully connected layer by its weights and bias."""
    return make(
        "inner_product_weights",
        "inner_product_backward_weights",
        *(ENGINE, src, diff_weights, diff_bias, diff_dst),
        lambda: _inner_hint(src, diff_weights, diff_dst),
    )


def matmul(
    src: Wanted,
    weights: Wanted,
    bias: Wanted | None,
    dst: Wanted,
    *,
    post_ops: PostOps = (),
    scales: tuple[Scale, ...] = (),
) -> Primitive:
    """Matrix product, batched over leading axes."""
    return make(
        "matmul", "matmul", ENGINE, src, weights, bias, dst, post_ops=post_ops, scales=scales
    )


def pooling(
    algorithm: str,
    src: Wanted,
    dst: Wanted,
    kernel: Pair,
    window: Window,
    *,
    training: bool,
    post_ops: PostOps = (),
) -> Primitive:
    """Max or average pooling; training keeps a workspace for the gradient."""
    strides, dilations, before, after = window
    return make(
        "pooling",
        "pooling_forward",
        *(ENGINE, way(training), _POOLING[algorithm], src, dst),
        *(strides, kernel, dilations, before, after),
        post_ops=post_ops,
    )


def pooling_grad(
    algorithm: str,
    diff_src: Wanted,
    diff_dst: Wanted,
    kernel: Pair,
    window: Window,
    forward: Primitive,
) -> Primitive:
    """Gradient of a pooling; `forward` is the training primitive of the same layouts."""
    strides, dilations, before, after = window
    return make(
        "pooling_grad",
        "pooling_backward",
        *(ENGINE, _POOLING[algorithm], diff_src, diff_dst),
        *(strides, kernel, dilations, before, after, forward),
    )


def reduction(algorithm: str, src: Layout, dst: Layout) -> Primitive:
    """Reduce the axes in which the result has one element."""
    return make("reduction", "reduction", ENGINE, _REDUCTION[algorithm], src, dst, 0.0, 0.0)


def resampling(algorithm: str, src: Layout, dst: Layout) -> Primitive:
    """Resize maps: element i of the result lies at (i + 1/2) · old / new - 1/2."""
    arguments = (ENGINE, INFERENCE, _RESAMPLING[algorithm], None, src, dst)
    return make("resampling", "resampling_forward", *arguments)


def batch_norm(
    src: Layout, dst: Layout, epsilon: float, *, training: bool, relu: bool = False
) -> Primitive:
    """Batch normalisation with scale and shift; training computes the statistics."""
    flags = _SCALE_AND_SHIFT | (0 if training else _GIVEN_STATISTICS) | (_FUSE_RELU * relu)
    arguments = (ENGINE, way(training), src, dst, epsilon, flags)
    return make("batch_norm", "batch_normalization_forward", *arguments)


def batch_norm_grad(
    diff_src: Layout, diff_dst: Layout, src: Layout, epsilon: float, forward: Primitive, relu: bool
) -> Primitive:
    """Gradients of a batch normalisation by its input, scale and shift."""
    flags = _SCALE_AND_SHIFT | (_FUSE_RELU * relu)
    arguments = (ENGINE, BACKWARD, diff_src, diff_dst, src, epsilon, flags, forward)
    return make("batch_norm_grad", "batch_normalization_backward", *arguments)


def layer_norm(
    src: Layout,
    statistics: Layout,
    epsilon: float,
    *,
    training: bool,
    given: bool = False,
    affine: bool = True,
) -> Primitive:
    """Normalise over the last axis, with scale and shift; training gives the statistics.

    With `given`, these are read, and there is no shift. Without `affine` there are neither.
    """
    flags = _GIVEN_STATISTICS | _SCALE if given else _SCALE_AND_SHIFT * affine
    arguments = (ENGINE, way(training), src, src, statistics, epsilon, flags)
    return make("layer_norm", "layer_normalization_forward", *arguments)


def layer_norm_grad(
    src: Layout, statistics: Layout, epsilon: float, forward: Primitive
) -> Primitive:
    """Gradients of a layer normalisation by its input, scale and shift."""
    arguments = (ENGINE, BACKWARD, src, src, src, statistics, epsilon, _SCALE_AND_SHIFT, forward)
    return make("layer_norm_grad", "layer_normalization_backward", *arguments)


def eltwise(
    algorithm: int, src: Layout, dst: Layout, alpha: float = 0.0, beta: float = 0.0
) -> Primitive:
    """Element by element function."""
    arguments = (ENGINE, TRAINING, algorithm, src, dst, alpha, beta)
    return make("eltwise", "eltwise_forward", *arguments)


def eltwise_grad(
    algorithm: int,
    diff_src: Layout,
    diff_dst: Layout,
    data: Layout,
    forward: Primitive,
    alpha: float = 0.0,
    beta: float = 0.0,
) -> Primitive:
    """Gradient of an element by element function; `data` is its output or its input."""
    arguments = (ENGINE, algorithm, diff_src, diff_dst, data, alpha, beta, forward)
    return make("eltwise_grad", "eltwise_backward", *arguments)


def softmax(
    src: Layout, dst: Layout, axis: int, *, training: bool = False, log: bool = False
) -> Primitive:
    """Softmax along one axis, or its logarithm."""
    algorithm = _LOG_SOFTMAX if log else _SOFTMAX
    return make("softmax", "softmax_forward", ENGINE, way(training), algorithm, src, dst, axis)


def softmax_grad(
    diff_src: Layout, diff_dst: Layout, dst: Layout, axis: int, *, log: bool = False
) -> Primitive:
    """Gradient of a softmax, or of its logarithm, from what it gave."""
    forward = softmax(dst, dst, axis, training=True, log=log)
    algorithm = _LOG_SOFTMAX if log else _SOFTMAX
    arguments = (ENGINE, algorithm, diff_src, diff_dst, dst, axis, forward)
    return make("softmax_grad", "softmax_backward", *arguments)


def prelu(src: Layout, slope: Layout, dst: Layout) -> Primitive:
    """Keep what is positive, and of the rest as much as the slopes say."""
    return make("prelu", "prelu_forward", ENGINE, TRAINING, src, slope, dst)


def binary(
    algorithm: int,
    first: Layout,
    second: Layout,
    dst: Layout,
    *,
    post_ops: PostOps = (),
    scales: tuple[Scale, ...] = (),
) -> Primitive:
    """Combine two arrays element by element."""
    arguments = (ENGINE, algorithm, first, second, dst)
    return make("binary", "binary", *arguments, post_ops=post_ops, scales=scales)


def concat(sources: tuple[Layout, ...], dst: Layout, axis: int) -> Primitive:
    """Join arrays along an axis."""
    return make("concat", "concat", ENGINE, dst, len(sources), axis, sources)


def reorder(src: Layout, dst: Layout, *, scales: tuple[Scale, ...] = ()) -> Primitive:
    """Copy from one layout into another; into integers it rounds to the nearest, ties to even."""
    arguments = (src, ENGINE, dst, ENGINE)
    return make("reorder", "reorder", *arguments, scales=scales, allow_reference=True)


# The C functions of these operations; what they share is in `declarations.py`.
CDEF = """
int dnnl_convolution_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t weights, md_t bias, md_t dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, attr_t);
int dnnl_convolution_backward_data_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t weights, md_t diff_dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_convolution_backward_weights_primitive_desc_create(pd_t *, engine_t, int alg, md_t src,
    md_t diff_weights, md_t diff_bias, md_t diff_dst, const dims_t strides, const dims_t dilates,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_inner_product_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t weights, md_t bias, md_t dst, attr_t);
int dnnl_inner_product_backward_data_primitive_desc_create(pd_t *, engine_t, md_t diff_src,
    md_t weights, md_t diff_dst, pd_t hint, attr_t);
int dnnl_inner_product_backward_weights_primitive_desc_create(pd_t *, engine_t, md_t src,
    md_t diff_weights, md_t diff_bias, md_t diff_dst, pd_t hint, attr_t);
int dnnl_matmul_primitive_desc_create(pd_t *, engine_t, md_t src, md_t weights, md_t bias,
    md_t dst, attr_t);
int dnnl_pooling_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, const dims_t strides, const dims_t kernel, const dims_t dilation,
    const dims_t padding_l, const dims_t padding_r, attr_t);
int dnnl_pooling_backward_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t diff_dst, const dims_t strides, const dims_t kernel, const dims_t dilation,
    const dims_t padding_l, const dims_t padding_r, pd_t hint, attr_t);
int dnnl_reduction_primitive_desc_create(pd_t *, engine_t, int alg, md_t src, md_t dst, float p,
    float epsilon, attr_t);
int dnnl_resampling_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg,
    const float *factors, md_t src, md_t dst, attr_t);
int dnnl_batch_normalization_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t dst, float epsilon, unsigned flags, attr_t);
int dnnl_batch_normalization_backward_primitive_desc_create(pd_t *, engine_t, int prop,
    md_t diff_src, md_t diff_dst, md_t src, float epsilon, unsigned flags, pd_t hint, attr_t);
int dnnl_eltwise_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, float alpha, float beta, attr_t);
int dnnl_eltwise_backward_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t diff_dst, md_t data, float alpha, float beta, pd_t hint, attr_t);
int dnnl_softmax_forward_primitive_desc_create(pd_t *, engine_t, int prop, int alg, md_t src,
    md_t dst, int axis, attr_t);
int dnnl_softmax_backward_primitive_desc_create(pd_t *, engine_t, int alg, md_t diff_src,
    md_t diff_dst, md_t dst, int axis, pd_t hint, attr_t);
int dnnl_binary_primitive_desc_create(pd_t *, engine_t, int alg, md_t src0, md_t src1, md_t dst,
    attr_t);
int dnnl_prelu_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src, md_t weights,
    md_t dst, attr_t);
int dnnl_concat_primitive_desc_create(pd_t *, engine_t, md_t dst, int count, int axis,
    const md_t *sources, attr_t);
int dnnl_reorder_primitive_desc_create(pd_t *, md_t src, engine_t, md_t dst, engine_t, attr_t);
int dnnl_layer_normalization_forward_primitive_desc_create(pd_t *, engine_t, int prop, md_t src,
    md_t dst, md_t statistics, float epsilon, unsigned flags, attr_t);
int dnnl_layer_normalization_backward_primitive_desc_create(pd_t *, engine_t, int prop,
    md_t diff_src, md_t diff_dst, md_t src, md_t statistics, float epsilon, unsigned flags,
    pd_t hint, attr_t);
"""
