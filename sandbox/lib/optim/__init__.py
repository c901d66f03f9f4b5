"""Optimisation methods, learning rate schedules and gradient clipping. See README.md."""

from __future__ import annotations

from . import clipping, schedules
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .average import Averaged
from .clipping import Clip, ClipNorm, ClipValue
from .config import from_config
from .groups import Group, Groups, regularised
from .layers import Layers, Segment
from .layerwise import LAMB, LARS, Layerwise
from .lbfgs import LBFGS
from .method import Method
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
    Step,
    Warmup,
)
from .sgd import SGD
from .wrapper import Wrapper

__all__ = [
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
    "Averaged",
    "Clip",
    "ClipNorm",
    "ClipValue",
    "Constant",
    "Cosine",
    "Exponential",
    "Group",
    "Groups",
    "Layers",
    "Layerwise",
    "Method",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "RMSprop",
    "Regulariser",
    "Schedule",
    "Segment",
    "Step",
    "Warmup",
    "Wrapper",
    "clipping",
    "from_config",
    "regularised",
    "schedules",
]
