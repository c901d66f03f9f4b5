"""Convolution over one, two and three axes, and its transpose."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError, ShapeError
from ..function import Function, TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from . import shape
from ._rules import affine_gradients

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "unfold",
]

Gradients = Sequence[Input | None]

_CONV = {axes: function(f"conv{axes}d") for axes in (2, 3)}
_TRANSPOSE = {axes: function(f"conv_transpose{axes}d") for axes in (2, 3)}


@lru_cache(maxsize=1024)
def _window(
    axes: int, stride: Any, padding: Any, dilation: Any, groups: Any, output_padding: Any = None
) -> dict[str, Any]:
    """Return a convolution's attributes, checked; of a transposed one with `output_padding`."""
    window: dict[str, Any] = {
        "stride": validate.window("stride", stride, axes),
        "padding": validate.sides("padding", padding, axes),
        "dilation": validate.window("dilation", dilation, axes),
        "groups": validate.positive_int("groups", groups),
    }
    if output_padding is not None:
        extra = validate.window("output_padding", output_padding, axes, minimum=0)
        if any(e >= s for e, s in zip(extra, window["stride"], strict=True)):
            limit = f"less than `stride` = {window['stride']}"
            raise validate.refuse("output_padding", limit, output_padding)
        window["output_padding"] = extra
    if axes == 1:  # over images of height 1
        return {key: _as_image(key, size) for key, size in window.items()}
    return window


def _as_image(key: str, size: Any) -> Any:
    flat = {"padding": (0, 0), "output_padding": 0}.get(key, 1)
    return size if key == "groups" else (flat, *size)


def _frozen(value: Any) -> Any:
    """Return what a cache can look up; ints may come as a list, a tuple or an array."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if not isinstance(value, Hashable):
        raise ArgumentError(f"sizes of a window must be an int or a tuple of ints; got {value!r}.")
    return value


def _apply(
    which: dict[int, Function], axes: int, x: Input, weight: Input, bias: Input | None, *window: Any
) -> Value:
    attrs = _window(axes, *map(_frozen, window))
    operands: list[Operand] = [as_operand(x), as_operand(weight)]
    if axes == 1:
        operands = [_row(operands[0], "input"), _row(operands[1], "weight")]
    if bias is not None:
        operands.append(as_operand(bias))
    y = which[max(axes, 2)].apply(tuple(operands), dict(attrs))[0]
    return shape.reshape(y, (*y.shape[:2], y.shape[3])) if axes == 1 else y


def _row(x: Operand, what: str) -> Value:
    """Return series as images of height 1."""
    if x.ndim != 3:
        raise ShapeError(f"{what} must have 3 axes; got {x.ndim} in shape {x.shape}.")
    return shape.reshape(x, (*x.shape[:2], 1, x.shape[2]))


def _gradient_rule(axes: int) -> None:
    grad_input, grad_weight = (
        function(f"conv{axes}d_grad_input"),
        function(f"conv{axes}d_grad_weight"),
    )

    @_CONV[axes].gradient
    def gradient(entry: TapeEntry, dy: Value) -> Gradients:
        x, w = entry.inputs[:2]
        of_input = {"input_shape": x.shape, **entry.attrs}
        of_weight = {"weight_shape": w.shape, **entry.attrs}
        return affine_gradients(entry, dy, grad_input, of_input, grad_weight, of_weight)


def _gradient_rule_of_transpose(axes: int) -> None:
    name = f"conv_transpose{axes}d"
    grad_input, grad_weight = function(f"{name}_grad_input"), function(f"{name}_grad_weight")

    @_TRANSPOSE[axes].gradient
    def gradient(entry: TapeEntry, dy: Value) -> Gradients:
        of_weight = {"weight_shape": entry.inputs[1].shape, **entry.attrs}
        return affine_gradients(entry, dy, grad_input, entry.attrs, grad_weight, of_weight)


for _axes in (2, 3):
    _gradient_rule(_axes)
    _gradient_rule_of_transpose(_axes)


def conv1d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Slide filters over a batch of series.

    y[n, o, i] = b[o] + sum_{c,u} w[o, c, u] · x[n, c, i·s + u·d - before]

    It runs as a convolution over images of height 1, which moves nothing.

    Parameters
    ----------
    stride, dilation : int
    padding : int or (before, after)
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, length)
    weight : (out_channels, in_channels/groups, kernel length)
    bias : (out_channels,)
    """
    return _apply(_CONV, 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Slide filters over a batch of images.

    y[n, o, i, j] = b[o] + sum_{c,u,v} w[o, c, u, v] · x[n, c, i·sh + u·dh - top, j·sw + v·dw - l]

    Parameters
    ----------
    stride, dilation : int or (height, width)
    padding : int, (height, width) or ((top, bottom), (left, right))
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, height, width)
    weight : (out_channels, in_channels/groups, kernel height, kernel width)
    bias : (out_channels,)
    """
    return _apply(_CONV, 2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Slide filters over a batch of volumes: `conv2d` with one more axis.

    Parameters
    ----------
    stride, dilation : int or (depth, height, width)
    padding : int, (depth, height, width) or ((front, back), (top, bottom), (left, right))
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, depth, height, width)
    weight : (out_channels, in_channels/groups, kernel depth, kernel height, kernel width)
    bias : (out_channels,)
    """
    return _apply(_CONV, 3, x, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Spread each step over a window: the transpose of `conv1d`, to make series longer.

    Parameters
    ----------
    stride, dilation : int
    padding : int or (before, after)
        Steps that are cut off the output.
    output_padding : int
        Steps behind the last window, less than the stride.
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, length)
    weight : (in_channels, out_channels/groups, kernel length)
    bias : (out_channels,)
    output : (batch, out_channels, (length - 1)·s - before - after + d·(k - 1) + 1 + extra)
    """
    window = stride, padding, dilation, groups, output_padding
    return _apply(_TRANSPOSE, 1, x, weight, bias, *window)


def conv_transpose2d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Spread each pixel over a window: the transpose of `conv2d`, to make images larger.

    y[n, o, i·sh + u·dh - top, j·sw + v·dw - l] += w[c, o, u, v] · x[n, c, i, j]

    Parameters
    ----------
    stride, dilation : int or (height, width)
    padding : int, (height, width) or ((top, bottom), (left, right))
        Pixels that are cut off the output.
    output_padding : int or (height, width)
        Rows and columns behind the last window, less than the stride.
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, height, width)
    weight : (in_channels, out_channels/groups, kernel height, kernel width)
    bias : (out_channels,)
    output : (batch, out_channels, (height - 1)·sh - top - bottom + dh·(kh - 1) + 1 + extra, ...)
    """
    window = stride, padding, dilation, groups, output_padding
    return _apply(_TRANSPOSE, 2, x, weight, bias, *window)


