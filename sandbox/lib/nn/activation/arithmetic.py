"""Functions of one number as modules: powers, roots, logarithms, signs."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import finite
from ..case import Case
from ..registry import register
from .elementwise import Elementwise


@register("nn.Abs")
class Abs(Elementwise):
    """Take the absolute value.

    y = |x|

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Abs` (0.13) and ONNX `Abs`-13. The gradient at 0 is 0.
    NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Abs()(np.array([-1.0, 2.0], "f4"))
    array([1., 2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Abs(), inputs=((2, 3, 4),), output=(2, 3, 4), kinks=True),
    )

    def function(self, x: Any) -> Any:
        """Take the absolute value."""
        return ops.abs(x)


@register("nn.Exp")
class Exp(Elementwise):
    """Take e to the power of each number.

    y = e^x

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Exp` (0.13), Keras `exponential` and ONNX `Exp`-13.
    NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Exp()(np.array([0.0, 1.0], "f4")).round(4)
    array([1.    , 2.7183], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Exp(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def function(self, x: Any) -> Any:
        """Take e to the power of x."""
        return ops.exp(x)


@register("nn.Log")
class Log(Elementwise):
    """Take the natural logarithm.

    y = log(x); NaN of negative numbers, -infinity of 0

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Log` (0.13) and ONNX `Log`-13. NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Log()(np.array([1.0, np.e], "f4"))
    array([0., 1.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Log(), inputs=((2, 3, 4),), output=(2, 3, 4), within=(0.2, 3.0)),
    )

    def function(self, x: Any) -> Any:
        """Take the logarithm."""
        return ops.log(x)


@register("nn.Sqrt")
class Sqrt(Elementwise):
    """Take the square root.

    y = sqrt(x); NaN of negative numbers

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Sqrt` (0.13) and ONNX `Sqrt`-13. The gradient at 0 is infinite.
    NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Sqrt()(np.array([4.0, 9.0], "f4"))
    array([2., 3.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Sqrt(), inputs=((2, 3, 4),), output=(2, 3, 4), within=(0.2, 3.0)),
    )

    def function(self, x: Any) -> Any:
        """Take the root."""
        return ops.sqrt(x)


@register("nn.Square")
class Square(Elementwise):
    """Take the square.

    y = x²

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Square` (0.13). NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Square()(np.array([-2.0, 3.0], "f4"))
    array([4., 9.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Square(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def function(self, x: Any) -> Any:
        """Take the square."""
        return ops.square(x)


@register("nn.Negative")
class Negative(Elementwise):
    """Turn the sign round.

    y = -x

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Negative` (0.13) and ONNX `Neg`-13. NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Negative()(np.array([-1.0, 2.0], "f4"))
    array([ 1., -2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Negative(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def function(self, x: Any) -> Any:
        """Turn the sign round."""
        return ops.negative(x)


@register("nn.Power")
class Power(Elementwise):
    """Take a constant power of a straight line.

    y = (shift + scale · x)^exponent; NaN where that does not exist

    Parameters
    ----------
    exponent : float
        The power.
    scale, shift : float
        What x is multiplied with, and what is then added.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : an argument is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `Power` (0.13) and Caffe's `Power`. NumPy; reference: `engine.ops.arithmetic`.

    Examples
    --------
    >>> import numpy as np
    >>> Power(2.0, scale=0.5, shift=1.0)(np.array([2.0, 4.0], "f4"))
    array([4., 9.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: Power(-1.5, scale=0.5, shift=0.7),
            inputs=((3, 4),),
            output=(3, 4),
            within=(0.2, 3.0),
            sizes=("-1.5", "scale=0.5", "shift=0.7"),
        ),
        Case(lambda rng: Power(2.0), inputs=((3, 4),), output=(3, 4), sizes=("2",)),
    )

    def __init__(
        self, exponent: float, *, scale: float = 1.0, shift: float = 0.0, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        self.exponent = finite("exponent", exponent)
        self.scale, self.shift = finite("scale", scale), finite("shift", shift)

    def function(self, x: Any) -> Any:
        """Take the power."""
        x = x if self.scale == 1.0 else ops.multiply(x, self.scale)
        x = x if self.shift == 0.0 else ops.add(x, self.shift)
        if self.exponent == 2.0:
            return ops.square(x)
        return ops.sqrt(x) if self.exponent == 0.5 else ops.power(x, self.exponent)

    def extra(self) -> str:
        """Give the exponent, then what differs from the defaults."""
        parts = [f"{self.exponent:g}"]
        parts += [] if self.scale == 1.0 else [f"scale={self.scale:g}"]
        parts += [] if self.shift == 0.0 else [f"shift={self.shift:g}"]
        return ", ".join(parts)
