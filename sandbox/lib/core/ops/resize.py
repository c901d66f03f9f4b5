"""Resizing of series, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...engine.ops.resize import COORDINATES, MODES, ROUNDING
from .. import validate
from ..errors import ShapeError
from ..function import TapeEntry, as_operand, function
from ..value import Input, Value

__all__ = ["resize"]

Gradients = Sequence[Input | None]

_resize = function("resize")
_resize_grad = function("resize_grad")


def resize(
    x: Input,
    size: Any = None,
    *,
    scale: Any = None,
    mode: str = "linear",
    coordinates: str = "half_pixel",
    rounding: str = "round_prefer_floor",
    cubic: float = -0.75,
    exclude_outside: bool = False,
) -> Value:
    """Return maps of another size: one to three axes behind batch and channels change.

    y[n, c, i] = sum_k w_ik · x[n, c, k], and so along each axis

    Parameters
    ----------
    size : int or one for each axis
        The new sizes; without them they are floor(scale · size).
    scale : number > 0 or one for each axis, optional
        How many times as large the result is. With `size` it only tells where elements lie.
    mode : "nearest", "linear", "cubic" or "area"
        One element, or a sum of the two or four next ones, along each axis; the mean of those an
        element covers.
    coordinates : str
        Where element i lies in the input, by ONNX's names: "half_pixel" is (i + 1/2) / scale - 1/2,
        "asymmetric" i / scale, "align_corners" puts the outer elements onto each other; also
        "pytorch_half_pixel", "half_pixel_symmetric", "tf_half_pixel_for_nn".
    rounding : "round_prefer_floor", "round_prefer_ceil", "floor" or "ceil"
        To the nearest element.
    cubic : float
        The slope of the cubic kernel at 1: -0.75 in PyTorch and ONNX, -0.5 in TensorFlow.
    exclude_outside : bool
        Whether cubic weights of elements beyond the edge are shared among the others; they count
        as the element at the edge otherwise.
    """
    operand = as_operand(x)
    axes = operand.ndim - 2
    if not 1 <= axes <= 3:
        raise ShapeError(
            "input must have 3 to 5 axes (batch, channels, then those to resize); got "
            f"{operand.ndim} in shape {operand.shape}."
        )
    scales = None if scale is None else _scales(scale, axes)
    if size is not None:
        sizes = validate.window("size", size, axes)
    elif scales is not None:
        sizes = tuple(math.floor(n * s) for n, s in zip(operand.shape[2:], scales, strict=True))
        if min(sizes) < 1:
            raise ShapeError(
                f"input must have an element left after scaling by {scales}; got shape "
                f"{operand.shape}."
            )
    else:
        raise validate.refuse("size", "given, or `scale`", size)
    attrs = {
        "size": sizes,
        "scales": scales,
        "mode": validate.one_of("mode", mode, MODES),
        "coordinates": validate.one_of("coordinates", coordinates, COORDINATES),
        "rounding": validate.one_of("rounding", rounding, ROUNDING),
        "cubic": validate.finite("cubic", cubic),
        "exclude": validate.boolean("exclude_outside", exclude_outside),
    }
    return _resize.apply((operand,), attrs)[0]


def _scales(scale: Any, axes: int) -> tuple[float, ...]:
    several = isinstance(scale, list | tuple)
    items = validate.several("scale", scale, "numbers > 0") if several else [scale] * axes
    if len(items) != axes:
        raise validate.refuse("scale", f"a number > 0, or {axes} of them", scale)
    return tuple(validate.positive("scale", item) for item in items)


@_resize.gradient
def _resize_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    attrs = {"input_shape": entry.inputs[0].shape, **entry.attrs}
    return (_resize_grad.apply((dy,), attrs)[0],)
