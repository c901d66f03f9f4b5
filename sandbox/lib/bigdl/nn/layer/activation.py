"""Activations."""

from __future__ import annotations

from .... import nn
from ..adapters import AlongLast, SoftMaxed
from ..base import Layer


class ReLU(Layer):
    """max(x, 0)."""

    def __init__(self, ip: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(nn.ReLU(), bigdl_type)


class Tanh(Layer):
    """Hyperbolic tangent."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.Tanh(), bigdl_type)


class Sigmoid(Layer):
    """1 / (1 + exp(-x))."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.Sigmoid(), bigdl_type)


class LogSoftMax(Layer):
    """Logarithm of the softmax, along the last axis."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(AlongLast(nn.LogSoftmax()), bigdl_type)


class _Plain(Layer):
    """An activation without numbers of its own."""

    made: type[nn.Module]

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(self.made(), bigdl_type)


class Abs(_Plain):
    """|x|."""

    made = nn.Abs


class Exp(_Plain):
    """exp(x)."""

    made = nn.Exp


class Log(_Plain):
    """log(x)."""

    made = nn.Log


class Sqrt(_Plain):
    """sqrt(x)."""

    made = nn.Sqrt


class Square(_Plain):
    """x²."""

    made = nn.Square


class SoftSign(_Plain):
    """x / (1 + |x|)."""

    made = nn.Softsign


class LogSigmoid(_Plain):
    """log(1 / (1 + exp(-x)))."""

    made = nn.LogSigmoid


class TanhShrink(_Plain):
    """x - tanh(x)."""

    made = nn.TanhShrink


class ELU(Layer):
    """x where positive, alpha · (exp(x) - 1) elsewhere."""

    def __init__(
        self, alpha: float = 1.0, inplace: bool = False, bigdl_type: str = "float"
    ) -> None:
        super().__init__(nn.ELU(alpha), bigdl_type)


class LeakyReLU(Layer):
    """x where positive, negval · x elsewhere."""

    def __init__(
        self, negval: float = 0.01, inplace: bool = False, bigdl_type: str = "float"
    ) -> None:
        super().__init__(nn.LeakyReLU(negval), bigdl_type)


class SoftPlus(Layer):
    """log(1 + exp(beta · x)) / beta."""

    def __init__(self, beta: float = 1.0, bigdl_type: str = "float") -> None:
        super().__init__(nn.Softplus(beta), bigdl_type)


class HardTanh(Layer):
    """x cut at both ends."""

    def __init__(
        self,
        min_value: float = -1.0,
        max_value: float = 1.0,
        inplace: bool = False,
        bigdl_type: str = "float",
    ) -> None:
        super().__init__(nn.HardTanh(min_value, max_value), bigdl_type)


class Power(Layer):
    """(shift + scale · x) ** power."""

    def __init__(
        self, power: float, scale: float = 1.0, shift: float = 0.0, bigdl_type: str = "float"
    ) -> None:
        super().__init__(nn.Power(power, scale=scale, shift=shift), bigdl_type)


class AddConstant(Layer):
    """x + constant."""

    def __init__(
        self, constant_scalar: float, inplace: bool = False, bigdl_type: str = "float"
    ) -> None:
        super().__init__(nn.AddConstant(constant_scalar), bigdl_type)


class MulConstant(Layer):
    """x · constant."""

    def __init__(self, scalar: float, inplace: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(nn.MultiplyConstant(scalar), bigdl_type)


class ReLU6(Layer):
    """x cut to [0, 6]."""

    def __init__(self, inplace: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(nn.ReLU6(), bigdl_type)


class HardSigmoid(Layer):
    """0.2 · x + 0.5, cut to [0, 1]."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(nn.HardSigmoid(0.2, 0.5), bigdl_type)


class Negative(Layer):
    """-x."""

    def __init__(self, inplace: bool = False, bigdl_type: str = "float") -> None:
        super().__init__(nn.Negative(), bigdl_type)


class Threshold(Layer):
    """x where above `th`, `v` elsewhere."""

    def __init__(
        self, th: float = 1e-6, v: float = 0.0, ip: bool = False, bigdl_type: str = "float"
    ) -> None:
        super().__init__(nn.Threshold(th, v), bigdl_type)


class SoftMin(Layer):
    """Softmax of -x, along the last axis."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(AlongLast(nn.Softmin()), bigdl_type)


class SoftMax(Layer):
    """Softmax: along axis 0 of 3, axis 1 of 4, the last of others, as in 0.13."""

    def __init__(self, bigdl_type: str = "float") -> None:
        super().__init__(SoftMaxed(), bigdl_type)
