"""Resizing of series, images and volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...engine.ops.resize import COORDINATES, MODES, ROUNDING, changes, matrix, taps
from .. import validate
from ..errors import ShapeError
from ..function import TapeEntry, as_operand, as_value, function
from ..value import Input, Value
from .linear import matmul
from .shape import reshape

__all__ = ["resize"]

Gradients = Sequence[Input | None]

_resize = function("resize")
_sum_copies = function("sum_copies")


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
    given = (
        validate.one_of("mode", mode, MODES),
        validate.one_of("coordinates", coordinates, COORDINATES),
        validate.one_of("rounding", rounding, ROUNDING),
        validate.finite("cubic", cubic),
        validate.boolean("exclude_outside", exclude_outside),
    )
    old = operand.shape[2:]
    if 0 in old:
        raise ShapeError(f"input must have elements to resize; got shape {operand.shape}.")
    half_pixels = coordinates == "half_pixel" and scales is None
    if mode == "nearest" or (mode == "linear" and half_pixels):
        attrs: dict[str, Any] = {"size": sizes, "scales": scales}
        attrs |= {"mode": mode, "coordinates": coordinates, "rounding": rounding}
        return _resize.apply((operand,), attrs)[0]
    return _by_matrices(operand, changes(old, sizes, scales), given)


def _by_matrices(x: Input, changed: Any, grid: tuple[Any, ...], *, back: bool = False) -> Value:
    """Multiply along each axis that changes; what makes maps smaller comes first."""
    value = as_value(x)
    dtype = value.dtype.name
    found = {axis: matrix(*change, *grid, dtype=dtype) for axis, change in changed}
    matrices = {axis: m.T if back else m for axis, m in found.items()}
    for axis in sorted(
        matrices, key=lambda axis: matrices[axis].shape[0] / matrices[axis].shape[1]
    ):
        m, shape = matrices[axis], value.shape
        before, behind = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        if axis == len(shape) - 1:
            y = matmul(reshape(value, (before, shape[axis])), np.ascontiguousarray(m.T))
        else:
            y = matmul(np.ascontiguousarray(m), reshape(value, (before, shape[axis], behind)))
        value = reshape(y, (*shape[:axis], len(m), *shape[axis + 1 :]))
    return value


def _scales(scale: Any, axes: int) -> tuple[float, ...]:
    several = isinstance(scale, list | tuple)
    items = validate.several("scale", scale, "numbers > 0") if several else [scale] * axes
    if len(items) != axes:
        raise validate.refuse("scale", f"a number > 0, or {axes} of them", scale)
    return tuple(validate.positive("scale", item) for item in items)


@_resize.gradient
def _resize_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    old, attrs = entry.inputs[0].shape[2:], entry.attrs
    changed = changes(old, attrs["size"], attrs["scales"])
    grid = (*(attrs[key] for key in ("mode", "coordinates", "rounding")), 0.0, False)
    factors = tuple(new // n for new, n in zip(attrs["size"], old, strict=True))
    if attrs["mode"] == "nearest" and all(_repeats(*change, *grid) for _, change in changed):
        return (_sum_copies.apply((dy,), {"factors": factors})[0],)
    return (_by_matrices(dy, changed, grid, back=True),)


def _repeats(length: int, size: int, *grid: Any) -> bool:
    """Return whether each element comes equally often, in order."""
    if size % length:
        return False
    index, _ = taps(length, size, *grid)
    return bool((index[:, 0] == np.arange(size) * length // size).all())


@_sum_copies.gradient
def _sum_copies_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    return (resize(dy, entry.inputs[0].shape[2:], mode="nearest"),)
