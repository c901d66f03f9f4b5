"""Modules that merge several values element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...core import ops
from ...core.errors import ShapeError
from ..case import Case
from ..module import Module
from ..registry import register
from .merge import Merge, mismatch


class Pairwise(Merge):
    """What merging element by element shares: from the left, two at a time.

    Subclasses write `pair(a, b)`.
    """

    exactly: ClassVar[int | None] = None  # how many inputs it takes; None: any number

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Merge from the left."""
        if self.exactly is not None and len(inputs) != self.exactly:
            shapes = [x.shape for x in inputs]
            raise ShapeError(
                f"inputs must be {self.exactly}; got {len(inputs)} in shapes {shapes}."
            )
        y = inputs[0]
        for x in inputs[1:]:
            try:
                np.broadcast_shapes(y.shape, x.shape)
            except ValueError:
                raise ShapeError(mismatch(y.shape, x.shape)) from None
            y = self.pair(y, x)
        return y

    def pair(self, a: Any, b: Any) -> Any:
        """Compute one value of two with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define pair(self, a, b).")


def _cases(make: Callable[[np.random.Generator], Module], most: int = 3) -> tuple[Case, ...]:
    """Give the cases that all these modules share: two equal shapes, and three that stretch."""
    shape, other = (2, 3, 4, 5), (2, 3, 4, 4)
    two = Case(make, inputs=(shape, shape), output=shape, wrong=(shape, other), wrong_axis=3)
    three = Case(make, inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3))
    return (two, three)[: most - 1]


@register("nn.Add")
class Add(Pairwise):
    """Add up the inputs, as at the end of a residual block.

    y = x1 + x2 + ...

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together.

    Notes
    -----
    With a ReLU behind it, it is fused in a Program. As all of its kind it stretches axes of size 1
    by itself, as BigDL's `TableOperation(CAddTable())` does.
    Same as BigDL `CAddTable` (0.13), Keras `Add`, PyTorch `add` and ONNX `Sum`-13.
    Source: He et al. 2016.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Add()(np.ones((1, 2), "f4"), np.ones((1, 2), "f4"))
    array([[2., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Add())

    def pair(self, a: Any, b: Any) -> Any:
        """Add two."""
        return ops.add(a, b)


@register("nn.Subtract")
class Subtract(Pairwise):
    """Subtract the second input from the first.

    y = x1 - x2

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together, or there are not two inputs.

    Notes
    -----
    Same as BigDL `CSubTable` (0.13), Keras `Subtract`, PyTorch `sub` and ONNX `Sub`-14.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Subtract()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[ 2., -1.]], dtype=float32)
    """

    exactly: ClassVar[int | None] = 2

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Subtract(), most=2)

    def pair(self, a: Any, b: Any) -> Any:
        """Subtract."""
        return ops.subtract(a, b)


@register("nn.Multiply")
class Multiply(Pairwise):
    """Multiply the inputs, element by element: gates and masks.

    y = x1 · x2 · ...

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together.

    Notes
    -----
    Same as BigDL `TableOperation`, `CMulTable` (0.13), Keras `Multiply`, PyTorch `mul` and ONNX
    `Mul`-14.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Multiply()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[8., 6.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Multiply())

    def pair(self, a: Any, b: Any) -> Any:
        """Multiply two."""
        return ops.multiply(a, b)


@register("nn.Divide")
class Divide(Pairwise):
    """Divide the first input by the second.

    y = x1 / x2

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together, or there are not two inputs.

    Notes
    -----
    The second must be far from 0; nothing is checked.
    Same as BigDL `CDivTable` (0.13), PyTorch `div` and ONNX `Div`-14.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Divide()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[2.       , 0.6666667]], dtype=float32)
    """

    exactly: ClassVar[int | None] = 2

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Divide(), most=2)

    def pair(self, a: Any, b: Any) -> Any:
        """Divide."""
        return ops.divide(a, b)


@register("nn.Maximum")
class Maximum(Pairwise):
    """Keep the largest of the inputs.

    y = max(x1, x2, ...)

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together.

    Notes
    -----
    Where two are equal the gradient goes to the later one.
    Same as BigDL `CMaxTable` (0.13), Keras `Maximum`, PyTorch `maximum` and ONNX `Max`-13.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Maximum()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[4., 3.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Maximum())

    def pair(self, a: Any, b: Any) -> Any:
        """Keep the larger one."""
        return ops.maximum(a, b)


@register("nn.Minimum")
class Minimum(Pairwise):
    """Keep the smallest of the inputs.

    y = min(x1, x2, ...)

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together.

    Notes
    -----
    Where two are equal the gradient goes to the later one.
    Same as BigDL `CMinTable` (0.13), Keras `Minimum`, PyTorch `minimum` and ONNX `Min`-13.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Minimum()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[2., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Minimum())

    def pair(self, a: Any, b: Any) -> Any:
        """Keep the smaller one."""
        return ops.minimum(a, b)


@register("nn.Average")
class Average(Pairwise):
    """Average the inputs.

    y = (x1 + x2 + ...) / number of inputs

    Shapes
    ------
    inputs : any float32; axes of size 1 are stretched as in NumPy
    output : the common shape

    Raises
    ------
    ShapeError : in `call`, the shapes do not go together.

    Notes
    -----
    Same as BigDL `CAveTable` (0.13), Keras `Average` and ONNX `Mean`-13.
    Native kernel: oneDNN binary, from 8,192 elements or in a convolution's layout, else NumPy;
    reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> Average()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[3. , 2.5]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = _cases(lambda rng: Average())

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Average the inputs."""
        total = super().merge(inputs)
        return ops.multiply(total, 1.0 / len(inputs)) if len(inputs) > 1 else total

    def pair(self, a: Any, b: Any) -> Any:
        """Add two."""
        return ops.add(a, b)
