"""Optimisers, learning rate schedules and gradient clipping. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from . import clipping, schedules
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .clipping import Clip, ClipNorm, ClipValue
from .config import from_config
from .ema import EMA
from .groups import ParameterGroup, ParameterGroups, regularised
from .layerwise import LAMB, LARS, LayerwiseAdaptive
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .plateau import Plateau
from .regularisers import L1, L1L2, L2, Regulariser
from .schedules import (
    Constant,
    Cosine,
    Exponential,
    MultiStep,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    Warmup,
)
from .sgd import SGD
from .spans import ParameterSpans, Span
from .wrapper import Wrapper

__all__ = [
    "EMA",
    "L1",
    "L1L2",
    "L2",
    "LAMB",
    "LARS",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Clip",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "LayerwiseAdaptive",
    "MultiStep",
    "OneCycle",
    "Optimizer",
    "ParameterGroup",
    "ParameterGroups",
    "ParameterSpans",
    "Plateau",
    "Polynomial",
    "RMSprop",
    "Regulariser",
    "Schedule",
    "Span",
    "StepDecay",
    "Warmup",
    "Wrapper",
    "clipping",
    "from_config",
    "regularised",
    "schedules",
]

_names.suggest(__name__)
