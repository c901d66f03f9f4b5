"""Modules that change the shape and nothing else."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ArgumentError, ShapeError
from ...core.validate import integers
from ..case import Case
from ..module import Module
from ..registry import register


@register("nn.Flatten")
class Flatten(Module):
    """Put all axes behind the batch axis into one.

    y[n, (c·h + i)·w + j] = x[n, c, i, j]

    Shapes
    ------
    input : (batch, ...)
    output : (batch, product of the other axes)

    Raises
    ------
    ShapeError : in `call`, the input has no axes.

    Notes
    -----
    Same as BigDL `InferReshape` ([-1], batch mode; 0.13), Keras `Flatten`, PyTorch `Flatten` and
    ONNX `Flatten`-13. Costs nothing in a Program: the linear layer behind it reads the image as it
    lies.

    Examples
    --------
    >>> import numpy as np
    >>> Flatten()(np.ones((2, 3, 4, 5), "f4")).shape
    (2, 60)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Flatten(), inputs=((2, 3, 4, 5),), output=(2, 60), wrong=((),)),
        Case(lambda rng: Flatten(), inputs=((3, 4),), output=(3, 4)),
    )

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Put all axes behind the batch axis into one."""
        if not x.shape:
            raise ShapeError("input must have a batch axis; got a scalar.")
        return ops.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


@register("nn.Reshape")
class Reshape(Module):
    """Give each row of the batch another shape, with its elements in the same order.

    Parameters
    ----------
    shape : tuple of int
        The new shape without the batch axis; one size may be -1, which is then what is left; 0
        keeps the size that the input has there.

    Shapes
    ------
    input : (batch, ...)
    output : (batch, and then `shape`)

    Raises
    ------
    ArgumentError : a size is below -1, or more than one is -1.
    ShapeError : in `call`, the elements do not fit into the shape.

    Notes
    -----
    Same as BigDL `Reshape`, `View`, `InferReshape`, `onnx.Reshape` (0.13, in batch mode), Keras
    `Reshape`, PyTorch `Unflatten` and ONNX `Reshape`-14.

    Examples
    --------
    >>> import numpy as np
    >>> Reshape((3, -1))(np.ones((2, 12), "f4")).shape
    (2, 3, 4)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Reshape((3, -1)),
            inputs=((2, 12),),
            output=(2, 3, 4),
            wrong=((2, 11), ()),
            sizes=("(3, -1)",),
        ),
        Case(
            lambda rng: Reshape((4, 5, 3)),
            inputs=((2, 3, 4, 5),),
            output=(2, 4, 5, 3),
            wrong=((2, 3, 4),),
            sizes=("(4, 5, 3)",),
        ),
        Case(
            lambda rng: Reshape((0, -1)),
            inputs=((2, 3, 4, 5),),
            output=(2, 3, 20),
            wrong=((2,),),
        ),
        Case(lambda rng: Reshape(()), inputs=((2, 1),), output=(2,), wrong=((2, 2),)),
    )

    def __init__(self, shape: tuple[int, ...], *, name: str | None = None) -> None:
        super().__init__(name=name)
        sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        legal = all(isinstance(n, int) and n >= -1 for n in sizes)
        if not legal or sizes.count(-1) > 1:
            raise ArgumentError(
                "`shape` must hold ints >= -1, at most one of them -1, without the batch axis; got "
                f"{shape!r}."
            )
        self.shape = sizes

    def call(self, x: Any) -> Any:
        """Give each row the new shape."""
        if not x.shape:
            raise ShapeError("input must have a batch axis; got a scalar.")
        own = x.shape[1:]
        if any(n == 0 and k >= len(own) for k, n in enumerate(self.shape)):
            raise ShapeError(
                f"input must have an axis for each 0 of the shape {self.shape}; got shape "
                f"{x.shape}."
            )
        wanted = [own[k] if n == 0 else n for k, n in enumerate(self.shape)]
        elements = math.prod(own)
        known = math.prod(n for n in wanted if n != -1)
        rest, left = divmod(elements, known) if known else (1, elements)
        if left or (-1 not in wanted and rest != 1):
            raise ShapeError(
                f"input rows must fill the shape {self.shape}; got {elements} elements per row in "
                f"shape {x.shape}."
            )
        return ops.reshape(x, (x.shape[0], *(rest if n == -1 else n for n in wanted)))

    def extra(self) -> str:
        """Give the shape."""
        return repr(self.shape)


@register("nn.Transpose")
class Transpose(Module):
    """Put the axes into another order.

    y = x with axis `axes[k]` at place k

    Parameters
    ----------
    axes : tuple of int
        The axes in their new order; the first is 0, the batch.

    Shapes
    ------
    input : as many axes as `axes` names
    output : the same sizes in the new order

    Raises
    ------
    ArgumentError : `axes` is no order of 0..k that begins with 0.
    ShapeError : in `call`, the input has another number of axes.

    Notes
    -----
    Same as BigDL `Transpose` (0.13, by swaps), Keras `Permute`, PyTorch `permute` and ONNX
    `Transpose`-13. In a Program it often costs nothing: kernels read the memory as it lies.

    Examples
    --------
    >>> import numpy as np
    >>> Transpose((0, 2, 1))(np.ones((2, 3, 4), "f4")).shape
    (2, 4, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Transpose((0, 2, 1)),
            inputs=((2, 3, 4),),
            output=(2, 4, 3),
            wrong=((2, 3),),
            sizes=("(0, 2, 1)",),
        ),
        Case(
            lambda rng: Transpose((0, 3, 1, 2)),
            inputs=((2, 3, 4, 5),),
            output=(2, 5, 3, 4),
            wrong=((2, 3, 4),),
            sizes=("(0, 3, 1, 2)",),
        ),
    )

    def __init__(self, axes: tuple[int, ...], *, name: str | None = None) -> None:
        super().__init__(name=name)
        order = integers("axes", axes, "the numbers of all axes")
        if list(order[:1]) != [0] or sorted(order) != list(range(len(order))):
            raise ArgumentError(
                f"`axes` must be 0 (the batch), then the other axes in any order; got {axes!r}."
            )
        self.axes = order

    def call(self, x: Any) -> Any:
        """Put the axes into the new order."""
        if len(x.shape) != len(self.axes):
            raise ShapeError(
                f"input must have {len(self.axes)} axes; got {len(x.shape)} in shape {x.shape}."
            )
        return ops.transpose(x, self.axes)

    def extra(self) -> str:
        """Give the order."""
        return repr(self.axes)
