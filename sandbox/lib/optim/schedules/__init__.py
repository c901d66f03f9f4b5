"""Learning rate schedules: pure functions of the step, so that a resumed run needs no state."""

from __future__ import annotations

from ...engine import names as _names
from .base import Schedule
from .combined import Combined, Epochs, Product, SequentialSchedule, Warmup
from .curves import Cosine, CosineRestarts, Cyclic, OneCycle, Polynomial
from .plateau import Plateau
from .steps import (
    Constant,
    Exponential,
    InverseSquareRoot,
    InverseTime,
    MultiStep,
    Piecewise,
    StepDecay,
)

__all__ = [
    "Combined",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "Epochs",
    "Exponential",
    "InverseSquareRoot",
    "InverseTime",
    "MultiStep",
    "OneCycle",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Product",
    "Schedule",
    "SequentialSchedule",
    "StepDecay",
    "Warmup",
]

_names.suggest(__name__)
