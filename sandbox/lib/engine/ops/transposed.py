"""Transposed convolution: the gradient of a convolution, run forward, and written as such."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import register
from ..oplist import Spec
from .convolution import (
    _check_filters,
    conv2d,
    conv2d_grad_input,
    conv2d_grad_weight,
    infer_conv2d,
)
from .rules import axis_is, floating, ndim, promoted, with_bias_gradient

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def _length(size: int, kernel: int, stride: int, padding: Pair, extra: int, dilation: int) -> int:
    return (size - 1) * stride - sum(padding) + dilation * (kernel - 1) + extra + 1


def transposed_shape(
    x: tuple[int, ...],
    w: tuple[int, ...],
    *,
    stride: Pair,
    padding: Pads,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[int, int, int, int]:
    """Return the shape of a transposed convolution's output."""
    height, width = (
        _length(x[2 + k], w[2 + k], stride[k], padding[k], output_padding[k], dilation[k])
        for k in (0, 1)
    )
    return x[0], w[1] * groups, height, width


def _infer_transpose(
    x: Spec, w: Spec, b: Spec | None = None, *, padding: Pads, groups: int, **attrs: Any
) -> tuple[Spec, ...]:
    floating(x)
    ndim(w, 4, "(in_channels, out_channels/groups, height, width)", "weight")
    ndim(x, 4, "(batch, channels, height, width)")
    axis_is(x, 1, w.shape[0], "in_channels")
    _check_filters(w, b, groups, w.shape[1] * groups)
    shape = transposed_shape(x.shape, w.shape, padding=padding, groups=groups, **attrs)
    for k in (2, 3):
        if shape[k] < 1:
            raise ShapeError(
                f"input axis {k} must be larger: the padding {padding[k - 2]} takes away all of "
                f"the output; got {x.shape[k]} in shape {x.shape}."
            )
    return (Spec(shape, promoted(x, w)),)


def _infer_grad_weight(
    x: Spec,
    dy: Spec,
    *,
    weight_shape: tuple[int, ...],
    groups: int,
    with_bias: bool = False,
    **attrs: Any,
) -> tuple[Spec, ...]:
    """Return the rule of the gradients of weight and bias."""
    dw = Spec(weight_shape, promoted(x, dy))
    return with_bias_gradient(dw, weight_shape[1] * groups, with_bias)


def _infer_grad_input(dy: Spec, w: Spec, *, output_padding: Pair, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input: a convolution."""
    return infer_conv2d(dy, w, **attrs)


# In the kernels `window` is that of a convolution: stride, padding, dilation, groups.


def conv_transpose2d(
    x: Array, w: Array, b: Array | None = None, *, output_padding: Pair, **window: Any
) -> Array:
    """Spread each x over its window, weighted by the kernel."""
    shape = transposed_shape(x.shape, w.shape, output_padding=output_padding, **window)
    y = conv2d_grad_input(x, w, input_shape=shape, **window)
    return y if b is None else y + b[:, None, None]


def conv_transpose2d_grad_input(
    dy: Array, w: Array, *, output_padding: Pair, **window: Any
) -> Array:
    """Return the convolution of dy with the same kernel."""
    return conv2d(dy, w, **window)


def conv_transpose2d_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, int, int, int],
    output_padding: Pair,
    with_bias: bool = False,
    **window: Any,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of x times the window of dy."""
    dw = conv2d_grad_weight(dy, x, weight_shape=weight_shape, **window)
    if isinstance(dw, tuple):
        dw = dw[0]
    return (dw, dy.sum(axis=(0, 2, 3))) if with_bias else dw


register(
    "conv_transpose2d", infer=_infer_transpose, reference=conv_transpose2d, alone="f", products=2
)
register(
    "conv_transpose2d_grad_input",
    infer=_infer_grad_input,
    reference=conv_transpose2d_grad_input,
    alone="f",
    gradient=True,
    products=2,
)
register(
    "conv_transpose2d_grad_weight",
    infer=_infer_grad_weight,
    reference=conv_transpose2d_grad_weight,
    alone="f",
    gradient=True,
    products=2,
    batch_outputs=0,
)
