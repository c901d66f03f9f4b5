"""Pieces that shape rules share."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..oplist import Spec


def common(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of arithmetic with both.

    NumPy's, but for integers and booleans beside floats: they take the dtype of the floats. In
    NumPy float32 and int64 make float64, and labels would turn a whole float32 gradient into it.
    """
    if a == b:
        return a
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.result_type(a, b)


def promoted(*specs: Spec) -> str:
    """Return the dtype of what is made of a mix of dtypes; see `common`."""
    first = specs[0].dtype
    if all(spec.dtype == first for spec in specs):
        return first
    return reduce(common, [np.dtype(spec.dtype) for spec in specs]).name


def broadcast(a: Spec, b: Spec) -> tuple[Spec, ...]:
    """Return the rule of arithmetic on two inputs."""
    dtype = promoted(a, b)
    if a.shape == b.shape:
        return (Spec(a.shape, dtype),)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(
            f"shapes must broadcast (equal or 1, from the last axis on); got {a.shape} and "
            f"{b.shape}."
        ) from None
    return (Spec(shape, dtype),)


def same_number(x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of elementwise functions of numbers: booleans are none."""
    if x.dtype == "bool":
        raise ShapeError(
            f"input must hold numbers; got bool in shape {x.shape}. Convert with core.ops.cast, or "
            "use logical_not."
        )
    return (x,)


def same_float(x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of elementwise functions that need real numbers."""
    floating(x)
    return (x,)


def like_second(dy: Spec, x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    """Return the rule of gradients of one input that are computed from dy and a value like it."""
    return (x,)


def floating(x: Spec, what: str = "input") -> None:
    """Refuse integers and booleans."""
    if not x.dtype.startswith("float"):
        raise ShapeError(
            f"{what} dtype must be float32 or float64; got {x.dtype} in shape {x.shape}. "
            "Convert with .astype('float32')."
        )


def is_integer(x: Spec) -> bool:
    """Return whether a value holds integers."""
    return x.dtype[:3] in ("int", "uin")


def integers(x: Spec, what: str, cure: str = "Convert with .astype('int64').") -> None:
    """Refuse what holds no integers."""
    if not is_integer(x):
        raise ShapeError(f"{what} must be integers; got {x.dtype} in shape {x.shape}. {cure}")


def ndim(x: Spec, count: int, layout: str, what: str = "input") -> None:
    """Check the number of axes."""
    if len(x.shape) != count:
        raise ShapeError(
            f"{what} must have {count} axes {layout}; got {len(x.shape)} in shape {x.shape}."
        )


def axis_is(
    x: Spec, axis: int, length: int, meaning: str, cure: str = "", what: str = "input"
) -> None:
    """Check the length of one axis."""
    if x.shape[axis] != length:
        raise ShapeError(
            f"{what} axis {axis} must be {length} ({meaning}); got {x.shape[axis]} in shape "
            f"{x.shape}." + (f" {cure}" if cure else "")
        )


def window_length(
    length: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int = 1
) -> int:
    """Return how many windows fit along one axis."""
    return (length + padding[0] + padding[1] - dilation * (kernel - 1) - 1) // stride + 1


def with_bias_gradient(dw: Spec, bias: int, with_bias: bool) -> tuple[Spec, ...]:
    """Return the rule of a weight's gradient that may come with the bias's."""
    return (dw, Spec((bias,), dw.dtype)) if with_bias else (dw,)
