"""Activations: element by element, and along an axis."""

from __future__ import annotations

from .arithmetic import Abs, Exp, Log, Negative, Power, Sqrt, Square
from .clipped import BinaryThreshold, HardSigmoid, HardSwish, HardTanh, ReLU6, Threshold
from .elementwise import AlongAxis, Elementwise, LogSoftmax, ReLU, Sigmoid, Softmax, Softmin, Tanh
from .rectifier import CELU, ELU, SELU, LeakyReLU, PReLU, RReLU, SReLU
from .shrink import GLU, GradientReversal, HardShrink, SoftShrink, TanhShrink
from .smooth import GELU, LogSigmoid, Mish, SiLU, Softplus, Softsign

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Abs",
    "AlongAxis",
    "BinaryThreshold",
    "Elementwise",
    "Exp",
    "GradientReversal",
    "HardShrink",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyReLU",
    "Log",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "Negative",
    "PReLU",
    "Power",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SReLU",
    "SiLU",
    "Sigmoid",
    "SoftShrink",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Square",
    "Tanh",
    "TanhShrink",
    "Threshold",
]
