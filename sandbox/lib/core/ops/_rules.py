"""Pieces that gradient rules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..function import Function, TapeEntry
from ..value import Operand, Value


def affine_gradients(
    entry: TapeEntry,
    dy: Value,
    grad_input: Function,
    input_attrs: dict[str, Any],
    grad_weight: Function,
    weight_attrs: dict[str, Any],
) -> Sequence[Value | None]:
    """Write down the wanted gradients of y = w · x (+ b); those of w and b are one operation."""
    x, w, *bias = entry.inputs
    dx = grad_input.apply((dy, w), input_attrs)[0] if entry.needs[0] else None
    if not any(entry.needs[1:]):
        return (dx, None, *[None] * len(bias))
    with_bias = bool(bias) and entry.needs[2]
    dw, *db = grad_weight.apply((x, dy), {**weight_attrs, "with_bias": with_bias})
    return (dx, dw, *db) if with_bias else (dx, dw, *[None] * len(bias))


def unbroadcast(dy: Value, x: Operand) -> Value:
    """Sum a gradient over the axes along which x was repeated."""
    from .shape import sum_to

    return dy if dy.shape == x.shape else sum_to(dy, x.shape)
