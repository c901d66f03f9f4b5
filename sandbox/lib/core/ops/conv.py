"""Convolution over images, and its transpose."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...engine.oplist import Spec
from ...engine.reference.conv import transposed_shape
from .. import validate
from ..errors import ShapeError
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Operand, Value
from ._rules import affine_gradients, axis_is, floating, ndim, promoted

Gradients = Sequence[Input | None]
Pair = tuple[int, int]


def out_length(length: int, kernel: int, stride: int, padding: Pair, dilation: int = 1) -> int:
    """Return how many windows fit along one axis."""
    return (length + padding[0] + padding[1] - dilation * (kernel - 1) - 1) // stride + 1


def _check_filters(w: Spec, b: Spec | None, groups: int, out_channels: int) -> None:
    if w.shape[0] % groups:
        raise ShapeError(f"weight axis 0 must be a multiple of groups={groups}; got {w.shape[0]}.")
    if b is not None and b.shape != (out_channels,):
        raise ShapeError(f"bias must have shape {(out_channels,)} (out_channels); got {b.shape}.")


def _conv2d_infer(
    x: Spec,
    w: Spec,
    b: Spec | None = None,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
    **attrs: Any,
) -> tuple[Spec, ...]:
    floating(x)
    ndim(w, 4, "(out_channels, in_channels/groups, height, width)", "weight")
    ndim(x, 4, "(batch, channels, height, width)")
    channels = w.shape[1] * groups
    hint = "Gray images? use in_channels=1." if x.shape[1] == 1 and groups == 1 else ""
    axis_is(x, 1, channels, "in_channels", hint)
    _check_filters(w, b, groups, w.shape[0])
    sizes = []
    for k in (0, 1):
        length = out_length(x.shape[2 + k], w.shape[2 + k], stride[k], padding[k], dilation[k])
        if length < 1:
            covers = dilation[k] * (w.shape[2 + k] - 1) + 1
            raise ShapeError(
                f"input axis {2 + k} must be at least {covers - sum(padding[k])} (the kernel "
                f"covers {covers}, padding {padding[k]}); got {x.shape[2 + k]} in shape {x.shape}."
            )
        sizes.append(length)
    return (Spec((x.shape[0], w.shape[0], sizes[0], sizes[1]), promoted(x, w)),)


def _grad_weight_infer(
    x: Spec, dy: Spec, *, weight_shape: tuple[int, ...], with_bias: bool, **attrs: Any
) -> tuple[Spec, ...]:
    dtype = promoted(x, dy)
    dw = Spec(weight_shape, dtype)
    return (dw, Spec(weight_shape[:1], dtype)) if with_bias else (dw,)


_conv2d = Primitive("conv2d", _conv2d_infer)
_conv2d_grad_input = Primitive(
    "conv2d_grad_input",
    lambda dy, w, *, input_shape, **attrs: (Spec(input_shape, promoted(dy, w)),),
)
_conv2d_grad_weight = Primitive("conv2d_grad_weight", _grad_weight_infer)


@lru_cache(maxsize=1024)
def _geometry(stride: Any, padding: Any, dilation: Any, groups: Any) -> tuple[Any, ...]:
    return (
        validate.pair("stride", stride),
        validate.padding_pairs("padding", padding),
        validate.pair("dilation", dilation),
        validate.positive_int("groups", groups),
    )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


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
        _frozen(stride), _frozen(padding), _frozen(dilation), groups
    )
    inputs: tuple[Operand, ...] = (as_operand(x), as_operand(weight))
    if bias is not None:
        inputs = (*inputs, as_operand(bias))
    attrs = {"stride": sh_sw, "padding": pads, "dilation": dh_dw, "groups": count}
    return _conv2d.apply(inputs, attrs)[0]


@_conv2d.gradient
def _conv2d_gradient(node: Node, dy: Value) -> Gradients:
    x, w = node.inputs[:2]
    of_input = {"input_shape": x.shape, **node.attrs}
    of_weight = {"weight_shape": w.shape, **node.attrs}
    return affine_gradients(node, dy, _conv2d_grad_input, of_input, _conv2d_grad_weight, of_weight)


def _transpose_infer(
    x: Spec,
    w: Spec,
    b: Spec | None = None,
    *,
    stride: Pair,
    padding: tuple[Pair, Pair],
    output_padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Spec, ...]:
    floating(x)
    ndim(w, 4, "(in_channels, out_channels/groups, height, width)", "weight")
    ndim(x, 4, "(batch, channels, height, width)")
    axis_is(x, 1, w.shape[0], "in_channels")
    _check_filters(w, b, groups, w.shape[1] * groups)
    shape = transposed_shape(
        x.shape,
        w.shape,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
    )
    for k in (2, 3):
        if shape[k] < 1:
            raise ShapeError(
                f"input axis {k} must be larger: the padding {padding[k - 2]} takes away all of "
                f"the output; got {x.shape[k]} in shape {x.shape}."
            )
    return (Spec(shape, promoted(x, w)),)


def _transpose_grad_weight_infer(
    x: Spec,
    dy: Spec,
    *,
    weight_shape: tuple[int, ...],
    with_bias: bool,
    groups: int,
    **attrs: Any,
) -> tuple[Spec, ...]:
    dtype = promoted(x, dy)
    dw = Spec(weight_shape, dtype)
    return (dw, Spec((weight_shape[1] * groups,), dtype)) if with_bias else (dw,)


def _transpose_grad_input_infer(
    dy: Spec, w: Spec, *, output_padding: Pair, **attrs: Any
) -> tuple[Spec, ...]:
    return _conv2d_infer(dy, w, **attrs)


_conv_transpose2d = Primitive("conv_transpose2d", _transpose_infer)
_conv_transpose2d_grad_input = Primitive("conv_transpose2d_grad_input", _transpose_grad_input_infer)
_conv_transpose2d_grad_weight = Primitive(
    "conv_transpose2d_grad_weight", _transpose_grad_weight_infer
)


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
        _frozen(stride), _frozen(padding), _frozen(dilation), groups
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
def _conv_transpose2d_gradient(node: Node, dy: Value) -> Gradients:
    of_weight = {"weight_shape": node.inputs[1].shape, **node.attrs}
    return affine_gradients(
        node,
        dy,
        _conv_transpose2d_grad_input,
        node.attrs,
        _conv_transpose2d_grad_weight,
        of_weight,
    )
