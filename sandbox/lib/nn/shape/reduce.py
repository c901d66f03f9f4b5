"""Sums and means over an axis."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ..case import Case
from ..checks import check_inner_axis, floating, inner_axis
from ..module import Module
from ..registry import register


class Reduction(Module):
    """What reductions share: an axis that is not the batch axis; subclasses write `function`.

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.
    """

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def call(self, x: Any) -> Any:
        """Check that the axis exists and reduce it."""
        x = floating(x)
        return self.function(x, check_inner_axis(x, self.axis))

    def function(self, x: Any, axis: int) -> Any:
        """Compute the reduction with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define function(self, x, axis).")

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


@register("nn.Sum")
class Sum(Reduction):
    """Add up along an axis.

    y = sum_k x_k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.

    Shapes
    ------
    input : any float32
    output : the same without `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `Sum` (0.13, where dimensions count from 1). Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> import numpy as np
    >>> Sum()(np.float32([[1, 2, 3]]))
    array([6.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Sum(), inputs=((2, 3, 4),), output=(2, 4), wrong=((2,),)),
        Case(lambda rng: Sum(-1), inputs=((2, 3),), output=(2,), sizes=("axis=-1",)),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Add up."""
        return ops.sum(x, axis)


@register("nn.Mean")
class Mean(Reduction):
    """Average along an axis.

    y = sum_k x_k / number of k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.

    Shapes
    ------
    input : any float32
    output : the same without `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `Mean` (0.13, where dimensions count from 1). For sequences with lengths there is
    `nn.GlobalMeanOverTime`. Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> import numpy as np
    >>> Mean()(np.float32([[1, 2, 3]]))
    array([2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Mean(), inputs=((2, 3, 4),), output=(2, 4), wrong=((2,),)),
        Case(lambda rng: Mean(-1), inputs=((2, 3),), output=(2,), sizes=("axis=-1",)),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Average."""
        return ops.mean(x, axis)
