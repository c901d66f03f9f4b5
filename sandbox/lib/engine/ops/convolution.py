"""Convolution over two and three axes: its rules, its NumPy kernels and its records.

One axis is a convolution over images of height 1 (`core.ops.conv1d`). In the NumPy kernels every
window becomes a row of a matrix; the rest is one matrix product per group.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from ..operation import Sample, register
from ..oplist import Spec
from .common import ACTIVATIONS
from .convolution_native import lower_conv, lower_conv_grad_input, lower_conv_grad_weight
from .rules import axis_is, floating, ndim, promoted, window_length, with_bias_gradient
from .windows import Pads, Sizes, inside, pad_images, taps, windows

Array = NDArray[Any]
AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def check_filters(w: Spec, b: Spec | None, groups: int, out_channels: int) -> None:
    """Check the weight's first axis and the bias."""
    if w.shape[0] % groups:
        raise ShapeError(f"weight axis 0 must be a multiple of groups={groups}; got {w.shape[0]}.")
    if b is not None and b.shape != (out_channels,):
        raise ShapeError(f"bias must have shape {(out_channels,)} (out_channels); got {b.shape}.")


def places_of(
    x: Spec, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes
) -> tuple[int, ...]:
    """Return how many windows fit along each axis of a map; refuse one that is too small."""
    places = []
    for k, size in enumerate(x.shape[2:]):
        length = window_length(size, kernel[k], stride[k], padding[k], dilation[k])
        if length < 1:
            covers = dilation[k] * (kernel[k] - 1) + 1
            raise ShapeError(
                f"input axis {2 + k} must be at least {covers - sum(padding[k])} (the kernel "
                f"covers {covers}, padding {padding[k]}); got {size} in shape {x.shape}."
            )
        places.append(length)
    return tuple(places)


def infer_conv(
    x: Spec,
    w: Spec,
    b: Spec | None = None,
    *,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
    groups: int,
    **attrs: Any,
) -> tuple[Spec, ...]:
    """Return the rule of a convolution."""
    floating(x)
    axes = len(stride)
    ndim(w, 2 + axes, f"(out_channels, in_channels/groups, {AXES[axes]})", "weight")
    ndim(x, 2 + axes, f"(batch, channels, {AXES[axes]})")
    channels = w.shape[1] * groups
    hint = "Gray images? use in_channels=1." if x.shape[1] == 1 and groups == 1 else ""
    axis_is(x, 1, channels, "in_channels", hint)
    check_filters(w, b, groups, w.shape[0])
    places = places_of(x, w.shape[2:], stride, padding, dilation)
    return (Spec((x.shape[0], w.shape[0], *places), promoted(x, w)),)


