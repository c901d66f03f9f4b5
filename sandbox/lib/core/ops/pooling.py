"""Pooling over images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...engine.oplist import Spec
from .. import validate
from ..errors import ShapeError
from ..primitive import Node, Primitive, as_operand
from ..value import Input, Value
from ._rules import floating, ndim
from .conv import Pair, _frozen, out_length

Gradients = Sequence[Input | None]


def _windows(x: Spec, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair]) -> tuple[int, ...]:
    floating(x)
    ndim(x, 4, "(batch, channels, height, width)")
    sizes = [out_length(x.shape[2 + k], kernel[k], stride[k], padding[k]) for k in (0, 1)]
    for k in (0, 1):
        if sizes[k] < 1:
            raise ShapeError(
                f"input axis {2 + k} must be at least {kernel[k] - sum(padding[k])} (kernel "
                f"{kernel[k]}, padding {padding[k]}); got {x.shape[2 + k]} in shape {x.shape}."
            )
    return (*x.shape[:2], sizes[0], sizes[1])


def _max_infer(
    x: Spec, *, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair]
) -> tuple[Spec, ...]:
    shape = _windows(x, kernel, stride, padding)
    return Spec(shape, x.dtype), Spec(shape, "int32")


def _average_infer(
    x: Spec, *, kernel: Pair, stride: Pair, padding: tuple[Pair, Pair], include_padding: bool
) -> tuple[Spec, ...]:
    return (Spec(_windows(x, kernel, stride, padding), x.dtype),)


def _grad_infer(
    dy: Spec, workspace: Spec | None = None, *, input_shape: tuple[int, ...], **attrs: Any
) -> tuple[Spec, ...]:
    return (Spec(input_shape, dy.dtype),)


_max_pool2d = Primitive("max_pool2d", _max_infer)
_max_pool2d_grad = Primitive("max_pool2d_grad", _grad_infer)
_avg_pool2d = Primitive("avg_pool2d", _average_infer)
_avg_pool2d_grad = Primitive("avg_pool2d_grad", _grad_infer)


@lru_cache(maxsize=1024)
def _geometry(kernel: Any, stride: Any, padding: Any) -> tuple[Pair, Pair, tuple[Pair, Pair]]:
    size = validate.pair("kernel_size", kernel)
    steps = size if stride is None else validate.pair("stride", stride)
    pads = validate.padding_pairs("padding", padding)
    for k, name in enumerate(("height", "width")):
        if max(pads[k]) >= size[k]:
            raise validate.refuse(
                "padding",
                f"smaller than the kernel's {name} {size[k]}",
                padding,
                "A window would hold nothing but padding.",
            )
    return size, steps, pads


def max_pool2d(x: Input, kernel_size: Any, *, stride: Any = None, padding: Any = 0) -> Value:
    """Return the largest element of each window; `stride` is the kernel's size by default."""
    kernel, steps, pads = _geometry(_frozen(kernel_size), _frozen(stride), _frozen(padding))
    attrs = {"kernel": kernel, "stride": steps, "padding": pads}
    return _max_pool2d.apply((as_operand(x),), attrs)[0]


def avg_pool2d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    include_padding: bool = True,
) -> Value:
    """Return the mean of each window; `include_padding` counts padded zeros as elements."""
    kernel, steps, pads = _geometry(_frozen(kernel_size), _frozen(stride), _frozen(padding))
    attrs = {
        "kernel": kernel,
        "stride": steps,
        "padding": pads,
        "include_padding": bool(include_padding),
    }
    return _avg_pool2d.apply((as_operand(x),), attrs)[0]


def _whole_map(x: Input) -> Pair:
    shape = as_operand(x).shape
    ndim(Spec(shape), 4, "(batch, channels, height, width)")
    return shape[2], shape[3]


def global_max_pool2d(x: Input) -> Value:
    """Return the largest element of each map, shape (batch, channels, 1, 1)."""
    return max_pool2d(x, _whole_map(x))


def global_avg_pool2d(x: Input) -> Value:
    """Return the mean of each map, shape (batch, channels, 1, 1)."""
    return avg_pool2d(x, _whole_map(x))


@_max_pool2d.gradient
def _max_gradient(node: Node, dy: Value | None, dworkspace: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {"input_shape": node.inputs[0].shape, **node.attrs}
    return (_max_pool2d_grad.apply((dy, node.outputs[1]), attrs)[0],)


@_avg_pool2d.gradient
def _average_gradient(node: Node, dy: Value) -> Gradients:
    attrs = {"input_shape": node.inputs[0].shape, **node.attrs}
    return (_avg_pool2d_grad.apply((dy,), attrs)[0],)
