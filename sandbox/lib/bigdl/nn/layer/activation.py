"""Activations."""

from __future__ import annotations

from .... import nn
from ..adapters import AlongLast
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
