"""Activations that keep what is far from 0 and shrink the rest, and gates."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.errors import ShapeError
from ...core.validate import finite, non_negative
from ..case import Case
from ..registry import register
from .elementwise import AlongAxis, Elementwise


class _Shrink(Elementwise):
    """What both shrinking functions share: the threshold."""

    def __init__(self, threshold: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.threshold = non_negative("threshold", threshold)

    def extra(self) -> str:
        """Give the threshold."""
        return f"{self.threshold:g}"


@register("nn.HardShrink")
class HardShrink(_Shrink):
    """Keep what is further from 0 than a threshold.

    y = x where |x| > threshold, else 0

    Parameters
    ----------
    threshold : float >= 0
        What is nearer to 0 becomes 0.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `threshold` is negative.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `HardShrink` (0.13), Keras `hard_shrink`, PyTorch `Hardshrink`; ONNX `Shrink`-9
    does both. Native kernel: oneDNN binary with post-ops; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> HardShrink(0.5)(np.array([-1.0, 0.4, 2.0], "f4"))
    array([-1.,  0.,  2.], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: HardShrink(0.43),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            kinks=True,
            sizes=("0.43",),
        ),
    )

    def function(self, x: Any) -> Any:
        """Keep what is far from 0."""
        return ops.hard_shrink(x, self.threshold)


@register("nn.SoftShrink")
class SoftShrink(_Shrink):
    """Move everything towards 0 by a threshold, and not beyond.

    y = x - threshold where x > threshold, x + threshold where x < -threshold, else 0

    Parameters
    ----------
    threshold : float >= 0
        How far everything moves.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `threshold` is negative.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `SoftShrink` (0.13), Keras `soft_shrink` and PyTorch `Softshrink`.
    Source: Donoho 1995.
    Native kernel: oneDNN binary with post-ops; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> SoftShrink(0.5)(np.array([-1.0, 0.4, 2.0], "f4"))
    array([-0.5,  0. ,  1.5], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: SoftShrink(0.43),
            inputs=((2, 3, 4),),
            output=(2, 3, 4),
            kinks=True,
            sizes=("0.43",),
        ),
    )

    def function(self, x: Any) -> Any:
        """Move everything towards 0."""
        return ops.soft_shrink(x, self.threshold)


@register("nn.TanhShrink")
class TanhShrink(Elementwise):
    """Take away the hyperbolic tangent.

    y = x - tanh(x)

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `TanhShrink` (0.13), Keras `tanh_shrink` and PyTorch `Tanhshrink`.
    NumPy in pieces that stay in the cache: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> TanhShrink()(np.array([0.0, 2.0], "f4")).round(4)
    array([0.   , 1.036], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: TanhShrink(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def function(self, x: Any) -> Any:
        """Take away the hyperbolic tangent."""
        return ops.tanh_shrink(x)


@register("nn.GLU")
class GLU(AlongAxis):
    """Let the second half of the channels decide how much of the first half passes.

    y = a · sigmoid(b), a and b being the halves of x along `axis`

    Parameters
    ----------
    axis : int
        The axis that is halved.

    Shapes
    ------
    input : any float32, with an even number of elements along `axis`
    output : same, with half as many along `axis`

    Raises
    ------
    ShapeError : in `call`, the input has no such axis, or an odd number of elements along it.

    Notes
    -----
    Same as Keras `glu` and PyTorch `GLU`. Source: Dauphin et al. 2017.
    NumPy in pieces that stay in the cache: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> GLU()(np.array([[2.0, 4.0, 0.0, 0.0]], "f4"))
    array([[1., 2.]], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GLU(),
            inputs=((3, 6),),
            output=(3, 3),
            wrong=((3, 5),),
            wrong_axis=1,
        ),
        Case(
            lambda rng: GLU(1),
            inputs=((2, 4, 3),),
            output=(2, 2, 3),
            wrong=((2,),),
        ),
    )

    def __init__(self, axis: int = -1, *, name: str | None = None) -> None:
        super().__init__(axis, name=name)

    def function(self, x: Any, axis: int) -> Any:
        """Weight the first half by the second."""
        if axis == 0:
            raise ShapeError(f"GLU cannot halve the batch axis; got shape {x.shape}.")
        return ops.glu(x, axis)


@register("nn.GradientReversal")
class GradientReversal(Elementwise):
    """Hand numbers on, and turn round what flows back.

    y = x, dx = -strength · dy

    Parameters
    ----------
    strength : float
        Factor of the gradient, without the sign.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `strength` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `GradientReversal` (0.13). Source: Ganin, Lempitsky 2015 (domain adaptation).
    Costs nothing forward; backward NumPy.

    Examples
    --------
    >>> import numpy as np
    >>> layer = GradientReversal(0.5)
    >>> layer.forward(np.ones((1, 2), "f4"))
    array([[1., 1.]], dtype=float32)
    >>> layer.backward(np.ones((1, 2), "f4"))
    array([[-0.5, -0.5]], dtype=float32)
    """

    # The gradient is not that of the function, by design; tests/lib/nn/test_activation.py.
    cases: ClassVar[tuple[Case, ...]] = (
        Case(
            lambda rng: GradientReversal(0.5),
            inputs=((3, 4),),
            output=(3, 4),
            sizes=("0.5",),
            own_gradient=True,
        ),
    )

    def __init__(self, strength: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.strength = finite("strength", strength)

    def function(self, x: Any) -> Any:
        """Hand numbers on."""
        return ops.scale_gradient(x, -self.strength)

    def extra(self) -> str:
        """Give the factor."""
        return f"{self.strength:g}"
