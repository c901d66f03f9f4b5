"""Convolution over images, and its transpose."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import validate
from ..errors import ArgumentError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from ._rules import affine_gradients

__all__ = [
    "conv2d",
    "conv_transpose2d",
]

Gradients = Sequence[Input | None]
Pair = tuple[int, int]


_conv2d = function("conv2d")
_conv2d_grad_input = function("conv2d_grad_input")
_conv2d_grad_weight = function("conv2d_grad_weight")


@lru_cache(maxsize=1024)
def _geometry(stride: Any, padding: Any, dilation: Any, groups: Any) -> tuple[Any, ...]:
    return (
        validate.pair("stride", stride),
        validate.padding_pairs("padding", padding),
        validate.pair("dilation", dilation),
        validate.positive_int("groups", groups),
    )


def _frozen(value: Any) -> Any:
    """Return what a cache can look up; ints may come as a list, a tuple or an array."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if not isinstance(value, Hashable):
        raise ArgumentError(f"sizes of a window must be an int or a tuple of ints; got {value!r}.")
    return value


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
    sh_sw, pads, dh_dw, count = _geometry(
        _frozen(stride), _frozen(padding), _frozen(dilation), _frozen(groups)
    )
    inputs: tuple[Operand, ...] = (as_operand(x), as_operand(weight))
    if bias is not None:
        inputs = (*inputs, as_operand(bias))
    attrs = {"stride": sh_sw, "padding": pads, "dilation": dh_dw, "groups": count}
    return _conv2d.apply(inputs, attrs)[0]


@_conv2d.gradient
def _conv2d_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x, w = entry.inputs[:2]
    of_input = {"input_shape": x.shape, **entry.attrs}
    of_weight = {"weight_shape": w.shape, **entry.attrs}
    return affine_gradients(entry, dy, _conv2d_grad_input, of_input, _conv2d_grad_weight, of_weight)


_conv_transpose2d = function("conv_transpose2d")
_conv_transpose2d_grad_input = function("conv_transpose2d_grad_input")
_conv_transpose2d_grad_weight = function("conv_transpose2d_grad_weight")


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
    sh_sw, pads, dh_dw, count = _geometry(
        _frozen(stride), _frozen(padding), _frozen(dilation), _frozen(groups)
    )
    extra = validate.pair("output_padding", output_padding, minimum=0)
    if extra[0] >= sh_sw[0] or extra[1] >= sh_sw[1]:
        raise validate.refuse("output_padding", f"less than `stride` = {sh_sw}", extra)
    inputs: tuple[Operand, ...] = (as_operand(x), as_operand(weight))
    if bias is not None:
        inputs = (*inputs, as_operand(bias))
    attrs = {
        "stride": sh_sw,
        "padding": pads,
        "output_padding": extra,
        "dilation": dh_dw,
        "groups": count,
    }
    return _conv_transpose2d.apply(inputs, attrs)[0]


@_conv_transpose2d.gradient
def _conv_transpose2d_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    of_weight = {"weight_shape": entry.inputs[1].shape, **entry.attrs}
    return affine_gradients(
        entry,
        dy,
        _conv_transpose2d_grad_input,
        entry.attrs,
        _conv_transpose2d_grad_weight,
        of_weight,
    )
