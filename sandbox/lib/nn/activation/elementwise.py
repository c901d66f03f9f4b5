"""Activations: functions of each element, and softmax over an axis."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import integer
from ..case import Case
from ..checks import floating
from ..module import Module
from ..registry import register


class Elementwise(Module):
    """A function of each element without parameters; subclasses write `function(x)`."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name)

    def call(self, x: Any) -> Any:
        """Apply the function."""
        x = floating(x)
        return self.function(x)

    def function(self, x: Any) -> Any:
        """Compute the function with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define function(self, x).")


@register("nn.ReLU")
class ReLU(Elementwise):
    """Keep what is positive.

    y = max(x, 0)

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `ReLU` (0.13; never in place), Keras `ReLU`, PyTorch `ReLU` and ONNX `Relu`-14.
    Source: Nair, Hinton 2010. The gradient at 0 is 0. After a convolution or linear layer it is
    fused in a Program and then costs nothing.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> ReLU()(np.array([-1.0, 2.0], "f4"))
    array([0., 2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: ReLU(), inputs=((2, 3, 4, 5),), output=(2, 3, 4, 5), kinks=True),
        Case(lambda rng: ReLU(), inputs=((4, 3),), output=(4, 3), kinks=True),
    )

    def function(self, x: Any) -> Any:
        """Keep what is positive."""
        return ops.relu(x)


@register("nn.Tanh")
class Tanh(Elementwise):
    """Squeeze into -1..1.

    y = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Tanh` (0.13), Keras `tanh`, PyTorch `Tanh` and ONNX `Tanh`-13.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Tanh()(np.zeros(2, "f4"))
    array([0., 0.], dtype=float32)
    """

    # 1e-4: oneDNN computes tanh by a polynomial.
    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Tanh(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
    )

    def function(self, x: Any) -> Any:
        """Squeeze into -1..1."""
        return ops.tanh(x)


@register("nn.Sigmoid")
class Sigmoid(Elementwise):
    """Squeeze into 0..1.

    y = 1 / (1 + exp(-x))

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Sigmoid` (0.13), Keras `sigmoid`, PyTorch `Sigmoid` and ONNX `Sigmoid`-13.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Sigmoid()(np.zeros(2, "f4"))
    array([0.5, 0.5], dtype=float32)
    """

    # 1e-4: oneDNN computes exp by a polynomial.
    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Sigmoid(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
    )

    def function(self, x: Any) -> Any:
        """Squeeze into 0..1."""
        return ops.sigmoid(x)


class AlongAxis(Module):
    """A function along one axis; subclasses write `function(x)`.

    Parameters
    ----------
    axis : int
        Which axis; 1 holds classes or channels, -1 is the last.
    """

    def __init__(self, axis: int = 1, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.axis = integer("axis", axis)

    def call(self, x: Any) -> Any:
        """Check that the axis exists and apply the function."""
        x = floating(x)
        rank = len(x.shape)
        if not -rank <= self.axis < rank:
            raise ShapeError(
                f"input must have an axis {self.axis} (axis); got {rank} axes in shape {x.shape}. "
                "Is the batch axis missing?"
            )
        return self.function(x, self.axis % rank)

    def function(self, x: Any, axis: int) -> Any:
        """Compute the function with `core.ops`."""
        raise NotImplementedError(f"{type(self).__name__} must define function(self, x, axis).")

    def extra(self) -> str:
        """Give the axis if it is not 1."""
        return "" if self.axis == 1 else f"axis={self.axis}"


@register("nn.Softmax")
class Softmax(AlongAxis):
    """Turn numbers into probabilities along an axis.

    y_k = exp(x_k) / sum_j exp(x_j)

    Parameters
    ----------
    axis : int
        The axis along which the probabilities add up to 1.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `SoftMax` (0.13), Keras `Softmax`, PyTorch `Softmax`, `Softmax2d` and ONNX
    `Softmax`-13. To train a classifier leave it out: `criterion.CrossEntropy` takes the numbers
    before it.
    Native kernel: oneDNN softmax, from 8,192 elements, else NumPy;
    reference: `engine.ops.softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> Softmax()(np.zeros((1, 4), "f4"))
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Softmax(), inputs=((3, 5),), output=(3, 5), wrong=((3,),), tolerance=1e-4),
        Case(
            lambda rng: Softmax(-1),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            sizes=("axis=-1",),
            tolerance=1e-4,
        ),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Turn numbers into probabilities."""
        return ops.softmax(x, axis=axis)


@register("nn.LogSoftmax")
class LogSoftmax(AlongAxis):
    """Turn numbers into logarithms of probabilities along an axis.

    y_k = x_k - log(sum_j exp(x_j))

    Parameters
    ----------
    axis : int
        The axis along which the probabilities add up to 1.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `LogSoftMax` (0.13), Keras `log_softmax`, PyTorch `LogSoftmax` and ONNX
    `LogSoftmax`-13. Goes with `criterion.NLL`; `criterion.CrossEntropy` does both at once.
    Native kernel: oneDNN softmax, from 8,192 elements, else NumPy; reference: `engine.ops.softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> LogSoftmax()(np.zeros((1, 4), "f4")).round(4)
    array([[-1.3863, -1.3863, -1.3863, -1.3863]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: LogSoftmax(), inputs=((3, 5),), output=(3, 5), wrong=((3,),), tolerance=1e-4
        ),
        Case(
            lambda rng: LogSoftmax(2),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            wrong=((2, 3),),
            sizes=("axis=2",),
            tolerance=1e-4,
        ),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Turn numbers into logarithms of probabilities."""
        return ops.log_softmax(x, axis=axis)


@register("nn.Softmin")
class Softmin(AlongAxis):
    """Turn numbers into probabilities along an axis, the smallest into the largest.

    y_k = exp(-x_k) / sum_j exp(-x_j)

    Parameters
    ----------
    axis : int
        The axis along which the probabilities add up to 1.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ShapeError : in `call`, the input has no such axis.

    Notes
    -----
    Same as BigDL `SoftMin` (0.13) and PyTorch `Softmin`.
    Native kernel: oneDNN softmax, from 8,192 elements, else NumPy; reference: `engine.ops.softmax`.

    Examples
    --------
    >>> import numpy as np
    >>> Softmin()(np.array([[0.0, np.log(3)]], "f4")).round(4)
    array([[0.75, 0.25]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Softmin(), inputs=((3, 5),), output=(3, 5), wrong=((3,),), tolerance=1e-4),
    )

    def function(self, x: Any, axis: int) -> Any:
        """Turn numbers into probabilities."""
        return ops.softmax(ops.negative(x), axis=axis)
