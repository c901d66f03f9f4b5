"""Modules that make one value of several."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..core import ops
from ..core.errors import ShapeError
from .case import Case
from .module import Module
from .registry import register


class Merge(Module):
    """What merging modules share: at least one input, given as arguments or as one list.

    Subclasses write `merge(inputs)`.
    """

    def call(self, *inputs: Any) -> Any:
        """Check the inputs and merge them."""
        if not inputs:
            raise ShapeError("inputs must be at least one; got none.")
        return self.merge(inputs)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Compute one value of several with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define merge(self, inputs).")


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
                raise ShapeError(_mismatch(y.shape, x.shape)) from None
            y = self.pair(y, x)
        return y

    def pair(self, a: Any, b: Any) -> Any:
        """Compute one value of two with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define pair(self, a, b).")


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
    With a ReLU behind it, it is fused in a Program.
    Same as BigDL `CAddTable` (0.13) and ONNX `Sum`-13. Source: He et al. 2016.
    Native kernel: oneDNN binary; reference: `engine.reference.activation`.

    Examples
    --------
    >>> Add()(np.ones((1, 2), "f4"), np.ones((1, 2), "f4"))
    array([[2., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Add(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
        Case(lambda rng: Add(), inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3)),
    )

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
    Same as BigDL `CSubTable` (0.13) and ONNX `Sub`-14.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Subtract()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[ 2., -1.]], dtype=float32)
    """

    exactly: ClassVar[int | None] = 2

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Subtract(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
    )

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
    Same as BigDL `CMulTable` (0.13) and ONNX `Mul`-14.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Multiply()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[8., 6.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Multiply(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
        Case(lambda rng: Multiply(), inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3)),
    )

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
    Same as BigDL `CDivTable` (0.13) and ONNX `Div`-14.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Divide()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[2.       , 0.6666667]], dtype=float32)
    """

    exactly: ClassVar[int | None] = 2

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Divide(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
    )

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
    Same as BigDL `CMaxTable` (0.13) and ONNX `Max`-13.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Maximum()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[4., 3.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Maximum(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
        Case(lambda rng: Maximum(), inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3)),
    )

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
    Same as BigDL `CMinTable` (0.13) and ONNX `Min`-13.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Minimum()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[2., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Minimum(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
        Case(lambda rng: Minimum(), inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3)),
    )

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
    Same as BigDL `CAveTable` (0.13) and ONNX `Mean`-13.
    Native kernel: oneDNN binary; reference: `engine.reference.math`.

    Examples
    --------
    >>> Average()(np.float32([[4.0, 2.0]]), np.float32([[2.0, 3.0]]))
    array([[3. , 2.5]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Average(),
            inputs=((2, 3, 4, 5), (2, 3, 4, 5)),
            output=(2, 3, 4, 5),
            wrong=((2, 3, 4, 5), (2, 3, 4, 4)),
            wrong_axis=3,
        ),
        Case(lambda rng: Average(), inputs=((2, 3), (2, 1), (2, 3)), output=(2, 3)),
    )

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Average the inputs."""
        total = super().merge(inputs)
        return ops.multiply(total, 1.0 / len(inputs)) if len(inputs) > 1 else total

    def pair(self, a: Any, b: Any) -> Any:
        """Add two."""
        return ops.add(a, b)


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
    Same as BigDL `DotProduct` and, with `normalize`, `CosineDistance` (0.13).

    Examples
    --------
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
        self.normalize = bool(normalize)

    def merge(self, inputs: tuple[Any, ...]) -> Any:
        """Multiply row by row."""
        if len(inputs) != 2 or any(len(x.shape) != 2 for x in inputs):
            shapes = " and ".join(str(x.shape) for x in inputs)
            raise ShapeError(f"inputs must be two of 2 axes (batch, features); got {shapes}.")
        a, b = inputs
        if a.shape != b.shape:
            raise ShapeError(_mismatch(a.shape, b.shape))
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


def _mismatch(first: tuple[int, ...], second: tuple[int, ...], free: int = -1) -> str:
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
    Same as BigDL `JoinTable` (0.13, where dimensions count from 1) and ONNX `Concat`-13.
    Native kernel: oneDNN concat; reference: `engine.reference.shape`.

    Examples
    --------
    >>> Concat()(np.ones((2, 3), "f4"), np.ones((2, 4), "f4")).shape
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
        self.axis = int(axis)

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
                raise ShapeError(_mismatch(first, x.shape, axis))
        return ops.concat(inputs, axis=axis)

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"
