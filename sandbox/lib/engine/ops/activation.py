"""Activations.

Gradients of the first three are computed from the OUTPUT, so that the input can be forgotten; those
of the others need the INPUT, since their output does not tell enough. Those of `clip`, and of
`leaky_relu` with a slope >= 0, are the same of either: `core` gives them the output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..blueprint import private
from ..choices import Candidate
from ..errors import ShapeError
from ..operation import Kernel, Sample, register
from ..oplist import Op, Spec
from .common import by_layout, distinct, eltwise
from .error_function import erf
from .in_place import choose_in_place, layout_of_partner
from .pieces import by_rows, chosen, kept, lower_in_pieces
from .reduce import sum_to
from .rules import broadcast, floating, like_second, same_float

if TYPE_CHECKING:
    from ..builder import Builder

Array = NDArray[Any]

_ROOT_2_BY_PI = math.sqrt(2 / math.pi)
_CUBIC = 0.044715  # of the approximation of gelu by tanh


def relu(x: Array) -> Array:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def relu_grad(dy: Array, y: Array) -> Array:
    """Let through where the output is positive, or NaN."""
    dx: Array = dy * ~(y <= 0)
    return dx


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return np.tanh(x)


def tanh_grad(dy: Array, y: Array) -> Array:
    """Return dy · (1 - y²)."""
    dx: Array = dy * (1 - y * y)
    return dx


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x), without overflow at either end."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def sigmoid_grad(dy: Array, y: Array) -> Array:
    """Return dy · y · (1 - y)."""
    dx: Array = dy * y * (1 - y)
    return dx


# -- from the input ------------------------------------------------------------------------------


def _below(x: Array) -> Array:
    """Return P(X <= x) of a normal X."""
    return 0.5 * (1 + erf(x / math.sqrt(2)).astype(x.dtype, copy=False))


def leaky_relu(x: Array, *, slope: float) -> Array:
    """Return x where it is positive, else slope · x."""
    return np.where(x > 0, x, x * slope)


def leaky_relu_grad(dy: Array, x: Array, *, slope: float) -> Array:
    """Return dy, or slope · dy where x is not positive."""
    return np.where(x <= 0, dy * slope, dy)


def elu(x: Array, *, alpha: float) -> Array:
    """Return x where it is positive, else alpha · (e^x - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_grad(dy: Array, x: Array, *, alpha: float) -> Array:
    """Return dy, or dy · alpha · e^x where x is not positive."""
    return np.where(x > 0, dy, dy * (alpha * np.exp(np.minimum(x, 0))))


def gelu(x: Array, *, approximate: bool) -> Array:
    """Return x · P(X <= x) of a normal X, or its approximation by tanh."""
    if approximate:
        near: Array = x * 0.5 * (1 + np.tanh(_ROOT_2_BY_PI * (x + _CUBIC * x * x * x)))
        return near
    y: Array = x * _below(x)
    return y


def gelu_grad(dy: Array, x: Array, *, approximate: bool) -> Array:
    """Return dy · (P(X <= x) + x · density(x))."""
    dx: Array
    if approximate:
        tanh = np.tanh(_ROOT_2_BY_PI * (x + _CUBIC * x * x * x))
        inner = _ROOT_2_BY_PI * (1 + 3 * _CUBIC * x * x)
        dx = dy * (0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner)
        return dx
    dx = dy * (_below(x) + x * np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))
    return dx


def silu(x: Array, *, beta: float = 1.0) -> Array:
    """Return x · sigmoid(beta · x)."""
    y: Array = x * sigmoid(x if beta == 1.0 else x * beta)
    return y


def silu_grad(dy: Array, x: Array, *, beta: float = 1.0) -> Array:
    """Return dy · s · (1 + beta · x · (1 - s))."""
    x = x if beta == 1.0 else x * beta
    s = sigmoid(x)
    dx: Array = dy * (s * (1 + x * (1 - s)))
    return dx


