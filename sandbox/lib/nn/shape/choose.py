"""Modules that choose elements by indices and by masks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ..case import Case
from ..checks import check_inner_axis, inner_axis
from ..module import Module
from ..registry import register


@register("nn.Gather")
class Gather(Module):
    """Take the elements of each row that its indices name.

    y[n, k, j] = x[n, ids[n, k], j], for axis 1

    Parameters
    ----------
    axis : int
        Along which axis; 0, the batch axis, cannot.

    Shapes
    ------
    x : (batch, ..., size, ...)
    ids : (batch, ...) integers in [-size, size)
    output : as x, with the axes of ids behind the batch axis in the place of `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, x has no such axis, or there are not as many rows of ids.
    DataError : in `call`, an index is out of its range.

    Notes
    -----
    Like BigDL `Index`, `onnx.Gather` (0.13) and ONNX `Gather`-13: there one list of indices holds
    for all rows (`core.ops.take`); here each row has its own, as in TensorFlow's gather with
    batch_dims=1. Rows of a table by ids are `nn.Embedding`.

    Examples
    --------
    >>> x = np.float32([[10, 11, 12], [20, 21, 22]])
    >>> Gather()(x, np.array([[2, 0], [1, 1]]))
    array([[12., 10.],
           [21., 21.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Gather(),
            inputs=((2, 4, 3), (2, 5)),
            integers=(None, (0, 4)),
            output=(2, 5, 3),
            wrong=((2, 4, 3), (3, 5)),
        ),
        Case(
            lambda rng: Gather(-1),
            inputs=((2, 3, 4), (2, 2, 2)),
            integers=(None, (0, 4)),
            output=(2, 3, 2, 2),
            sizes=("axis=-1",),
        ),
    )

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any, ids: Any) -> Any:
        """Take them."""
        axis = check_inner_axis(x, self.axis)
        rows = x.shape[0]
        if ids.shape[:1] != (rows,):
            raise ShapeError(f"ids axis 0 must be {rows} (batch); got shape {ids.shape}.")
        if ids.dtype.kind not in "iu":
            raise ShapeError(
                f"ids must be integers; got {ids.dtype} in shape {ids.shape}. Convert with "
                "core.ops.cast."
            )
        count = len(ids.shape) - 1
        row = np.arange(rows).reshape((rows, *[1] * count))
        places = ops.stack([ops.broadcast_to(row, ids.shape), ops.cast(ids, "int64")], -1)
        y = ops.gather_nd(ops.move_axis(x, axis, 1), places)
        chosen = range(1, 1 + count)
        others = list(range(1 + count, len(y.shape)))
        return ops.transpose(y, [0, *others[: axis - 1], *chosen, *others[axis - 1 :]])

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


@register("nn.MaskedSelect")
class MaskedSelect(Module):
    """Take the elements where a mask is not 0, in their order.

    Shapes
    ------
    x : any
    mask : as x, or its first axes: booleans or numbers
    output : (how many are not 0, the axes of x that the mask has not)

    Raises
    ------
    ShapeError : in `call`, the mask's axes are not the first ones of x.

    Notes
    -----
    Same as BigDL `MaskedSelect` (0.13), PyTorch `masked_select` and ONNX `Compress`-11.
    How many there are depends on numbers, so Python runs it, and one program ends before and
    another begins behind it (docs/decisions/0033).

    Examples
    --------
    >>> MaskedSelect()(np.float32([[1, 2], [3, 4]]), np.array([[1, 0], [0, 1]]))
    array([1., 4.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: MaskedSelect(),
            inputs=((2, 3), (2, 3)),
            integers=(None, (1, 2)),
            output=(6,),
            wrong=((2, 3), (3, 2)),
            data_sized=True,
        ),
        Case(
            lambda rng: MaskedSelect(),
            inputs=((2, 3), (2,)),
            integers=(None, (1, 2)),
            output=(2, 3),
            data_sized=True,
        ),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any, mask: Any) -> Any:
        """Take them."""
        chosen = mask if mask.dtype == np.bool_ else ops.not_equal(mask, 0)
        return ops.masked_select(x, chosen)
