"""Elements in order, and sums and products up to each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import validate
from ..function import TapeEntry, as_operand, function
from ..value import Input, Operand, Value
from .arrange import flip, pad
from .cast import cast
from .index import gather
from .shape import expand_dims, slice

__all__ = [
    "arg_max",
    "arg_min",
    "arg_sort",
    "cum_prod",
    "cum_sum",
    "sort",
    "top_k",
]

Gradients = Sequence[Input | None]

_arg_max = function("arg_max")
_arg_min = function("arg_min")
_arg_sort = function("arg_sort")
_arg_top_k = function("arg_top_k")
_cum_sum = function("cum_sum")
_cum_prod = function("cum_prod")
_cum_prod_grad = function("cum_prod_grad")


def arg_max(x: Input, axis: int = -1, *, keepdims: bool = False) -> Value:
    """Return where the maximum along an axis is, the first one among equals, as int64.

    Notes
    -----
    Same as PyTorch `argmax` and ONNX `ArgMax`-13.

    Examples
    --------
    >>> import numpy as np
    >>> arg_max(np.array([[1, 5, 5], [7, 0, 2]])).data
    array([1, 0])
    """
    return _place(_arg_max, x, axis, keepdims)


def arg_min(x: Input, axis: int = -1, *, keepdims: bool = False) -> Value:
    """Return where the minimum along an axis is, the first one among equals, as int64.

    Notes
    -----
    Same as PyTorch `argmin` and ONNX `ArgMin`-13.
    """
    return _place(_arg_min, x, axis, keepdims)


def _place(found: Any, x: Input, axis: int, keepdims: bool) -> Value:
    operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    y: Value = found.apply((operand,), {"axis": place})[0]
    return expand_dims(y, place) if validate.boolean("keepdims", keepdims) else y


def arg_sort(x: Input, axis: int = -1, *, descending: bool = False) -> Value:
    """Return the order of the elements along an axis, as int64; equal ones stay as they were.

    Notes
    -----
    Same as PyTorch `argsort` (stable).
    """
    operand = as_operand(x)
    attrs = {
        "axis": validate.axis("axis", axis, operand.ndim),
        "descending": validate.boolean("descending", descending),
    }
    return _arg_sort.apply((operand,), attrs)[0]


def sort(x: Input, axis: int = -1, *, descending: bool = False) -> Value:
    """Return x with the elements along an axis in order.

    Notes
    -----
    Same as PyTorch `sort` (its first result).
    """
    return gather(x, arg_sort(x, axis, descending=descending), axis)


def top_k(x: Input, k: int, axis: int = -1, *, largest: bool = True) -> tuple[Value, Value]:
    """Return the k largest (or smallest) elements along an axis, best first, and their indices.

    Of equal ones the first come first. The gradient goes to the elements that were chosen.

    Notes
    -----
    Same as PyTorch `topk` and ONNX `TopK`-11.

    Examples
    --------
    >>> import numpy as np
    >>> values, indices = top_k(np.array([3.0, 9.0, 4.0]), 2)
    >>> values.data, indices.data
    (array([9., 4.]), array([1, 2]))
    """
    operand = as_operand(x)
    attrs = {
        "k": validate.positive_int("k", k),
        "axis": validate.axis("axis", axis, operand.ndim),
        "largest": validate.boolean("largest", largest),
    }
    indices = _arg_top_k.apply((operand,), attrs)[0]
    return gather(operand, indices, attrs["axis"]), indices


for _found in (_arg_max, _arg_min, _arg_sort, _arg_top_k):

    @_found.gradient
    def _nothing(entry: TapeEntry, dy: Value) -> Gradients:
        return (None,)


# -- up to each element --------------------------------------------------------------------------


def cum_sum(x: Input, axis: int = -1, *, exclusive: bool = False, reverse: bool = False) -> Value:
    """Return the sums of the elements up to each one.

    y_k = x_0 + ... + x_k

    Parameters
    ----------
    x : value
    axis : int
    exclusive : bool
        Without the element itself, so that the first sum is 0.
    reverse : bool
        From the other end.

    Notes
    -----
    Same as PyTorch `cumsum` and ONNX `CumSum`-14.

    Examples
    --------
    >>> import numpy as np
    >>> cum_sum(np.array([1, 2, 3]), exclusive=True).data
    array([0, 1, 3])
    """
    return _cumulative(_cum_sum, 0.0, x, axis, exclusive, reverse)


def cum_prod(x: Input, axis: int = -1, *, exclusive: bool = False, reverse: bool = False) -> Value:
    """Return the products of the elements up to each one; see `cum_sum`.

    Notes
    -----
    Same as PyTorch `cumprod`.
    """
    return _cumulative(_cum_prod, 1.0, x, axis, exclusive, reverse)


def _cumulative(
    found: Any, neutral: float, x: Input, axis: int, exclusive: bool, reverse: bool
) -> Value:
    operand: Operand = as_operand(x)
    place = validate.axis("axis", axis, operand.ndim)
    alone = validate.boolean("exclusive", exclusive)
    if validate.boolean("reverse", reverse):
        operand = flip(operand, place)
    if alone and operand.shape[place]:
        stops = list(operand.shape)
        stops[place] -= 1
        widths = [(int(k == place), 0) for k in range(operand.ndim)]
        operand = pad(slice(operand, [0] * operand.ndim, stops), widths, value=neutral)
    y: Value = found.apply((operand,), {"axis": place})[0]
    return flip(y, place) if reverse else y


@_cum_sum.gradient
def _cum_sum_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    if entry.inputs[0].dtype.kind != "f":
        return (None,)
    return (cum_sum(dy, entry.attrs["axis"], reverse=True),)


@_cum_prod.gradient
def _cum_prod_gradient(entry: TapeEntry, dy: Value) -> Gradients:
    x = entry.inputs[0]
    if x.dtype.kind != "f":
        return (None,)
    return (_cum_prod_grad.apply((cast(dy, x.dtype), x), entry.attrs)[0],)
