"""Sums, means, products and extrema over an axis."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import boolean
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
    keepdims : bool
        Whether it stays, of size 1.
    """

    def __init__(self, axis: int = 1, *, keepdims: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)
        self.keepdims = boolean("keepdims", keepdims)

    def call(self, x: Any) -> Any:
        """Check that the axis exists and reduce it."""
        x = floating(x)
        axis = check_inner_axis(x, self.axis)
        y = self.function(x, axis)
        return ops.expand_dims(y, axis) if self.keepdims else y

    def function(self, x: Any, axis: int) -> Any:
        """Compute the reduction with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define function(self, x, axis).")

    def extra(self) -> str:
        """Give the axis if it is not 1, and whether it stays."""
        axis = "" if self.axis == 1 else f"axis={self.axis}"
        return ", ".join([axis] * bool(axis) + ["keepdims=True"] * self.keepdims)


@register("nn.Sum")
class Sum(Reduction):
    """Add up along an axis.

    y = sum_k x_k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.
    keepdims : bool
        Whether it stays, of size 1.

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
    Same as BigDL `Sum` (0.13, where dimensions count from 1), PyTorch `sum` and ONNX
    `ReduceSum`-13. Reference: `engine.ops.reduce`.

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
    keepdims : bool
        Whether it stays, of size 1.

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
    Same as BigDL `Mean` (0.13, where dimensions count from 1), PyTorch `mean` and ONNX
    `ReduceMean`-13. For sequences with lengths there is `nn.GlobalMeanOverTime`. Reference:
    `engine.ops.reduce`.

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


@register("nn.Max")
class Max(Reduction):
    """Take the largest element along an axis.

    y = max_k x_k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.
    keepdims : bool
        Whether it stays, of size 1.

    Shapes
    ------
    input : any float32
    output : the same without `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis, or it is empty.

    Notes
    -----
    Same as BigDL `Max` (0.13, where dimensions count from 1), PyTorch `amax` and ONNX
    `ReduceMax`-13. Equal maxima share the gradient. Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> import numpy as np
    >>> Max()(np.float32([[1, 3, 2]]))
    array([3.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Max(),
            inputs=((2, 3, 4),),
            output=(2, 4),
            wrong=((2,),),
            kinks=True,
        ),
        Case(
            lambda rng: Max(-1, keepdims=True),
            inputs=((2, 3),),
            output=(2, 1),
            sizes=("axis=-1", "keepdims"),
            kinks=True,
        ),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Take it."""
        return ops.max(x, axis)


@register("nn.Min")
class Min(Reduction):
    """Take the smallest element along an axis.

    y = min_k x_k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.
    keepdims : bool
        Whether it stays, of size 1.

    Shapes
    ------
    input : any float32
    output : the same without `axis`

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, the input has no such axis, or it is empty.

    Notes
    -----
    Same as BigDL `Min` (0.13, where dimensions count from 1), PyTorch `amin` and ONNX
    `ReduceMin`-13. Equal minima share the gradient. Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> import numpy as np
    >>> Min()(np.float32([[2, 1, 3]]))
    array([1.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Min(),
            inputs=((2, 3, 4),),
            output=(2, 4),
            wrong=((2,),),
            kinks=True,
        ),
        Case(
            lambda rng: Min(-1, keepdims=True),
            inputs=((2, 3),),
            output=(2, 1),
            sizes=("axis=-1", "keepdims"),
            kinks=True,
        ),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Take it."""
        return ops.min(x, axis)


@register("nn.Prod")
class Prod(Reduction):
    """Multiply along an axis.

    y = product of x_k over k

    Parameters
    ----------
    axis : int
        Which axis goes away; 0, the batch axis, cannot.
    keepdims : bool
        Whether it stays, of size 1.

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
    Same as PyTorch `prod` and ONNX `ReduceProd`-13. Where there are zeros, the gradient is right:
    that of a product of the others. Reference: `engine.ops.reduce`.

    Examples
    --------
    >>> import numpy as np
    >>> Prod()(np.float32([[2, 3, 4]]))
    array([24.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Prod(),
            inputs=((2, 3, 4),),
            output=(2, 4),
            wrong=((2,),),
        ),
        Case(
            lambda rng: Prod(-1, keepdims=True),
            inputs=((2, 3),),
            output=(2, 1),
            sizes=("axis=-1", "keepdims"),
        ),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Multiply."""
        return ops.prod(x, axis)
