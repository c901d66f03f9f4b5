"""Optimisers, learning rate schedules and gradient clipping. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from . import clipping, schedules
from .adafactor import Adafactor
from .adam import Adam, AdamW
from .adam_variants import Adamax, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop
from .asgd import ASGD
from .clipping import Clip, ClipNorm, ClipValue
from .config import from_config
from .ema import EMA
from .ftrl import Ftrl
from .groups import ParameterGroup, ParameterGroups, by_depth, by_name, regularised
from .layerwise import LAMB, LARS, LayerwiseAdaptive
from .lbfgs import LBFGS
from .lookahead import Lookahead
from .muon import Muon
from .optimizer import Optimizer
from .regularisers import L1, L1L2, L2, Regulariser
from .schedules import (
    Combined,
    Constant,
    Cosine,
    CosineRestarts,
    Cyclic,
    Epochs,
    Exponential,
    InverseSquareRoot,
    InverseTime,
    MultiStep,
    OneCycle,
    Piecewise,
    Plateau,
    Polynomial,
    Product,
    Schedule,
    SequentialSchedule,
    StepDecay,
    Warmup,
)
from .sgd import SGD
from .signs import Lion, Rprop
from .spans import ParameterSpans, Span
from .swa import SWA
from .wrapper import Wrapper

__all__ = [
    "ASGD",
    "EMA",
    "L1",
    "L1L2",
    "L2",
    "LAMB",
    "LARS",
    "LBFGS",
    "SGD",
    "SWA",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Clip",
    "ClipNorm",
    "ClipValue",
    "Combined",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Cyclic",
    "Epochs",
    "Exponential",
    "Ftrl",
    "InverseSquareRoot",
    "InverseTime",
    "LayerwiseAdaptive",
    "Lion",
    "Lookahead",
    "MultiStep",
    "Muon",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "ParameterGroup",
    "ParameterGroups",
    "ParameterSpans",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Product",
    "RAdam",
    "RMSprop",
    "Regulariser",
    "Rprop",
    "Schedule",
    "SequentialSchedule",
    "Span",
    "StepDecay",
    "Warmup",
    "Wrapper",
    "by_depth",
    "by_name",
    "clipping",
    "from_config",
    "regularised",
    "schedules",
]

_names.suggest(__name__)
