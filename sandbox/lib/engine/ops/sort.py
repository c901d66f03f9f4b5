"""Where elements stand in an order, and sums and products up to each element."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..operation import register
from ..oplist import Spec
from ..steps import Array
from .reduce import sum_dtype


def _filled(x: Spec, axis: int) -> None:
    if x.shape[axis] == 0:
        raise ShapeError(f"input axis {axis} must not be empty; got shape {x.shape}.")


def _infer_arg(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    _filled(x, axis)
    return (Spec((*x.shape[:axis], *x.shape[axis + 1 :]), "int64"),)


def arg_max(x: Array, *, axis: int) -> Array:
    """Return where the maximum along an axis is; NaN counts as the largest."""
    return np.asarray(x.argmax(axis=axis), np.int64)


def arg_min(x: Array, *, axis: int) -> Array:
    """Return where the minimum along an axis is; NaN counts as the smallest."""
    return np.asarray(x.argmin(axis=axis), np.int64)


def arg_sort(x: Array, *, axis: int, descending: bool) -> Array:
    """Return the order of the elements along an axis; equal ones stay as they were."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    order = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    return np.asarray(x.shape[axis] - 1 - order)


def _infer_top(x: Spec, *, k: int, axis: int, largest: bool) -> tuple[Spec, ...]:
    if k > x.shape[axis]:
        raise ShapeError(f"input axis {axis} must be >= {k} (k); got shape {x.shape}.")
    return (Spec((*x.shape[:axis], k, *x.shape[axis + 1 :]), "int64"),)


def arg_top_k(x: Array, *, k: int, axis: int, largest: bool) -> Array:
    """Return the first k of the order of the elements along an axis."""
    order = arg_sort(x, axis=axis, descending=largest)
    return np.ascontiguousarray(np.moveaxis(np.moveaxis(order, axis, 0)[:k], 0, axis))


def _infer_cumulative(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    return (Spec(x.shape, sum_dtype(x.dtype)),)


def cum_sum(x: Array, *, axis: int) -> Array:
    """Return the sums of the elements up to each."""
    return np.asarray(np.cumsum(x, axis=axis, dtype=sum_dtype(x.dtype.name)))


def cum_prod(x: Array, *, axis: int) -> Array:
    """Return the products of the elements up to each."""
    return np.asarray(np.cumprod(x, axis=axis, dtype=sum_dtype(x.dtype.name)))


def cum_prod_grad(dy: Array, x: Array, *, axis: int) -> Array:
    """Return the product before each element times what comes back from behind it.

    dx_j = (x_0 ... x_{j-1}) · r_j,  r_j = dy_j + x_{j+1} · r_{j+1}: without a division, so that
    zeros do no harm.
    """
    dys, xs = np.moveaxis(dy, axis, 0), np.moveaxis(x, axis, 0)
    before = np.ones_like(xs)
    np.cumprod(xs[:-1], axis=0, out=before[1:])
    rest = np.array(dys)
    for j in range(len(rest) - 2, -1, -1):
        rest[j] += xs[j + 1] * rest[j + 1]
    return np.ascontiguousarray(np.moveaxis(before * rest, 0, axis))


def _like(dy: Spec, x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    return (x,)


register("arg_max", infer=_infer_arg, reference=arg_max)
register("arg_min", infer=_infer_arg, reference=arg_min)
register(
    "arg_sort", infer=lambda x, *, axis, descending: (Spec(x.shape, "int64"),), reference=arg_sort
)
register("arg_top_k", infer=_infer_top, reference=arg_top_k)
register("cum_sum", infer=_infer_cumulative, reference=cum_sum)
register("cum_prod", infer=_infer_cumulative, reference=cum_prod)
register("cum_prod_grad", infer=_like, reference=cum_prod_grad, gradient=True)
