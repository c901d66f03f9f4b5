"""Convolution: every window becomes a row of a matrix, the rest is one matrix product per group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def pad_images(x: Array, padding: Pads, fill: float = 0.0) -> Array:
    """Return images with a border; the input itself if there is none."""
    if not any(padding[0]) and not any(padding[1]):
        return x
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=fill)


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Array:
    """Return a view (N, C, rows, columns, kernel height, kernel width) of padded images."""
    height = (x.shape[2] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    width = (x.shape[3] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    n, c, sh, sw = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], height, width, *kernel),
        (n, c, sh * stride[0], sw * stride[1], sh * dilation[0], sw * dilation[1]),
        writeable=False,
    )


def _rows(
    x: Array, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair, groups: int
) -> Array:
    """Return the windows as (groups, N·rows·columns, channels/groups · kernel height · width)."""
    view = windows(pad_images(x, padding), kernel, stride, dilation)
    n, c, height, width = view.shape[:4]
    split = view.reshape(n, groups, c // groups, height, width, *kernel)
    return split.transpose(1, 0, 3, 4, 2, 5, 6).reshape(
        groups, n * height * width, c // groups * kernel[0] * kernel[1]
    )


def _by_group(y: Array, groups: int) -> Array:
    """Turn (N, C, height, width) into (groups, N·height·width, C/groups)."""
    n, c, height, width = y.shape
    split = y.reshape(n, groups, c // groups, height, width)
    return split.transpose(1, 0, 3, 4, 2).reshape(groups, n * height * width, c // groups)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    activation: str | None = None,
) -> Array:
    """y[n, o, i, j] = b[o] + sum over c, u, v of w[o, c, u, v] · window(n, i, j)[c, u, v]."""
    out, _, kh, kw = w.shape
    rows = _rows(x, (kh, kw), stride, padding, dilation, groups)
    kernels = w.reshape(groups, out // groups, -1)
    y = rows @ kernels.transpose(0, 2, 1)
    view_height = (x.shape[2] + sum(padding[0]) - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    view_width = (x.shape[3] + sum(padding[1]) - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = y.reshape(groups, x.shape[0], view_height, view_width, out // groups)
    y = y.transpose(1, 0, 4, 2, 3).reshape(x.shape[0], out, view_height, view_width)
    if b is not None:
        y = y + b[:, None, None]
    return np.maximum(y, 0) if activation == "relu" else y


def conv2d_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, int, int, int],
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
    with_bias: bool = False,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of dy times the window."""
    rows = _rows(x, weight_shape[2:], stride, padding, dilation, groups)
    dw = (_by_group(dy, groups).transpose(0, 2, 1) @ rows).reshape(weight_shape)
    return (dw, dy.sum(axis=(0, 2, 3))) if with_bias else dw


def conv2d_grad_input(
    dy: Array,
    w: Array,
    *,
    input_shape: tuple[int, int, int, int],
    stride: Pair,
    padding: Pads,
    dilation: Pair,
    groups: int,
) -> Array:
    """Spread each dy over its window, weighted by the kernel."""
    n, c, height, width = input_shape
    out, per_group, kh, kw = w.shape
    rows, columns = dy.shape[2:]
    spread = _by_group(dy, groups) @ w.reshape(groups, out // groups, -1)
    spread = spread.reshape(groups, n, rows, columns, per_group, kh, kw)
    spread = spread.transpose(1, 0, 4, 5, 6, 2, 3).reshape(n, c, kh, kw, rows, columns)
    (top, bottom), (left, right) = padding
    dx = np.zeros((n, c, height + top + bottom, width + left + right), spread.dtype)
    for u in range(kh):
        for v in range(kw):
            i, j = u * dilation[0], v * dilation[1]
            dx[
                :,
                :,
                i : i + (rows - 1) * stride[0] + 1 : stride[0],
                j : j + (columns - 1) * stride[1] + 1 : stride[1],
            ] += spread[:, :, u, v]
    return dx[:, :, top : top + height, left : left + width]


# -- transposed: what is the gradient of a convolution, run forward ------------------------------


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


def conv_transpose2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    *,
    stride: Pair,
    padding: Pads,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """Spread each x over its window, weighted by the kernel."""
    window: dict[str, Any] = {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    shape = transposed_shape(x.shape, w.shape, output_padding=output_padding, **window)
    y = conv2d_grad_input(x, w, input_shape=shape, **window)
    return y if b is None else y + b[:, None, None]


def conv_transpose2d_grad_input(
    dy: Array,
    w: Array,
    *,
    stride: Pair,
    padding: Pads,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """Return the convolution of dy with the same kernel."""
    return conv2d(dy, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_transpose2d_grad_weight(
    x: Array,
    dy: Array,
    *,
    weight_shape: tuple[int, int, int, int],
    stride: Pair,
    padding: Pads,
    output_padding: Pair,
    dilation: Pair,
    groups: int,
    with_bias: bool = False,
) -> Array | tuple[Array, Array]:
    """Sum over all windows of x times the window of dy."""
    dw = conv2d_grad_weight(
        dy,
        x,
        weight_shape=weight_shape,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    if isinstance(dw, tuple):
        dw = dw[0]
    return (dw, dy.sum(axis=(0, 2, 3))) if with_bias else dw