def infer_grad_input(
    dy: Spec, w: Spec, *, input_shape: tuple[int, ...], **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradient of the input."""
    return (Spec(input_shape, promoted(dy, w)),)


def infer_grad_weight(
    x: Spec, dy: Spec, *, weight_shape: tuple[int, ...], with_bias: bool = False, **attrs: Any
) -> tuple[Spec, ...]:
    """Return the rule of the gradients of weight and bias."""
    return with_bias_gradient(Spec(weight_shape, promoted(x, dy)), weight_shape[0], with_bias)


def _rows(
    x: Array, kernel: Sizes, stride: Sizes, padding: Pads, dilation: Sizes, groups: int
) -> Array:
    """Return the windows as (groups, N·places, channels/groups · elements of the kernel)."""
    view = windows(pad_images(x, padding), kernel, stride, dilation)
    axes = len(kernel)
    n, c, *places = view.shape[: 2 + axes]
    split = view.reshape(n, groups, c // groups, *places, *kernel)
    inner = range(3 + axes, 3 + 2 * axes)
    return split.transpose(1, 0, *range(3, 3 + axes), 2, *inner).reshape(
        groups, n * math.prod(places), c // groups * math.prod(kernel)
    )


def _by_group(y: Array, groups: int) -> Array:
    """Turn (N, C, *places) into (groups, N·places, C/groups)."""
    n, c, *places = y.shape
    split = y.reshape(n, groups, c // groups, *places)
    return split.transpose(1, 0, *range(3, split.ndim), 2).reshape(
        groups, n * math.prod(places), c // groups
    )


def add_bias(y: Array, b: Array | None) -> Array:
    """Add a number to each channel."""
    return y if b is None else y + b.reshape(-1, *(1,) * (y.ndim - 2))


def sum_of_channels(dy: Array) -> Array:
    """Return the gradient of the bias."""
    total: Array = dy.sum(axis=(0, *range(2, dy.ndim)))
    return total


def conv(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
    groups: int,
) -> Array:
    """y[n, o, place] = b[o] + sum over c, u of w[o, c, u] · window(n, place)[c, u]."""
    out, _, *kernel = w.shape
    rows = _rows(x, tuple(kernel), stride, padding, dilation, groups)
    kernels = w.reshape(groups, out // groups, -1)
    y = rows @ kernels.transpose(0, 2, 1)
    places = places_of(Spec(x.shape), tuple(kernel), stride, padding, dilation)
    y = y.reshape(groups, x.shape[0], *places, out // groups)
    y = y.transpose(1, 0, y.ndim - 1, *range(2, y.ndim - 1))
    return add_bias(y.reshape(x.shape[0], out, *places), b)


def conv_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, ...],
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
    groups: int,
    with_bias: bool = False,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of dy times the window."""
    rows = _rows(x, weight_shape[2:], stride, padding, dilation, groups)
    dw = (_by_group(dy, groups).transpose(0, 2, 1) @ rows).reshape(weight_shape)
    return (dw, sum_of_channels(dy)) if with_bias else dw


def conv_grad_input(
    dy: Array,
    w: Array,
    *,
    input_shape: tuple[int, ...],
    stride: Sizes,
    padding: Pads,
    dilation: Sizes,
    groups: int,
) -> Array:
    """Spread each dy over its window, weighted by the kernel."""
    n, c, *sizes = input_shape
    out, per_group, *kernel = w.shape
    places = dy.shape[2:]
    axes = len(places)
    spread = _by_group(dy, groups) @ w.reshape(groups, out // groups, -1)
    spread = spread.reshape(groups, n, *places, per_group, *kernel)
    # to (N, groups, per group, *kernel, *places)
    order = (1, 0, *range(2 + axes, 3 + 2 * axes), *range(2, 2 + axes))
    spread = spread.transpose(order).reshape(n, c, *kernel, *places)
    padded = [size + sum(ends) for size, ends in zip(sizes, padding, strict=True)]
    dx = np.zeros((n, c, *padded), spread.dtype)
    for tap in np.ndindex(*kernel):
        dx[taps(tap, places, stride, dilation)] += spread[:, :, *tap]
    return dx[inside(sizes, padding)]


_MAP, _FILTERS = (8, 16, 16, 16), (16, 16, 3, 3)
_VOLUME, _CUBES = (2, 16, 8, 8, 8), (16, 16, 3, 3, 3)

for _axes, _x, _w in ((2, _MAP, _FILTERS), (3, _VOLUME, _CUBES)):
    _window = {
        "stride": (1,) * _axes,
        "padding": ((1, 1),) * _axes,
        "dilation": (1,) * _axes,
        "groups": 1,
    }
    register(
        f"conv{_axes}d",
        infer=infer_conv,
        reference=conv,
        lower=lower_conv,
        alone="f",
        policies=True,
        products=2,
        post_ops=(*ACTIVATIONS, "add"),
        sample=Sample((_x, _w), _window),
    )
    register(
        f"conv{_axes}d_grad_input",
        infer=infer_grad_input,
        reference=conv_grad_input,
        lower=lower_conv_grad_input,
        alone="f",
        gradient=True,
        products=2,
        sample=Sample((_x, _w), {**_window, "input_shape": _x}),
    )
    register(
        f"conv{_axes}d_grad_weight",
        infer=infer_grad_weight,
        reference=conv_grad_weight,
        lower=lower_conv_grad_weight,
        alone="f",
        gradient=True,
        products=2,
        batch_outputs=0,
        sample=Sample((_x, _x), {**_window, "weight_shape": _w, "with_bias": False}),
    )
