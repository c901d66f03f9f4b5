"""Axes of size 1 repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import integers
from ..case import Case
from ..module import Module
from ..registry import register


@register("nn.Expand")
class Expand(Module):
    """Repeat axes of size 1 until rows have a given shape.

    y[n, i, j] = x[n, i, 0], for a shape that stretches the last axis

    Parameters
    ----------
    shape : sequence of int
        Of a row of the output, without the batch axis; -1 keeps the axis as it is.

    Shapes
    ------
    input : (batch, ...), sizes as in `shape` or 1; axes in front may be missing
    output : (batch, and then `shape`)

    Raises
    ------
    ArgumentError : a size is neither positive nor -1.
    ShapeError : in `call`, an axis is neither 1 nor of the given size.

    Notes
    -----
    Same as BigDL `ExpandSize` (0.13, with the batch axis), PyTorch `expand` and ONNX `Expand`-13.

    Examples
    --------
    >>> import numpy as np
    >>> Expand((3, 4))(np.ones((2, 3, 1), "f4")).shape
    (2, 3, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Expand((-1, 4)),
            inputs=((2, 3, 1),),
            output=(2, 3, 4),
            wrong=((2, 3, 3), (2, 3, 1, 1)),
            wrong_axis=2,
            sizes=("(-1, 4)",),
        ),
        Case(lambda rng: Expand((3, 4)), inputs=((2, 4),), output=(2, 3, 4), wrong=((2, 5), ())),
    )

    def __init__(self, shape: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.shape = integers("shape", shape)
        if any(size < 1 and size != -1 for size in self.shape):
            raise ArgumentError(f"`shape` must hold ints > 0 or -1; got {shape!r}.")

    def call(self, x: Any) -> Any:
        """Repeat what has size 1."""
        if not 1 <= len(x.shape) <= len(self.shape) + 1:
            raise ShapeError(
                f"input must have 1 to {len(self.shape) + 1} axes (shape, and the batch axis); got "
                f"shape {x.shape}."
            )
        batch, *own = x.shape
        missing = len(self.shape) - len(own)
        row = [1] * missing + own
        wanted = [was if size == -1 else size for was, size in zip(row, self.shape, strict=True)]
        for axis, (was, size) in enumerate(zip(row, wanted, strict=True)):
            if was not in (1, size):
                raise ShapeError(
                    f"input axis {axis + 1 - missing} must be 1 or {size} (shape); got {was} in "
                    f"shape {x.shape}."
                )
        return ops.broadcast_to(ops.reshape(x, (batch, *row)), (batch, *wanted))

    def extra(self) -> str:
        """Give the shape."""
        return repr(self.shape)