def mish(x: Array) -> Array:
    """Return x · tanh(softplus(x))."""
    y: Array = x * np.tanh(softplus(x))
    return y


def mish_grad(dy: Array, x: Array) -> Array:
    """Return dy · (t + x · (1 - t²) · sigmoid(x)), t = tanh(softplus(x))."""
    t = np.tanh(softplus(x))
    x = np.clip(x, -1e4, 1e4)  # there the second term is 0, not infinity times 0
    dx: Array = dy * (t + x * (1 - t * t) * sigmoid(x))
    return dx


def softplus(x: Array, *, beta: float = 1.0) -> Array:
    """Return log(1 + e^(beta · x)) / beta, without overflow."""
    x = x if beta == 1.0 else x * beta
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y if beta == 1.0 else y / beta


def softplus_grad(dy: Array, x: Array, *, beta: float = 1.0) -> Array:
    """Return dy · sigmoid(beta · x)."""
    dx: Array = dy * sigmoid(x if beta == 1.0 else x * beta)
    return dx


def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    y: Array = x / (1 + np.abs(x))
    return y


def softsign_grad(dy: Array, x: Array) -> Array:
    """Return dy / (1 + |x|)²."""
    dx: Array = dy / np.square(1 + np.abs(x))
    return dx


def hard_shrink(x: Array, *, threshold: float) -> Array:
    """Return x where it is further from 0 than the threshold, else 0."""
    return kept(x, ~(np.abs(x) <= threshold))


def soft_shrink(x: Array, *, threshold: float) -> Array:
    """Return x, moved towards 0 by the threshold, and not beyond."""
    y: Array = x - np.clip(x, -threshold, threshold)
    return y


def shrink_grad(dy: Array, x: Array, *, threshold: float) -> Array:
    """Return dy where x is further from 0 than the threshold, else 0; of both."""
    dx: Array = dy * ~(np.abs(x) <= threshold)
    return dx


def tanh_shrink(x: Array) -> Array:
    """Return x - tanh(x)."""
    y: Array = x - np.tanh(x)
    return y


def tanh_shrink_grad(dy: Array, x: Array) -> Array:
    """Return dy · tanh(x)²."""
    dx: Array = dy * np.square(np.tanh(x))
    return dx


def threshold(x: Array, *, at: float, value: float) -> Array:
    """Return x where it is more than `at` (or NaN), else `value`."""
    return chosen(x <= at, np.asarray(value, x.dtype), x)


def threshold_grad(dy: Array, x: Array, *, at: float, value: float) -> Array:
    """Return dy where x is let through, else 0."""
    dx: Array = dy * ~(x <= at)
    return dx


def prelu(x: Array, slope: Array) -> Array:
    """Return x where it is positive, else slope · x."""
    y: Array = np.maximum(x, 0) + slope * np.minimum(x, 0)
    return y


def prelu_grad(dy: Array, x: Array, slope: Array) -> tuple[Array, Array]:
    """Return dx, and the slopes' gradient; the slope at 0 is that of the negative side."""
    factor = (x <= 0).astype(x.dtype)
    factor *= slope - 1
    factor += 1
    factor *= dy
    below = np.minimum(x, 0)
    below *= dy
    return factor, sum_to(below, shape=slope.shape)


def glu(x: Array, *, axis: int) -> Array:
    """Return the first half along an axis, weighted by the sigmoid of the second."""
    a, b = np.split(x, 2, axis)
    y: Array = a / _over_sigmoid(b)
    return y


def glu_grad(dy: Array, x: Array, *, axis: int) -> Array:
    """Return the gradients of both halves."""
    a, b = np.split(x, 2, axis)
    dx = np.empty_like(x)
    da, db = np.split(dx, 2, axis)
    s = np.reciprocal(_over_sigmoid(b))
    np.multiply(dy, s, out=da)
    np.subtract(1, s, out=s)
    s *= a
    np.multiply(da, s, out=db)
    return dx


