"""Pooling of series, images and volumes: each window, or each map, becomes one number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...engine.oplist import Spec
from ...engine.ops.pooling import LAYOUTS, check_covered
from ...engine.ops.rules import ndim
from .. import validate
from ..errors import ShapeError
from ..function import Function, TapeEntry, as_operand, function
from ..value import Input, Value
from .arithmetic import multiply
from .convolution import _frozen
from .index import scatter
from .resize import resize
from .shape import reshape

__all__ = [
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "adaptive_max_pool_with_index",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "global_avg_pool2d",
    "global_max_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool_with_index",
    "max_unpool",
]

Gradients = Sequence[Input | None]
Sizes = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_MAX = {axes: function(f"max_pool{axes}d") for axes in (2, 3)}
_MAX_GRAD = {axes: function(f"max_pool{axes}d_grad") for axes in (2, 3)}
_AVG = {axes: function(f"avg_pool{axes}d") for axes in (2, 3)}
_AVG_GRAD = {axes: function(f"avg_pool{axes}d_grad") for axes in (2, 3)}
_index = function("max_pool_index")
_adaptive_max = function("adaptive_max")
_adaptive_max_grad = function("adaptive_max_grad")


@lru_cache(maxsize=1024)
def _geometry(
    kernel: Any, stride: Any, padding: Any, dilation: Any, axes: int
) -> tuple[Sizes, Sizes, Pads, Sizes]:
    """Return what a window is given by, one entry for each axis."""
    size = validate.window("kernel_size", kernel, axes)
    steps = size if stride is None else validate.window("stride", stride, axes)
    pads = validate.sides("padding", padding, axes)
    gaps = validate.window("dilation", dilation, axes)
    for name, k, d, ends in zip(_NAMES[axes], size, gaps, pads, strict=True):
        reach = (k - 1) * d + 1
        if max(ends) >= reach:
            raise validate.refuse(
                "padding",
                f"smaller than the kernel's {name} {reach}",
                padding,
                "A window would hold nothing but padding.",
            )
    return size, steps, pads, gaps


class _Windows:
    """Windows over an input: the attributes of its pooling, and the shape of a row of them.

    A series is pooled as an image of height 1.
    """

    def __init__(
        self, x: Input, axes: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: Any
    ) -> None:
        given = (_frozen(item) for item in (kernel, stride, padding, dilation))
        size, steps, pads, gaps = _geometry(*given, axes)
        self.operand, self.axes = as_operand(x), axes
        shape = self.operand.shape
        ndim(Spec(shape), 2 + axes, {1: "(batch, channels, length)", **LAYOUTS}[axes])
        self.sizes = shape[2:]
        self.given = pads
        if validate.boolean("ceil_mode", ceil):
            rows = zip(self.sizes, size, steps, pads, gaps, strict=True)
            pads = tuple(_ceiled(*row) for row in rows)
        self.ceiled = pads != self.given
        self.attrs: dict[str, Any] = {"kernel": size, "stride": steps, "padding": pads}
        if any(gap > 1 for gap in gaps):
            self.attrs["dilation"] = gaps
        if axes == 1:  # else the engine says it, of an image
            check_covered(shape, 2, size[0], steps[0], pads[0], gaps[0])
            self.operand = reshape(self.operand, (*shape[:2], 1, *self.sizes))
            self.attrs = {
                key: ((0, 0) if key == "padding" else 1, *value)
                for key, value in self.attrs.items()
            }

    def function(self, functions: dict[int, Function]) -> Function:
        """Return the one over as many axes."""
        return functions[max(self.axes, 2)]

    def back(self, y: Value) -> Value:
        """Return a result with the axes of the input."""
        return reshape(y, (*y.shape[:2], y.shape[3])) if self.axes == 1 else y


def _ceiled(length: int, kernel: int, stride: int, pads: Any, dilation: int) -> tuple[int, int]:
    """Return the padding with which the last elements get a window too, though not a full one.

    Each window begins in the input or in front of it.
    """
    before, after = pads
    reach = (kernel - 1) * dilation + 1
    last = -(-(length + before + after - reach) // stride)
    if last * stride >= length + before:
        last -= 1
    return before, max(after, last * stride + reach - length - before)


def _max_pool(axes: int, x: Input, *window: Any) -> Value:
    w = _Windows(x, axes, *window)
    return w.back(w.function(_MAX).apply((w.operand,), w.attrs)[0])


def max_pool1d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    """Return the largest element of each window of a series; see `max_pool2d`."""
    return _max_pool(1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    """Return the largest element of each window; `stride` is the kernel's size by default.

    `dilation` is the distance between the elements of a window; with `ceil_mode` what is left over
    at the end gets a window too, though not a full one.
    """
    return _max_pool(2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Value:
    """Return the largest element of each window of a volume; see `max_pool2d`."""
    return _max_pool(3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool_with_index(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Value, Value]:
    """Return the largest element of each window and where it is.

    The input has one to three axes behind batch and channels. Places (int64) are counted in the
    element's own map, row by row.
    """
    w = _Windows(x, _axes_of(x), kernel_size, stride, padding, dilation, ceil_mode)
    y, workspace = w.function(_MAX).apply((w.operand,), w.attrs)
    places = _index.apply((workspace,), {"sizes": w.operand.shape[2:], **w.attrs})[0]
    return w.back(y), w.back(places)


def _axes_of(x: Input) -> int:
    """Return the number of axes behind batch and channels, which are one to three."""
    shape = as_operand(x).shape
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            "input must have 3 to 5 axes (batch, channels, then length, height and width, or depth,"
            f" height and width); got {len(shape)} in shape {shape}."
        )
    return len(shape) - 2


def _avg_pool(axes: int, x: Input, *window: Any, include: bool) -> Value:
    w = _Windows(x, axes, *window)
    include = validate.boolean("include_padding", include)
    padded = any(map(any, w.given))
    # What `ceil_mode` adds behind the padding never counts.
    attrs = {**w.attrs, "include_padding": include and (padded or not w.ceiled)}
    y = w.back(w.function(_AVG).apply((w.operand,), attrs)[0])
    if not (include and padded and w.ceiled):
        return y
    kernel, stride = (w.attrs[key][-axes:] for key in ("kernel", "stride"))
    factor = np.ones((), w.operand.dtype)
    for k in range(axes):
        ends = w.sizes[k] + sum(w.given[k]) - np.arange(y.shape[2 + k]) * stride[k]
        share = kernel[k] / np.minimum(ends, kernel[k])
        factor = factor * share.reshape(-1, *[1] * (axes - 1 - k)).astype(w.operand.dtype)
    return multiply(y, factor)


def avg_pool1d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    include_padding: bool = True,
) -> Value:
    """Return the mean of each window of a series; see `avg_pool2d`."""
    return _avg_pool(1, x, kernel_size, stride, padding, 1, ceil_mode, include=include_padding)


def avg_pool2d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    include_padding: bool = True,
) -> Value:
    """Return the mean of each window; `include_padding` counts padded zeros as elements.

    With `ceil_mode` what is left over at the end gets a window too: the mean of what it holds.
    """
    return _avg_pool(2, x, kernel_size, stride, padding, 1, ceil_mode, include=include_padding)


def avg_pool3d(
    x: Input,
    kernel_size: Any,
    *,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    include_padding: bool = True,
) -> Value:
    """Return the mean of each window of a volume; see `avg_pool2d`."""
    return _avg_pool(3, x, kernel_size, stride, padding, 1, ceil_mode, include=include_padding)


def _whole_map(x: Input) -> tuple[int, int]:
    shape = as_operand(x).shape
    ndim(Spec(shape), 4, LAYOUTS[2])
    return shape[2], shape[3]


def global_max_pool2d(x: Input) -> Value:
    """Return the largest element of each map, shape (batch, channels, 1, 1)."""
    return max_pool2d(x, _whole_map(x))


def global_avg_pool2d(x: Input) -> Value:
    """Return the mean of each map, shape (batch, channels, 1, 1)."""
    return avg_pool2d(x, _whole_map(x))


def _adaptive(x: Input, size: Any) -> tuple[Sizes, Sizes | None]:
    """Return the sizes wanted, and the size of the windows if all are equal and touch."""
    axes = _axes_of(x)
    sizes = as_operand(x).shape[2:]
    items = list(size) if isinstance(size, list | tuple) else [size] * axes
    if len(items) != axes:
        raise validate.refuse("size", f"an int > 0, or {axes} of them or None", size)
    given = [n if item is None else item for n, item in zip(sizes, items, strict=True)]
    wanted = validate.window("size", tuple(given), axes)
    if 0 in sizes:
        raise ShapeError(f"input must have elements to pool; got shape {as_operand(x).shape}.")
    if any(n % new for n, new in zip(sizes, wanted, strict=True)):
        return wanted, None
    return wanted, tuple(n // new for n, new in zip(sizes, wanted, strict=True))


def adaptive_avg_pool(x: Input, size: Any) -> Value:
    """Return the means of as many windows as `size` tells, whatever the input's size.

    Window i of n covers the elements from floor(i · length / n) to ceil((i + 1) · length / n). The
    input has one to three axes behind batch and channels; None keeps an axis as it is.
    """
    wanted, window = _adaptive(x, size)
    if window is None:
        return resize(x, wanted, mode="area")
    return _avg_pool(len(wanted), x, window, None, 0, 1, False, include=True)


def adaptive_max_pool(x: Input, size: Any) -> Value:
    """Return the largest elements of as many windows as `size` tells; see `adaptive_avg_pool`."""
    wanted, window = _adaptive(x, size)
    if window is None:
        return adaptive_max_pool_with_index(x, size)[0]
    return _max_pool(len(wanted), x, window, None, 0, 1, False)


def adaptive_max_pool_with_index(x: Input, size: Any) -> tuple[Value, Value]:
    """Return the largest elements of the windows and where they are; see `max_pool_with_index`."""
    wanted, window = _adaptive(x, size)
    if window is not None:
        return max_pool_with_index(x, window)
    y, index = _adaptive_max.apply((as_operand(x),), {"size": wanted})
    return y, index


def _flat(x: Input) -> Value:
    """Return maps as one axis."""
    shape = as_operand(x).shape
    return reshape(x, (*shape[:2], math.prod(shape[2:])))


def max_unpool(x: Input, index: Input, size: Any) -> Value:
    """Return maps of zeros with each element at its place: what `max_pool_with_index` took away.

    Parameters
    ----------
    x : (batch, channels, ...)
    index : like x, whole numbers: places in the map, counted row by row
    size : int or one for each axis
        Of the maps. Where two elements have one place, the last one is there.
    """
    axes = _axes_of(x)
    sizes = validate.window("size", size, axes)
    operand, places = as_operand(x), as_operand(index)
    if places.shape != operand.shape:
        raise ShapeError(
            f"index must have the shape of the input, {operand.shape}; got {places.shape}."
        )
    rows = operand.shape[:2]
    empty = np.zeros((*rows, math.prod(sizes)), operand.dtype)
    return reshape(scatter(empty, _flat(places), _flat(operand), 2), (*rows, *sizes))


def _max_gradient(entry: TapeEntry, dy: Value | None, dworkspace: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {"input_shape": entry.inputs[0].shape, **entry.attrs}
    grad = _MAX_GRAD[dy.ndim - 2]
    return (grad.apply((dy, entry.outputs[1]), attrs)[0],)


def _average_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    attrs = {"input_shape": entry.inputs[0].shape, **entry.attrs}
    return (_AVG_GRAD[dy.ndim - 2].apply((dy,), attrs)[0],)


@_adaptive_max.gradient
def _adaptive_gradient(entry: TapeEntry, dy: Value | None, dindex: Value | None) -> Gradients:
    if dy is None:
        return (None,)
    attrs = {"input_shape": entry.inputs[0].shape}
    return (_adaptive_max_grad.apply((dy, entry.outputs[1]), attrs)[0],)


for _axes in (2, 3):
    _MAX[_axes].gradient(_max_gradient)
    _AVG[_axes].gradient(_average_gradient)
