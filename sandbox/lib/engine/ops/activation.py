"""Activations.

Gradients of the first three are computed from the OUTPUT, so that the input can be forgotten; those
of the others need the INPUT, since their output does not tell enough. Those of `clip`, and of
`leaky_relu` with a slope >= 0, are the same of either: `core` gives them the output.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import dnnl
from ..choices import Candidate
from ..operation import Kernel, Sample, register
from ..oplist import Op
from .common import eltwise
from .error_function import erf
from .in_place import choose_in_place, layout_of_partner
from .rules import like_second, same_float

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


def silu(x: Array) -> Array:
    """Return x · sigmoid(x)."""
    y: Array = x * sigmoid(x)
    return y


def silu_grad(dy: Array, x: Array) -> Array:
    """Return dy · s · (1 + x · (1 - s))."""
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


def softplus(x: Array) -> Array:
    """Return log(1 + e^x), without overflow."""
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def softplus_grad(dy: Array, x: Array) -> Array:
    """Return dy · sigmoid(x)."""
    dx: Array = dy * sigmoid(x)
    return dx


def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    y: Array = x / (1 + np.abs(x))
    return y


def softsign_grad(dy: Array, x: Array) -> Array:
    """Return dy / (1 + |x|)²."""
    dx: Array = dy / np.square(1 + np.abs(x))
    return dx


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
register("softsign", infer=same_float, reference=softsign, elementwise=True)
register(
    "softsign_grad",
    infer=like_second,
    reference=softsign_grad,
    elementwise=True,
    gradient=True,
)
