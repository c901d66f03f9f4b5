"""Modules that make one value of several."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import boolean, integer
from ..case import Case
from ..checks import inner_axis
from ..module import Module
from ..registry import register


class Merge(Module):
    """What merging modules share: at least one input, given as arguments or as one list.

    Subclasses write `merge(inputs)`.
    """

    def call(self, *inputs: Any) -> Any:
        """Check the inputs and merge them."""
        if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)):
            inputs = tuple(inputs[0])
        if not inputs:
            raise ShapeError("inputs must be at least one; got none.")
        return self.merge(inputs)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Compute one value of several with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(self, inputs).")


@register("nn.Dot")
class Dot(Merge):
    """Multiply two batches of vectors row by row, as matrix factorisation does.

    y[n] = sum_i x1[n, i] · x2[n, i], of unit vectors with `normalize`: their cosine

    Parameters
    ----------
    normalize : bool
        Divide by the lengths of both vectors first.

    Shapes
    ------
    inputs : (batch, features) float32, two
    output : (batch, 1)

    Raises
    ------
    ShapeError : in `call`, there are not two inputs, or their shapes differ.

    Notes
    -----
    Same as BigDL `DotProduct` and `CosineDistance` (with `normalize`), Keras
    `Dot(-1, normalize)` and PyTorch `CosineSimilarity` (which leaves the last axis out).

    Examples
    --------
    >>> import numpy as np
    >>> Dot()(np.float32([[1.0, 2.0]]), np.float32([[3.0, 4.0]]))
    array([[11.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Dot(),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            wrong=((3, 4), (3, 5)),
            wrong_axis=1,
        ),
        Case(
            lambda rng: Dot(normalize=True),
            inputs=((3, 4), (3, 4)),
            output=(3, 1),
            sizes=("normalize=True",),
        ),
    )

    def __init__(self, *, normalize: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.normalize = boolean("normalize", normalize)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Multiply row by row."""
        if len(inputs) != 2 or any(len(x.shape) != 2 for x in inputs):
            shapes = " and ".join(str(x.shape) for x in inputs)
            raise ShapeError(f"inputs must be two of 2 axes (batch, features); got {shapes}.")
        a, b = inputs
        if a.shape != b.shape:
            raise ShapeError(mismatch(a.shape, b.shape))
        y = ops.sum(ops.multiply(a, b), 1, keepdims=True)
        if not self.normalize:
            return y
        lengths = ops.multiply(
            ops.sum(ops.square(a), 1, keepdims=True), ops.sum(ops.square(b), 1, keepdims=True)
        )
        return ops.divide(y, ops.sqrt(ops.maximum(lengths, 1e-16)))

    def extra(self) -> str:
        """Say whether lengths are divided out."""
        return "normalize=True" if self.normalize else ""


@register("nn.Concat")
class Concat(Merge):
    """Put the inputs behind each other along an axis.

    Parameters
    ----------
    axis : int
        Which axis; 1 holds the channels.

    Shapes
    ------
    inputs : any, equal but for `axis`
    output : the same, with the sizes of `axis` added up

    Raises
    ------
    ShapeError : in `call`, another axis differs, or there is no such axis.

    Notes
    -----
    Same as BigDL `JoinTable` (0.13, where dimensions count from 1), Keras `Concatenate`, PyTorch
    `cat` and ONNX `Concat`-13. What applies modules and joins their outputs is `nn.Branches`.
    NumPy, into the planned memory; reference: `engine.ops.shape`.

    Examples
    --------
    >>> import numpy as np
    >>> Concat()(np.ones((2, 3), "f4"), np.ones((2, 4), "f4")).shape
    (2, 7)
    >>> Concat()([np.ones((2, 3), "f4"), np.ones((2, 4), "f4")]).shape
    (2, 7)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Concat(),
            inputs=((2, 3, 4), (2, 1, 4)),
            output=(2, 4, 4),
            wrong=((2, 3, 4), (2, 1, 5)),
            wrong_axis=2,
        ),
        Case(
            lambda rng: Concat(-1),
            inputs=((2, 3), (2, 4), (2, 1)),
            output=(2, 8),
            sizes=("axis=-1",),
        ),
    )

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = integer("axis", axis)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Put the inputs behind each other."""
        first = inputs[0].shape
        rank = len(first)
        if not -rank <= self.axis < rank:
            raise ShapeError(
                f"inputs must have an axis {self.axis} (axis); got {rank} axes in shape {first}."
            )
        axis = self.axis % rank
        for x in inputs[1:]:
            same = [k for k in range(rank) if k != axis]
            if len(x.shape) != rank or any(x.shape[k] != first[k] for k in same):
                raise ShapeError(mismatch(first, x.shape, axis))
        return ops.concat(inputs, axis=axis)

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


@register("nn.Stack")
class Stack(Merge):
    """Put the inputs beside each other along a new axis.

    y[:, k] = x_k

    Parameters
    ----------
    axis : int
        Where the new axis stands in the output; 0, the batch axis, it cannot be.

    Shapes
    ------
    inputs : any, all of one shape
    output : the same with one more axis, as long as there are inputs

    Raises
    ------
    ArgumentError : `axis` is 0.
    ShapeError : in `call`, shapes differ, or have too few axes.

    Notes
    -----
    Same as BigDL `Pack` (0.13) and PyTorch `stack`. The way back is `nn.Unstack`.

    Examples
    --------
    >>> import numpy as np
    >>> Stack()(np.ones((2, 3), "f4"), np.ones((2, 3), "f4")).shape
    (2, 2, 3)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Stack(),
            inputs=((2, 3), (2, 3), (2, 3)),
            output=(2, 3, 3),
            wrong=((2, 3), (2, 3), (2, 4)),
            wrong_axis=1,
        ),
        Case(
            lambda rng: Stack(-1),
            inputs=((2, 3), (2, 3)),
            output=(2, 3, 2),
            sizes=("axis=-1",),
        ),
    )

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = inner_axis(axis)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Put the inputs beside each other."""
        first = inputs[0].shape
        for x in inputs[1:]:
            if x.shape != first:
                raise ShapeError(mismatch(first, x.shape))
        rank = len(first) + 1
        if not -rank < self.axis < rank:
            raise ShapeError(
                f"inputs must have {abs(self.axis)} axes for a new axis {self.axis}; got shape "
                f"{first}."
            )
        return ops.stack(inputs, self.axis)

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


def mismatch(first: tuple[int, ...], second: tuple[int, ...], free: int = -1) -> str:
    """Say which axis of two shapes is not equal; `free` may differ."""
    if len(first) != len(second):
        return (
            f"inputs must have the same number of axes; got {len(first)} and {len(second)} in "
            f"shapes {first} and {second}."
        )
    pairs = enumerate(zip(first, second, strict=True))
    axis = next(i for i, (a, b) in pairs if a != b and i != free)
    return (
        f"inputs axis {axis} must be equal; got {first[axis]} and {second[axis]} in shapes {first} "
        f"and {second}. Do stride and padding differ between the branches?"
    )