def _over_sigmoid(x: Array) -> Array:
    """Return 1 + e^-x, of which the sigmoid is the reciprocal; infinite where that is 0."""
    y = np.negative(x)
    np.exp(y, out=y)
    y += 1
    return y


def hard_sigmoid(x: Array, *, slope: float, offset: float) -> Array:
    """Return slope · x + offset, kept in 0..1."""
    return np.clip(x * slope + offset, 0, 1)


def hard_sigmoid_grad(dy: Array, x: Array, *, slope: float, offset: float) -> Array:
    """Return slope · dy between the ends, else 0."""
    y = x * slope + offset
    return np.where((y > 0) & (y < 1), dy * slope, np.zeros((), dy.dtype))


def hard_swish(x: Array, *, slope: float, offset: float) -> Array:
    """Return x · (slope · x + offset, kept in 0..1)."""
    return x * hard_sigmoid(x, slope=slope, offset=offset)


def hard_swish_grad(dy: Array, x: Array, *, slope: float, offset: float) -> Array:
    """Return dy · (2 · slope · x + offset) between the ends, below 0, above dy."""
    y = x * slope + offset
    inner = np.where(y >= 1, np.ones((), x.dtype), y + x * slope)
    return np.where(y > 0, dy * inner, np.zeros((), dy.dtype))


def clip(x: Array, *, low: float, high: float) -> Array:
    """Return x, kept in low..high."""
    return np.clip(x, low, high)


def clip_grad(dy: Array, x: Array, *, low: float, high: float) -> Array:
    """Return dy between the ends, else 0."""
    dx: Array = dy * ((x > low) & (x < high))
    return dx


def _infer_prelu(x: Spec, slope: Spec) -> tuple[Spec, ...]:
    floating(x)
    if len(slope.shape) != len(x.shape) or broadcast(x, slope)[0].shape != x.shape:
        raise ShapeError(
            f"slope must have the axes of input {x.shape}, each as long or 1; got {slope.shape}."
        )
    return (x,)


