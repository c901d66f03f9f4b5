"""Activations without a kink."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import ops
from ...core.validate import boolean, finite, positive
from ..case import Case
from ..registry import register
from .elementwise import Elementwise


@register("nn.GELU")
class GELU(Elementwise):
    """Weight a number by the share of normal numbers that are smaller.

    y = x · P(X <= x), X normal with mean 0 and variance 1

    Parameters
    ----------
    approximate : bool
        Take 0.5 · (1 + tanh(0.7979 · (x + 0.044715 x³))) for P, as some published weights need.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `gelu`, PyTorch `GELU` and ONNX `Gelu`-20. Source: Hendrycks, Gimpel 2016.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> GELU()(np.array([-1.0, 1.0], "f4")).round(4)
    array([-0.1587,  0.8413], dtype=float32)
    """

    # 1e-4: oneDNN computes exp, tanh and the like by polynomials; so in all of this file.
    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: GELU(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
        Case(
            lambda rng: GELU(approximate=True),
            inputs=((4, 3),),
            output=(4, 3),
            sizes=("approximate",),
            tolerance=1e-4,
        ),
    )

    def __init__(self, *, approximate: bool = False, name: str | None = None) -> None:
        super().__init__(name=name)
        self.approximate = boolean("approximate", approximate)

    def function(self, x: Any) -> Any:
        """Weight by the normal distribution."""
        return ops.gelu(x, approximate=self.approximate)

    def extra(self) -> str:
        """Say whether it is approximate."""
        return "approximate" if self.approximate else ""


@register("nn.SiLU")
class SiLU(Elementwise):
    """Weight a number by its sigmoid.

    y = x / (1 + exp(-beta · x))

    Parameters
    ----------
    beta : float
        Steepness of the sigmoid; 1.702 gives QuickGELU, which comes near to `GELU`.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `beta` is no finite number.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `silu`, PyTorch `SiLU` and ONNX `Swish`-24. Also called swish.
    Source: Elfwing, Uchibe, Doya 2017; Ramachandran, Zoph, Le 2017 (beta).
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> SiLU()(np.array([-1.0, 1.0], "f4")).round(4)
    array([-0.2689,  0.7311], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: SiLU(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
        Case(
            lambda rng: SiLU(1.702),
            inputs=((4, 3),),
            output=(4, 3),
            sizes=("beta=1.702",),
            tolerance=1e-4,
        ),
    )

    def __init__(self, beta: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.beta = finite("beta", beta)

    def function(self, x: Any) -> Any:
        """Weight by the sigmoid."""
        return ops.silu(x, self.beta)

    def extra(self) -> str:
        """Give beta if it is not 1."""
        return "" if self.beta == 1.0 else f"beta={self.beta:g}"


@register("nn.Mish")
class Mish(Elementwise):
    """Weight a number by the tanh of its softplus.

    y = x · tanh(log(1 + exp(x)))

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as Keras `mish`, PyTorch `Mish` and ONNX `Mish`-18. Source: Misra 2019.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Mish()(np.array([-1.0, 1.0], "f4")).round(4)
    array([-0.3034,  0.8651], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Mish(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
    )

    def function(self, x: Any) -> Any:
        """Weight by the tanh of the softplus."""
        return ops.mish(x)


@register("nn.Softplus")
class Softplus(Elementwise):
    """Round off the corner of ReLU.

    y = log(1 + exp(beta · x)) / beta

    Parameters
    ----------
    beta : float > 0
        Sharpness of the corner.

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : `beta` is not positive.
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `SoftPlus` (0.13), Keras `softplus` (beta 1), PyTorch `Softplus` and ONNX
    `Softplus`-1 (beta 1).
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Softplus()(np.array([0.0, 1.0], "f4")).round(4)
    array([0.6931, 1.3133], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Softplus(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
        Case(
            lambda rng: Softplus(2.0),
            inputs=((4, 3),),
            output=(4, 3),
            sizes=("beta=2",),
            tolerance=1e-4,
        ),
    )

    def __init__(self, beta: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.beta = positive("beta", beta)

    def function(self, x: Any) -> Any:
        """Round off the corner of ReLU."""
        return ops.softplus(x, self.beta)

    def extra(self) -> str:
        """Give beta if it is not 1."""
        return "" if self.beta == 1.0 else f"beta={self.beta:g}"


@register("nn.Softsign")
class Softsign(Elementwise):
    """Squeeze into -1..1, more slowly than tanh.

    y = x / (1 + |x|)

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `SoftSign` (0.13), Keras `softsign`, PyTorch `Softsign` and ONNX `Softsign`-1.
    NumPy in pieces that stay in the cache: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> Softsign()(np.array([-1.0, 3.0], "f4"))
    array([-0.5 ,  0.75], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: Softsign(), inputs=((2, 3, 4),), output=(2, 3, 4)),
    )

    def function(self, x: Any) -> Any:
        """Squeeze into -1..1."""
        return ops.softsign(x)


@register("nn.LogSigmoid")
class LogSigmoid(Elementwise):
    """Give the logarithm of the sigmoid.

    y = -log(1 + exp(-x))

    Shapes
    ------
    input : any float32
    output : same

    Raises
    ------
    ArgumentError : in `call`, the input is no array of numbers.

    Notes
    -----
    Same as BigDL `LogSigmoid` (0.13), Keras `log_sigmoid` and PyTorch `LogSigmoid`.
    Native kernel: oneDNN eltwise; reference: `engine.ops.activation`.

    Examples
    --------
    >>> import numpy as np
    >>> LogSigmoid()(np.array([0.0, -200.0], "f4")).round(4)
    array([  -0.6931, -200.    ], dtype=float32)
    """

    cases: ClassVar[tuple[Case, ...]] = (
        Case(lambda rng: LogSigmoid(), inputs=((2, 3, 4),), output=(2, 3, 4), tolerance=1e-4),
    )

    def function(self, x: Any) -> Any:
        """Give the logarithm of the sigmoid."""
        return ops.log_sigmoid(x)