def conv_transpose3d(
    x: Input,
    weight: Input,
    bias: Input | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    """Spread each element over a window: the transpose of `conv3d`, to make volumes larger.

    Parameters
    ----------
    stride, dilation : int or (depth, height, width)
    padding : int, (depth, height, width) or ((front, back), (top, bottom), (left, right))
        What is cut off the output.
    output_padding : int or (depth, height, width)
        What is added behind the last window, less than the stride.
    groups : int
        Channels are cut into groups which do not see each other.

    Shapes
    ------
    x : (batch, in_channels, depth, height, width)
    weight : (in_channels, out_channels/groups, kernel depth, kernel height, kernel width)
    bias : (out_channels,)
    output : (batch, out_channels, (depth - 1)·sd - front - back + dd·(kd - 1) + 1 + extra, ...)
    """
    window = stride, padding, dilation, groups, output_padding
    return _apply(_TRANSPOSE, 3, x, weight, bias, *window)


_unfold = function("unfold")
_fold = function("fold")


def _slid(axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> dict[str, Any]:
    return {
        "kernel": validate.window("kernel_size", kernel, axes),
        "stride": validate.window("stride", stride, axes),
        "padding": validate.sides("padding", padding, axes),
        "dilation": validate.window("dilation", dilation, axes),
    }


def _axes_of(shape: Sequence[int], what: str) -> int:
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            f"{what} must have 3 to 5 axes (batch, channels, ...); got {len(shape)} in shape "
            f"{tuple(shape)}."
        )
    return len(shape) - 2


def unfold(
    x: Input, kernel_size: Any, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Value:
    """Return all windows of series, images or volumes as columns.

    columns[p, :, n] = the window at place p of image n, channel by channel: what a filter is
    multiplied with. Places count row by row.

    Parameters
    ----------
    kernel_size, stride, dilation : int, or one for each axis
    padding : int, one for each axis, or (before, after) for each axis

    Shapes
    ------
    x : (batch, channels, ...) with one to three more axes
    output : (places, channels · elements of the kernel, batch)
    """
    operand = as_operand(x)
    axes = _axes_of(operand.shape, "input")
    return _unfold.apply((operand,), _slid(axes, kernel_size, stride, padding, dilation))[0]


def fold(
    columns: Input,
    input_shape: Sequence[int],
    kernel_size: Any,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
) -> Value:
    """Add each column where its window lies: the transpose of `unfold`.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of what comes out: (batch, channels, ...).
    kernel_size, stride, dilation : int, or one for each axis
    padding : int, one for each axis, or (before, after) for each axis

    Shapes
    ------
    columns : (places, channels · elements of the kernel, batch)
    output : `input_shape`
    """
    operand, wanted = as_operand(columns), validate.shape("input_shape", input_shape)
    axes = _axes_of(wanted, "`input_shape`")
    window = _slid(axes, kernel_size, stride, padding, dilation)
    return _fold.apply((operand,), {"input_shape": wanted, **window})[0]


@_unfold.gradient
def _unfold_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (_fold.apply((dy,), {"input_shape": entry.inputs[0].shape, **entry.attrs})[0],)


@_fold.gradient
def _fold_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    window = {key: item for key, item in entry.attrs.items() if key != "input_shape"}
    return (_unfold.apply((dy,), window)[0],)
