"""Training: the Trainer, the iteration loop, checkpoints, model files. See README.md."""

from __future__ import annotations

from ..engine import names as _names
from .backend import Backend, LocalBackend
from .bundle import ModelBundle
from .callbacks import Callback, LambdaCallback, Summary
from .finder import LearningRates, learning_rate_finder
from .group import Group, SingleGroup
from .history import History
from .job import CheckpointPolicy, Command, Result, TrainJob
from .model_io import load_model, save_model
from .progress import TextProgress
from .recalibrate import recalibrate
from .store import Checkpoints, CheckpointStore
from .trainer import Trainer
from .triggers import (
    And,
    EarlyStopping,
    EveryEpoch,
    EverySteps,
    MaxEpoch,
    MaxScore,
    MaxSteps,
    MinLoss,
    Never,
    Or,
    Trigger,
)

__all__ = [
    "And",
    "Backend",
    "Callback",
    "CheckpointPolicy",
    "CheckpointStore",
    "Checkpoints",
    "Command",
    "EarlyStopping",
    "EveryEpoch",
    "EverySteps",
    "Group",
    "History",
    "LambdaCallback",
    "LearningRates",
    "LocalBackend",
    "MaxEpoch",
    "MaxScore",
    "MaxSteps",
    "MinLoss",
    "ModelBundle",
    "Never",
    "Or",
    "Result",
    "SingleGroup",
    "Summary",
    "TextProgress",
    "TrainJob",
    "Trainer",
    "Trigger",
    "learning_rate_finder",
    "load_model",
    "recalibrate",
    "save_model",
]

_names.suggest(__name__)
