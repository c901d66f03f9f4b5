"""Transposed convolution: the gradient of a convolution, run forward, and written as such."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Spec
from .convolution import (
    AXES,
    add_bias,
    check_filters,
    conv,
    conv_grad_input,
    conv_grad_weight,
    infer_conv,
    sum_of_channels,
)
from .rules import axis_is, floating, ndim, promoted, with_bias_gradient
from .windows import Pads, Pair, Sizes

Array = NDArray[Any]


def _length(size: int, kernel: int, stride: int, padding: Pair, extra: int, dilation: int) -> int:
    return (size - 1) * stride - sum(padding) + dilation * (kernel - 1) + extra + 1


def transposed_shape(
    x: tuple[int, ...],
    w: tuple[int, ...],
    *,
    stride: Sizes,
    padding: Pads,
    output_padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> tuple[int, ...]:
    """Return the shape of a transposed convolution's output."""
    window = zip(x[2:], w[2:], stride, padding, output_padding, dilation, strict=True)
    return (x[0], w[1] * groups, *(_length(*axis) for axis in window))


def _infer_transpose(
    x: Spec, w: Spec, b: Spec | None = None, *, padding: Pads, groups: int, **attrs: Any
) -> tuple[Spec, ...]:
    floating(x)
    axes = len(padding)
    ndim(w, 2 + axes, f"(in_channels, out_channels/groups, {AXES[axes]})", "weight")
    ndim(x, 2 + axes, f"(batch, channels, {AXES[axes]})")
    axis_is(x, 1, w.shape[0], "in_channels")
    check_filters(w, b, groups, w.shape[1] * groups)
    shape = transposed_shape(x.shape, w.shape, padding=padding, groups=groups, **attrs)
    for k in range(2, 2 + axes):
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


def _infer_grad_input(
    dy: Spec, w: Spec, *, output_padding: Sizes, **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input: a convolution."""
    return infer_conv(dy, w, **attrs)


# In the kernels `window` is that of a convolution: stride, padding, dilation, groups.


def conv_transpose(
    x: Array, w: Array, b: Array | None = None, *, output_padding: Sizes, **window: Any
) -> Array:
    """Spread each x over its window, weighted by the kernel."""
    shape = transposed_shape(x.shape, w.shape, output_padding=output_padding, **window)
    return add_bias(conv_grad_input(x, w, input_shape=shape, **window), b)


def conv_transpose_grad_input(
    dy: Array, w: Array, *, output_padding: Sizes, **window: Any
) -> Array:
    """Return the convolution of dy with the same kernel."""
    return conv(dy, w, **window)


def conv_transpose_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, ...],
    output_padding: Sizes,
    with_bias: bool = False,
    **window: Any,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of x times the window of dy."""
    dw = conv_grad_weight(dy, x, weight_shape=weight_shape, **window)
    if isinstance(dw, tuple):
        dw = dw[0]
    return (dw, sum_of_channels(dy)) if with_bias else dw


for _axes in (2, 3):
    _name, _map = f"conv_transpose{_axes}d", (2, 16, *(6,) * _axes)
    _filters = (16, 16, *(2,) * _axes)
    _window: dict[str, Any] = {
        "stride": (2,) * _axes,
        "padding": ((0, 0),) * _axes,
        "dilation": (1,) * _axes,
        "groups": 1,
        "output_padding": (0,) * _axes,
    }
    _large = transposed_shape(_map, _filters, **_window)
    register(
        _name,
        infer=_infer_transpose,
        reference=conv_transpose,
        alone="f",
        products=2,
        sample=Sample((_map, _filters), _window),
    )
    register(
        f"{_name}_grad_input",
        infer=_infer_grad_input,
        reference=conv_transpose_grad_input,
        alone="f",
        gradient=True,
        products=2,
        sample=Sample((_large, _filters), _window),
    )
    register(
        f"{_name}_grad_weight",
        infer=_infer_grad_weight,
        reference=conv_transpose_grad_weight,
        alone="f",
        gradient=True,
        products=2,
        batch_outputs=0,
        sample=Sample((_map, _large), {**_window, "weight_shape": _filters, "with_bias": False}),
    )
