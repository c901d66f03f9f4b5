"""Activations: element by element, and along an axis."""

from __future__ import annotations

from .clipped import HardSigmoid, HardSwish, HardTanh, ReLU6, Threshold
from .elementwise import AlongAxis, Elementwise, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from .rectifier import ELU, SELU, LeakyReLU, PReLU
from .smooth import GELU, LogSigmoid, Mish, SiLU, Softplus, Softsign

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "AlongAxis",
    "Elementwise",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "Threshold",
]
