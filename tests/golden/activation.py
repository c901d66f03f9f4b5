"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.lib import nn

from .pairs import Pair


def alike(ours: Callable[[], Any], theirs: str, *args: Any, name: str = "", **more: Any) -> Pair:
    """Pair ours with PyTorch's of a name, on numbers wide enough to reach all branches."""
    label = type(ours()).__name__ + (f", {name}" if name else "")
    inputs = more.pop("inputs", ((3, 4, 5),))
    limits = more.pop("within", {0: (-4.0, 4.0)})
    made = lambda torch: getattr(torch.nn, theirs)(*args)  # noqa: E731
    return Pair(f"nn.{label}", ours, made, inputs, within=limits, **more)


def function(ours: Callable[[], Any], theirs: str, low: float, high: float, *args: Any) -> Pair:
    """Pair ours with a function of tensors, on numbers from an interval."""
    called = lambda torch: lambda x: getattr(torch, theirs)(x, *args)  # noqa: E731
    return Pair(f"nn.{ours()!r}", ours, called, ((3, 4, 5),), within={0: (low, high)})


PAIRS = [
    alike(lambda: nn.ReLU(), "ReLU"),
    alike(lambda: nn.ReLU6(), "ReLU6", within={0: (-4.0, 9.0)}),
    alike(lambda: nn.PReLU(4), "PReLU", 4),
    alike(lambda: nn.PReLU(), "PReLU", name="one slope"),
    alike(lambda: nn.RReLU(0.1, 0.4), "RReLU", 0.1, 0.4, name="inference"),
    alike(lambda: nn.RReLU(0.2, 0.2), "RReLU", 0.2, 0.2, name="no choice", training=True),
    alike(lambda: nn.LeakyReLU(0.1), "LeakyReLU", 0.1),
    alike(lambda: nn.ELU(0.7), "ELU", 0.7),
    alike(lambda: nn.CELU(), "CELU"),
    alike(lambda: nn.CELU(0.5), "CELU", 0.5, name="alpha"),  # exact: theirs is a float32 inside
    alike(lambda: nn.SELU(), "SELU"),
    alike(lambda: nn.Tanh(), "Tanh"),
    alike(lambda: nn.TanhShrink(), "Tanhshrink"),
    alike(lambda: nn.HardShrink(0.8), "Hardshrink", 0.8),
    alike(lambda: nn.SoftShrink(0.8), "Softshrink", 0.8),
    alike(lambda: nn.HardTanh(-0.7, 1.3), "Hardtanh", -0.7, 1.3),
    Pair(
        "nn.HardSigmoid",  # by its formula: in theirs the slope 1/6 is a float32
        lambda: nn.HardSigmoid(),
        lambda torch: lambda x: torch.clamp(x / 6 + 0.5, 0, 1),
        ((3, 4, 5),),
        within={0: (-4.0, 4.0)},
    ),
    alike(lambda: nn.HardSwish(), "Hardswish"),
    alike(lambda: nn.Sigmoid(), "Sigmoid"),
    alike(lambda: nn.LogSigmoid(), "LogSigmoid"),
    alike(lambda: nn.SiLU(), "SiLU"),
    alike(lambda: nn.Mish(), "Mish"),
    alike(lambda: nn.GELU(), "GELU"),
    Pair(
        "nn.GELU, approximate",
        lambda: nn.GELU(approximate=True),
        lambda torch: torch.nn.GELU(approximate="tanh"),
        ((3, 4, 5),),
        within={0: (-4.0, 4.0)},
    ),
    alike(lambda: nn.Softplus(2.0), "Softplus", 2.0),
    alike(lambda: nn.Softsign(), "Softsign"),
    alike(lambda: nn.Threshold(0.3, -2.0), "Threshold", 0.3, -2.0),
    alike(lambda: nn.GLU(), "GLU", inputs=((3, 4, 6),)),
    alike(lambda: nn.GLU(1), "GLU", 1, name="channels"),
    alike(lambda: nn.Softmax(), "Softmax", 1),
    alike(lambda: nn.Softmax(), "Softmax2d", name="of maps", inputs=((2, 3, 2, 4),)),
    alike(lambda: nn.Softmin(-1), "Softmin", -1),
    alike(lambda: nn.LogSoftmax(), "LogSoftmax", 1),
    function(lambda: nn.Abs(), "abs", -2.0, 2.0),
    function(lambda: nn.Exp(), "exp", -2.0, 2.0),
    function(lambda: nn.Log(), "log", 0.1, 3.0),
    function(lambda: nn.Sqrt(), "sqrt", 0.1, 3.0),
    function(lambda: nn.Square(), "square", -2.0, 2.0),
    function(lambda: nn.Negative(), "neg", -2.0, 2.0),
    function(lambda: nn.Power(1.7), "pow", 0.1, 3.0, 1.7),
    function(lambda: nn.Power(-1.0), "reciprocal", 0.1, 3.0),
]
