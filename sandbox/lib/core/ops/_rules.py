"""Pieces that shape rules and gradient rules share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from ...engine.oplist import Spec
from ...engine.reference.math import common
from ..errors import ShapeError
from ..primitive import Node, Primitive
from ..value import Operand, Value


def same(x: Spec) -> tuple[Spec, ...]:
    """Return the rule of elementwise operations on one input."""
    return (x,)


def floating(x: Spec, what: str = "input") -> None:
    """Refuse integers and booleans."""
    if not x.dtype.startswith("float"):
        raise ShapeError(
            f"{what} dtype must be float32 or float64; got {x.dtype} in shape {x.shape}. "
            "Convert with .astype('float32')."
        )


def same_float(x: Spec) -> tuple[Spec, ...]:
    """Return the rule of elementwise functions that need real numbers."""
    floating(x)
    return (x,)


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


def promoted(*specs: Spec) -> str:
    """Return the dtype of what is made of a mix of dtypes; see `common`."""
    first = specs[0].dtype
    if all(spec.dtype == first for spec in specs):
        return first
    return reduce(common, [np.dtype(spec.dtype) for spec in specs]).name


def affine_gradients(
    node: Node,
    dy: Value,
    grad_input: Primitive,
    input_attrs: dict[str, Any],
    grad_weight: Primitive,
    weight_attrs: dict[str, Any],
) -> Sequence[Value | None]:
    """Write down the wanted gradients of y = w · x (+ b); those of w and b are one operation."""
    x, w, *bias = node.inputs
    dx = grad_input.apply((dy, w), input_attrs)[0] if node.needs[0] else None
    if not any(node.needs[1:]):
        return (dx, None, *[None] * len(bias))
    with_bias = bool(bias) and node.needs[2]
    dw, *db = grad_weight.apply((x, dy), {**weight_attrs, "with_bias": with_bias})
    return (dx, dw, *db) if with_bias else (dx, dw, *[None] * len(bias))


def unbroadcast(dy: Value, x: Operand) -> Value:
    """Sum a gradient over the axes along which x was repeated."""
    from .shape import sum_to

    return dy if dy.shape == x.shape else sum_to(dy, x.shape)
