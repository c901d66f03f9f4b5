"""Pooling over images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ...engine.oplist import Spec
from ...engine.ops.rules import ndim
from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Value
from .convolution import _frozen

__all__ = [
    "avg_pool2d",
    "global_avg_pool2d",
    "global_max_pool2d",
    "max_pool2d",
]

Gradients = Sequence[Input | None]
Pair = tuple[int, int]


_max_pool2d = function("max_pool2d")
_max_pool2d_grad = function("max_pool2d_grad")
_avg_pool2d = function("avg_pool2d")
_avg_pool2d_grad = function("avg_pool2d_grad")


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
        "include_padding": validate.boolean("include_padding", include_padding),
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
def _max_gradient(entry: TapeEntry, dy: Value | None, dworkspace: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {"input_shape": entry.inputs[0].shape, **entry.attrs}
    return (_max_pool2d_grad.apply((dy, entry.outputs[1]), attrs)[0],)


@_avg_pool2d.gradient
def _average_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    attrs = {"input_shape": entry.inputs[0].shape, **entry.attrs}
    return (_avg_pool2d_grad.apply((dy,), attrs)[0],)
