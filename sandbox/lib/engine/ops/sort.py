"""Where elements stand in an order, and sums and products up to each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..operation import Lowering, register
from ..oplist import Op, Spec
from ..steps import Array
from .reduce import sum_dtype

if TYPE_CHECKING:
    from ..builder import Builder


FEWER = 4  # of so many elements one is looked for: finding the best is quicker than sorting all


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
    lines = np.moveaxis(x, axis, -1)
    if FEWER * k < x.shape[axis] and not (x.dtype.kind == "f" and np.isnan(x).any()):
        order = _best(lines, k, largest)
    else:
        order = arg_sort(lines, axis=-1, descending=largest)[..., :k]
    return np.ascontiguousarray(np.moveaxis(order, -1, axis))


def _best(x: Array, k: int, largest: bool) -> Array:
    """Return the k best along the last axis, in order: only they are sorted."""
    place = x.shape[-1] - k if largest else k - 1
    last = np.partition(x, place)[..., place : place + 1]
    sure = x > last if largest else x < last
    equal = x == last
    left = k - sure.sum(axis=-1, keepdims=True)
    chosen = sure | (equal & (equal.cumsum(axis=-1) <= left))
    places = np.nonzero(chosen)[-1].reshape(*x.shape[:-1], k)
    values = np.take_along_axis(x, places, -1)
    return np.take_along_axis(places, arg_sort(values, axis=-1, descending=largest), -1)


def _infer_cumulative(x: Spec, *, axis: int) -> tuple[Spec, ...]:
    return (Spec(x.shape, sum_dtype(x.dtype)),)


def _accumulate(function: np.ufunc, x: Array, axis: int, out: Array) -> None:
    """Write the results up to each element; whole slices at once where an axis is not the last."""
    if x.ndim - 1 == axis or not x.shape[axis]:
        function.accumulate(x, axis=axis, dtype=out.dtype, out=out)
        return
    xs, ys = np.moveaxis(x, axis, 0), np.moveaxis(out, axis, 0)
    ys[0] = xs[0]
    for k in range(1, len(xs)):
        function(ys[k - 1], xs[k], out=ys[k], dtype=out.dtype)


def cum_sum(x: Array, *, axis: int) -> Array:
    """Return the sums of the elements up to each."""
    y = np.empty(x.shape, sum_dtype(x.dtype.name))
    _accumulate(np.add, x, axis, y)
    return y


def cum_prod(x: Array, *, axis: int) -> Array:
    """Return the products of the elements up to each."""
    y = np.empty(x.shape, sum_dtype(x.dtype.name))
    _accumulate(np.multiply, x, axis, y)
    return y


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


def _into(function: Callable[..., Any]) -> Lowering:
    """Return a lowering to one call of NumPy along an axis, into the planned memory."""

    def lower(builder: Builder, op: Op) -> None:
        axis = op.attrs["axis"]

        def run(context: Any, reads: Sequence[Array], writes: Sequence[Array]) -> None:
            function(reads[0], axis=axis, out=writes[0])

        builder.python(op, run, [builder.plain(op.inputs[0])], [builder.define(op.outputs[0])])

    return lower


def _like(dy: Spec, x: Spec, **attrs: Any) -> tuple[Spec, ...]:
    return (x,)


register("arg_max", infer=_infer_arg, reference=arg_max, lower=_into(np.argmax))
register("arg_min", infer=_infer_arg, reference=arg_min, lower=_into(np.argmin))
register(
    "arg_sort", infer=lambda x, *, axis, descending: (Spec(x.shape, "int64"),), reference=arg_sort
)
register("arg_top_k", infer=_infer_top, reference=arg_top_k)
register(
    "cum_sum", infer=_infer_cumulative, reference=cum_sum, lower=_into(partial(_accumulate, np.add))
)
register(
    "cum_prod",
    infer=_infer_cumulative,
    reference=cum_prod,
    lower=_into(partial(_accumulate, np.multiply)),
)
register("cum_prod_grad", infer=_like, reference=cum_prod_grad, gradient=True)