def _infer_glu(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    floating(x)
    length = x.shape[axis]
    if length % 2:
        raise ShapeError(
            f"input axis {axis} must be even (two halves); got {length} in shape {x.shape}."
        )
    return (Spec((*x.shape[:axis], length // 2, *x.shape[axis + 1 :]), x.dtype),)


# -- oneDNN ----------------------------------------------------------------------------------------


def lower(builder: Builder, op: Op) -> None:
    """Lower an activation."""
    x, y = op.inputs[0], op.outputs[0]
    function = eltwise(op.name, op.attrs, dnnl.ELTWISE)

    def candidate(layout: dnnl.Layout) -> Candidate:
        primitive = dnnl.eltwise(function.algorithm, layout, layout, function.alpha, function.beta)
        wanted = builder.wanted(dnnl.DST, y)
        return Candidate(layout.name, primitive, {dnnl.SRC: x}, {dnnl.DST: y}, wanted)

    choose_in_place(builder, op, candidate, (x,), dnnl.SRC, dnnl.DST)


def lower_grad(builder: Builder, op: Op) -> None:
    """Lower the gradient of an activation, computed from the output or the input."""
    dy, data = op.inputs
    dx = op.outputs[0]
    name = op.name.removesuffix("_grad")
    function = eltwise(name, op.attrs, dnnl.ELTWISE_FROM_OUTPUT)
    algorithm, alpha, beta = function.algorithm, function.alpha, function.beta
    given = dnnl.DST if name in dnnl.ELTWISE_FROM_OUTPUT else dnnl.SRC

    def candidate(layout: dnnl.Layout) -> Candidate:
        forward = dnnl.eltwise(algorithm, layout, layout, alpha, beta)
        primitive = dnnl.eltwise_grad(algorithm, layout, layout, layout, forward, alpha, beta)
        reads = {dnnl.DIFF_DST: dy, given: data}
        wanted = builder.wanted(dnnl.DIFF_SRC, dx)
        return Candidate(layout.name, primitive, reads, {dnnl.DIFF_SRC: dx}, wanted)

    choose_in_place(builder, op, candidate, (dy, data), dnnl.DIFF_DST, dnnl.DIFF_SRC)


_STEEP = 3e38  # whatever is above 0 and a normal number becomes more than 1


def lower_masked(builder: Builder, op: Op) -> None:
    """Lower what is kept or dropped as a whole: one kernel computes 0 or 1, and multiplies.

    In the forward pass with the input, in the backward pass with dy.
    """
    x, y = op.inputs[-1], op.outputs[0]
    _lower_chain(builder, op, x, y, _mask(op), "multiply", op.inputs[0])


def lower_threshold(builder: Builder, op: Op) -> None:
    """Lower `threshold`; a value above the threshold is left to NumPy."""
    (x,), (y,) = op.inputs, op.outputs
    at, value = op.attrs["at"], op.attrs["value"]
    if value > at and value != 0:
        lower_in_pieces(builder, op)
    elif value > at:
        _lower_chain(builder, op, x, y, _mask(op), "multiply", x)
    else:  # what is dropped sinks as low as can be, and is brought up to the value
        sunk = dnnl.Eltwise(dnnl.LINEAR, _STEEP, -_STEEP)
        most = dnnl.Eltwise(dnnl.ELTWISE_FROM_INPUT["clip"][0], value, math.inf)
        _lower_chain(builder, op, x, y, (*_mask(op), sunk), "add", x, (most,))


def _mask(op: Op) -> tuple[dnnl.PostOp, ...]:
    """Return what makes 1 of a number that passes, else 0."""
    steep = dnnl.Eltwise(dnnl.ELTWISE_FROM_INPUT["hard_sigmoid"][0], _STEEP, 0.0)
    if "at" in op.attrs:
        return dnnl.Eltwise(dnnl.LINEAR, 1.0, -op.attrs["at"]), steep
    size = dnnl.Eltwise(dnnl.ELTWISE["abs"])
    return size, dnnl.Eltwise(dnnl.LINEAR, 1.0, -op.attrs["threshold"]), steep


def lower_soft_shrink(builder: Builder, op: Op) -> None:
    """Lower `soft_shrink`: what is cut off is subtracted."""
    size = op.attrs["threshold"]
    cut = dnnl.Eltwise(dnnl.ELTWISE_FROM_INPUT["clip"][0], -size, size)
    minus = dnnl.Eltwise(dnnl.LINEAR, -1.0, 0.0)
    _lower_chain(builder, op, op.inputs[0], op.outputs[0], (cut, minus), "add", op.inputs[0])


def _lower_chain(
    builder: Builder,
    op: Op,
    x: int,
    y: int,
    chain: tuple[dnnl.PostOp, ...],
    last: str,
    other: int,
    rest: tuple[dnnl.PostOp, ...] = (),
) -> None:
    """Apply functions of each element to x, combine with another value, apply more: one pass."""
    if builder.shape(x) != builder.shape(other):
        raise dnnl.RefusedError(f"{op.name}: must be of equal shapes.")
    layouts = distinct(layout for value in (x, other) for layout in builder.layouts(value))
    wanted = builder.wanted(dnnl.DST, y)
    place = dnnl.post_op(len(chain))

    def candidate(layout: dnnl.Layout) -> Candidate:
        combined = (*chain, dnnl.Binary(dnnl.BINARY[last], layout), *rest)
        # The larger of x and x: a kernel for two arrays is the one that takes on all of this.
        primitive = dnnl.binary(dnnl.BINARY["maximum"], layout, layout, layout, post_ops=combined)
        reads = {dnnl.SRC: x, dnnl.SRC_1: x, place: other}
        return Candidate(layout.name, primitive, reads, {dnnl.DST: y}, wanted)

    shape = builder.shape(y)
    layouts = layouts or [dnnl.plain(shape)]
    options = by_layout(candidate, layouts)
    builder.emit(op, builder.choose(op, options, shape[0] if shape else 1, wanted))


def lower_prelu(builder: Builder, op: Op) -> None:
    """Lower `prelu` in the plain layout; one slope is written down for each channel."""
    x, slope = op.inputs
    layout, wide = dnnl.plain(builder.shape(x)), dnnl.plain(builder.shape(slope))
    one = builder.spec(slope).size == 1 and len(layout.dims) > 1
    if one:
        wide = dnnl.plain((1, layout.dims[1], *[1] * (len(layout.dims) - 2)))
    primitive = dnnl.prelu(layout, wide, layout)
    reads = {dnnl.SRC: builder.plain(x), dnnl.WEIGHTS: builder.plain(slope)}
    target = builder.define(op.outputs[0])
    if one:
        slopes = private(wide)
        builder.python(op, _copy, [reads[dnnl.WEIGHTS]], [slopes])
        reads[dnnl.WEIGHTS] = slopes
    builder.native(op, primitive, reads, {dnnl.DST: target})


def _copy(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
    np.copyto(writes[0], reads[0])


_MAP = (8, 16, 16, 16)
_NATIVE: tuple[tuple[Kernel, Kernel], ...] = (
    *((relu, relu_grad), (tanh, tanh_grad), (sigmoid, sigmoid_grad)),
    *((leaky_relu, leaky_relu_grad), (elu, elu_grad), (gelu, gelu_grad), (silu, silu_grad)),
    *((mish, mish_grad), (softplus, softplus_grad), (hard_sigmoid, hard_sigmoid_grad)),
    *((hard_swish, hard_swish_grad), (clip, clip_grad)),
)
_GIVEN = {"gelu": ("approximate",)}  # attributes of those whose function they choose

for _forward, _backward in _NATIVE:
    _name = _forward.__name__
    _from_output = _name in dnnl.ELTWISE_FROM_OUTPUT
    register(
        _name,
        infer=same_float,
        reference=_forward,
        lower=lower,
        alone="f",
        elementwise=True,
        loses_nan=True,
        constants=_GIVEN.get(_name, () if _from_output else dnnl.ELTWISE_FROM_INPUT[_name][1]),
        follows=(0,),
        sample=Sample((_MAP,), {}) if _from_output else None,
    )
    register(
        _backward.__name__,
        infer=like_second,
        reference=_backward,
        lower=lower_grad,
        alone="f",
        elementwise=True,
        gradient=True,
        loses_nan=True,
        follows=(1,),
        expects=layout_of_partner if _from_output else None,
        sample=Sample((_MAP, _MAP), {}) if _from_output else None,
    )
for _here, _lowering in (
    *((softsign, lower_in_pieces), (softsign_grad, lower_in_pieces)),
    *((tanh_shrink, lower_in_pieces), (tanh_shrink_grad, lower_in_pieces)),
    *((soft_shrink, lower_soft_shrink), (hard_shrink, lower_masked), (shrink_grad, lower_masked)),
    *((threshold, lower_threshold), (threshold_grad, lower_masked)),
):
    _is_gradient = _here.__name__.endswith("_grad")
    register(
        _here.__name__,
        infer=like_second if _is_gradient else same_float,
        reference=_here,
        lower=_lowering,
        alone="f",
        elementwise=True,
        gradient=_is_gradient,
        loses_nan=_lowering is not lower_in_pieces,
    )
register(
    "prelu",
    cheap=True,
    infer=_infer_prelu,
    reference=prelu,
    lower=lower_prelu,
    alone="f",
    loses_nan=True,
)
register(
    "prelu_grad",
    infer=lambda dy, x, slope: (x, slope),
    reference=prelu_grad,
    lower=by_rows(0, 1),
    alone="f",
    gradient=True,
    batch_outputs=1,
)
register("glu", infer=_infer_glu, reference=glu, lower=by_rows(0), alone="f", cheap=True)
register(
    "glu_grad",
    infer=like_second,
    reference=glu_grad,
    lower=by_rows(0, 1),
    alone="f",
    gradient=True,
)
